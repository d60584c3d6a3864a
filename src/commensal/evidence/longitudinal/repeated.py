"""Change from baseline over the landmarks by the mixed model for repeated measures, and routes compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from commensal.errors import RefusedError
from commensal.evidence.longitudinal.measured import Measured
from commensal.evidence.longitudinal.mmrm import Contrast, RepeatedMeasures, mmrm
from commensal.evidence.longitudinal.settings import Settings
from commensal.evidence.longitudinal.tally import Tallied
from commensal.evidence.longitudinal.words import KNOWN, POLICY, UNCONTROLLED, counted, joined
from commensal.evidence.remission import REGRESSION

METHOD = (
    "mixed model for repeated measures: {}, baseline × visit, unstructured covariance, restricted likelihood,"
    " Satterthwaite degrees of freedom"
)
AT_RANDOM = "missing at random given the baseline and the scores seen"
TREATED = f"treated, {KNOWN}"
LEAST_SHARED = 3


@dataclass(frozen=True)
class Modelled:
    """The repeated-measures model of one score: who is in it, the fit, or why there is none.

    ``due`` has, by landmark, the treated patients due with a baseline score, whom the estimate is for;
    ``seen`` the rows in the model; ``changes`` the estimates by landmark; ``left_out`` the reason for each
    landmark that has none.
    """

    measured: Measured
    due: Mapping[str, pl.DataFrame]
    seen: pl.DataFrame
    landmarks: tuple[str, ...]
    changes: Mapping[str, Contrast]
    left_out: Mapping[str, str]


def modelled(tallied: Tallied, *, settings: Settings, level: float) -> Modelled:
    """Fit the change from baseline at the landmarks with enough patients, adjusted for the baseline score."""
    measured = tallied.measured
    known = pl.col("is_due") & ~pl.col("is_comparator") & pl.col("baseline").is_not_null()
    rows = measured.rows.filter(known)
    parts = {str(key[0]): part for key, part in rows.partition_by("landmark", as_dict=True).items()}
    due = {name: parts.get(name, rows.clear()) for name in tallied.landmarks}
    seen = rows.filter(pl.col("change").is_not_null())
    kept, left_out = _usable(due, settings.least_patients)
    seen = seen.filter(pl.col("landmark").is_in(kept))
    changes: dict[str, Contrast] = {}
    try:
        if kept:
            fit = _fit(seen, kept, level=level)
            means = {name: float(np.mean(due[name]["baseline"].to_numpy())) for name in kept}
            changes = {name: fit.mean(name, at=[mean]) for name, mean in means.items()}
    except RefusedError as refusal:
        left_out |= dict.fromkeys(kept, refusal.what)
    return Modelled(measured, due, seen, kept, changes, left_out)


def _fit(
    seen: pl.DataFrame, landmarks: tuple[str, ...], *, level: float, group: str | None = None
) -> RepeatedMeasures:
    return mmrm(
        seen["change"].to_numpy(),
        subject=seen["patient_id"].to_list(),
        visit=seen["landmark"].to_list(),
        group=seen[group].to_list() if group else None,
        covariates=seen["baseline"].to_numpy(),
        visits=landmarks,
        level=level,
    )


def _usable(due: Mapping[str, pl.DataFrame], least: int) -> tuple[tuple[str, ...], dict[str, str]]:
    """Landmarks with enough patients, who were also seen at every other one kept; reasons for the rest."""
    who = {name: set(rows.filter(pl.col("change").is_not_null())["patient_id"]) for name, rows in due.items()}
    kept: list[str] = []
    left_out: dict[str, str] = {}
    for name, patients in who.items():
        fewest = min((len(patients & who[other]) for other in kept), default=LEAST_SHARED)
        if len(patients) < least:
            left_out[name] = f"{len(patients)} patients seen, fewer than the {least} asked for"
        elif fewest < LEAST_SHARED:
            left_out[name] = f"{fewest} patients were seen here and at an earlier landmark of the model"
        else:
            kept.append(name)
    if len(kept) == 1:
        left_out[kept[0]] = f"one visit only ({len(who[kept[0]])} patients): no repeated measures"
        kept = []
    return tuple(kept), left_out


def change_rows(model: Modelled, tallied: Tallied, *, level: float) -> pl.DataFrame:
    """Return ``estimates`` cells: the modelled change at each landmark, for all due with a baseline score."""
    rows = [_change_row(model, tallied, landmark, level=level) for landmark in tallied.landmarks]
    return pl.DataFrame(rows, infer_schema_length=None)


def _change_row(model: Modelled, tallied: Tallied, landmark: str, *, level: float) -> dict[str, Any]:
    due, tally = model.due[landmark], tallied.treated[landmark]
    found = model.changes.get(landmark)
    died = due.select((pl.col("has_died") & pl.col("change").is_null()).sum()).item()
    return {
        "endpoint": f"change_in_{model.measured.name}",
        "landmark": landmark,
        "population": TREATED,
        "estimand": f"{POLICY}; {AT_RANDOM}",
        "group_variable": "indication",
        "group_level": model.measured.indication,
        **_limits(found),
        "level": level,
        "unit": model.measured.unit,
        "n": due["change"].count(),
        "n_due": due.height,
        "n_missing": due["change"].null_count(),
        "method": METHOD.format("visit"),
        "reason": joined(
            None if found else tally.why_nothing or model.left_out.get(landmark),
            counted(died, "died and enter as if they had lived"),
            tally.cautions,
            UNCONTROLLED if found else None,
        ),
        "reference": REGRESSION,
    }


def _limits(found: Contrast | None) -> dict[str, float | None]:
    if found is None:
        return dict.fromkeys(("estimate", "se", "lower", "upper"))
    return {"estimate": found.estimate, "se": found.se, "lower": found.lower, "upper": found.upper}


def route_rows(model: Modelled, *, settings: Settings, level: float) -> pl.DataFrame | None:
    """Return ``effects`` cells: differences between routes of the first session in the modelled change.

    Routes with fewer than ``settings.least_group`` patients at a landmark are left out and counted; landmarks
    are left out, the least seen first, until two routes are left. The most frequent route is the reference.
    An association: routes were not drawn by lot.
    None where there is no model of the change to begin with, which ``change_rows`` gives the reason for.
    """
    if not model.changes:
        return None
    landmarks, routes = _routes(model, settings.least_group)
    n_all = model.seen["patient_id"].n_unique()
    if len(routes) < 2:
        wanted = f"{settings.least_group} patients or more at each of two landmarks"
        return _route_reason(model, f"fewer than two routes with {wanted}, of {n_all} patients", n_all)
    kept = pl.col("index_route").is_in(routes) & pl.col("landmark").is_in(landmarks)
    used = model.seen.filter(kept)
    n = used["patient_id"].n_unique()
    try:
        fit = _fit(used, landmarks, level=level, group="index_route")
    except RefusedError as refusal:
        return _route_reason(model, refusal.what, n)
    rows = [
        _route_row(model, fit, landmark, route, routes[0], n=n, n_missing=n_all - n)
        for landmark in landmarks
        for route in routes[1:]
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def _routes(model: Modelled, least: int) -> tuple[tuple[str, ...], list[str]]:
    """Landmarks at which two routes or more have enough patients, and those routes, most frequent first."""
    sizes = model.seen.filter(pl.col("index_route").is_not_null()).group_by("index_route", "landmark").len()
    totals = sizes.group_by("landmark").agg(pl.col("len").sum()).sort("len", "landmark", descending=True)
    most_seen = totals["landmark"].to_list()
    for n in range(len(most_seen), 1, -1):
        routes = _large(sizes.filter(pl.col("landmark").is_in(most_seen[:n])), n, least)
        if len(routes) > 1:
            return tuple(name for name in model.landmarks if name in most_seen[:n]), routes
    return (), []


def _large(sizes: pl.DataFrame, n_landmarks: int, least: int) -> list[str]:
    """Routes with enough patients at every landmark, the most frequent first."""
    routes = sizes.group_by("index_route").agg(
        fewest=pl.col("len").min(), n=pl.len(), rows=pl.col("len").sum()
    )
    kept = routes.filter((pl.col("fewest") >= least) & (pl.col("n") == n_landmarks))
    return kept.sort("rows", "index_route", descending=[True, False])["index_route"].to_list()


def _route_row(
    model: Modelled, fit: RepeatedMeasures, landmark: str, route: str, against: str, *, n: int, n_missing: int
) -> dict[str, Any]:
    found = fit.difference(landmark, group=route, reference=against)
    return _route_cells(model) | {
        "landmark": landmark,
        "contrast": f"{route} against {against}",
        **_limits(found),
        "level": fit.level,
        "statistic": found.estimate / found.se,
        "df": found.df,
        "p_value": found.p_value,
        "n": n,
        "n_missing": n_missing,
        "reason": joined(
            "an association: routes were not drawn by lot",
            counted(n_missing, "patients of rarer or unknown routes left out"),
        ),
    }


def _route_cells(model: Modelled) -> dict[str, Any]:
    return {
        "model": "mmrm_route",
        "endpoint": f"change_in_{model.measured.name}",
        "population": f"{model.measured.indication}: {TREATED}",
        "estimand": f"{POLICY}; {AT_RANDOM}",
        "term": "index_route",
        "unit": model.measured.unit,
        "adjusted_for": "baseline score by landmark",
        "method": METHOD.format("visit × route"),
    }


def _route_reason(model: Modelled, reason: str, n: int) -> pl.DataFrame:
    return pl.DataFrame([_route_cells(model) | {"contrast": "routes", "n": n, "reason": reason}])
