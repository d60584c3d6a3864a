"""Forms about people that no declared table makes: files, scopes of a consent, questions of the rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from commensal.registry.files import MAX_BYTES
from commensal.registry.forms import Form, yes_no
from commensal.registry.tables.consents import SCOPES
from commensal.vocabulary.facts import Fact

SCOPE_WORDS = {
    "treatment": _("Treatment"),
    "prospective_study": _("Taking part in the study"),
    "retrospective_study": _("Use of past records"),
    "donation": _("Donation of stool for the bank"),
    "biobank": _("Storage of samples for later research"),
    "data_sharing": _("Sharing of data with others"),
    "contact_again": _("Being contacted again"),
}
PURPOSES = [
    ("", "—"),
    ("contact", _("Contact the person")),
    ("check", _("Check that this is the right person")),
    ("safety", _("Recall, look-back or another safety matter")),
    ("correction", _("Correct or complete the entry")),
]


def short_enough(file: Any) -> None:
    """Refuse a file longer than the limit before it is read."""
    if file.size > MAX_BYTES:
        raise ValidationError(_("The file is longer than 20 MB: scan it at a lower resolution."))


def file_field(label: Any, *, is_required: bool = True) -> forms.Field:
    """Return the field for a PDF, PNG or JPEG."""
    return forms.FileField(
        label=label,
        help_text=_("PDF, PNG or JPEG, at most 20 MB."),
        required=is_required,
        validators=[short_enough],
        widget=forms.FileInput({"accept": "application/pdf,image/png,image/jpeg"}),
    )


def scope_fields() -> dict[str, forms.Field]:
    """Return one question for each thing a signature may allow."""
    return {f"scope-{scope}": yes_no(label=SCOPE_WORDS[scope], required=False) for scope in SCOPES}


class PurposeForm(Form):
    """Why an identity is opened."""

    purpose = forms.ChoiceField(label=_("What for"), choices=PURPOSES)
    note = forms.CharField(
        label=_("In words"), help_text=_("Without the person's name."), max_length=200, required=False
    )


class IdentityForm(Form):
    """Who a person is; empty fields stay as they were."""

    names = forms.CharField(label=_("Name"), max_length=200, required=False)
    contacts = forms.CharField(
        label=_("Contact"),
        help_text=_("Telephone, e-mail, address."),
        max_length=1000,
        required=False,
        widget=forms.Textarea({"rows": 3}),
    )
    hospital_number = forms.CharField(label=_("Hospital number"), max_length=60, required=False)
    national_number = forms.CharField(label=_("National number"), max_length=60, required=False)


def fact_field(fact: Fact) -> forms.Field:
    """Return the question a fact asks: yes, no or not known; or a number."""
    words = fact.meaning[:1].upper() + fact.meaning[1:]
    if fact.kind == "boolean":
        return yes_no(label=words, required=False)
    unit = "" if fact.unit == "1" else f" ({fact.unit})"
    return forms.FloatField(
        label=f"{words}{unit}", required=False, widget=forms.NumberInput({"step": "any"}), min_value=0
    )


def facts_form(facts: Iterable[Fact]) -> dict[str, forms.Field]:
    """Return the questions of some facts, by their codes."""
    return {fact.code: fact_field(fact) for fact in facts}
