"""What is known of a patient: eligibility, the questions it asks, medication, the grade of compromise."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from commensal.registry import forms as made
from commensal.registry.actions import records
from commensal.registry.eligibility import asked_facts, where_of
from commensal.registry.medication import is_list_complete, taken
from commensal.registry.people_forms import facts_form
from commensal.registry.scope import seen
from commensal.registry.views.pages import form_page, one, today
from commensal.registry.words import label_of
from commensal.vocabulary.facts import find_fact


def eligibility(request: HttpRequest, pk: str) -> HttpResponse:
    """Whether a patient may receive FMT: every rule, what is missing and where it is entered."""
    row = one(request, "patients", pk)
    found = records.eligibility_of(row, on=today())
    return render(
        request,
        "registry/eligibility.html",
        {
            "patient": row,
            "found": found,
            "missing": _grouped(found.missing, pk),
            "routes": [(label_of("routes", r.route), r) for r in found.routes],
        },
    )


PLACES = {
    "own_row": ("correct-patient", gettext_lazy("Patient's own entry")),
    "grade": ("grade-immunocompromise", gettext_lazy("Immunocompromise")),
    "lab_results": ("add-record", gettext_lazy("Laboratory values")),
    "diagnoses": ("add-record", gettext_lazy("Diagnoses")),
    "medication": ("medication", gettext_lazy("Medication")),
    "consent": ("sign-patient-consent", gettext_lazy("Consent")),
    "session": ("add-session", gettext_lazy("Session")),
    "answer": ("answer-facts", gettext_lazy("Questions of the rules")),
}


def _grouped(missing: Any, pk: str) -> list[dict[str, Any]]:
    """What is missing, by the page on which it is entered."""
    groups: dict[str, list[str]] = {}
    for fact in missing:
        groups.setdefault(fact.where, []).append(fact.meaning)
    return [
        {"words": PLACES[w][1], "href": _address(w, pk), "facts": groups[w]} for w in groups if w in PLACES
    ]


def _address(where: str, pk: str) -> str:
    page = PLACES[where][0]
    return reverse(page, args=[pk, where] if page == "add-record" else [pk])


def answer_facts(request: HttpRequest, pk: str) -> HttpResponse:
    """The questions the rules ask of a patient."""
    one(request, "patients", pk)
    back = reverse("eligibility", args=[pk])
    asked = asked_facts()
    more: dict[str, forms.Field] = dict(
        made.make_form("findings", ("found_on",), required=("found_on",)).base_fields
    )
    more |= facts_form(asked)

    def save(values: dict[str, Any]) -> str:
        on = values.pop("found_on")
        records.answer_facts(by=request.user, patient=pk, on=on, answers=values)
        return back

    return form_page(
        request,
        made.make_form("findings", (), more=more),
        title=_("Questions about patient %(pk)s") % {"pk": pk},
        button=_("Record answers"),
        done=_("Answers recorded."),
        back=back,
        save=save,
        initial={"found_on": today()},
        before=_("What is not answered stays open, and never counts as no. Answers hold for 30 days."),
    )


def grade(request: HttpRequest, pk: str) -> HttpResponse:
    """The grade of immunocompromise: what the facts give, why, and the physician's word."""
    row = one(request, "patients", pk)
    found = records.grade_of(row, on=today())
    back = reverse("eligibility", args=[pk])

    def save(values: dict[str, Any]) -> str:
        records.grade_immunocompromise(
            by=request.user, patient=pk, grade=values["immunocompromise"], reason=values["reason"]
        )
        return back

    names = ("immunocompromise",)
    return form_page(
        request,
        made.make_form("patients", names, required=names, needs_reason=True),
        title=_("Immunocompromise of patient %(pk)s") % {"pk": pk},
        button=_("Record grade"),
        done=_("Grade recorded."),
        back=back,
        save=save,
        template="registry/grade.html",
        initial={"immunocompromise": found.grade},
        patient=row,
        found=found,
        missing=[(find_fact(n).meaning, _address(where_of(n), pk)) for n in _unknown(found)],
    )


def _unknown(found: Any) -> list[str]:
    wanted = dict.fromkeys(name for v in found.reasons if found.grade is None for name in v.missing)
    return [name for name in wanted if where_of(name) in PLACES]


def medication(request: HttpRequest, pk: str) -> HttpResponse:
    """What a patient takes, and a review of the list."""
    one(request, "patients", pk)
    on = today()
    rows = list(seen(request, "exposures").filter(patient=pk).order_by("-started_on", "pk").values())
    now = taken(rows, on=on)
    reviews = list(seen(request, "medication_reviews").filter(patient=pk).order_by("-reviewed_on")[:10])
    visits = seen(request, "visits").filter(patient=pk, status="attended").order_by("-visited_on")[:20]
    more: dict[str, forms.Field] = {f"stopped-{entry['exposure_id']}": _stopped_field(entry) for entry in now}
    more |= made.make_form(
        "medication_reviews", ("reviewed_on", "asked_of"), required=("reviewed_on",)
    ).base_fields
    more["visit"] = forms.ChoiceField(
        label=_("Visit"),
        required=False,
        choices=[("", "—"), *((v.pk, f"{v.visit or _('unscheduled')} · {v.visited_on}") for v in visits)],
    )
    more["is_complete"] = made.yes_no(
        label=_("The list now holds everything the patient takes"),
        help_text=_("Only then does a drug that is not listed count as not taken, for 30 days."),
    )
    back = reverse("medication", args=[pk])

    def save(values: dict[str, Any]) -> str:
        records.review_medication(
            by=request.user,
            patient=pk,
            on=values["reviewed_on"],
            is_complete=values["is_complete"],
            visit=values["visit"] or None,
            asked_of=values["asked_of"] or None,
            stopped={e["exposure_id"]: values[f"stopped-{e['exposure_id']}"] for e in now},
        )
        return back

    return form_page(
        request,
        made.make_form("medication_reviews", (), more=more),
        title=_("Medication of patient %(pk)s") % {"pk": pk},
        button=_("Record review"),
        done=_("Review recorded."),
        back=reverse("patient", args=[pk]),
        save=save,
        template="registry/medication.html",
        initial={"reviewed_on": on},
        pk=pk,
        now=[_entry(e) for e in now],
        before=[_entry(e) for e in rows if e not in now],
        reviews=reviews,
        is_known=is_list_complete(
            [{"reviewed_on": r.reviewed_on, "is_complete": r.is_complete} for r in reviews], on=on
        ),
    )


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    dose = f"{entry['dose']:g} {entry['dose_unit'] or ''}".strip() if entry["dose"] is not None else ""
    daily = f"{entry['doses_per_day']:g} × {_('a day')}" if entry["doses_per_day"] is not None else ""
    return {
        "words": label_of("exposures", entry["exposure"]),
        "agent": entry["agent"] or "",
        "dose": " · ".join(part for part in (dose, daily) if part),
        "started_on": entry["started_on"],
        "stopped_on": entry["stopped_on"],
    }


def _stopped_field(entry: dict[str, Any]) -> forms.Field:
    words = entry["agent"] or label_of("exposures", entry["exposure"])
    return forms.DateField(
        label=_("%(drug)s stopped on") % {"drug": words},
        help_text=_("Empty while it is still taken."),
        required=False,
        validators=[made.not_in_the_future],
        widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
    )
