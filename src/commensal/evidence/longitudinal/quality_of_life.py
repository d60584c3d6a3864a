"""Scores, quality of life, and what of other treatment was spared: every row of them."""

from __future__ import annotations

import polars as pl

from commensal.evidence.ground import Ground
from commensal.evidence.longitudinal.changes import mean_changes, shares
from commensal.evidence.longitudinal.departures import departures
from commensal.evidence.longitudinal.measured import Measured, measured_scores
from commensal.evidence.longitudinal.relapses import relapse_rows
from commensal.evidence.longitudinal.repeated import change_rows, modelled, route_rows
from commensal.evidence.longitudinal.responses import response_rows
from commensal.evidence.longitudinal.settings import Settings
from commensal.evidence.longitudinal.sparing import sparing_rows
from commensal.evidence.longitudinal.tally import Tallied
from commensal.evidence.rows import reason_row, rows_of

NO_SCORES = "no score of any instrument is recorded"
ALL = {"group_variable": "all", "group_level": "all"}

SORTED = {
    "estimates": (
        "endpoint",
        "group_variable",
        "group_level",
        "landmark",
        "population",
        "estimand",
        "method",
    ),
    "effects": ("model", "endpoint", "population", "landmark", "term", "contrast"),
    "tipping_points": ("endpoint", "group_level", "landmark", "delta"),
}


def quality_of_life(
    ground: Ground,
    *,
    settings: Settings,
    level: float,
    seed: int,  # noqa: ARG001
    processes: int = 1,  # noqa: ARG001
) -> dict[str, pl.DataFrame]:
    """Return ``estimates``, ``effects`` and ``tipping_points`` rows of every score recorded in the study.

    By indication, never pooled; instruments for children and for adults apart. Observed change from baseline,
    shares who responded and worsened, modelled change and response over the landmarks, departures from
    missing at random, differences between routes; doses of steroids, other drugs spared, relapses a year.
    What cannot be computed is a row with the reason. Nothing here is random or runs apart: ``seed`` and
    ``processes`` are those of every analysis.
    """
    parts: dict[str, list[pl.DataFrame]] = {table: [] for table in SORTED}
    for measured in measured_scores(ground, settings=settings):
        for table, rows in _of_score(measured, ground.landmarks, settings=settings, level=level):
            if rows is not None:
                parts[table].append(rows)
    if not parts["estimates"]:
        parts["estimates"].append(
            reason_row("estimates", endpoint="change_in_scores", reason=NO_SCORES, **ALL)
        )
    parts["estimates"] += [
        *sparing_rows(ground, settings=settings, level=level),
        relapse_rows(ground, level=level),
    ]
    return {
        table: rows_of(table, found).sort(SORTED[table], nulls_last=True) for table, found in parts.items()
    }


def _of_score(
    measured: Measured, landmarks: tuple[str, ...], *, settings: Settings, level: float
) -> list[tuple[str, pl.DataFrame | None]]:
    tallied = Tallied(measured, landmarks)
    model = modelled(tallied, settings=settings, level=level)
    return [
        ("estimates", mean_changes(tallied, level=level)),
        ("estimates", shares(tallied, level=level)),
        ("estimates", change_rows(model, tallied, level=level)),
        ("estimates", response_rows(tallied, settings=settings, level=level)),
        ("effects", route_rows(model, settings=settings, level=level)),
        ("tipping_points", departures(model, deltas=settings.deltas, level=level)),
    ]
