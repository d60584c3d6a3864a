"""A stock on one day, worked out ahead of any recipient: a match run then asks only what is about one.

Screening verdicts of donations, custody and holds, foods, communities, the digests of every table: none of it
depends on the recipient. A stock is valid for the very tables it was made of, one day and one screening
profile; a run refuses any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from commensal.bank.stock import picked
from commensal.errors import InputError
from commensal.matching.columns import Column, Judged, column_of, judge_columns
from commensal.matching.communities import Communities, communities_of
from commensal.matching.lots import Lot, candidate_lots, material_given
from commensal.matching.recipient import allergen_words, facts_of_recipients
from commensal.matching.screens import Screens
from commensal.matching.watch import Watched, watched_stock
from commensal.study import INPUTS, Study, unit_facts
from commensal.vocabulary import rule_set
from commensal.vocabulary.rules import Rule, in_force
from commensal.vocabulary.screening import Profile

if TYPE_CHECKING:
    from commensal.microbiome.prediction.model import CommunityModel

EPOCH = date(1970, 1, 1)
SCREENED = "GATE04"
BARRED = ("GATE26", "GATE27", "GATE28", "GATE29")
OF_THE_UNIT = (
    "release_pathway",
    "dose_grams",
    "days_to_expiry",
    "hold",
    "is_autologous",
    "is_restricted_to_one_patient",
)
"""Facts of a unit that gates ask."""

ANALYTES = {
    "donor_cmv_igg": "cmv_igg",
    "donor_ebv_igg": "ebv_igg",
    "donor_helicobacter_pylori": "helicobacter_pylori",
}


@dataclass(frozen=True, eq=False)
class Stock:
    """The lots of one day with everything about them that no recipient changes.

    ``columns`` are their facts, ``judged`` the gates that ask nothing else. ``foods`` holds for each lot what
    each of its donors ate, ``material`` its product; ``reserved`` and ``given_by`` name, by patient, the
    lots reserved for and donated by the patient. ``people`` are the facts of the recipients on that day.
    """

    on_day: int
    profile: str | Profile
    lots: tuple[Lot, ...]
    columns: Mapping[str, Column]
    judged: tuple[Judged, ...]
    foods: Column
    product: Column
    donors: Column
    reserved: Mapping[str, np.ndarray]
    given_by: Mapping[str, np.ndarray]
    units: pl.DataFrame
    communities: Communities
    people: Mapping[str, Mapping[str, Any]]
    watched: tuple[Watched, ...]
    made_of: Mapping[str, Any]
    model: CommunityModel | None

    def check(self, study: Study, *, on_day: int, profile: str | Profile, recipient: str) -> None:
        """Refuse (InputError) another day, another profile, other tables or a recipient left out."""
        if self.on_day != on_day or self.profile != profile:
            raise InputError(
                f"the stock was prepared for day {self.on_day} and another profile or day is asked",
                do="prepare the stock again",
            )
        now = tables_of(study)
        changed = [n for n in INPUTS if not _is_same(now.get(n), self.made_of.get(n))]
        if changed or recipient not in self.people:
            what = f"table {changed[0]}" if changed else f"patient {recipient!r}"
            raise InputError(f"the stock was prepared without this {what}", do="prepare the stock again")


def tables_of(study: Study) -> dict[str, Any]:
    """Return what tells a study's tables from others: digests of a folder's, the frames themselves else."""
    if study.folder is None:
        return dict(study.frames)
    return {name: entry["sha256"] for name, entry in study.manifest.tables.items()}


def _is_same(now: Any, then: Any) -> bool:
    return now is then or (isinstance(now, str) and now == then)


def gate_rules(*, on: date | None) -> tuple[Rule, ...]:
    """Return the gates in force on a date; all where there is no calendar."""
    rules = rule_set("gates")
    return rules if on is None else in_force(rules, on=on)


def day_to_date(study: Study, on_day: int) -> date | None:
    """Return the date of a day; None in a study without a calendar."""
    return EPOCH + timedelta(days=on_day) if study.manifest.clock == "calendar" else None


def prepare_stock(
    study: Study,
    *,
    on_day: int,
    profile: str | Profile = "STRICT",
    recipients: Sequence[str] | None = None,
    model: CommunityModel | None = None,
) -> Stock:
    """Return the stock of a study on one day, ready for any number of match runs.

    Parameters
    ----------
    study : the stock and its donors, and the recipients' records.
    on_day : day of the matches, in days since 1970-01-01; days from index in a study without a calendar.
    profile : screening profile by which donors are judged.
    recipients : patients who will be matched; all where None.
    model : a trained model of communities, for the expected engraftment.
    """
    on = day_to_date(study, on_day)
    lots = candidate_lots(study, on_day=on_day) if on else material_given(study)
    patients = study.read("patients")
    if recipients is not None:
        patients = patients.filter(pl.col("patient_id").is_in(list(recipients)))
    own = samples_of(study, patients["patient_id"])["sample_id"].to_list()
    communities = communities_of(study, lots, own=own, model=model)
    columns, words = _columns(study, lots, on_day=on_day, on=on, profile=profile)
    return Stock(
        on_day=on_day,
        profile=profile,
        lots=tuple(lots),
        columns=columns,
        judged=_judged_ahead(columns, words, n_lots=len(lots), on=on),
        foods=column_of([_foods(lot) for lot in lots]),
        product=column_of([lot.unit["product"] for lot in lots]),
        donors=column_of([lot.donor_ids for lot in lots]),
        reserved=_places((lot.reserved_for,) for lot in lots),
        given_by=_places({donor.get("patient_id") for donor in lot.donors} for lot in lots),
        units=_units(lots),
        communities=communities,
        people=facts_of_recipients(study, patients, on_day=on_day) if patients.height else {},
        watched=watched_stock(study, lots, communities),
        made_of=tables_of(study),
        model=model,
    )


def samples_of(study: Study, patients: pl.Series) -> pl.DataFrame:
    """Return the samples of some patients, laboratory controls left out."""
    samples = study.read("samples")
    return samples.filter(pl.col("patient_id").is_in(patients.implode()) & pl.col("control").is_null())


def _foods(lot: Lot) -> tuple[frozenset[str] | None, ...]:
    eaten = [donor.get("recent_foods") for donor in lot.donors] or [None]
    return tuple(None if foods is None else allergen_words(foods) for foods in eaten)


def _places(keys: Any) -> dict[str, np.ndarray]:
    places: dict[str, list[int]] = {}
    for lot, names in enumerate(keys):
        for name in names:
            if name is not None:
                places.setdefault(name, []).append(lot)
    return {name: np.array(found) for name, found in places.items()}


def _units(lots: Sequence[Lot]) -> pl.DataFrame:
    rows = [
        (lot.unit_id, ";".join(lot.donor_ids) or None, lot.unit["produced_day"], lot.unit["expires_day"])
        for lot in lots
    ]
    days = {"produced_day": pl.Int64(), "expires_day": pl.Int64()}
    return pl.DataFrame(rows, schema={"unit_id": pl.String(), "donor_id": pl.String(), **days}, orient="row")


def _columns(
    study: Study, lots: Sequence[Lot], *, on_day: int, on: date | None, profile: str | Profile
) -> tuple[dict[str, Column], dict[str, Column]]:
    """Return the facts of the lots, and by rule what is said beside its verdict."""
    facts = unit_facts(study, on_day=on_day).collect("polars").to_native()
    ids = pl.DataFrame({"unit_id": [lot.unit_id for lot in lots]}, schema={"unit_id": pl.String})
    units = ids.join(facts, on="unit_id", how="left", maintain_order="left")
    screens = _screens(study, lots, profile=profile, on=on)
    columns = {name: column_of(units[name].to_list()) for name in OF_THE_UNIT}
    columns["is_released"] = column_of([lot.is_released for lot in lots])
    # What nobody can tell is no answer: the rule is then undetermined, not unmet.
    columns["donor_screening"] = column_of([screens.of(lot) for lot in lots]).map(
        lambda verdict: None if verdict == "undetermined" else verdict
    )
    for fact, analyte in ANALYTES.items():
        columns[fact] = column_of([screens.finding(lot, analyte) for lot in lots])
    columns["bar_to_issue"] = column_of([lot.bar for lot in lots])
    of_bank = column_of([f"The bank: {lot.bar_words}." if lot.bar_words else "" for lot in lots])
    words = {SCREENED: column_of([screens.words(lot) for lot in lots])}
    return columns, {**words, **dict.fromkeys(BARRED, of_bank)}


def _screens(study: Study, lots: Sequence[Lot], *, profile: str | Profile, on: date | None) -> Screens:
    donors = sorted({donor for lot in lots for donor in lot.donor_ids})
    screenings = picked(study, "screenings", key="donor_id", values=donors)
    return Screens(screenings, study.read("donations"), profile=profile, on=on)


def _judged_ahead(
    columns: Mapping[str, Column], words: Mapping[str, Column], *, n_lots: int, on: date | None
) -> tuple[Judged, ...]:
    """Judge the gates that ask the lot alone; what a reservation bars depends on the recipient."""
    known = set(columns)
    rules = [r for r in gate_rules(on=on) if set(r.facts) <= known and r.id != "GATE30"]
    judged = judge_columns(rules, columns, facts={}, n_lots=n_lots)
    return tuple(_said(j, words[j.rule.id]) if j.rule.id in words else j for j in judged)


def _said(judged: Judged, words: Column) -> Judged:
    """Return a judged rule with what is said beside its verdict where that is not met."""
    joined = judged.which.astype(np.int64) * max(len(words.values), 1) + words.codes
    pairs, which = np.unique(joined, return_inverse=True)
    texts = [(judged.texts[p // len(words.values)], words.values[p % len(words.values)]) for p in pairs]
    said = tuple(f"{text} {word}".strip() if text else "" for text, word in texts)
    return replace(judged, texts=said, which=which.astype(np.int32))
