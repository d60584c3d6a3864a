"""Forms made from the declared tables: every field has its label, its unit and its meaning.

What is left empty is unknown, and stays unknown: no form puts an answer where none was given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from commensal.registry.actions.material import profile_on
from commensal.registry.models import Role
from commensal.registry.tables import DECLARED
from commensal.registry.words import label_of
from commensal.study.declaration import Column, Kind
from commensal.study.lists import codes_of
from commensal.vocabulary.instruments.declaration import Instrument
from commensal.vocabulary.sources import read_table

YES_NO = (("", "not known"), ("yes", "yes"), ("no", "no"))
METHODS = (("", "method"), *((m, m) for m in ("serology", "naat", "culture", "microscopy", "antigen")))
RESULTS = (("", "not tested"), *((r, r) for r in ("negative", "positive", "equivocal", "invalid", "pending")))
MAY_LIE_AHEAD = ("expires_on", "deferred_until_on", "stopped_on")
SHORT = {"bmi": "BMI", "cmv": "CMV", "ebv": "EBV", "igg": "IgG"}
UNIT_WORDS = {"g": "grams", "mL": "millilitres", "%": "percent", "years": "years"}
ANSWERS = (("", "not asked"), ("negative", "no"), ("positive", "yes"), ("equivocal", "unsure"))


class Form(forms.Form):
    """A form that keeps to itself: no browser completion of health data, no colons."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)
        for field in self.fields.values():
            field.widget.attrs.setdefault("autocomplete", "off")


def make_form(
    table: str,
    names: Iterable[str],
    *,
    required: Iterable[str] = (),
    needs_reason: bool = False,
    more: Mapping[str, forms.Field] | None = None,
) -> type[Form]:
    """Return a form for some columns of a declared table, in that order, then ``more``, then the reason."""
    declared = DECLARED[table]
    fields: dict[str, forms.Field] = {
        name: field_for(declared[name], is_required=declared[name].is_required or name in set(required))
        for name in names
    }
    fields |= dict(more or {})
    if needs_reason:
        fields["reason"] = reason_field()
    return type("RowForm", (Form,), fields)


def reason_field() -> forms.Field:
    """Return the field every consequential change asks."""
    return forms.CharField(label="Reason", help_text="Recorded with your name and the time.", max_length=500)


def field_for(column: Column, *, is_required: bool) -> forms.Field:
    """Return the form field of a declared column."""
    words = {"label": label(column), "help_text": meaning(column), "required": is_required}
    match column.kind:
        case Kind.CODE:
            return forms.ChoiceField(choices=[("", "—"), *choices_of(column)], **words)
        case Kind.DATE:
            limits = [] if column.name in MAY_LIE_AHEAD else [not_in_the_future]
            widget = forms.DateInput({"type": "date"}, format="%Y-%m-%d")
            return forms.DateField(widget=widget, validators=limits, **words)
        case Kind.INSTANT:
            widget = forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
            return forms.DateTimeField(widget=widget, input_formats=["%Y-%m-%dT%H:%M"], **words)
        case Kind.INTEGER | Kind.DAY:
            return forms.IntegerField(
                min_value=_whole(column.minimum), max_value=_whole(column.maximum), **words
            )
        case Kind.NUMBER:
            widget = forms.NumberInput({"step": "any"})
            return forms.FloatField(
                min_value=column.minimum, max_value=column.maximum, widget=widget, **words
            )
        case Kind.FLAG:
            return yes_no(**words)
        case _:
            return forms.CharField(max_length=2000, empty_value=None, **words)


def yes_no(**words: Any) -> forms.Field:
    """Return a question with yes, no and not known."""
    return forms.TypedChoiceField(
        choices=YES_NO, coerce={"yes": True, "no": False}.get, empty_value=None, **words
    )


def _whole(limit: float | None) -> int | None:
    return None if limit is None else int(limit)


def label(column: Column) -> str:
    """Return the words of a column: "donated_on" is "Donated on", a unit goes behind."""
    words = column.name.removesuffix("_id").replace("_", " ").removeprefix("is ").removeprefix("has ")
    words = f"number of {words[2:]}" if words.startswith("n ") else words
    if column.unit:
        words = words.removesuffix(" " + UNIT_WORDS.get(column.unit, "")) + f" ({column.unit})"
    words = " ".join(SHORT.get(word, word) for word in words.split())
    return words[:1].upper() + words[1:]


def not_in_the_future(on: date) -> None:
    """Refuse a date that has not come yet: what is recorded has happened."""
    if on > timezone.localdate():
        raise ValidationError("This date lies in the future.")


