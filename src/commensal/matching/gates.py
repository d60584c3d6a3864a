"""The gates between one lot and one recipient: facts gathered, rules judged, every failure in words.

The rules are the vocabulary's, cited; here their facts are gathered. What is not recorded is unknown, and
unknown does not pass. One thing is read from silence: a recipient without a recorded reaction to a donor
had none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from commensal.bank.release import screening_results
from commensal.bank.stock import picked
from commensal.matching.recipient import Recipient, allergen_words
from commensal.matching.stock import Lot
from commensal.study import Study, unit_facts
from commensal.vocabulary import Route, is_compatible
from commensal.vocabulary.donor_verdicts import Evidence, ScreeningVerdict, evidence_of, window_verdict
from commensal.vocabulary.rules import Rule, Verdict, in_force, judge_each, read_rules, worst
from commensal.vocabulary.screening import Profile, screening_profile

BANK = "BANK"
SCREENED = "GATE04"
SHOWN = 5
"""Open analytes named for each donor; the rest are counted."""


@dataclass(frozen=True)
class Gated:
    """What the gates say of one lot: failed rules (not met or undetermined), warnings, and the words."""

    lot: Lot
    failed: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]

    @property
    def is_eligible(self) -> bool:
        """Every gate is met."""
        return not self.failed


def gate_rules(*, on: date) -> tuple[Rule, ...]:
    """Return the gates in force on a date."""
    return in_force(read_rules("gates.toml"), on=on)


def judge_lots(
    study: Study,
    lots: list[Lot],
    *,
    recipient: Recipient,
    on: date,
    on_day: int,
    profile: str | Profile,
    route: Route | None,
) -> list[Gated]:
    """Judge every lot for one recipient, in the order given."""
    rules = gate_rules(on=on)
    screens = Screens(study, lots, profile=profile, on=on)
    units = {
        unit["unit_id"]: unit
        for unit in unit_facts(study, on_day=on_day).collect("polars").to_native().iter_rows(named=True)
    }
    judged = []
    for lot in lots:
        unit = units[lot.unit_id]
        facts = lot_facts(lot, unit=unit, recipient=recipient, route=route, screens=screens)
        verdicts = judge_each({**recipient.facts, **unit, **facts}, rules=rules)
        judged.append(_gated(lot, verdicts, recipient=recipient, screens=screens))
    return judged


def _gated(lot: Lot, verdicts: Iterable[Verdict], *, recipient: Recipient, screens: Screens) -> Gated:
    unmet = [v for v in verdicts if v.outcome != "met"]
    failed = [(v.rule.id, _words(v, lot, screens)) for v in unmet if v.rule.is_binding]
    return Gated(
        lot,
        failed=(*failed, *_refused(lot, recipient)),
        warnings=tuple(f"Caution: {v.explain()}" for v in unmet if not v.rule.is_binding),
    )


def _words(verdict: Verdict, lot: Lot, screens: Screens) -> str:
    return f"{verdict.explain()} {screens.words(lot) if verdict.rule.id == SCREENED else ''}".strip()


def _refused(lot: Lot, recipient: Recipient) -> list[tuple[str, str]]:
    """Return the bank's refusal; a reservation for this very recipient is none."""
    if not lot.refusal or (
        lot.reserved_for == recipient.patient_id and lot.refusal == f"reserved for {recipient.patient_id}"
    ):
        return []
    why = "reserved for another patient" if lot.refusal.startswith("reserved for") else lot.refusal
    return [(BANK, f"Not met (excludes): The bank can issue the lot. It cannot: {why}.")]


def lot_facts(
    lot: Lot, *, unit: Mapping[str, Any], recipient: Recipient, route: Route | None, screens: Screens
) -> dict[str, Any]:
    """Return what stands between a lot and a recipient, beside the unit's facts; not recorded is None."""
    dose, weight = unit["dose_grams"], recipient.facts["body_mass_kilograms"]
    is_own = [donor.get("patient_id") == recipient.patient_id for donor in lot.donors]
    return {
        "is_released": lot.is_released,
        "donor_screening": screens.of(lot),
        "donor_cmv_igg": screens.finding(lot, "cmv_igg"),
        "donor_ebv_igg": screens.finding(lot, "ebv_igg"),
        "donor_helicobacter_pylori": screens.finding(lot, "helicobacter_pylori"),
        "has_allergen_conflict": _conflict(recipient.allergens, lot),
        "had_reaction_to_donor": _any(recipient.reactions.get(d, False) for d in lot.donor_ids),
        "route": route.value if route else None,
        "is_product_fit_for_route": is_compatible(unit["product"], route=route)
        if route and unit["product"]
        else None,
        "is_meant_for_recipient": _is_meant(lot, recipient, is_own=is_own, unit=unit),
        "is_donor_recipient": any(is_own),
        "dose_grams_per_kilogram": dose / weight if dose is not None and weight else None,
    }


def _is_meant(lot: Lot, recipient: Recipient, *, is_own: list[bool], unit: Mapping[str, Any]) -> bool | None:
    """Own material is meant for the donor; of directed material only a reservation says for whom."""
    if unit["is_autologous"]:
        return bool(is_own) and all(is_own)
    return True if lot.reserved_for == recipient.patient_id else None


