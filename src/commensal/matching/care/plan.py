"""A care plan for one recipient: preparation to stop rules, from a versioned protocol, checked by rules.

A plan is immutable and named by a hash of what went in. It orders nothing: a physician decides and signs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any

import polars as pl

from commensal import __version__
from commensal.errors import InputError, RefusedError, nearest
from commensal.matching.care.checks import Checks, checks_of, with_answers
from commensal.matching.care.items import Item, Weight
from commensal.matching.care.sections import items_of
from commensal.matching.recipient import Recipient, read_recipient
from commensal.study import RESULTS, Study
from commensal.vocabulary import Route, analytes, read_route
from commensal.vocabulary.eligibility import rule_set
from commensal.vocabulary.protocols import Protocol, Regimen, protocol
from commensal.vocabulary.rules import in_force

EPOCH = date(1970, 1, 1)
RULES = ("recipient", "preparation", "routes")


@dataclass(frozen=True, eq=False)
class CarePlan:
    """An immutable care plan: the rows of ``care_plans``, and what they rest on.

    ``verdict`` is met, not_met or undetermined over every binding rule; ``route`` is None where every route
    of the protocol is closed.
    """

    care_plan: pl.DataFrame
    verdict: str
    route: Route | None
    protocol: Protocol
    unmet: tuple[str, ...] = field(default=())

    @property
    def care_plan_id(self) -> str:
        """The hash that names the plan."""
        return self.care_plan["care_plan_id"][0]

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """The result table, ready for ``write_results``."""
        return {"care_plans": self.care_plan}


def plan(
    study: Study,
    *,
    recipient: str,
    on_day: int,
    route: str | None = None,
    study_id: str | None = None,
    regimen: str | None = None,
    answers: Mapping[str, Any] | None = None,
    use: Protocol | None = None,
) -> CarePlan:
    """Return the care plan of one recipient on one day.

    Parameters
    ----------
    study : the recipient's records; a live study of just one patient will do. Days are the calendar's.
    on_day : day of the plan, in days since 1970-01-01; nothing recorded later is looked at.
    route : enteral route a clinician wants; without it the protocol's first route that no rule closes.
    study_id : study or trial, where the recipient is treated in one that no consent names.
    regimen : code of a published regimen of the protocol; without it the first that fits the route.
    answers : facts asked at the bedside that no table holds (``find_fact`` names them). An absent fact is
        unknown, and unknown never passes.
    use : a protocol of the centre's own; without it the library's for the patient's indication.

    Returns
    -------
    A plan whose first row says whether it may be carried out, with every binding rule that is not met or
    not answered; then each section with its items, values and units, days from the first session, verdicts
    and sources. A child's dose is missing, with the reason, where no weight is on record.

    Refuses: InputError for an unknown patient, route, regimen or answer, or an answer that contradicts the
    study; SafetyError for a parenteral route; RefusedError for a study without a calendar, a patient who
    has died or is in an arm that receives no donor material, and an unknown or unspecific indication.
    """
    if study.manifest.clock != "calendar":
        raise RefusedError(
            "this study has no calendar: days count from each patient's index",
            expected="a study with dates, since a plan is made for a day",
        )
    wanted, on = read_wanted(route), EPOCH + timedelta(days=on_day)
    who = read_recipient(study, recipient=recipient, on_day=on_day, study_id=study_id)
    _refuse_untreatable(study, recipient, on_day=on_day)
    used = use or protocol_for(who)
    facts = with_answers(_with_withdrawal(study, who, on_day=on_day), answers or {})
    checks = checks_of(facts, protocol=used, wanted=wanted, on=on)
    chosen, weight = _regimen(used, checks, regimen), _weight(study, who, on_day=on_day)
    barred = sorted(donor for donor, is_sure in who.reactions.items() if is_sure is not False)
    items = items_of(used, checks, weight=weight, regimen=chosen, barred_donors=barred)
    settings = [recipient, on_day, wanted, study_id, regimen, repr(used), *_rules(on=on)]
    name = _hash([dict(sorted(facts.items())), asdict(weight), barred, settings, __version__])
    return CarePlan(
        care_plan=_declared(items, name=name, recipient=recipient, used=used),
        verdict=checks.outcome,
        route=checks.route.route,
        protocol=used,
        unmet=tuple(v.rule.id for v in checks.unmet),
    )


def read_wanted(text: str | None) -> Route | None:
    """Return the route a clinician wants. Refuses: SafetyError for a parenteral one, InputError for text
    that names none, several, or one that several routes share."""
    if text is None:
        return None
    read = read_route(text)
    return read.code if read.code else Route(text)


def protocol_for(who: Recipient) -> Protocol:
    """Return the library's protocol for a recipient. Refuses (RefusedError) without one disease."""
    if who.indication is None:
        raise RefusedError(
            f"the indication of {who.patient_id} is not recorded",
            expected="an indication, since a protocol is written for one disease",
        )
    try:
        return protocol(who.indication)
    except InputError as error:
        raise RefusedError(f"{who.patient_id}: {error.what}", expected=error.expected) from error


