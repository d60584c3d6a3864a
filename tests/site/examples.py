"""One row of every table at a centre, made from the declarations: what an address with arguments is about.

The pages of the whole site are tried with these rows, those that are added later too. A table whose own
invariants the declaration does not show needs an entry in VALUES; an argument of an address that names no
table needs one in ARGUMENTS.
"""

from datetime import UTC, date, datetime

from django.db import IntegrityError, transaction

from commensal.registry.fields import attribute_name
from commensal.registry.models import MODELS
from commensal.registry.scope import SITE_OF, within
from commensal.registry.tables import DECLARED
from commensal.study.declaration import Kind
from commensal.study.lists import codes_of

DAY = date(2026, 5, 1)
ROOMS = {"results": "screenings"}
"""First words of addresses that are no table's name, and the table whose key follows them."""

ARGUMENTS = {
    "code": "pain_nrs",
    "token": "no-such-link",
    "username": "carl",
    "instrument": "pain_nrs",
    "paper": "session",
}
"""Values of arguments that are no key of a table."""

TABLES_ASKED = {"add-record": "diagnoses", "history": "units", "map-table": "patients"}
"""The table of an address with an argument ``table``."""

VALUES = {
    "units": {"custody_state": "none", "is_released": False, "fraction_left": 1.0},
    "custody": {"event": "collected"},
    "findings": {"fact": "is_pregnant", "is_so": False},
    "shipments": {"to_place": "elsewhere"},
    "places": {"name": "shelf 1", "kind": "shelf"},
    "placements": {"since_at": datetime(2026, 5, 1, 9, tzinfo=UTC)},
    "assessments": {"instrument": "pain_nrs", "item": "pain"},
}
"""What a row needs besides what its declaration says."""

REFERRED = {"placements": ("unit",)}
"""Tables that a row refers to besides those its declaration requires."""


class Examples:
    """Rows of a centre: those there already, the others made when first asked for; keys tell the centre."""

    def __init__(self, site, *, is_second=False):
        self.site, self.rows, self.is_second = site, {}, is_second

    def row(self, table):
        """The example row of a table; those it refers to are made before it."""
        if table == "sites":
            return MODELS["sites"].objects.get(pk=self.site)
        if table not in self.rows:
            there = None if self.is_second else within(table, sites=[self.site]).order_by("pk").last()
            self.rows[table] = there or self._made(table)
        return self.rows[table]

    def has(self, table):
        """Whether an example of a table can be made."""
        try:
            return bool(self.row(table).pk)
        except AssertionError:
            return False

    def _made(self, table):
        """Insert as little as the declaration allows, then the whole row."""
        refused = []
        for is_whole in (False, True):
            try:
                with transaction.atomic():
                    return MODELS[table].objects.create(**self._values(table, is_whole=is_whole))
            except IntegrityError as error:
                refused.append(str(error))
        raise AssertionError(f"no example of {table} can be made: add it to examples.VALUES: {refused}")

    def _values(self, table, *, is_whole):
        declared, ways = DECLARED[table], SITE_OF[table]
        way = ways[0].split("__")[0] if ways else ""
        values, referred = {}, set()
        for column in declared.declared:
            if column.references == table:
                continue
            of = Examples(self.site, is_second=True) if column.references in referred else self
            referred.add(column.references or column.name)
            name = column.name.removesuffix("_id")
            is_way = name == way or name in REFERRED.get(table, ())
            if column.is_required or is_way or (is_whole and not column.references):
                values[attribute_name(column)] = of._value(table, column)
        return values | VALUES.get(table, {})

    def _value(self, table, column):
        if column.references:
            return self.row(column.references).pk
        match column.kind:
            case Kind.ID:
                return f"{self.site}{'b' * self.is_second}-{table}-{column.name}"
            case Kind.CODE:
                return codes_of(column)[0]
            case Kind.DATE:
                return DAY
            case Kind.INSTANT:
                return datetime(DAY.year, DAY.month, DAY.day, 9, tzinfo=UTC)
            case Kind.FLAG:
                return True
            case Kind.TEXT:
                return f"{self.site} {column.name}"
            case _:
                return 1 if column.minimum is None else max(1, int(column.minimum))

    def arguments(self, name, pattern):
        """The arguments of an address, by the table that its first word, or its ``table``, names."""
        room = str(pattern).strip("^/").split("/")[0]
        table = ROOMS.get(room, room.replace("-", "_"))
        found = {}
        for argument in pattern.converters:
            if argument in ARGUMENTS:
                found[argument] = ARGUMENTS[argument]
            elif argument == "table":
                found[argument] = TABLES_ASKED[name]
                table = found[argument] if room not in MODELS else table
            elif argument == "pk" and table in MODELS:
                found[argument] = self.row(table).pk
            elif f"{argument}s" in MODELS:
                found[argument] = self.row(f"{argument}s").pk
            else:
                raise AssertionError(
                    f"the address {name} has an argument {argument!r} of no known table: "
                    "add it to examples.ROOMS or examples.ARGUMENTS"
                )
        return found
