"""Parts of a score that need no community of the recipient: what is on record of the lot and its donors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from commensal.matching.policy import Policy

UNKNOWN = 0.5
"""What a part counts for a lot of which it is not known: the middle of the scale …"""

UNKNOWN_VARIANCE = 1 / 12
"""… with the variance of a number of which nothing is known but that it lies between 0 and 1."""

EFFECTS = "donor_effects"
PARAMETERS = "model_parameters"
UNRECORDED = "not recorded"
LEVEL = re.compile(r"(?P<fact>\w+): (?P<level>.+) against (?P<reference>.+)")


@dataclass(frozen=True, eq=False)
class Part:
    """One part of the score of some lots.

    ``values`` (lots,) lie between 0 and 1, higher is preferred; NaN where the part is not known of a lot,
    with the reason in ``reasons``. ``variance`` is that lot's own; ``shared`` (lots,) is how far the value
    moves with one standard deviation of what is uncertain for all lots alike. Lots of one ``group`` are
    measured by the same stool or record: they do not differ in the part. ``overlap``, where there is one,
    gives the covariance of each lot with lot i.
    """

    name: str
    values: np.ndarray
    variance: np.ndarray
    group: np.ndarray
    measured: pl.Series
    reasons: pl.Series
    shared: np.ndarray = field(default_factory=lambda: np.zeros(1))
    overlap: Any = None

    @property
    def is_known(self) -> np.ndarray:
        """Lots of which the part is known, shape (lots,)."""
        return ~np.isnan(self.values)

    @property
    def counted(self) -> np.ndarray:
        """Values as they are counted: the middle of the scale where not known."""
        return np.where(self.is_known, self.values, UNKNOWN)

    @property
    def uncertainty(self) -> np.ndarray:
        """Variance as it is counted, what all lots share included, shape (lots,)."""
        return np.where(self.is_known, self.variance + self.shared**2, UNKNOWN_VARIANCE)

    def between(self, lot: int) -> np.ndarray:
        """Return the variance of the difference of one lot from each, shape (lots,)."""
        own = np.where(self.is_known, self.variance, UNKNOWN_VARIANCE)
        both = own + own[lot] + np.where(self.is_known & self.is_known[lot], self._moves(lot), 0.0)
        if self.overlap is not None:
            both = both - 2 * self.overlap(lot)
        return np.where((self.group == self.group[lot]) & self.is_known, 0.0, np.maximum(both, 0.0))

    def _moves(self, lot: int) -> np.ndarray:
        shared = np.broadcast_to(self.shared, self.values.shape)
        return (shared - shared[lot]) ** 2


@dataclass(frozen=True)
class LeftOut:
    """A part that is known of no lot, and why."""

    name: str
    reason: str


Made = Part | LeftOut


def measured(template: str, *columns: Any) -> pl.Series:
    """Return a sentence for each lot; ``{}`` stand for columns in order."""
    named = {f"c{i}": column for i, column in enumerate(columns)}
    frame = pl.DataFrame(named)
    return frame.select(pl.format(template, *named).alias("measured"))["measured"]


def freshness(produced: pl.Series, expires: pl.Series, *, on_day: int) -> Made:
    """Return the share of shelf life that is left on a day; known exactly."""
    whole = (expires - produced).cast(pl.Float64).to_numpy()
    left = (expires - on_day).cast(pl.Float64).to_numpy()
    values = np.full(len(whole), np.nan)
    is_known = ~np.isnan(whole) & (np.nan_to_num(whole) > 0)
    values[is_known] = np.clip(left[is_known] / whole[is_known], 0, 1)
    if not is_known.any():
        return LeftOut("freshness", "no lot has a day of production and one of expiry")
    words = measured("{} of {} days of shelf life left", expires - on_day, expires - produced)
    none = "no day of production or expiry on record"
    return _exact("freshness", values, np.arange(len(values)), words, none)


def stock(donors: np.ndarray) -> Part:
    """Return the lots of the same donor over the most of any; ``donors`` are codes of the lots' donors."""
    counts = np.bincount(donors, minlength=1)[donors] if donors.size else np.zeros(0)
    values = counts / max(counts.max(initial=1), 1)
    return _exact("stock", values, donors, measured("{} lots of this donor compared here", counts), "")