def meaning(column: Column) -> str:
    """Return what a column means, without the clauses that speak of stored nulls."""
    clauses = column.meaning.split(";")
    return ";".join(clause for clause in clauses if "null" not in clause).rstrip(".") + "."


def choices_of(column: Column) -> list[tuple[str, str]]:
    """Return the codes of a column with words for readers."""
    return [(code, label_of(column.codes, code)) for code in codes_of(column)]


def panel_fields(on: Any) -> dict[str, tuple[str, str, bool]]:
    """Return what the screening profile asks of the laboratory: analyte → label, specimen, needs NAAT."""
    return {
        need.analyte: (need.label, need.specimens[0], need.needs_nucleic_acid_test)
        for need in profile_on(on).requirements
    }


def panel_form(on: Any, *, donations: list[tuple[str, str]]) -> type[Form]:
    """Return the form for one day's test results: a result and a method for every test, all empty."""
    fields: dict[str, forms.Field] = {
        "collected_on": field_for(DECLARED["screenings"]["collected_on"], is_required=True),
        "donation": forms.ChoiceField(
            label="Donation tested",
            help_text="Only where the donation's own stool was tested.",
            choices=[("", "none"), *donations],
            required=False,
        ),
    }
    for analyte, (words, _, is_nat) in panel_fields(on).items():
        fields[f"result-{analyte}"] = forms.ChoiceField(label=words, choices=RESULTS, required=False)
        fields[f"method-{analyte}"] = forms.ChoiceField(
            label=f"Method of {words}" + (" (NAAT only)" if is_nat else ""), choices=METHODS, required=False
        )
    return type("PanelForm", (Form,), fields)


def questions(on: Any) -> list[Mapping[str, Any]]:
    """Return the donor questions of the screening profile that no other entry answers."""
    asked = {rule.id.split(".", 1)[1] for rule in profile_on(on).rules_for("donor")}
    known = ("age", "adult", "bmi", "consent")
    return [
        question
        for question in read_table("screening_questions.toml")["question"]
        if question["code"] in asked and question["code"] not in known
    ]


def questionnaire_form(on: Any) -> type[Form]:
    """Return the donor questionnaire: yes, no or not asked, and the date of an event."""
    fields: dict[str, forms.Field] = {
        "collected_on": field_for(DECLARED["screenings"]["collected_on"], is_required=True)
    }
    for question in questions(on):
        code, words = question["code"], question.get("meaning", question["code"])
        if question["kind"] == "range":
            fields[f"value-{code}"] = forms.FloatField(label=words, required=False)
            continue
        fields[f"result-{code}"] = forms.ChoiceField(label=words, choices=ANSWERS, required=False)
        if question["kind"] == "event":
            fields[f"event-{code}"] = forms.DateField(
                label=f"If yes, when last: {words}",
                widget=forms.DateInput({"type": "date"}),
                validators=[not_in_the_future],
                required=False,
            )
    return type("QuestionnaireForm", (Form,), fields)


def assessment_form(instrument: Instrument) -> type[Form]:
    """Return the form of one instrument: one number for each item, empty where it was not answered."""
    fields: dict[str, forms.Field] = {}
    for item in instrument.inputs.values():
        unit = f" ({item.unit})" if item.unit else ""
        limits = f"{item.minimum:g} to {item.maximum:g}"
        fields[item.code] = forms.FloatField(
            label=f"{item.label}{unit}",
            help_text=limits,
            min_value=item.minimum,
            max_value=item.maximum,
            required=False,
            widget=forms.NumberInput({"step": f"{item.step:g}" if item.step else "any"}),
        )
    return type("AssessmentForm", (Form,), fields)


class ReleaseForm(Form):
    """The second person's signature."""

    signer = forms.CharField(label="Second person", help_text="Neither you nor who made the unit.")
    password = forms.CharField(
        label="Their password",
        help_text="They type it here, now: it is their signature.",
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )


class PersonForm(Form):
    """A new account."""

    username = forms.SlugField(label="Name to sign in with")
    password = forms.CharField(
        label="First password",
        help_text="At least 12 characters.",
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )
    roles = forms.MultipleChoiceField(
        label="Roles", choices=Role.choices, widget=forms.CheckboxSelectMultiple
    )


def with_choices(
    field: str, choices: list[tuple[str, str]], *, words: str, hint: str = ""
) -> dict[str, forms.Field]:
    """Return one required choice, for the ``more`` of a form."""
    return {field: forms.ChoiceField(label=words, help_text=hint, choices=[("", "—"), *choices])}
