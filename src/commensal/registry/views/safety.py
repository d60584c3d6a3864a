"""Harm: adverse events with their clocks, judgements that do not see each other, the printed report."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from commensal.registry import forms as made
from commensal.registry.actions import safety
from commensal.registry.reporting import agreement
from commensal.registry.scope import seen
from commensal.registry.views.bank import sites_choice
from commensal.registry.views.pages import form_page, one, page_of, today
from commensal.registry.words import label_of
from commensal.vocabulary.adverse_events import adverse_events, seriousness_criteria

FIRST = ("term", "term_as_recorded", "began_on", "aware_at", "grade")
LAST = ("causality", "related_to", "outcome", "resolved_on")
COURSE = ("grade", "resolved_on", "outcome")
SUSPECTED = gettext_lazy("An infection from the donor's material is suspected")
NONE_APPLIES = "none"


def criteria_field() -> forms.Field:
    """Return the question what made an event serious: nothing ticked is not answered."""
    return forms.MultipleChoiceField(
        label=gettext_lazy("What makes it serious"),
        choices=[(c.code, c.label) for c in seriousness_criteria()]
        + [(NONE_APPLIES, gettext_lazy("nothing of these"))],
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )


def ticked(values: list[str]) -> list[str] | None:
    """Return the criteria ticked; null where nobody answered."""
    return [value for value in values if value != NONE_APPLIES] if values else None


def report_event(request: HttpRequest, pk: str) -> HttpResponse:
    """A new adverse event of a patient."""
    row = one(request, "patients", pk)
    sessions = [
        (s.pk, f"{s.administered_on} · {label_of('routes', s.route) if s.route else '—'}")
        for s in seen(request, "sessions").filter(patient=row).order_by("-administered_on")
    ]
    attributed = forms.ChoiceField(
        label=_("Session it may follow from"), choices=[("", "—"), *sessions], required=False
    )
    more: dict[str, forms.Field] = {
        **made.make_form("adverse_events", FIRST, required=("began_on", "aware_at")).base_fields,
        "session_id": attributed,
        "criteria": criteria_field(),
        **made.make_form("adverse_events", LAST).base_fields,
        "is_donor_infection_suspected": made.yes_no(label=SUSPECTED, required=False),
    }

    def save(values: dict[str, Any]) -> str:
        criteria = ticked(values.pop("criteria"))
        event = safety.report_event(by=request.user, patient=pk, criteria=criteria, **values)
        return reverse("event", args=[event.pk])

    return form_page(
        request,
        made.make_form("adverse_events", (), more=more),
        title=_("Adverse event of patient %(pk)s") % {"pk": pk},
        button=_("Record"),
        done=_("Event recorded; its clocks run from when it became known."),
        back=reverse("patient", args=[pk]),
        save=save,
        initial={"began_on": today(), "aware_at": timezone.localtime()},
    )


def events(request: HttpRequest) -> HttpResponse:
    """The adverse events, newest entry first, with what is due next."""
    page = page_of(request, seen(request, "adverse_events"))
    due = safety.duties_of([row.pk for row in page["rows"]])
    first = {d.event_id: d for d in reversed([d for d in due if not d.is_reported])}
    rows = [{"row": r, "name": _name(r), "due": first.get(r.pk)} for r in page["rows"]]
    return render(
        request, "registry/events.html", {"events": rows, "next": page["next"], "now": timezone.now()}
    )


def _name(row: Any) -> str:
    return label_of("adverse_event_terms", row.term) if row.term else row.term_as_recorded or "—"


def event(request: HttpRequest, pk: str) -> HttpResponse:
    """One event: what happened, what is due, and the judgements a person may see."""
    row = one(request, "adverse_events", pk)
    return render(request, "registry/event.html", _shown(request, row))


def _shown(request: HttpRequest, row: Any) -> dict[str, Any]:
    """What a person may see of an event: who is yet to judge it blindly sees no causality given."""
    me = request.user.get_username()
    given = list(seen(request, "ae_assessments").filter(adverse_event=row).order_by("judged_at", "pk"))
    standing, settled = agreement(safety.blinded(row.pk))
    is_blind = standing in ("open", "third") and safety.may_judge(row.pk, request.user)
    now = timezone.now()
    duties = safety.duties_of([row.pk])
    return {
        "event": row,
        "name": _name(row),
        "watch": adverse_events().get(row.term).watch if row.term else "",
        "criteria": [
            seriousness_criteria().get(c).label for c in (row.seriousness_criteria or "").split(";") if c
        ],
        "duties": [{"duty": d, "is_late": d.is_late(now)} for d in duties],
        "is_blind": is_blind,
        "judgements": [] if is_blind else given,
        "own": [g for g in given if g.judged_by == me],
        "n_judged": sum(g.view == "blinded" for g in given),
        "standing": standing,
        "settled": label_of("causalities", settled) if settled and not is_blind else None,
        "is_infection_suspected": not is_blind and any(g.is_donor_infection_suspected for g in given),
        "may_judge": is_blind,
    }


def follow_event(request: HttpRequest, pk: str) -> HttpResponse:
    """How an event went on."""
    row = one(request, "adverse_events", pk)
    back = reverse("event", args=[pk])
    more: dict[str, forms.Field] = {
        **made.make_form("adverse_events", COURSE).base_fields,
        "criteria": criteria_field(),
        "reason": made.reason_field(),
    }

    def save(values: dict[str, Any]) -> str:
        criteria, reason = ticked(values.pop("criteria")), values.pop("reason")
        safety.follow_event(by=request.user, event=pk, criteria=criteria, reason=reason, **values)
        return back

    known = {name: getattr(row, name) for name in COURSE}
    ticked_now = [c for c in (row.seriousness_criteria or "").split(";") if c]
    return form_page(
        request,
        made.make_form("adverse_events", (), more=more),
        title=_("Course of the event of patient %(pk)s") % {"pk": row.patient_id},
        button=_("Record"),
        done=_("Course recorded."),
        back=back,
        save=save,
        initial={**known, "criteria": ticked_now},
    )


def judge_event(request: HttpRequest, pk: str) -> HttpResponse:
    """A blinded judgement of an event."""
    row = one(request, "adverse_events", pk)
    back = reverse("event", args=[pk])
    more: dict[str, forms.Field] = {
        **made.make_form(
            "ae_assessments", ("causality", "related_to"), required=("causality", "related_to")
        ).base_fields,
        "is_donor_infection_suspected": made.yes_no(label=SUSPECTED, required=False),
        **made.make_form("ae_assessments", ("note",)).base_fields,
    }

    def save(values: dict[str, Any]) -> str:
        safety.judge_event(by=request.user, event=pk, **values)
        return back

    return form_page(
        request,
        made.make_form("ae_assessments", (), more=more),
        title=_("Judge the event of patient %(pk)s") % {"pk": row.patient_id},
        button=_("Give the judgement"),
        done=_("Judgement kept. It cannot be changed."),
        back=back,
        save=save,
        before=_("You see neither the causality given with the report nor the other physician's."),
    )


def record_report(request: HttpRequest, pk: str) -> HttpResponse:
    """A report that was sent."""
    row = one(request, "adverse_events", pk)
    back = reverse("event", args=[pk])
    open_ones = [d for d in safety.duties_of([row.pk]) if not d.is_reported]
    words = [(d.code, f"{d.clock.to} · {d.clock.event.replace('_', ' ')}") for d in open_ones]
    more = made.with_choices("duty", words, words=_("Report"))
    more |= made.make_form("ae_reports", ("reported_at", "reference"), required=("reported_at",)).base_fields

    def save(values: dict[str, Any]) -> str:
        safety.record_report(by=request.user, event=pk, **values)
        return back

    return form_page(
        request,
        made.make_form("ae_reports", (), more=more),
        title=_("Report sent: event of patient %(pk)s") % {"pk": row.patient_id},
        button=_("Record"),
        done=_("Recorded."),
        back=back,
        save=save,
        initial={"reported_at": timezone.localtime()},
    )


def printed(request: HttpRequest, pk: str) -> HttpResponse:
    """The report of an event, to be printed: no names."""
    row = one(request, "adverse_events", pk)
    given = seen(request, "session_units").filter(session=row.session_id) if row.session_id else []
    patient = row.patient
    return render(
        request,
        "registry/event_report.html",
        {
            **_shown(request, row),
            "patient": patient,
            "indication": label_of("indications", patient.indication) if patient.indication else None,
            "causality": label_of("causalities", row.causality) if row.causality else None,
            "units": given,
            "drugs": seen(request, "exposures").filter(patient=patient).order_by("started_on"),
            "printed_at": timezone.localtime(),
        },
    )


def set_jurisdiction(request: HttpRequest) -> HttpResponse:
    """Whose reporting clocks a centre keeps."""
    more = dict(sites_choice(request))
    more |= made.make_form("site_jurisdictions", ("jurisdiction",)).base_fields
    more |= {"reason": made.reason_field()}

    def save(values: dict[str, Any]) -> str:
        safety.set_jurisdiction(
            by=request.user,
            site=values["site_id"],
            jurisdiction=values["jurisdiction"],
            reason=values["reason"],
        )
        return reverse("events")

    return form_page(
        request,
        made.make_form("site_jurisdictions", (), more=more),
        title=_("Reporting clocks"),
        button=_("Set"),
        done=_("Set."),
        back=reverse("events"),
        save=save,
        before=_(
            "Where none is set, the clocks of every law are kept. A legal check comes before their use."
        ),
    )