def _exact(name: str, values: np.ndarray, group: np.ndarray, words: pl.Series, none: str) -> Part:
    reasons = pl.Series([None, none], dtype=pl.String).gather(np.isnan(values).astype(np.int8))
    return Part(name, values, np.zeros(len(values)), group, words, reasons)


def donor_record(
    donors: Sequence[tuple[str, ...]],
    evidence: Mapping[str, pl.DataFrame],
    *,
    policy: Policy,
    indication: str | None,
) -> Made:
    """Return the shrunken effect of the lots' donors as a probability: one half is the average donor.

    ``donors`` are the donors of each lot. The effect of a pool is the mean of its donors'.
    """
    if EFFECTS not in evidence:
        return LeftOut("donor_record", f"no table of evidence ({EFFECTS}) was given")
    rows = _effects(evidence[EFFECTS], policy=policy, indication=indication)
    if isinstance(rows, str):
        return LeftOut("donor_record", rows)
    of = {row["donor_id"]: row for row in rows.iter_rows(named=True)}
    known = [[of[d] for d in ids] if ids and all(d in of for d in ids) else None for ids in donors]
    if not any(known):
        return LeftOut("donor_record", "no donor of these lots has a record")
    effect = np.array([np.mean([r["effect"] for r in k]) if k else np.nan for k in known])
    variance = np.array([np.mean([r["se"] for r in k]) ** 2 if k else np.nan for k in known])
    values = 1 / (1 + np.exp(-effect))
    slope = values * (1 - values)
    places: dict[tuple[str, ...], int] = {}
    group = np.array([places.setdefault(ids, len(places)) for ids in donors])
    words = pl.Series("measured", [_record(k) for k in known], dtype=pl.String)
    reasons = pl.Series([None if k else "no record of this donor" for k in known], dtype=pl.String)
    return Part("donor_record", values, slope**2 * variance, group, words, reasons)


def _record(rows: Sequence[Mapping[str, Any]] | None) -> str:
    if not rows:
        return ""
    told = [f"{r['n_events']} of {r['n']} responded" for r in rows if r["n"] is not None]
    equal = [r["probability_equal"] for r in rows if r["probability_equal"] is not None]
    doubt = [f"probability that donors are equal {max(equal):.2f}"] if equal else []
    return "; ".join([*told, *doubt, f"{rows[0]['endpoint']} {rows[0]['landmark'] or ''}".strip()])


def _effects(frame: pl.DataFrame, *, policy: Policy, indication: str | None) -> pl.DataFrame | str:
    """Return one effect a donor, of the recipient's indication or else of all, or why there is none."""
    rows = frame.filter(
        pl.col("effect").is_not_null() & pl.col("effect").is_finite() & pl.col("se").is_not_null()
    )
    for column, wanted in (("endpoint", policy.record_endpoint), ("landmark", policy.record_landmark)):
        rows = rows.filter(pl.col(column) == wanted) if wanted else rows
    own = rows.filter(pl.col("indication") == (indication or ""))
    rows = own if own.height else rows.filter(pl.col("indication") == "all")
    if rows.is_empty():
        return f"no donor effect for {indication or 'an unknown indication'} on record"
    if rows.select("endpoint", "landmark").n_unique() > 1:
        return "donor effects of several endpoints or landmarks: the policy names none of them"
    return rows.unique("donor_id", keep="none")


