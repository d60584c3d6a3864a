"""The baseline table weighted, and with what is missing imputed, beside the table as observed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from commensal.errors import RefusedError
from commensal.evidence.covariates import COVARIATES, Covariate, known_covariates
from commensal.evidence.designs import design_of
from commensal.evidence.effects.overlap import overlap_weights
from commensal.evidence.ground import Ground
from commensal.evidence.missing.imputation import impute
from commensal.evidence.rows import reason_row, rows_of
from commensal.vocabulary.routes import routes

WEIGHTED_BY = ("indication", "age_at_index_years", "sex", "baseline_severity", "immunocompromise")
# Groups smaller than this cannot be weighed; levels rarer than this count together.
TOO_FEW = 10
# A covariate known of fewer than this share is described as observed only.
LEAST_KNOWN = 0.5
DISJOINT = "the groups share no level: the difference is infinite on this scale"


def weighted_baseline(ground: Ground, *, weighted_by: Sequence[str] = WEIGHTED_BY) -> pl.DataFrame:
    """Return ``baseline`` rows (version "weighted") of two groups under overlap weights.

    The groups are the treated and the largest comparator arm where it has at least ten patients with every
    weighting covariate known; else routes of the first session that end in the upper and in the lower gut.
    ``n`` and ``n_missing`` count patients, proportions and means are weighted, standardised differences keep
    the spread of the unweighted groups. Where no two groups can be weighed, one row says why.

    Reference: Li, Morgan & Zaslavsky, JASA 2018;113:390.
    """
    said = []
    for by, groups in _pairs(ground):
        try:
            return _weighted(ground, groups, by, tuple(weighted_by))
        except RefusedError as refused:
            said.append(f"{by}: {refused.what}")
    reason = "; ".join(said) or "nobody was treated"
    return reason_row(
        "baseline",
        version="weighted",
        group_variable="none",
        group_level="none",
        variable="all",
        reason=reason,
    )


def _pairs(ground: Ground) -> list[tuple[str, pl.DataFrame]]:
    """[patient_id, group] of each pair of groups worth trying, the preferred one first."""
    cohort, pairs = ground.cohort, []
    arms = cohort.filter("is_comparator").group_by("arm").len().sort("len", "arm", descending=[True, False])
    if arms.height:
        largest = arms["arm"][0]
        treated = pl.col("is_treated") & ~pl.col("is_comparator")
        both = cohort.filter(treated | (pl.col("arm") == largest))
        pairs.append(("arm", both.select("patient_id", group="arm")))
    reach = {entry.code: entry.reach for entry in routes() if entry.reach in ("upper", "lower")}
    mapped = pl.col("index_route").replace_strict(reach, default=None, return_dtype=pl.String)
    treated = ground.covariates.join(ground.treated.select("patient_id"), on="patient_id", how="semi")
    ways = treated.select("patient_id", group=mapped).drop_nulls()
    return [*pairs, ("route_reach", ways)] if ways.height else pairs


def _weighted(ground: Ground, groups: pl.DataFrame, by: str, names: tuple[str, ...]) -> pl.DataFrame:
    known = groups.join(ground.covariates, on="patient_id").sort("patient_id")
    used = tuple(name for name in names if known[name].count() >= LEAST_KNOWN * known.height)
    complete = known.drop_nulls(used)
    sizes = dict(complete.group_by("group").len().sort("group").iter_rows())
    if len(sizes) != 2 or min(sizes.values()) < TOO_FEW:
        told = ", ".join(f"{n} in {group}" for group, n in sizes.items()) or "none"
        raise RefusedError(f"patients with every weighting covariate known: {told}; {TOO_FEW} are needed")
    first, second = sorted(sizes)
    # Weighing by what tells the groups apart (an indication that only one has) has no solution.
    shared, n_apart = _with_common_levels(complete, used)
    design = design_of(shared, used, at_least=TOO_FEW)
    is_second = (shared["group"] == second).to_numpy()
    found = overlap_weights(is_second.astype(int), covariates=design.matrix[:, 1:], names=design.names[1:])
    said = (
        f"overlap weights on {', '.join(used)}; effective {found.effective[0]:.0f} and "
        f"{found.effective[1]:.0f} patients; {known.height - complete.height} left out with a covariate "
        f"missing, {n_apart} in levels that only one group has"
    )
    rows = [
        row
        for covariate in COVARIATES
        for row in _described(shared, covariate, is_second, found.weights, (first, second), said)
    ]
    named = {"version": pl.lit("weighted"), "group_variable": pl.lit(by)}
    return rows_of("baseline", [pl.DataFrame(rows, infer_schema_length=None).with_columns(**named)])


def _with_common_levels(rows: pl.DataFrame, names: tuple[str, ...]) -> tuple[pl.DataFrame, int]:
    """The rows whose levels of every weighting covariate occur in both groups, and how many are not."""
    kept = rows
    for covariate in known_covariates(names):
        if covariate.kind != "continuous":
            both = pl.col("group").n_unique().over(covariate.name) == 2
            kept = kept.filter(both)
    if kept["group"].n_unique() < 2:
        raise RefusedError("the groups share no level of the weighting covariates")
    return kept, rows.height - kept.height


def _described(
    rows: pl.DataFrame,
    covariate: Covariate,
    is_second: np.ndarray,
    weights: np.ndarray,
    groups: tuple[str, str],
    said: str,
) -> list[dict[str, object]]:
    """Two rows of a continuous covariate, or two of each level of another."""
    column = rows[covariate.name]
    known = column.is_not_null().to_numpy()
    if not known.any():
        return []
    if covariate.kind == "continuous":
        columns = {None: column.cast(pl.Float64).fill_null(0.0).to_numpy()}
    else:
        text = column.cast(pl.String)
        columns = {
            level: (text == level).fill_null(False).to_numpy().astype(float)
            for level in text.drop_nulls().unique().sort()
        }
    made = []
    for level, values in columns.items():
        parts = [known & ~is_second, known & is_second]
        cells = [_moments(values[p], weights[p]) for p in parts]
        gap, reason = _difference(cells, [values[p] for p in parts])
        for group, part, own, cell in zip(groups, parts, (~is_second, is_second), cells, strict=True):
            row: dict[str, object] = {
                "variable": covariate.name,
                "level": level,
                "group_level": group,
                "unit": covariate.unit or None,
                "n": int(own.sum()),
                "n_missing": int(own.sum() - part.sum()),
                "standardised_difference": gap,
                "reason": "; ".join(w for w in (reason, said) if w),
            }
            if cell is not None and level is None:
                row |= {"mean": cell[0], "standard_deviation": cell[1]}
            elif cell is not None:
                row["proportion"] = cell[0]
            made.append(row)
    return made


def _moments(values: np.ndarray, weights: np.ndarray) -> tuple[float, float] | None:
    if not len(values) or not weights.sum() > 0:
        return None
    mean = float(np.average(values, weights=weights))
    return mean, float(np.sqrt(np.average((values - mean) ** 2, weights=weights)))


def _difference(
    cells: Sequence[tuple[float, float] | None], values: Sequence[np.ndarray]
) -> tuple[float | None, str | None]:
    """Second less first in standard deviations of the unweighted groups, or why there is none."""
    first, second = cells
    if first is None or second is None:
        return None, "not recorded in one of the groups"
    spread = float(np.sqrt(np.mean([v.var() for v in values])))
    gap = second[0] - first[0]
    if spread > 0:
        return gap / spread, None
    return (0.0, None) if gap == 0 else (None, DISJOINT)


def imputed_baseline(
    ground: Ground, *, imputations: int = 5, iterations: int = 5, seed: int, processes: int = 1
) -> pl.DataFrame:
    """Return ``baseline`` rows (version "imputed") of the treated: covariates with what is missing drawn.

    Means, standard deviations and proportions are averages over the completed data sets; ``n_missing`` counts
    what was drawn. A covariate known of fewer than half of the patients is not imputed, and says so.
    """
    treated = ground.covariates.join(ground.treated.select("patient_id"), on="patient_id", how="semi")
    share = {c.name: treated[c.name].count() / max(treated.height, 1) for c in COVARIATES}
    used = [c for c in COVARIATES if share[c.name] >= LEAST_KNOWN and treated[c.name].n_unique() > 1]
    left = [c for c in COVARIATES if 0 < share[c.name] < LEAST_KNOWN]
    rows = [_not_imputed(c, treated) for c in left]
    if used and treated.height >= TOO_FEW:
        made = impute(
            treated.select(c.name for c in used),
            kinds={c.name: c.kind for c in used},
            levels={c.name: _levels(c, treated) for c in used if c.kind == "ordered"},
            m=imputations,
            iterations=iterations,
            seed=seed,
            processes=processes,
        )
        frames = [made.completed(i) for i in range(imputations)]
        rows += [row for c in used for row in _averaged(c, treated, frames)]
    if not rows:
        reason = f"{treated.height} treated patients: too few, or nothing recorded, to impute from"
        rows = [{"variable": "all", "n": treated.height, "reason": reason}]
    named = {"version": pl.lit("imputed"), "group_variable": pl.lit("all"), "group_level": pl.lit("all")}
    return rows_of("baseline", [pl.DataFrame(rows, infer_schema_length=None).with_columns(**named)])


def _levels(covariate: Covariate, rows: pl.DataFrame) -> list[str]:
    found = set(rows[covariate.name].drop_nulls().to_list())
    declared = [level for level in covariate.levels if level in found]
    return declared + sorted(found - set(declared))


def _not_imputed(covariate: Covariate, treated: pl.DataFrame) -> dict[str, object]:
    missing = treated[covariate.name].null_count()
    reason = f"known of {treated.height - missing} of {treated.height}: too few to impute the rest"
    return {"variable": covariate.name, "n": treated.height, "n_missing": missing, "reason": reason}


def _averaged(
    covariate: Covariate, treated: pl.DataFrame, frames: Sequence[pl.DataFrame]
) -> list[dict[str, object]]:
    missing = treated[covariate.name].null_count()
    said = f"mean over {len(frames)} completed data sets" if missing else None
    shared = {"variable": covariate.name, "n": treated.height, "n_missing": missing, "reason": said}
    columns = [frame[covariate.name] for frame in frames]
    if covariate.kind == "continuous":
        values = np.array([column.cast(pl.Float64).to_numpy() for column in columns])
        spread = float(np.sqrt(values.var(axis=1, ddof=1).mean()))
        return [
            shared
            | {"mean": float(values.mean()), "standard_deviation": spread, "unit": covariate.unit or None}
        ]
    texts = [column.cast(pl.String) for column in columns]
    levels = sorted(set().union(*(text.unique().to_list() for text in texts)))
    return [
        shared | {"level": level, "proportion": float(np.mean([(text == level).mean() for text in texts]))}
        for level in levels
    ]
