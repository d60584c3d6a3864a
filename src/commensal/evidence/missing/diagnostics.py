"""What an imputation did: observed beside imputed, and whether the chains agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from commensal.evidence.missing.imputation import METHODS, Column, Imputed
from commensal.evidence.missing.imputing import Model
from commensal.evidence.missing.settings import Settings
from commensal.evidence.rows import rows_of

Array = np.ndarray

APART = 1.2
NOT_MIXED = "the chains have not come together: their means differ more between than within"


def potential_scale_reduction(chains: Array) -> Array:
    """Return R̂ (k,) of chains (m, iterations, k), over the second half of the rounds; NaN with one of either.

    Reference: Gelman & Rubin, Stat Sci 1992;7:457 (doi:10.1214/ss/1177011136).
    """
    half = chains[:, chains.shape[1] // 2 :]
    m, n = half.shape[:2]
    if m < 2 or n < 2:
        return np.full(chains.shape[2], np.nan)
    within = half.var(axis=1, ddof=1).mean(axis=0)
    between = half.mean(axis=1).var(axis=0, ddof=1)
    ratio = np.divide(between, within, out=np.zeros_like(within), where=within > 0)
    return np.sqrt((n - 1) / n + ratio)


def imputation_rows(models: Sequence[Model], *, settings: Settings) -> pl.DataFrame:
    """Return ``imputations`` rows: one a continuous variable, one a level of any other."""
    rows = []
    for model in models:
        made = model.imputed
        spread = dict(zip(made.order, potential_scale_reduction(made.chains), strict=True))
        for column in made.columns:
            known = {
                "model": model.name,
                "variable": column.name,
                "kind": column.kind,
                "method": METHODS[column.kind].format(donors=made.donors),
                "n_observed": int((~column.is_missing).sum()),
                "n_missing": int(column.is_missing.sum()),
                "n_imputations": settings.imputations,
                "n_iterations": settings.iterations,
            }
            reduction = spread.get(column.name, np.nan)
            known["convergence"] = None if np.isnan(reduction) else float(reduction)
            caution = NOT_MIXED if reduction > APART else None
            known["reason"] = made.reasons.get(column.name, caution)
            rows += [{**known, **part} for part in _parts(column, made)]
    if not rows:
        return rows_of("imputations", [])
    return rows_of("imputations", [pl.DataFrame(rows, infer_schema_length=None)]).sort(
        "model", "variable", "level"
    )


def _parts(column: Column, made: Imputed) -> list[dict[str, object]]:
    seen = column.values[~column.is_missing]
    drawn = (
        np.concatenate([f[column.name] for f in made.filled]) if column.name in made.order else np.empty(0)
    )
    if column.kind == "continuous":
        return [
            {
                "level": None,
                "observed": _mean(seen),
                "imputed": _mean(drawn),
                "spread_observed": _spread(seen),
                "spread_imputed": _spread(drawn),
            }
        ]
    return [
        {"level": _word(level), "observed": _mean(seen == k), "imputed": _mean(drawn == k)}
        for k, level in enumerate(column.levels)
    ]


def _word(level: object) -> str:
    return f"{level:g}" if isinstance(level, float) else str(level)


def _mean(values: Array) -> float | None:
    return float(values.mean()) if len(values) else None


def _spread(values: Array) -> float | None:
    return float(values.std(ddof=1)) if len(values) > 1 else None