def predicted_response(
    facts: Mapping[str, Any],
    parts: Sequence[Part],
    evidence: Mapping[str, pl.DataFrame],
    *,
    policy: Policy,
    indication: str | None,
) -> Made:
    """Return what a published logistic model expects of each lot: terms are facts or other parts.

    A fact in words stands as one term a level, ``name: level against reference``; a number that the model
    was fitted on with gaps has a term ``name: not recorded``. A level the model was not fitted on, and a fact
    that is not recorded where the model has no term for that, leave the part out, by name.
    """
    if PARAMETERS not in evidence:
        return LeftOut("predicted_response", f"no table of evidence ({PARAMETERS}) was given")
    terms = _terms(evidence[PARAMETERS], policy=policy, indication=indication)
    if isinstance(terms, str):
        return LeftOut("predicted_response", terms)
    of_part = {part.name: part for part in parts}
    n = len(parts[0].values) if parts else 0
    total, variance, known = np.zeros(n), np.zeros(n), np.ones(n, dtype=bool)
    recorded = _recorded(facts, terms)
    for row in terms.iter_rows(named=True):
        value, own, is_known = _term(row["term"], recorded, of_part, n)
        if value is None:
            return LeftOut("predicted_response", f"the model asks {row['term']}, which is not known here")
        scale = 1.0 if row["scale"] is None else row["scale"]
        x = (value - (row["centre"] or 0.0)) / scale
        total += row["coefficient"] * x
        variance += ((row["se"] or 0.0) * x) ** 2 + (row["coefficient"] / scale) ** 2 * own
        known &= is_known
    values = 1 / (1 + np.exp(-total))
    slope = values * (1 - values)
    model = terms["model"][0]
    words = measured(f"probability of {terms['endpoint'][0]} by {model}: {{}}", np.round(values, 2))
    values = np.where(known, values, np.nan)
    unknown = "a part that the model asks is not known"
    reasons = pl.Series([unknown, None], dtype=pl.String).gather(known.astype(np.int8))
    return Part("predicted_response", values, slope**2 * variance, np.arange(n), words, reasons)


def _recorded(facts: Mapping[str, Any], terms: pl.DataFrame) -> dict[str, Any]:
    """Return the facts with what the model's columns say of them, by the term's name."""
    found, names = dict(facts), terms["term"].to_list()
    centres = dict(terms.select("term", "centre").iter_rows())
    told = {m[0]: m for name in names if (m := LEVEL.fullmatch(name))}
    levels: dict[str, set[str]] = {}
    for m in told.values():
        levels.setdefault(m["fact"], set()).update((m["level"], m["reference"]))
    for term, m in told.items():
        if m["fact"] in facts:
            value = _as_level(facts[m["fact"]])
            found[term] = float(value == m["level"]) if value in levels[m["fact"]] else None
    for term in names:
        fact = term.removesuffix(f": {UNRECORDED}")
        if fact != term and fact in facts:
            is_gap = facts[fact] is None
            found[term] = float(is_gap)
            found[fact] = centres.get(fact, 0.0) if is_gap else facts[fact]
    return found


def _as_level(value: Any) -> str:
    """A fact as a level of a model: yes and no are true and false, and unrecorded is a level of its own."""
    if value is None:
        return UNRECORDED
    return str(value).lower() if isinstance(value, bool) else str(value)


def _term(
    name: str, facts: Mapping[str, Any], of_part: Mapping[str, Part], n: int
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Return a term's values, their variance and where they are known; None where nothing is."""
    sure, everywhere = np.zeros(n), np.ones(n, dtype=bool)
    if name == "intercept":
        return np.ones(n), sure, everywhere
    if name in of_part:
        return of_part[name].counted, of_part[name].uncertainty, of_part[name].is_known
    value = facts.get(name)
    if isinstance(value, bool | int | float):
        return np.full(n, float(value)), sure, everywhere
    return None, sure, everywhere


def _terms(frame: pl.DataFrame, *, policy: Policy, indication: str | None) -> pl.DataFrame | str:
    rows = frame.filter(pl.col("indication").is_in([indication or "", "all"]))
    if policy.response_model:
        rows = rows.filter(pl.col("model") == policy.response_model)
    if rows.is_empty():
        return f"no outcome model for {indication or 'an unknown indication'} on record"
    if rows["model"].n_unique() > 1:
        return "several outcome models fit: the policy names none of them"
    if rows["coefficient"].null_count() or rows["term"].is_duplicated().any() or (rows["scale"] == 0).any():
        return "the outcome model has a term without a coefficient, twice, or with a scale of zero"
    return rows.sort("term")