def _refuse_untreatable(study: Study, recipient: str, *, on_day: int) -> None:
    arm = study.read("patients").filter(pl.col("patient_id") == recipient)["arm"][0]
    if arm != "fmt":
        raise RefusedError(
            f"{recipient} is in the arm {arm!r}, which receives no donor material",
            expected="a patient in the arm 'fmt'",
        )
    ends = _ended(study, recipient, on_day=on_day)
    if (ends["kind"] == "death").any():
        raise RefusedError(f"{recipient} has died", expected="a living patient")


def _ended(study: Study, recipient: str, *, on_day: int) -> pl.DataFrame:
    """Return the dispositions of a patient by a day; one without a day counts."""
    rows = study.read("dispositions").filter(pl.col("patient_id") == recipient)
    return rows.filter(pl.col("occurred_day").is_null() | (pl.col("occurred_day") <= on_day))


def _with_withdrawal(study: Study, who: Recipient, *, on_day: int) -> dict[str, Any]:
    """Return the facts; a patient who withdrew, at any level, has no consent to treatment."""
    facts = dict(who.facts)
    if (_ended(study, who.patient_id, on_day=on_day)["kind"] == "withdrawal").any():
        facts.update(has_treatment_consent=False, has_guardian_permission=False)
    return facts


def _regimen(used: Protocol, checks: Checks, code: str | None) -> Regimen | None:
    if code is not None:
        found = {regimen.code: regimen for regimen in used.regimens}
        if code not in found:
            raise InputError(
                f"{used.name} has no regimen {code!r}", expected=nearest(code, found) if found else "none"
            )
        return found[code]
    fitting = used.regimens_by(checks.route.route.value) if checks.route.route else ()
    return fitting[0] if fitting else None


def _weight(study: Study, who: Recipient, *, on_day: int) -> Weight:
    """Return the recipient's latest weight and its age; a value that is not plausible is none."""
    kilograms = who.facts["body_mass_kilograms"]
    declared = analytes().get("body_mass")
    if kilograms is None or not declared.minimum <= kilograms <= declared.maximum:
        return Weight(None, None)
    rows = study.read("lab_results").filter(
        (pl.col("patient_id") == who.patient_id) & (pl.col("analyte") == "body_mass")
    )
    days = [day for day in rows["collected_day"].to_list() if day is not None and day <= on_day]
    return Weight(kilograms, on_day - max(days) if days else None)


def _rules(*, on: date) -> list[str]:
    """Return every rule in full: a changed rule gives a plan another name."""
    return [repr(rule) for name in RULES for rule in in_force(rule_set(name), on=on)]


def _hash(inputs: Any) -> str:
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()


def _declared(items: list[Item], *, name: str, recipient: str, used: Protocol) -> pl.DataFrame:
    schema = RESULTS["care_plans"].schema
    same = {"care_plan_id": name, "patient_id": recipient, "protocol": used.name}
    rows = [{**same, "position": n, **asdict(item)} for n, item in enumerate(items, start=1)]
    return pl.DataFrame(rows, schema=schema)
