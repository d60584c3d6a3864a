"""The effects of a study: donors, predictors and routes, as rows of the result tables."""

from __future__ import annotations

import numpy as np
import polars as pl

from commensal.evidence.effects.donor_rows import donor_rows
from commensal.evidence.effects.predictor_rows import predictor_rows
from commensal.evidence.effects.route_rows import route_rows
from commensal.evidence.effects.settings import Settings
from commensal.evidence.ground import Ground
from commensal.evidence.rows import rows_of
from commensal.study.results import RESULTS

# Streams of random numbers of other analyses are numbered elsewhere; this one is the room's fourth.
STREAM = 4
TABLES = (
    "effects",
    "hypothesis_tests",
    "variance_components",
    "donor_effects",
    "balance",
    "weight_summaries",
)


def predictors(
    ground: Ground, *, settings: Settings, level: float, seed: int, processes: int = 1
) -> dict[str, pl.DataFrame]:
    """Return ``effects``, ``hypothesis_tests``, ``variance_components``, ``donor_effects``, ``balance`` and
    ``weight_summaries``: donor effects, predictors of the primary endpoints and comparisons of routes.

    What cannot be computed is a row with a reason and counts. The same rows come back whatever ``processes``.
    """
    donor_seed, imputation_seed = (
        int(child.generate_state(1)[0]) for child in np.random.SeedSequence([seed, STREAM]).spawn(2)
    )
    parts: dict[str, list[pl.DataFrame]] = {name: [] for name in TABLES}
    made = [
        donor_rows(ground, settings=settings, level=level, seed=donor_seed, processes=processes),
        {"effects": predictor_rows(ground, settings=settings, level=level, seed=imputation_seed)},
        route_rows(ground, settings=settings, level=level),
    ]
    for tables in made:
        for name, rows in tables.items():
            parts[name] += rows
    return {name: rows_of(name, rows).sort(list(RESULTS[name].key)) for name, rows in parts.items()}
