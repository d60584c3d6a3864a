"""Around a procedure: sessions planned, the check before, the session under it, the observation after."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from commensal.registry import forms as made
from commensal.registry.actions import matching, procedure, records
from commensal.registry.people_forms import facts_form
from commensal.registry.scope import seen
from commensal.registry.views.care import at_hand
from commensal.registry.views.pages import form_page, one, today
from commensal.registry.words import label_of

PURPOSES = ("induction", "consolidation", "maintenance", "retreatment")
VITAL = (
    "observed_at",
    "temperature",
    "pulse",
    "systolic",
    "diastolic",
    "saturation",
    "has_complaint",
    "note",
)


def plan_sessions(request: HttpRequest, pk: str) -> HttpResponse:
    """The sessions of a course, planned."""
    one(request, "patients", pk)
    back = reverse("patient", args=[pk])
    more: dict[str, forms.Field] = {
        "first_on": forms.DateField(label=_("First session"), widget=forms.DateInput({"type": "date"})),
        **made.make_form("sessions", ("route",), required=("route",)).base_fields,
        "n_sessions": forms.IntegerField(label=_("Sessions"), min_value=1, max_value=60),
        "every_days": forms.IntegerField(label=_("Days apart"), min_value=1, max_value=365),
    }

    def save(values: dict[str, Any]) -> str:
        procedure.plan_sessions(by=request.user, patient=pk, **values)
        return back

    return form_page(
        request,
        made.make_form("sessions", (), more=more),
        title=_("Plan sessions of patient %(pk)s") % {"pk": pk},
        button=_("Plan"),
        done=_("Sessions planned."),
        back=back,
        save=save,
        initial={"first_on": today(), "n_sessions": 1, "every_days": 28},
    )


def cancel_planned(request: HttpRequest, pk: str) -> HttpResponse:
    """Give up what is planned."""
    one(request, "patients", pk)
    back = reverse("patient", args=[pk])

    def save(values: dict[str, Any]) -> str:
        procedure.cancel_planned(by=request.user, patient=pk, on=today(), reason=values["reason"])
        return back

    return form_page(
        request,
        made.make_form("sessions", (), needs_reason=True),
        title=_("Give up the planned sessions of patient %(pk)s") % {"pk": pk},
        button=_("Give up"),
        done=_("Given up."),
        back=back,
        save=save,
    )


def new_check(request: HttpRequest, pk: str) -> HttpResponse:
    """The check before a procedure: who, which route, which units, and what only the bedside knows."""
    row = one(request, "patients", pk)
    units = at_hand(request, pk)
    route: dict[str, forms.Field] = dict(
        made.make_form("sessions", ("route",), required=("route",)).base_fields
    )
    chosen = forms.MultipleChoiceField(
        label=_("Units at hand"),
        help_text=_("Only units that may be issued or were issued to this patient are listed.")
        if units
        else _("No unit may be issued today, and none was issued to this patient."),
        choices=units,
        widget=forms.CheckboxSelectMultiple,
    )
    questions = facts_form(matching.bedside_questions(records.facts_of(row, on=today())))
    more: dict[str, forms.Field] = {
        "units": chosen,
        **route,
        "is_identity_confirmed": made.yes_no(
            label=_("The patient was identified by two identifiers"), required=False
        ),
        "is_positioned": made.yes_no(
            label=_("The head is raised by 45 degrees or more (delivery from above)"), required=False
        ),
        **questions,
        **made.make_form("checklists", ("override_code", "override_reason")).base_fields,
    }

    def save(values: dict[str, Any]) -> str:
        answers = {name: values.pop(name) for name in questions}
        values["override_reason"] = values["override_reason"] or ""
        check = procedure.check_procedure(
            by=request.user, patient=pk, on=today(), at=timezone.now(), answers=answers, **values
        )
        return reverse("checklist", args=[check.pk])

    return form_page(
        request,
        made.make_form("sessions", (), more=more),
        title=_("Check before the procedure: patient %(pk)s") % {"pk": pk},
        button=_("Check"),
        done=_("Check kept."),
        back=reverse("patient", args=[pk]),
        save=save,
        before=_("What is not answered blocks. The override is a physician's, and opens no safety rule."),
    )


def checklist(request: HttpRequest, pk: str) -> HttpResponse:
    """One check: what stands in the way, or that the procedure may begin."""
    row = one(request, "checklists", pk)
    used = seen(request, "session_checks").filter(checklist=row).first()
    return render(
        request,
        "registry/checklist.html",
        {
            "check": row,
            "items": json.loads(row.content)["items"],
            "units": row.units.split(";"),
            "route": label_of("routes", row.route),
            "session": used.session_id if used else None,
            "may_begin": row.outcome != "blocked" and used is None and row.checked_on == today(),
        },
    )


def give_units(request: HttpRequest, pk: str) -> HttpResponse:
    """The session under a check: the part of each unit given, who did it, how it was tolerated."""
    row = one(request, "checklists", pk)
    units = row.units.split(";")
    parts: dict[str, forms.Field] = {
        f"part-{unit}": forms.FloatField(
            label=_("Part of unit %(unit)s given") % {"unit": unit},
            help_text=_("1 is all that is left of it; empty where none was given."),
            min_value=0.01,
            max_value=1,
            required=False,
        )
        for unit in units
    }
    given = ("administered_at", "volume_millilitres", "n_capsules", "operator", "tolerance")
    more = parts | made.make_form("sessions", given, required=("administered_at",)).base_fields
    more |= made.with_choices("purpose", [(p, p) for p in PURPOSES], words=_("Purpose of the course"))

    def save(values: dict[str, Any]) -> str:
        fractions = {u: values.pop(f"part-{u}") for u in units}
        session = procedure.give_units(
            by=request.user,
            checklist=pk,
            parts={unit: part for unit, part in fractions.items() if part},
            at=values.pop("administered_at"),
            operator=values.pop("operator") or "",
            **values,
        )
        return reverse("session", args=[session.pk])

    return form_page(
        request,
        made.make_form("sessions", (), more=more),
        title=_("Session of patient %(pk)s") % {"pk": row.patient_id},
        button=_("Record session"),
        done=_("Session recorded; the units are booked out. Now observe the patient."),
        back=reverse("checklist", args=[pk]),
        save=save,
        initial={"purpose": "induction", "administered_at": timezone.localtime(), **dict.fromkeys(parts, 1)},
    )


def session(request: HttpRequest, pk: str) -> HttpResponse:
    """One session: what was given, under which check, how the patient was after."""
    row = one(request, "sessions", pk)
    check = seen(request, "session_checks").filter(session=row).first()
    return render(
        request,
        "registry/session.html",
        {
            "session": row,
            "route": label_of("routes", row.route) if row.route else None,
            "units": seen(request, "session_units").filter(session=row).order_by("unit"),
            "check": check.checklist if check else None,
            "observations": seen(request, "observations").filter(session=row).order_by("observed_at"),
            "closing": seen(request, "session_closings").filter(session=row).first(),
        },
    )


def observe(request: HttpRequest, pk: str) -> HttpResponse:
    """Vital signs after a session."""
    row = one(request, "sessions", pk)
    back = reverse("session", args=[pk])

    def save(values: dict[str, Any]) -> str:
        procedure.observe(by=request.user, session=pk, **values)
        return back

    return form_page(
        request,
        made.make_form("observations", VITAL, required=("observed_at",)),
        title=_("Observation of patient %(pk)s") % {"pk": row.patient_id},
        button=_("Record"),
        done=_("Observation recorded."),
        back=back,
        save=save,
        initial={"observed_at": timezone.localtime()},
    )


def close_session(request: HttpRequest, pk: str) -> HttpResponse:
    """The end of the observation."""
    row = one(request, "sessions", pk)
    back = reverse("session", args=[pk])

    def save(values: dict[str, Any]) -> str:
        procedure.close_session(by=request.user, session=pk, **values)
        return back

    return form_page(
        request,
        made.make_form("session_closings", ("minutes", "is_well", "note"), required=("minutes",)),
        title=_("Close the session of patient %(pk)s") % {"pk": row.patient_id},
        button=_("Close"),
        done=_("Session closed."),
        back=back,
        save=save,
        before=gettext_lazy("Four hours and well; earlier, or not well, needs a note."),
    )