def _together(statuses: Iterable[str | None]) -> str | None:
    """Return positive if any donor is, negative if all are, else unknown (equivocal and pending too)."""
    found = list(statuses)
    if "positive" in found:
        return "positive"
    return "negative" if found and set(found) == {"negative"} else None


def _conflict(allergens: frozenset[str] | None, lot: Lot) -> bool | None:
    if allergens is None:
        return None
    eaten = [donor.get("recent_foods") for donor in lot.donors] or [None]
    return _any(None if foods is None else bool(allergen_words(foods) & allergens) for foods in eaten)


def _any(answers: Iterable[bool | None]) -> bool | None:
    found = list(answers)
    if True in found:
        return True
    return None if None in found else False


def _open(verdict: ScreeningVerdict) -> str:
    """Return the open analytes, findings before gaps; a long list is cut and says so."""
    found = sorted(verdict.open, key=lambda analyte: analyte.outcome != "not_met")
    words = [f"{analyte.analyte}: {analyte.reason}" for analyte in found[:SHOWN]]
    more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return ", ".join([*words, *more]) or verdict.reason.removesuffix(".") or "clear"


class Screens:
    """Laboratory screens of the donors of some lots, each donation judged once."""

    def __init__(self, study: Study, lots: list[Lot], *, profile: str | Profile, on: date) -> None:
        wanted = sorted({donor for lot in lots for donor in lot.donor_ids})
        self._rows = {
            donor: rows
            for (donor,), rows in picked(study, "screenings", key="donor_id", values=wanted)
            .sort("result_id")
            .partition_by("donor_id", as_dict=True)
            .items()
        }
        self._results = {donor: screening_results(rows) for donor, rows in self._rows.items()}
        donations = study.read("donations", columns=["donation_id", "donated_on"])
        self._donated_on = dict(donations.iter_rows())
        self._profile, self._on = profile, on
        self._judged: dict[tuple[str, str | None, str], ScreeningVerdict | None] = {}
        self._gathered: dict[str, list[tuple[Profile, tuple[Evidence, ...]]]] = {}
        self._found: dict[tuple[str, str], str | None] = {}

    def of(self, lot: Lot) -> str:
        """Return the least favourable verdict of the lot's donors around their donations."""
        pathway = lot.unit["release_pathway"]
        if pathway == "external_product":
            return {True: "met", False: "not_met"}.get(lot.unit["has_supplier_certificate"], "undetermined")
        return worst(
            verdict.outcome if verdict else "undetermined"
            for verdict in (self._donation(donor, donation, pathway) for donor, donation in lot.donations)
        )

    def words(self, lot: Lot) -> str:
        """Return what is open in the screens of the lot's donors, in words; empty where nothing is."""
        pathway = lot.unit["release_pathway"]
        if pathway == "external_product":
            return ""
        parts = []
        for donor, donation in lot.donations:
            verdict = self._donation(donor, donation, pathway)
            parts.append(f"{donor}: {_open(verdict)}." if verdict else f"{donor}: no donation on record.")
        return " ".join(parts)

    def _donation(self, donor: str, donation: str | None, pathway: str) -> ScreeningVerdict | None:
        """Return the verdict on one donor's donation; None where the donation is not on record."""
        key = (donor, donation, pathway)
        if key not in self._judged:
            self._judged[key] = self._verdict(*key)
        return self._judged[key]

    def _verdict(self, donor: str, donation: str | None, pathway: str) -> ScreeningVerdict | None:
        donated = self._donated_on.get(donation)
        if donated is None:
            return None
        profile = self._profile_on(donated)
        return window_verdict(
            self._evidence(donor, profile),
            profile=profile,
            donated_on=donated,
            pathway=pathway,
            donation_id=donation or "",
        )

    def _evidence(self, donor: str, profile: Profile) -> tuple[Evidence, ...]:
        """Return what the donor's results say, gathered once for each profile: few are in force in turn."""
        gathered = self._gathered.setdefault(donor, [])
        for judged_by, evidence in gathered:
            if judged_by is profile:
                return evidence
        evidence = evidence_of(self._results.get(donor, []), profile=profile, on=self._on)
        gathered.append((profile, evidence))
        return evidence

    def _profile_on(self, donated: date) -> Profile:
        """Return the profile in force for stool of a day; a signed one as it was signed."""
        if isinstance(self._profile, Profile):
            return self._profile
        return screening_profile(self._profile, on=donated)

    def finding(self, lot: Lot, analyte: str) -> str | None:
        """Return an analyte in the lot's donors: positive if any is, negative if all are, else unknown.

        A donor's own record (CMV and EBV IgG) counts beside the results; a positive of either stands.
        """
        return _together(self._finding(donor, analyte) for donor in lot.donors)

    def _finding(self, donor: Mapping[str, Any], analyte: str) -> str | None:
        key = (donor["donor_id"], analyte)
        if key not in self._found:
            found = {
                r.result
                for r in self._results.get(donor["donor_id"], [])
                if r.analyte == analyte and r.collected_on <= self._on and not r.is_resolved
            }
            found.add(donor.get(analyte) or "pending")
            self._found[key] = next((r for r in ("positive", "negative") if r in found), None)
        return self._found[key]
