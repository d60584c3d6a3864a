"""The questions that make a mapping in the browser: where each column of a table is found in a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from commensal.errors import InputError
from commensal.formats.cells import read_cell
from commensal.formats.mapping import Cell
from commensal.formats.sheets import Sheet
from commensal.registry.forms import Form, choices_of, label, meaning
from commensal.study.declaration import Column, Kind, Table
from commensal.vocabulary.units import analytes

NOWHERE, FIXED, WRITTEN, NAMED, IS = "", "=", "~", "col:", "is:"
DATES = (
    ("%Y-%m-%d", "2026-01-31"),
    ("%d.%m.%Y", "31.01.2026"),
    ("%d/%m/%Y", _("31/01/2026 (day first)")),
    ("%m/%d/%Y", _("01/31/2026 (month first)")),
    ("%Y/%m/%d", "2026/01/31"),
    ("%d-%m-%Y", "31-01-2026"),
    ("%Y年%m月%d日", "2026年01月31日"),
)
DECIMALS = ((".", _("decimal point: 1.5")), (",", _("decimal comma: 1,5")))
MAX_VALUES = 40
SAYS_NOTHING = "-"
PEOPLE = ("patients", "donors")


class TableForm(Form):
    """How one table is found in a sheet; made by :func:`table_form`."""

    table: Table
    sheet: Sheet

    def clean(self) -> dict[str, Any]:
        """Ask for what is missing: required columns, texts, and what values stand for that are no codes."""
        data = super().clean() or {}
        for column in asked(self.table):
            where = data.get(f"from-{column.name}")
            if column.is_required and not where:
                self.add_error(f"from-{column.name}", _("Every row needs it: say where it is found."))
            if where in (FIXED, WRITTEN) and not data.get(f"text-{column.name}"):
                self.add_error(f"from-{column.name}", _("Write the value, or the pattern, beside it."))
            if where and where.startswith(NAMED):
                self._demand_values(column, where.removeprefix(NAMED), data)
        return data

    def _demand_values(self, column: Column, name: str, data: dict[str, Any]) -> None:
        unread = unread_values(self.sheet, name, column)
        if len(unread) > MAX_VALUES:
            self.add_error(f"from-{column.name}", _("Too many different values for a list of codes."))
        elif any(not data.get(f"value-{column.name}-{index}") for index in range(len(unread))):
            self.add_error(f"from-{column.name}", _("Say below what its values stand for."))

    def blocks(self) -> list[dict[str, Any]]:
        """The questions, column by column, for the template."""
        return [
            {
                "label": label(column),
                "meaning": meaning(column),
                "is_required": column.is_required,
                "where": self[f"from-{column.name}"],
                "how": [self[f"{kind}-{column.name}"] for kind in ("text", "date", "decimal", "unit")
                        if f"{kind}-{column.name}" in self.fields],
                "values": [self[f] for f in self.fields if f.startswith(f"value-{column.name}-")],
            }
            for column in asked(self.table)
        ]  # fmt: skip

    def mapping(self) -> dict[str, Any]:
        """The answers as one ``[[tables]]`` of a mapping file."""
        data = self.cleaned_data
        made: dict[str, Any] = {"table": self.table.name}
        if data["distinct"]:
            made["distinct"] = True
        if data["when"]:
            made["when"] = {"column": data["when"]}
        cells = {c.name: _cell(c, data, self.sheet) for c in asked(self.table)}
        made["columns"] = {name: cell for name, cell in cells.items() if cell}
        return made


def table_form(
    table: Table, sheet: Sheet, *, before: Mapping[str, Any] | None, given: Mapping[str, Any]
) -> type[TableForm]:
    """Return the form of one table, asked of one sheet.

    ``before`` is what its mapping says already, ``given`` what was just sent: the values of a column that
    are no codes are asked for as soon as the column is chosen.
    """
    fields: dict[str, forms.Field] = {}
    for column in asked(table):
        fields |= _asked(column, sheet, _spec(before, column.name), table)
        chosen = given.get(f"from-{column.name}", "")
        name = chosen.removeprefix(NAMED) if chosen else _spec(before, column.name).get("column", "")
        if name in sheet.columns:
            unread = unread_values(sheet, name, column)[:MAX_VALUES]
            known = _spec(before, column.name).get("values", {})
            for index, value in enumerate(unread):
                said = known.get(value)
                initial = SAYS_NOTHING if said == "" else said
                fields[f"value-{column.name}-{index}"] = value_field(column, value, initial=initial)
    names = [("", _("every row")), *((name, name) for name in sheet.columns)]
    when = (before or {}).get("when", {}).get("column", "")
    fields["when"] = forms.ChoiceField(
        label=_("Only rows that fill"), choices=names, required=False, initial=when
    )
    fields["distinct"] = forms.BooleanField(
        label=_("Rows that say the same are one row"),
        required=False,
        initial=(before or {}).get("distinct", table.name in PEOPLE),
    )
    return type("MappedTableForm", (TableForm,), {**fields, "table": table, "sheet": sheet})


def _spec(before: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    given = (before or {}).get("columns", {}).get(name, {})
    return {"column": given} if isinstance(given, str) else given


def asked(table: Table) -> list[Column]:
    """The columns a file is asked for: not the centre, which is that of the import."""
    return [c for c in table.declared if c.name != "site_id"]


def _places(column: Column, sheet: Sheet) -> list[tuple[Any, Any]]:
    """Where a column may be found: a column of the file, one value for every row, or a pattern."""
    found = (_("A column of the file"), [(NAMED + name, name) for name in sheet.columns])
    if column.kind in (Kind.CODE, Kind.FLAG):
        return [
            (NOWHERE, "—"),
            found,
            (_("The same for every row"), [(IS + c, w) for c, w in _codes(column)]),
        ]
    return [
        (NOWHERE, "—"),
        found,
        (_("Written beside"), [(FIXED, _("the same for every row")), (WRITTEN, _("a pattern"))]),
    ]


def _codes(column: Column) -> list[tuple[str, Any]]:
    return [("yes", _("yes")), ("no", _("no"))] if column.kind is Kind.FLAG else choices_of(column)


def _initial(column: Column, spec: Mapping[str, Any]) -> str:
    if "column" in spec:
        return NAMED + spec["column"]
    if "constant" in spec:
        return IS + str(spec["constant"]) if column.kind in (Kind.CODE, Kind.FLAG) else FIXED
    return WRITTEN if spec else NOWHERE


def _asked(column: Column, sheet: Sheet, spec: Mapping[str, Any], table: Table) -> dict[str, forms.Field]:
    fields: dict[str, forms.Field] = {
        f"from-{column.name}": forms.ChoiceField(
            label=label(column),
            choices=_places(column, sheet),
            required=False,
            initial=_initial(column, spec),
        )
    }
    if column.kind not in (Kind.CODE, Kind.FLAG):
        fields[f"text-{column.name}"] = forms.CharField(
            label=_("Value or pattern"),
            required=False,
            max_length=500,
            initial=spec.get("constant", spec.get("template", "")),
            widget=forms.TextInput({"placeholder": _("value or pattern")}),
        )
    if column.kind is Kind.DATE:
        initial = spec.get("date_format", DATES[0][0])
        fields[f"date-{column.name}"] = forms.ChoiceField(
            label=_("Written as"), choices=DATES, initial=initial
        )
    if column.kind in (Kind.NUMBER, Kind.INTEGER):
        initial = spec.get("decimal", ".")
        fields[f"decimal-{column.name}"] = forms.ChoiceField(
            label=_("Written with"), choices=DECIMALS, initial=initial
        )
    if (table.name, column.name) == ("lab_results", "value"):
        units = sorted(
            {u for a in analytes().codes for u in (analytes().get(a).unit, *analytes().get(a).factors)}
        )
        fields["unit-value"] = forms.ChoiceField(
            label=_("Unit"), choices=[(u, u) for u in units], initial=spec.get("unit", "")
        )
    return fields


def value_field(column: Column, value: str, *, initial: str | None = None) -> forms.Field:
    """Return the question what one value of a file stands for."""
    choices = [("", _("choose")), (SAYS_NOTHING, _("says nothing (unknown)")), *_codes(column)]
    return forms.ChoiceField(label=f"“{value}”", choices=choices, required=False, initial=initial)


def unread_values(sheet: Sheet, name: str, column: Column) -> list[str]:
    """Return the different cells of a column that cannot be read as codes as they stand."""
    if column.kind not in (Kind.CODE, Kind.FLAG) or column.codes == "routes":
        return []
    return [
        value for value in sorted({c for c in sheet.get(name) if c is not None}) if not _reads(value, column)
    ]


def _reads(value: str, column: Column) -> bool:
    try:
        read_cell(value, column=column, cell=Cell())
    except InputError:
        return False
    return True


def _cell(column: Column, data: Mapping[str, Any], sheet: Sheet) -> Any:
    where, text = data.get(f"from-{column.name}") or "", data.get(f"text-{column.name}") or ""
    if where == NOWHERE:
        return None
    if where == FIXED or where.startswith(IS):
        return {"constant": where.removeprefix(IS) if where.startswith(IS) else text}
    if where == WRITTEN:
        return {"template": text}
    name = where.removeprefix(NAMED)
    spec: dict[str, Any] = {"column": name}
    for kind, key, usual in (
        ("date", "date_format", DATES[0][0]),
        ("decimal", "decimal", "."),
        ("unit", "unit", ""),
    ):
        said = data.get(f"{kind}-{column.name}") or usual
        if said != usual:
            spec[key] = said
    if unread := unread_values(sheet, name, column):
        spec["values"] = _values(column, data, sheet, name, unread)
    return name if set(spec) == {"column"} else spec


def _values(
    column: Column, data: Mapping[str, Any], sheet: Sheet, name: str, unread: list[str]
) -> dict[str, str]:
    """What every value stands for: those that are codes already stand for themselves."""
    plain = sorted({c for c in sheet.get(name) if c is not None} - set(unread))
    said = {value: data.get(f"value-{column.name}-{i}") or "" for i, value in enumerate(unread)}
    return {**{v: v for v in plain}, **{v: "" if s == SAYS_NOTHING else s for v, s in said.items()}}
