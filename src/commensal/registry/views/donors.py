"""Donors: first contact, screening, the decision on a donor."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from commensal.registry import donor_lists
from commensal.registry import forms as made
from commensal.registry.actions import screening
from commensal.registry.donor_lists import evidence_by_donor
from commensal.registry.scope import seen
from commensal.registry.views.bank import sites_choice
from commensal.registry.views.pages import form_page, one, today
from commensal.registry.words import label_of
from commensal.vocabulary.rescreening import donor_standing
from commensal.vocabulary.rules import Verdict

DONOR = ("donor_id", "site_id", "kind", "sex", "born_on", "bmi", "enrolled_on", "cmv_igg", "ebv_igg")


def add_donor(request: HttpRequest) -> HttpResponse:
    """A new donor."""
    names = [name for name in DONOR if name not in ("site_id", "donor_id")]
    form = made.make_form("donors", names, required=("kind", "sex"), more=sites_choice(request))
    return form_page(
        request,
        form,
        title="New donor",
        button="Add donor",
        done="Donor added as a candidate.",
        back=reverse("donors"),
        initial={"enrolled_on": today()},
        save=lambda values: reverse("donor", args=[screening.add_donor(by=request.user, **values).pk]),
    )


def donor(request: HttpRequest, pk: str) -> HttpResponse:
    """One donor: where the screening stands, which tests block and until when, what was given."""
    row = one(request, "donors", pk)
    laboratory, answers = screening.donor_screen(row, on=today())
    open_answers = [verdict for verdict in answers if verdict.rule.is_binding and verdict.outcome != "met"]
    evidence = evidence_by_donor(seen(request, "donors").filter(pk=pk), on=today())[pk]
    standing = donor_standing(evidence, profile=screening.profile_on(today()), on=today())
    mine = {"donor": row}
    return render(
        request,
        "registry/donor.html",
        {
            "donor": row,
            "laboratory": laboratory,
            "blocking": [s for s in standing if s.outcome != "met"],
            "running_out": [s for s in standing if s.outcome == "met"],
            "open_answers": [(v, _deferred_until(v)) for v in open_answers],
            "n_answers": len(answers),
            "donations": seen(request, "donations").filter(**mine).order_by("-donated_on"),
            "asked": set(
                seen(request, "screenings")
                .filter(**mine, specimen=screening.SAME_DAY)
                .exclude(analyte="menstruation")
                .values_list("donation_id", flat=True)
            ),
            "results": seen(request, "screenings").filter(**mine).order_by("-collected_on", "analyte")[:200],
            "consents": seen(request, "consents").filter(**mine),
            "decisions": seen(request, "donor_decisions").filter(**mine).order_by("-decided_at"),
            "units": seen(request, "units").filter(
                pk__in=seen(request, "unit_donors").filter(donor=row).values("unit")
            ),
            "holds": seen(request, "holds").filter(donor=row, lifted_on__isnull=True),
        },
    )


def _deferred_until(verdict: Verdict) -> date | None:
    days = verdict.defer_until_days
    return None if days is None else today() + timedelta(days=days)


def funnel(request: HttpRequest) -> HttpResponse:
    """How far donors came, and why they left."""
    return render(request, "registry/funnel.html", {"found": donor_lists.funnel(request.sites)})  # type: ignore[attr-defined]


def work(request: HttpRequest) -> HttpResponse:
    """What must be done for donors: screens that run out, closing screens, results that wait, deferrals."""
    sites, on = request.sites, today()  # type: ignore[attr-defined]
    waiting = donor_lists.open_results(sites, on=on)
    labels = {need.analyte: need.label for need in screening.profile_on(on).requirements}
    return render(
        request,
        "registry/donor_work.html",
        {
            "on": on,
            "due": donor_lists.screens_running_out(sites, on=on)[:200],
            "closings": donor_lists.closing_screens(sites, on=on)[:200],
            "n_results": waiting.count(),
            "results": [
                (r, labels.get(r.analyte) or label_of((), r.analyte), _days(r.collected_on, on))
                for r in waiting[:100]
            ],
            "deferrals": donor_lists.deferrals(sites)[:200],
        },
    )


def follow_result(request: HttpRequest, pk: str) -> HttpResponse:
    """What became of a result that was pending, equivocal or invalid."""
    row = one(request, "screenings", pk)
    back = reverse("donor", args=[row.donor_id])
    outcomes = [(r, r) for r in ("negative", "positive", "equivocal", "invalid")]
    more: dict[str, forms.Field] = made.with_choices("outcome", outcomes, words=_("Result"))
    more |= made.make_form("screenings", ("reported_on", "collected_on", "method")).base_fields
    more["collected_on"].help_text = _("Day of a new specimen; empty where the same one was reported.")

    def save(values: dict[str, Any]) -> str:
        screening.follow_result(by=request.user, result=pk, **values)
        return back

    return form_page(
        request,
        made.make_form("screenings", (), more=more),
        title=_("%(analyte)s of donor %(donor)s")
        % {"analyte": label_of((), row.analyte), "donor": row.donor_id},
        button=_("Record result"),
        done=_("Result recorded."),
        back=back,
        save=save,
        initial={"reported_on": today()},
        before=_("Now on record: %(result)s, taken %(on)s. It stays visible.")
        % {"result": row.result, "on": row.collected_on},
    )


def same_day(request: HttpRequest, pk: str) -> HttpResponse:
    """The health questions of one donation."""
    row = one(request, "donations", pk)
    giver = one(request, "donors", row.donor_id)
    asked = screening.same_day_questions(row.donated_on or today(), sex=giver.sex)
    back = reverse("donor", args=[row.donor_id])

    def save(values: dict[str, Any]) -> str:
        answers = {name: (values[f"result-{name}"], values[f"event-{name}"]) for name in asked}
        screening.answer_same_day(by=request.user, donation=pk, answers=answers)
        return back

    return form_page(
        request,
        made.same_day_form(asked),
        title=_("Questions of donation %(pk)s") % {"pk": pk},
        button=_("Record answers"),
        done=_("Answers recorded."),
        back=back,
        save=save,
        template="registry/same_day.html",
        asked=list(asked),
        donation=row,
    )


def add_results(request: HttpRequest, pk: str) -> HttpResponse:
    """One day's test results of a donor."""
    one(request, "donors", pk)
    given = seen(request, "donations").filter(donor=pk).order_by("-donated_on")
    form = made.panel_form(today(), donations=[(d.pk, f"{d.pk} of {d.donated_on}") for d in given])
    asked = made.panel_fields(today())
    back = reverse("donor", args=[pk])

    def save(values: dict[str, Any]) -> str:
        results = [
            {
                "analyte": analyte,
                "specimen": specimen,
                "result": values[f"result-{analyte}"],
                "method": values[f"method-{analyte}"],
            }
            for analyte, (_, specimen, _) in asked.items()
        ]
        screening.record_results(
            by=request.user,
            donor=pk,
            collected_on=values["collected_on"],
            donation=values["donation"] or None,
            results=results,
        )
        return back

    return form_page(
        request,
        form,
        title=f"Test results of donor {pk}",
        button="Record results",
        done="Results recorded.",
        back=back,
        save=save,
        template="registry/panel.html",
        asked=list(asked),
    )


