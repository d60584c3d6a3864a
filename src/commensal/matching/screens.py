"""What the laboratory says of the donors of some lots, each donation judged once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import polars as pl

from commensal.bank.release import screening_results
from commensal.matching.lots import Lot
from commensal.vocabulary.donor_verdicts import Evidence, ScreeningVerdict, evidence_of, window_verdict
from commensal.vocabulary.rules import worst
from commensal.vocabulary.screening import Profile, screening_profile

SHOWN = 5
"""Open analytes named for each donor; the rest are counted."""


def _together(statuses: Iterable[str | None]) -> str | None:
    """Return positive if any donor is, negative if all are, else unknown (equivocal and pending too)."""
    found = list(statuses)
    if "positive" in found:
        return "positive"
    return "negative" if found and set(found) == {"negative"} else None


def _open(verdict: ScreeningVerdict) -> str:
    """Return the open analytes, findings before gaps; a long list is cut and says so."""
    found = sorted(verdict.open, key=lambda analyte: analyte.outcome != "not_met")
    words = [f"{analyte.analyte}: {analyte.reason}" for analyte in found[:SHOWN]]
    more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return ", ".join([*words, *more]) or verdict.reason.removesuffix(".") or "clear"


class Screens:
    """Laboratory screens of the donors of some lots.

    ``screenings`` and ``donations`` are the rows of these donors; results collected after ``on`` are not
    looked at. ``on`` None is a study without a calendar: no result can be placed, nothing is clear.
    """

    def __init__(
        self,
        screenings: pl.DataFrame,
        donations: pl.DataFrame,
        *,
        profile: str | Profile,
        on: date | None,
    ) -> None:
        self._results = {
            donor: screening_results(rows)
            for (donor,), rows in screenings.sort("result_id").partition_by("donor_id", as_dict=True).items()
        }
        dated = donations.select("donation_id", "donated_on") if on else donations.clear()
        self._donated_on = dict(dated.select("donation_id", "donated_on").iter_rows())
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
        if pathway == "external_product" or self.of(lot) == "met":
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
        evidence = evidence_of(self._results.get(donor, []), profile=profile, on=self._on or date.min)
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
                if r.analyte == analyte and self._on and r.collected_on <= self._on and not r.is_resolved
            }
            found.add(donor.get(analyte) or "pending")
            self._found[key] = next((r for r in ("positive", "negative") if r in found), None)
        return self._found[key]
