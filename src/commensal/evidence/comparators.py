"""Remission in the comparator arms beside those treated: differences and ratios, crude and weighted.

Arms that nobody drew by lot differ in more than the treatment: every row says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from commensal.errors import RefusedError
from commensal.evidence.designs import design_of
from commensal.evidence.effects.overlap import overlap_weights, weighted_risks
from commensal.evidence.ground import Ground
from commensal.evidence.proportion import Contrast, log_risk_ratio, risk_difference
from commensal.evidence.rows import rows_of

ADJUSTED_FOR = ("age_at_index_years", "sex", "baseline_severity")
ASSOCIATION = "an association unless the arms were drawn by lot, which the study does not say"
OBSERVED = "observed cases"
FAILURES = "unobserved count as failures"
# Fewer than this in an arm have no covariates to weigh by.
TOO_FEW = 10
KEYS = ("indication", "endpoint", "landmark", "population", "arm")


def comparators(
    ground: Ground, *, level: float, adjusted_for: tuple[str, ...] = ADJUSTED_FOR
) -> dict[str, pl.DataFrame]:
    """Return ``effects`` rows: primary endpoints of FMT against each comparator arm, by indication.

    Models ``comparator_observed``, ``comparator_failures`` (unobserved count as failures; not yet due are
    left out) and ``comparator_overlap`` (observed cases, overlap weights on what is known at index). Units:
    risk_difference (FMT less comparator; Newcombe, or sandwich where weighted) and log_risk_ratio. Nothing is
    pooled over diseases. A study without a comparator has no rows.
    """
    rows = ground.outcomes.filter(
        pl.col("is_primary") & pl.col("population").is_not_null() & pl.col("is_due").fill_null(False)
    )
    controls = rows.filter("is_comparator").select(KEYS).unique().sort(KEYS)
    made = [
        _compared(rows, ground, dict(zip(KEYS, c, strict=True)), adjusted_for, level)
        for c in controls.iter_rows()
    ]
    return {"effects": rows_of("effects", [pl.DataFrame([r for part in made for r in part])] if made else [])}


def _compared(
    rows: pl.DataFrame, ground: Ground, at: dict[str, Any], adjusted_for: tuple[str, ...], level: float
) -> list[dict[str, Any]]:
    same = [pl.col(k) == at[k] for k in KEYS if k != "arm"]
    here = rows.filter(*same)
    treated, control = here.filter(~pl.col("is_comparator")), here.filter(pl.col("arm") == at["arm"])
    shared = {
        "endpoint": at["endpoint"],
        "landmark": at["landmark"],
        "population": f"{at['indication']}, {at['population']}",
        "term": "arm",
        "level": level,
    }
    found = []
    for model, estimand in (("comparator_observed", OBSERVED), ("comparator_failures", FAILURES)):
        pairs = [_counts(group, is_observed=estimand == OBSERVED) for group in (treated, control)]
        cells = shared | {"model": model, "estimand": estimand, **_totals(pairs, treated, control)}
        found += _crude(cells, pairs, at["arm"], level=level)
    return [*found, _weighted(shared, treated, control, ground, at["arm"], adjusted_for, level)]


def _counts(group: pl.DataFrame, *, is_observed: bool) -> tuple[int, int]:
    n = group["success"].count() if is_observed else group.height
    return int(group["success"].sum() or 0), int(n)


def _totals(pairs: list[tuple[int, int]], treated: pl.DataFrame, control: pl.DataFrame) -> dict[str, int]:
    missing = treated["success"].null_count() + control["success"].null_count()
    return {"n": sum(n for _, n in pairs), "n_events": sum(x for x, _ in pairs), "n_missing": missing}


def _crude(
    cells: dict[str, Any], pairs: list[tuple[int, int]], arm: str, *, level: float
) -> list[dict[str, Any]]:
    (x, n), (y, m) = pairs
    said = f"{x} of {n} against {y} of {m}; {ASSOCIATION}"
    scales = (
        ("risk_difference", f"fmt less {arm}", risk_difference),
        ("log_risk_ratio", f"fmt over {arm}", log_risk_ratio),
    )
    made = []
    for unit, contrast, compare in scales:
        row = cells | {"unit": unit, "contrast": contrast, "reason": said}
        try:
            if not (n and m):
                raise RefusedError(f"{n} and {m} patients observed: nothing to compare")
            made.append(row | _effect(compare((x, n), (y, m), level=level)))
        except RefusedError as refused:
            made.append(row | {"reason": f"{refused.what}; {said}"})
    return made


def _effect(found: Contrast) -> dict[str, Any]:
    return {n: getattr(found, n) for n in ("estimate", "lower", "upper", "p_value", "method")}


def _weighted(
    shared: dict[str, Any],
    treated: pl.DataFrame,
    control: pl.DataFrame,
    ground: Ground,
    arm: str,
    adjusted_for: tuple[str, ...],
    level: float,
) -> dict[str, Any]:
    """The risk difference in the overlap population, among observed cases with every covariate known."""
    both = pl.concat([control, treated]).filter(pl.col("success").is_not_null())
    known = both.select("patient_id", "success", "is_comparator").join(
        ground.covariates, on="patient_id", how="left"
    )
    # A covariate that is known of nobody here (no baseline score in this disease) cannot be weighed by.
    names = [name for name in adjusted_for if known[name].count()]
    complete = known.drop_nulls(names)
    n_control = int(complete["is_comparator"].sum())
    row = shared | {
        "model": "comparator_overlap",
        "estimand": f"{OBSERVED}, in the overlap population",
        "unit": "risk_difference",
        "contrast": f"fmt less {arm}",
        "n": complete.height,
        "n_events": int(complete["success"].sum() or 0),
        "n_missing": treated.height + control.height - complete.height,
        "adjusted_for": ", ".join(names) or None,
        "method": "overlap weights from a logistic propensity model, sandwich variance",
    }
    counts = f"{complete.height - n_control} against {n_control} with covariates known"
    try:
        if min(n_control, complete.height - n_control) < TOO_FEW or not names:
            raise RefusedError(f"{counts}: fewer than {TOO_FEW} in an arm")
        design = design_of(complete, names)
        weights = overlap_weights(
            (~complete["is_comparator"]).to_numpy().astype(int),
            covariates=design.matrix[:, 1:],
            names=design.names[1:],
        )
        outcome = complete["success"].to_numpy().astype(np.int64)
        found = weighted_risks(outcome, weights=weights, level=level).risk_difference
    except RefusedError as refused:
        return row | {"reason": refused.what}
    cells = {n: getattr(found, n) for n in ("estimate", "se", "lower", "upper", "p_value")}
    return row | cells | {"reason": f"{counts}; {ASSOCIATION}"}
