"""Remission at a landmark where patients come because they are ill: visits weighted by inverse intensity."""

from __future__ import annotations

import numpy as np
import polars as pl

from commensal.errors import RefusedError
from commensal.evidence.ground import Ground
from commensal.evidence.missing.panel import FAILED, RESPONDED, Panel, Target
from commensal.evidence.missing.weights import visit_intensity_weights

Array = np.ndarray


def weighted_visits(ground: Ground, panel: Panel) -> pl.DataFrame:
    """[row, day, weight] of every attended visit after index; empty where there is none."""
    row = {p: i for i, p in enumerate(panel.patients["patient_id"])}
    visits = ground.records.visits.filter(pl.col("day") > 0).select("patient_id", "day").unique()
    visits = visits.filter(pl.col("patient_id").is_in(list(row))).sort("patient_id", "day")
    who = np.array([row[p] for p in visits["patient_id"]], dtype=int)
    day = visits["day"].to_numpy().astype(float)
    nothing = pl.DataFrame(schema={"row": pl.Int64, "day": pl.Int64, "weight": pl.Float64})
    if not len(who):
        return nothing
    start = np.where(np.r_[True, who[1:] != who[:-1]], 0.0, np.r_[0.0, day[:-1]])
    last = np.r_[who[1:] != who[:-1], True]
    # After the last visit a patient may come until the end of follow-up, and does not.
    end = panel.patients["end_day"].cast(pl.Float64).fill_null(0.0).to_numpy()[who[last]]
    open_ended = end > day[last]
    at = np.r_[who, who[last][open_ended]]
    begins, ends = np.r_[start, day[last][open_ended]], np.r_[day, end[open_ended]]
    came = np.arange(len(at)) < len(who)
    state = panel.at_day(at, begins)
    periods = np.digitize(ends, _edges(panel))
    history = np.stack([state == FAILED, state == RESPONDED], axis=1).astype(float)
    try:
        made = visit_intensity_weights(ends - begins, came, history=history, periods=periods)
    except RefusedError:
        return nothing
    return pl.DataFrame({"row": who, "day": day.astype(int), "weight": made.weights[: len(who)]})


def _edges(panel: Panel) -> Array:
    finite = np.where(np.isfinite(panel.open), panel.open, np.nan)
    return np.unique(np.nanmin(finite, axis=0)) if len(finite) else np.array([0.0])


def weighted_share(panel: Panel, target: Target, visits: pl.DataFrame) -> tuple[float, float, Array, int]:
    """The weighted share of success over all judged visits in the window, its standard error clustered by
    patient, the weights, and the number of patients. Refuses (RefusedError) where there is no such visit."""
    spans = pl.DataFrame(
        {
            "row": target.rows,
            "open": panel.open[target.rows, target.visit],
            "close": panel.close[target.rows, target.visit],
        }
    )
    rows = visits.join(spans, on="row").filter(pl.col("day").is_between("open", "close"))
    judged = rows.join(panel.judged, on=["row", "day"]).sort("row", "day")
    if judged.is_empty():
        raise RefusedError("no visit in the window was judged by the endpoint")
    w, y = judged["weight"].to_numpy(), judged["success"].to_numpy().astype(float)
    mean = float(w @ y / w.sum())
    part = (
        judged.with_columns(part=pl.Series(w * (y - mean) / w.sum()))
        .group_by("row")
        .agg(pl.col("part").sum())
    )
    return mean, float(np.linalg.norm(part["part"].to_numpy())), w, part.height
