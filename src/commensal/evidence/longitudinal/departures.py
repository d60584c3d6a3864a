"""How far a modelled change holds when those no longer seen did worse than the model says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import t as student

from commensal.evidence.longitudinal.mmrm import Contrast
from commensal.evidence.longitudinal.repeated import TREATED, Modelled


@dataclass(frozen=True)
class Departure:
    """A change at one landmark, and how it moves for each point that a missed visit was worse.

    ``share`` is the mean number of visits missed since last seen among those due, ``spread`` the variance of
    that mean, ``worse`` +1 where a higher score is worse.
    """

    found: Contrast
    share: float
    spread: float
    worse: int
    level: float

    def at(self, points: float) -> tuple[float, float, float]:
        """Estimate and limits when each missed visit was ``points`` worse."""
        estimate = self.found.estimate + self.worse * points * self.share
        half = self._quantile * (self.found.se**2 + points**2 * self.spread) ** 0.5
        return estimate, estimate - half, estimate + half

    @property
    def tip(self) -> float | None:
        """Points worse at which the limits of an improvement reach no change; None if never, or already.

        The smallest positive root d of (estimate + worse d share)² = t² (se² + d² spread).
        """
        found, t = self.found, self._quantile
        is_better = found.upper < 0 if self.worse > 0 else found.lower > 0
        if not is_better or self.share == 0:
            return None
        square = self.share**2 - t**2 * self.spread
        roots = np.roots(
            [square, 2 * self.worse * found.estimate * self.share, found.estimate**2 - (t * found.se) ** 2]
        )
        real = [float(root.real) for root in roots if abs(root.imag) < 1e-12 and root.real > 0]
        return min(real, default=None)

    @property
    def _quantile(self) -> float:
        return float(student.ppf((1 + self.level) / 2, self.found.df))


def departures(model: Modelled, *, deltas: tuple[float, ...], level: float) -> pl.DataFrame | None:
    """Return ``tipping_points`` cells: the modelled change if the unseen did worse than the model says.

    For each visit missed after the last one seen a patient's score is taken to be so many standard deviations
    of the baseline worse than the model expects; visits missed in between stay missing at random. ``delta``
    is in points. One row more gives the delta at which an improvement is lost. None without a model.
    Reference: White, Carpenter and Horton 2018, doi:10.5705/ss.202016.0308.
    """
    deviation = model.measured.deviation
    if deviation is None or not model.changes:
        return None
    rows: list[dict[str, Any]] = []
    for landmark, found in model.changes.items():
        missed = missed_since_seen(model, landmark)
        spread = float(missed.var(ddof=1)) / len(missed) if len(missed) > 1 else 0.0
        moved = Departure(found, float(missed.mean()), spread, model.measured.worse, level)
        asked = {0.0, *(delta * deviation for delta in deltas)}
        asked |= {moved.tip} if moved.tip is not None else set()
        rows += [_row(model, landmark, moved, missed, points=points) for points in sorted(asked)]
    return pl.DataFrame(rows, infer_schema_length=None)


def missed_since_seen(model: Modelled, landmark: str) -> np.ndarray:
    """For each patient due: landmarks missed since last seen, up to this one; 0 if seen here or later."""
    order = {name: place + 1 for place, name in enumerate(model.landmarks)}
    place = pl.col("landmark").replace_strict(order, default=None, return_dtype=pl.Int64)
    last = model.seen.group_by("patient_id").agg(last=place.max())
    mine = model.due[landmark].select("patient_id").join(last, on="patient_id", how="left").sort("patient_id")
    return np.maximum(order[landmark] - mine["last"].fill_null(0).to_numpy(), 0)


def _row(
    model: Modelled, landmark: str, moved: Departure, missed: np.ndarray, *, points: float
) -> dict[str, Any]:
    measured, due = model.measured, model.due[landmark]
    estimate, lower, upper = moved.at(points)
    return {
        "endpoint": f"change_in_{measured.name}",
        "landmark": landmark,
        "population": TREATED,
        "group_variable": "indication",
        "group_level": measured.indication,
        "delta": measured.worse * points,
        "unit": "points",
        "estimate": estimate,
        "lower": lower,
        "upper": upper,
        "level": moved.level,
        "reference": 0.0,
        "verdict": _verdict(lower, upper, worse=measured.worse, is_tip=points == moved.tip),
        "n_due": due.height,
        "n_missing": due["change"].null_count(),
        "reason": (
            f"added for each visit missed since last seen: {int((missed > 0).sum())} of {due.height} due, "
            f"{missed.mean():.2f} visits on average"
        ),
    }


def _verdict(lower: float, upper: float, *, worse: int, is_tip: bool) -> str:
    if is_tip:
        return "here the limits reach no change: a greater departure takes the improvement away"
    if lower <= 0 <= upper:
        return "the limits include no change"
    is_better = upper < 0 if worse > 0 else lower > 0
    return "an improvement remains" if is_better else "a worsening"