def add_answers(request: HttpRequest, pk: str) -> HttpResponse:
    """The donor questionnaire."""
    one(request, "donors", pk)
    back = reverse("donor", args=[pk])

    def save(values: dict[str, Any]) -> str:
        results = [
            {
                "analyte": question["code"],
                "specimen": "questionnaire",
                "result": values.get(f"result-{question['code']}"),
                "value": values.get(f"value-{question['code']}"),
                "event_on": values.get(f"event-{question['code']}"),
            }
            for question in made.questions(today())
        ]
        screening.record_results(
            by=request.user, donor=pk, collected_on=values["collected_on"], results=results
        )
        return back

    return form_page(
        request,
        made.questionnaire_form(today()),
        title=f"Questionnaire of donor {pk}",
        button="Record answers",
        done="Answers recorded.",
        back=back,
        save=save,
        initial={"collected_on": today()},
    )


def resolve_result(request: HttpRequest, pk: str) -> HttpResponse:
    """A physician's reason why a finding no longer counts."""
    row = one(request, "screenings", pk)
    back = reverse("donor", args=[row.donor_id])

    def save(values: dict[str, Any]) -> str:
        screening.resolve_result(by=request.user, result=pk, reason=values["reason"])
        return back

    form = made.make_form("screenings", (), needs_reason=True)
    title = f"Clear the finding {row.analyte.replace('_', ' ')} of donor {row.donor_id}"
    return form_page(
        request, form, title=title, button="Clear", done="Finding cleared.", back=back, save=save
    )


def decide_donor(request: HttpRequest, pk: str) -> HttpResponse:
    """A physician's decision on a donor."""
    row = one(request, "donors", pk)
    more: dict[str, forms.Field] = dict(
        made.make_form("donors", ("status", "deferred_until_on"), required=("status",)).base_fields
    )
    more |= made.make_form("donor_decisions", ("reason_code",)).base_fields
    form = made.make_form("donors", (), needs_reason=True, more=more)
    back = reverse("donor", args=[pk])

    def save(values: dict[str, Any]) -> str:
        screening.set_donor_status(
            by=request.user, donor=pk, on=today(), note=values["reason"], **_named(values)
        )
        return back

    return form_page(
        request,
        form,
        title=f"Decide on donor {pk}",
        button="Record decision",
        done="Decision recorded.",
        back=back,
        save=save,
        initial={"status": row.status},
    )


def _named(values: dict[str, Any]) -> dict[str, Any]:
    return {**values, "reason_code": values["reason_code"] or None}


def _days(since: date | None, on: date) -> int | None:
    return None if since is None else (on - since).days
