"""Routes compared by overlap weights, and a control outcome that no route can cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import norm

from commensal.errors import RefusedError
from commensal.evidence.designs import Design, design_of
from commensal.evidence.effects.e_values import e_value
from commensal.evidence.effects.first_remission import first_remissions
from commensal.evidence.effects.observed import (
    ACTIVE,
    POOLED,
    UNCONTROLLED,
    complete,
    pooled_at,
    with_absorbed,
)
from commensal.evidence.effects.overlap import (
    Contrast,
    OverlapWeights,
    effective_size,
    overlap_weights,
    standardised_difference,
    weighted_risks,
)
from commensal.evidence.effects.settings import Settings
from commensal.evidence.ground import Ground
from commensal.evidence.survival import cox

MODEL = "route_overlap"
CONTROLS = {
    "was_hospitalised": "negative control: hospitalised in the year before index",
    "had_long_disease": "negative control: disease at index longer than the median",
}
CONTROL_DAYS = 365
ESTIMAND = "average in the overlap population; observed outcomes, whatever happened in between"
NO_CAUSE = (
    "no route can cause what happened before index: a difference here shows that the weights "
    "leave the groups unlike each other"
)
TABLES = ("effects", "balance", "weight_summaries")


@dataclass(frozen=True, eq=False)
class _Compared:
    """Two groups of patients: ``rows`` with ``is_second`` and everything the weights and outcomes need."""

    name: str
    rows: pl.DataFrame
    names: tuple[str, ...]
    lacking: str


def route_rows(ground: Ground, *, settings: Settings, level: float) -> dict[str, list[pl.DataFrame]]:
    """Return parts of ``effects``, ``balance`` and ``weight_summaries`` for every comparison of the settings.

    Outcomes: each patient's primary endpoint at each landmark (risk difference, log odds ratio), the first
    remission (log hazard ratio), and hospitalisation before index, which routes cannot cause. Groups that do
    not overlap give a row with the counts.
    """
    tables: dict[str, list[pl.DataFrame]] = {name: [] for name in TABLES}
    outcomes = [(at, pooled_at(ground, landmark=at).rows) for at in ground.landmarks]
    times = first_remissions(ground)
    controls = _controls(ground, settings)
    for comparison in settings.comparisons:
        for landmark, rows in outcomes:
            compared = _compared(comparison, rows, settings)
            _add(tables, _at_landmark(compared, landmark, settings=settings, level=level))
        with_times = _baseline(ground, times)
        _add(tables, _hazard(_compared(comparison, with_times, settings), settings=settings, level=level))
        for name in CONTROLS:
            if name in controls:
                compared = _compared(comparison, _baseline(ground, controls[name]), settings)
                _add(tables, _control(compared, name, settings=settings, level=level))
            else:
                _add(tables, {"effects": _no_control(comparison, name)})
    return tables


def _add(tables: dict[str, list[pl.DataFrame]], made: Mapping[str, pl.DataFrame]) -> None:
    for name, part in made.items():
        tables[name].append(part)


def _baseline(ground: Ground, values: pl.DataFrame) -> pl.DataFrame:
    """The covariates of the treated patients that ``values`` tells something of."""
    rows = ground.covariates.join(ground.treated.select("patient_id"), on="patient_id", how="semi")
    return rows.join(values, on="patient_id").sort("patient_id")


def _compared(comparison: Mapping[str, Any], rows: pl.DataFrame, settings: Settings) -> _Compared:
    both = rows.filter(pl.col("index_route").is_in([*comparison["first"], *comparison["second"]]))
    both = both.with_columns(is_second=pl.col("index_route").is_in(list(comparison["second"])))
    names = tuple(c for c in settings.balanced if both[c].drop_nulls().n_unique() > 1)
    known, lacking = complete(with_absorbed(both, names), names)
    return _Compared(str(comparison["name"]), known, names, lacking)


def _weighed(compared: _Compared, settings: Settings) -> tuple[OverlapWeights, Design]:
    rows = compared.rows
    counts = rows["is_second"].sum()
    if min(counts, rows.height - counts) < settings.least_effective:
        raise RefusedError(
            f"groups of {rows.height - counts} and {counts} patients with an outcome and all covariates: "
            f"fewer than {settings.least_effective:g} in one"
        )
    # A level that one group never has would separate the groups: rare levels are put together before.
    design = design_of(rows, compared.names, at_least=settings.at_least)
    found = overlap_weights(
        rows["is_second"].cast(pl.Int8).to_numpy(), covariates=design.matrix[:, 1:], names=design.names[1:]
    )
    if min(found.effective) < settings.least_effective:
        raise RefusedError(
            f"effective sample sizes of {found.effective[0]:.1f} and {found.effective[1]:.1f} among "
            f"{found.counts[0]} and {found.counts[1]}: the groups hardly overlap"
        )
    return found, design


def _at_landmark(
    compared: _Compared, landmark: str, *, settings: Settings, level: float
) -> dict[str, pl.DataFrame]:
    keys = {"endpoint": POOLED, "landmark": landmark, "population": ACTIVE}
    return _risks(compared, keys, "success", UNCONTROLLED, settings=settings, level=level)


def _control(compared: _Compared, name: str, *, settings: Settings, level: float) -> dict[str, pl.DataFrame]:
    keys = {"endpoint": CONTROLS[name], "landmark": None, "population": "everyone treated"}
    return _risks(compared, keys, name, NO_CAUSE, settings=settings, level=level)


def _risks(
    compared: _Compared,
    keys: Mapping[str, str | None],
    outcome: str,
    caution: str,
    *,
    settings: Settings,
    level: float,
) -> dict[str, pl.DataFrame]:
    y = compared.rows[outcome].cast(pl.Int8).to_numpy()
    try:
        weights, design = _weighed(compared, settings)
        risks = weighted_risks(y, weights=weights, level=level)
    except RefusedError as refused:
        return {"effects": _refused(compared, keys, refused.what, n_events=int(y.sum()))}
    rows = []
    for unit, contrast in (
        ("risk_difference", risks.risk_difference),
        ("log_odds_ratio", risks.log_odds_ratio),
    ):
        if contrast is None:
            return {"effects": _refused(compared, keys, "no failure or no success in one group")}
        rows.append({**_cells(contrast, unit, y.mean(), level=level), "n_events": int(y.sum())})
    reason = _joined(caution, f"weighted risks {risks.first:.3f} and {risks.second:.3f}", compared.lacking)
    method = "overlap weights (logistic propensity), sandwich variance with the propensity estimated"
    return {
        "effects": _effects(compared, keys, rows, reason=reason, method=method),
        **_weights(compared, keys, weights, design),
    }


def _hazard(compared: _Compared, *, settings: Settings, level: float) -> dict[str, pl.DataFrame]:
    keys = {"endpoint": "first_remission_or_response", "landmark": None, "population": ACTIVE}
    rows = compared.rows
    try:
        weights, design = _weighed(compared, settings)
        fit = cox(
            rows["time"].to_numpy(),
            rows["event"].to_numpy(),
            weights.is_second.astype(float)[:, None],
            weights=weights.weights,
            names=["second"],
        )
    except RefusedError as refused:
        return {"effects": _refused(compared, keys, refused.what, n_events=int(rows["event"].sum()))}
    estimate, se = float(fit.coefficients[0]), float(fit.se[0])
    half = float(norm.ppf((1 + level) / 2)) * se
    p = float(fit.p_values[0])
    contrast = Contrast(estimate, se, estimate - half, estimate + half, p)
    cells = _cells(contrast, "log_hazard_ratio", float(rows["event"].to_numpy().mean()), level=level)
    cells["n_events"] = int(rows["event"].sum())
    reason = _joined(
        UNCONTROLLED, "death and colectomy are censored: a cause-specific hazard", compared.lacking
    )
    method = "Cox regression with overlap weights, Efron ties, robust variance with the weights as known"
    return {
        "effects": _effects(compared, keys, [cells], reason=reason, method=method),
        **_weights(compared, keys, weights, design),
    }


def _cells(contrast: Contrast, unit: str, share: float, *, level: float) -> dict[str, Any]:
    """The cells of a contrast of second less first, turned round: a name says first against second."""
    estimate, lower, upper = -contrast.estimate, -contrast.upper, -contrast.lower
    cells = {
        "estimate": estimate,
        "se": contrast.se,
        "lower": lower,
        "upper": upper,
        "p_value": contrast.p_value,
        "level": level,
        "unit": unit,
        "statistic": estimate / contrast.se if contrast.se > 0 else None,
    }
    if unit != "risk_difference":
        ratios = np.exp([estimate, lower, upper])
        scale = unit.removeprefix("log_")
        found = e_value(*ratios[:1], lower=ratios[1], upper=ratios[2], scale=scale, is_common=share > 0.15)
        cells |= {"e_value": found.estimate, "e_value_limit": found.limit}
    return cells


def _effects(
    compared: _Compared,
    keys: Mapping[str, str | None],
    rows: list[dict[str, Any]],
    *,
    reason: str,
    method: str,
) -> pl.DataFrame:
    shared = {
        **keys,
        "model": MODEL,
        "estimand": ESTIMAND,
        "n": compared.rows.height,
        "adjusted_for": ", ".join(compared.names),
        "method": method,
        "reason": reason,
    }
    # The unit keeps rows of one comparison apart: it belongs to the term.
    made = [{**shared, **row, "term": f"route, {row['unit']}", "contrast": compared.name} for row in rows]
    return pl.DataFrame(made, infer_schema_length=None)


def _refused(
    compared: _Compared, keys: Mapping[str, str | None], what: str, *, n_events: int | None = None
) -> pl.DataFrame:
    row = {
        "model": MODEL,
        **keys,
        "estimand": ESTIMAND,
        "term": "route",
        "contrast": compared.name,
        "n": compared.rows.height,
        "n_events": n_events,
        "adjusted_for": ", ".join(compared.names),
        "reason": _joined(what, compared.lacking),
    }
    return pl.DataFrame([row], infer_schema_length=None)


def _no_control(comparison: Mapping[str, Any], name: str) -> pl.DataFrame:
    row = {
        "model": MODEL,
        "endpoint": CONTROLS[name],
        "population": "everyone treated",
        "term": "route",
        "contrast": str(comparison["name"]),
        "reason": "not recorded before index for anybody, or balanced by the weights",
    }
    return pl.DataFrame([row])


def _weights(
    compared: _Compared, keys: Mapping[str, str | None], found: OverlapWeights, design: Design
) -> dict[str, pl.DataFrame]:
    at = keys["landmark"] or keys["endpoint"]
    summaries = [
        {
            "analysis": "overlap_weights",
            "endpoint": f"{compared.name}, {keys['endpoint']}",
            "landmark": keys["landmark"],
            "group_level": group,
            "n": len(own),
            "smallest": float(own.min()),
            "mean": float(own.mean()),
            "largest": float(own.max()),
            "effective_n": effective_size(own),
            "n_truncated": 0,
            "rests_on": ", ".join(compared.names),
        }
        for group, own in (
            ("first", found.weights[~found.is_second]),
            ("second", found.weights[found.is_second]),
        )
    ]
    return {
        "weight_summaries": pl.DataFrame(summaries, infer_schema_length=None),
        "balance": pl.concat(
            [_balance(compared, str(at), found, design, weighting) for weighting in ("none", "overlap")]
        ),
    }


def _balance(
    compared: _Compared, at: str, found: OverlapWeights, design: Design, weighting: str
) -> pl.DataFrame:
    is_weighted = weighting == "overlap"
    weights = found.weights if is_weighted else np.ones(len(found.weights))
    second = found.is_second
    effective = found.effective if is_weighted else tuple(map(float, found.counts))
    rows = []
    for term, level, values in _values(compared, design):
        gap = standardised_difference(values, is_second=second, weights=weights)
        rows.append(
            {
                "comparison": f"{compared.name}, {at}",
                "covariate": term,
                "level": level,
                "weighting": weighting,
                "first": float(np.average(values[~second], weights=weights[~second])),
                "second": float(np.average(values[second], weights=weights[second])),
                "standardised_difference": gap,
                "n_first": found.counts[0],
                "n_second": found.counts[1],
                "effective_first": effective[0],
                "effective_second": effective[1],
                "reason": None if gap is not None else "constant in both groups and different: disjoint",
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)


def _values(compared: _Compared, design: Design) -> list[tuple[str, str | None, np.ndarray]]:
    """Covariates in their own units, categorical ones level by level, the reference included."""
    out: list[tuple[str, str | None, np.ndarray]] = []
    for term in dict.fromkeys(design.terms[1:]):
        columns = [i for i, t in enumerate(design.terms) if t == term]
        if compared.rows.schema[term] == pl.Float64:
            out.append((term, None, compared.rows[term].to_numpy()))
            continue
        levels = [design.contrasts[i].split(" against ") for i in columns]
        out += [(term, level[0], design.matrix[:, i]) for level, i in zip(levels, columns, strict=True)]
        out.append((term, levels[0][1], 1 - design.matrix[:, columns].sum(axis=1)))
    return out


def _controls(ground: Ground, settings: Settings) -> dict[str, pl.DataFrame]:
    """[patient_id, the control] of each control outcome that the study records."""
    found = {}
    hospitalised = _hospitalised_before(ground)
    if hospitalised is not None:
        found["was_hospitalised"] = hospitalised
    # Adjusted for, it would be balanced by construction and show nothing.
    if "disease_duration_years" not in settings.balanced:
        rows = ground.covariates.join(ground.treated.select("patient_id"), on="patient_id", how="semi")
        known = rows.drop_nulls("disease_duration_years")
        duration = pl.col("disease_duration_years")
        long = (duration > duration.median().over("indication")).alias("had_long_disease")
        if not known.is_empty():
            found["had_long_disease"] = known.select("patient_id", long)
    return found


def _hospitalised_before(ground: Ground) -> pl.DataFrame | None:
    if not ground.study.has("hospitalisations"):
        return None
    index = ground.cohort.select("patient_id", "index_day")
    rows = ground.study.read("hospitalisations", columns=["patient_id", "admitted_day"])
    day = pl.col("admitted_day") - pl.col("index_day")
    found = rows.join(index, on="patient_id").filter(day.is_between(-CONTROL_DAYS, -1))["patient_id"]
    if found.is_empty():
        return None
    # A study that records hospitalisations before index for some is taken to record them for all.
    return ground.treated.select(
        "patient_id", was_hospitalised=pl.col("patient_id").is_in(found.unique().implode())
    )


def _joined(*parts: str) -> str:
    return "; ".join(p for p in parts if p)
