"""The missing-outcome part of a study: every handling of what was not observed, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from scipy.special import expit, logit
from scipy.stats import norm

from commensal.errors import RefusedError
from commensal.evidence.ground import Ground
from commensal.evidence.missing.diagnostics import imputation_rows
from commensal.evidence.missing.groups import Group, Membership, by_indication, by_level, membership_of
from commensal.evidence.missing.imputing import Model, imputed_outcomes
from commensal.evidence.missing.intensity import weighted_share, weighted_visits
from commensal.evidence.missing.panel import Panel, Target, panel_of, targets_of
from commensal.evidence.missing.settings import Settings
from commensal.evidence.missing.tipping import departed, verdict
from commensal.evidence.missing.weighting import Weighting, weighted, weighting_of
from commensal.evidence.pooling import PooledProportions, pool_proportions
from commensal.evidence.proportion import wilson
from commensal.evidence.remission import DUE_UNKNOWN
from commensal.evidence.rows import rows_of
from commensal.vocabulary.indications import ancestors, indication, is_within

Array = np.ndarray
Row = dict[str, Any]

ROOM = 4_102  # child of the run's seed that belongs to this part
IPCW = "inverse-probability-of-censoring weights"
IMPUTED = "multiple imputation"
BEST, WORST = "best case: unobserved count as successes", "worst case: unobserved count as failures"
VISITS = "all judged visits in the window, inverse-intensity weights; no event changes what counts"
AT_RANDOM = "valid if leaving depends on recorded history alone; see the tipping point"


@dataclass(frozen=True, eq=False)
class Handled:
    """Everything fitted once: the panel, targets, weights, completed outcomes (by target) and models."""

    panel: Panel
    targets: list[Target]
    membership: Membership
    weighting: Weighting
    completed: dict[int, Array]
    models: list[Model]


def missing_outcomes(
    ground: Ground, *, settings: Settings, level: float, seed: int, processes: int = 1
) -> dict[str, pl.DataFrame]:
    """Return rows of ``estimates``, ``weight_summaries``, ``imputations`` and ``tipping_points``.

    For every primary endpoint, landmark and indication, among those due and active at baseline: weighted for
    censoring, multiply imputed, best and worst case, sustained since the first landmark, and weighted for
    visit intensity; by indication in every analysis set, and by route, cohort and single donor for all
    treated. What cannot be estimated is a row with the reason and its counts.
    """
    panel = panel_of(ground, settings=settings)
    targets = [t for t in targets_of(ground, panel) if len(t.rows)]
    nobody = _nobody(ground, targets, settings=settings, level=level)
    if not targets:
        empty = ("weight_summaries", "imputations", "tipping_points")
        return {"estimates": _table("estimates", nobody), **{name: rows_of(name, []) for name in empty}}
    weighting = weighting_of(panel, targets, settings=settings)
    seeds = np.random.SeedSequence((seed, ROOM)).generate_state(2)
    completed, models = imputed_outcomes(
        panel,
        targets,
        leaving=weighting.stay.chance,
        settings=settings,
        seed=int(seeds[0]),
        processes=processes,
    )
    handled = Handled(panel, targets, membership_of(ground, panel), weighting, completed, models)
    estimates, summaries = _estimates(handled, settings=settings, level=level)
    estimates += nobody
    estimates += _sustained(handled, settings=settings, level=level)
    estimates += _by_intensity(ground, handled, settings=settings, level=level)
    tipping = _tipping(handled, settings=settings, level=level, rng=np.random.default_rng(int(seeds[1])))
    return {
        "estimates": _table("estimates", estimates),
        "weight_summaries": _table("weight_summaries", summaries),
        "imputations": imputation_rows(models, settings=settings),
        "tipping_points": _table("tipping_points", tipping),
    }


def _nobody(ground: Ground, targets: Sequence[Target], *, settings: Settings, level: float) -> list[Row]:
    """Rows for primary endpoints of which nobody active at baseline is due: words in place of silence."""
    keys = ["endpoint", "landmark", "indication"]
    mine = ground.outcomes.filter(pl.col("is_primary") & ~pl.col("is_comparator"))
    counts = mine.group_by(keys).agg(
        population=pl.col("population").filter(pl.col("is_active")).drop_nulls().first(),
        n_untold=(pl.col("is_due").is_null() & pl.col("is_active")).sum(),
        n_unknown=pl.col("is_active").is_null().sum(),
        is_steroid_free=pl.col("is_steroid_free").first(),
    )
    known = {(t.endpoint, t.landmark, t.indication) for t in targets}
    rows: list[Row] = []
    for row in counts.sort(keys).iter_rows(named=True):
        if (row["endpoint"], row["landmark"], row["indication"]) in known:
            continue
        reason = "nobody of this population is due yet"
        if row["n_untold"]:
            reason = f"{DUE_UNKNOWN} ({row['n_untold']} patients)"
        elif row["population"] is None:
            reason = f"nobody is known to have been active at baseline ({row['n_unknown']} unknown)"
        free = "; free of steroids" if row["is_steroid_free"] else ""
        rows += [
            {
                "endpoint": row["endpoint"],
                "landmark": row["landmark"],
                "population": row["population"] or "active at baseline",
                "estimand": f"{method}; {settings.words}{free}",
                "group_variable": "indication",
                "group_level": row["indication"],
                "level": level,
                "n": 0,
                "n_due": 0,
                "method": method,
                "reason": reason,
            }
            for method in (IPCW, IMPUTED)
        ]
    return rows


def _table(name: str, rows: Sequence[Row]) -> pl.DataFrame:
    if not rows:
        return rows_of(name, [])
    made = rows_of(name, [pl.DataFrame(list(rows), infer_schema_length=None)])
    keys = [
        c
        for c in (
            "group_variable",
            "endpoint",
            "landmark",
            "population",
            "group_level",
            "analysis",
            "estimand",
            "delta",
        )
        if c in made.columns
    ]
    return made.sort(keys, nulls_last=True)


def _estimates(handled: Handled, *, settings: Settings, level: float) -> tuple[list[Row], list[Row]]:
    rows: list[Row] = []
    summaries: list[Row] = []
    for i, target in enumerate(handled.targets):
        groups = by_indication(target, handled.membership)
        found, sums = _handlings(
            handled, target, handled.completed.get(i), groups, settings=settings, level=level
        )
        rows += found
        summaries += sums[:1]
    for target, completed in _blocks(handled):
        groups = list(by_level(target, handled.membership, least=settings.least_group))
        rows += _handlings(handled, target, completed, groups, settings=settings, level=level)[0]
    return rows, summaries


def _blocks(handled: Handled) -> Iterator[tuple[Target, Array | None]]:
    """Targets of one endpoint over all its indications, as routes, cohorts and donors are reported by."""
    keys = [(t.endpoint, t.landmark, t.population) for t in handled.targets]
    for key in dict.fromkeys(keys):
        mine = [i for i, k in enumerate(keys) if k == key]
        parts = [handled.targets[i] for i in mine]
        rows = np.concatenate([t.rows for t in parts])
        order = np.argsort(rows)
        outcome = np.concatenate([t.outcome for t in parts])[order]
        drawn = [handled.completed[i] for i in mine if i in handled.completed]
        completed = np.concatenate(drawn, axis=1)[:, order] if len(drawn) == len(mine) else None
        yield replace(parts[0], rows=rows[order], outcome=outcome), completed


def _handlings(
    handled: Handled,
    target: Target,
    completed: Array | None,
    groups: Sequence[Group],
    *,
    settings: Settings,
    level: float,
) -> tuple[list[Row], list[Row]]:
    """The rows of every group of one target, and the summaries of their weights."""
    rows: list[Row] = []
    summaries: list[Row] = []
    groups = [g for g in groups if g.member.any()]
    pooled = _pooled(completed, groups, level=level)
    for k, group in enumerate(groups):
        cells = _cells(target, group, level=level)
        rows += _bounds(target, group, cells, settings=settings)
        if (unfit := _unfit(target, group, settings)) is not None:
            words = {name: _words(name, target, settings) for name in (IPCW, IMPUTED)}
            rows += [{**cells, "estimand": w, "method": n, "reason": unfit} for n, w in words.items()]
            continue
        made, summary = _weighted(handled, target, group, settings=settings, level=level)
        rows += [{**cells, **made}, {**cells, **_imputed(pooled, k, target, group, settings=settings)}]
        summaries.append({**summary, "rests_on": handled.weighting.rests_on})
    return rows, summaries


def _cells(target: Target, group: Group, *, level: float) -> Row:
    observed = group.member & ~np.isnan(target.outcome)
    return {
        "endpoint": target.endpoint,
        "landmark": target.landmark,
        "population": group.population,
        "group_variable": group.variable,
        "group_level": group.level,
        "level": level,
        "unit": "proportion",
        "n": int(observed.sum()),
        "n_events": int(np.nansum(target.outcome[group.member])),
        "n_due": int(group.member.sum()),
        "n_missing": int((group.member & ~observed).sum()),
    }


def _words(handling: str, target: Target, settings: Settings) -> str:
    """The estimand: the handling of the unobserved, then each intercurrent event."""
    said = settings
    if is_within(target.indication, "ibd") and settings.colectomy != "failure":
        said = replace(settings, colectomy="failure")
    free = "; free of steroids" if target.is_steroid_free else ""
    return f"{handling}; {said.words}{free}"


def _unfit(target: Target, group: Group, settings: Settings) -> str | None:
    n = int((group.member & ~np.isnan(target.outcome)).sum())
    n_due = int(group.member.sum())
    if n_due < settings.least_group and group.variable != "indication":
        return f"{n_due} due, fewer than {settings.least_group}"
    if n < settings.least_observed:
        return f"{n} observed of {n_due} due, fewer than {settings.least_observed}"
    return None


def _bounds(target: Target, group: Group, cells: Row, *, settings: Settings) -> Iterator[Row]:
    """The worst and the best that the unobserved could make of it."""
    known = int(np.nansum(target.outcome[group.member]))
    n_due = int(group.member.sum())
    for name, n_events in ((WORST, known), (BEST, known + cells["n_missing"])):
        limits = wilson(n_events, n=n_due, level=cells["level"])
        yield {
            **cells,
            "estimand": _words(name, target, settings),
            "n": n_due,
            "n_events": n_events,
            "estimate": n_events / n_due,
            "lower": limits.lower,
            "upper": limits.upper,
            "method": "Wilson score interval",
            "reason": group.caution or None,
        }


def _weighted(
    handled: Handled, target: Target, group: Group, *, settings: Settings, level: float
) -> tuple[Row, Row]:
    made = weighted(handled.weighting, target, group.member, truncate_at=settings.truncate_at, level=level)
    cut = (
        f", {made.n_truncated} cut at the {settings.truncate_at:g} quantile"
        if made.n_truncated
        else ", none cut"
    )
    row = {
        "estimand": _words(IPCW, target, settings),
        "estimate": made.estimate,
        "se": made.se,
        "lower": made.lower,
        "upper": made.upper,
        "method": "pooled logistic models of staying and of being observed, weights normalised"
        f"{cut}; variance by influence functions, logit limits",
        "reason": _said(AT_RANDOM, f"effective sample size {made.effective_n:.0f}", group.caution),
    }
    weights = made.weights / made.weights.mean()
    summary = {
        "analysis": "censoring_weights",
        "endpoint": target.endpoint,
        "landmark": target.landmark,
        "group_level": target.indication,
        **_summary(weights),
        "n_truncated": made.n_truncated,
    }
    return row, summary


def _summary(weights: Array) -> Row:
    return {
        "n": len(weights),
        "smallest": float(weights.min()),
        "mean": float(weights.mean()),
        "largest": float(weights.max()),
        "effective_n": float(weights.sum() ** 2 / (weights**2).sum()),
    }


def _pooled(completed: Array | None, groups: Sequence[Group], *, level: float) -> PooledProportions | None:
    """Pooled proportions of all groups of a target at once."""
    if completed is None or not groups:
        return None
    flags = np.stack([g.member for g in groups], axis=1).astype(float)
    sizes = flags.sum(axis=0)
    return pool_proportions(completed @ flags / sizes, n=sizes, level=level)


def _imputed(
    pooled: PooledProportions | None, k: int, target: Target, group: Group, *, settings: Settings
) -> Row:
    cells = {"estimand": _words(IMPUTED, target, settings)}
    if pooled is None:
        n = int((~np.isnan(target.outcome)).sum())
        return {
            **cells,
            "method": IMPUTED,
            "reason": f"{n} outcomes observed in all: too few for an imputation model",
        }
    scale = "Wilson limits of Lott and Reiter" if pooled.is_wilson[k] else "on the logit scale, Barnard–Rubin"
    return {
        **cells,
        "estimate": float(pooled.estimate[k]),
        "se": float(pooled.se[k]),
        "lower": float(pooled.lower[k]),
        "upper": float(pooled.upper[k]),
        "method": f"{settings.imputations} imputations by chained equations over all visits, "
        f"{settings.iterations} rounds; Rubin's rules {scale}",
        "reason": _said(
            AT_RANDOM, f"fraction of information missing {pooled.fraction_missing[k]:.2f}", group.caution
        ),
    }


def _said(*parts: str) -> str:
    return "; ".join(p for p in parts if p)


def _sustained(handled: Handled, *, settings: Settings, level: float) -> list[Row]:
    """Success at the first landmark after week 8 and at every one since, among those due at the last."""
    rows: list[Row] = []
    by_code: dict[str, list[int]] = {}
    for i, t in enumerate(handled.targets):
        if t.landmark != "W8":
            by_code.setdefault(t.indication, []).append(i)
    for course in by_code.values():
        ordered = sorted(course, key=lambda i: handled.targets[i].visit)
        for j in range(1, len(ordered)):
            used = [handled.targets[i] for i in ordered[: j + 1]]
            drawn = [handled.completed.get(i) for i in ordered[: j + 1]]
            rows.append(_sustained_row(used, drawn, settings=settings, level=level))
    return rows


def _sustained_row(
    used: Sequence[Target], drawn: Sequence[Array | None], *, settings: Settings, level: float
) -> Row:
    last = used[-1]
    # Everybody due at the last landmark was due at those before it.
    place = [np.searchsorted(t.rows, last.rows) for t in used]
    outcome = np.array([t.outcome[p] for t, p in zip(used, place, strict=True)])
    known = np.where((outcome == 0).any(axis=0), 0.0, np.where(np.isnan(outcome).any(axis=0), np.nan, 1.0))
    whole = replace(last, outcome=known)
    group = Group(last.population, "indication", last.indication, np.ones(len(last.rows), dtype=bool))
    cells = _cells(whole, group, level=level)
    cells["estimand"] = _words(
        f"sustained from {used[0].landmark} at every landmark; {IMPUTED}", last, settings
    )
    if any(d is None for d in drawn):
        reason = f"{cells['n']} courses known of {cells['n_due']} due: too few for an imputation model"
        return {**cells, "method": IMPUTED, "reason": reason}
    completed = np.prod([d[:, p] for d, p in zip(drawn, place, strict=True) if d is not None], axis=0)
    pooled = _pooled(completed, [group], level=level)
    row = {**cells, **_imputed(pooled, 0, last, group, settings=settings)}
    return {**row, "estimand": cells["estimand"]}


def _by_intensity(ground: Ground, handled: Handled, *, settings: Settings, level: float) -> list[Row]:
    visits = weighted_visits(ground, handled.panel)
    rows: list[Row] = []
    for target in handled.targets:
        group = Group(
            target.population, "indication", target.indication, np.ones(len(target.rows), dtype=bool)
        )
        cells = {
            **_cells(target, group, level=level),
            "estimand": VISITS,
            "method": "Poisson model of visits on the last recorded state; variance clustered by patient",
        }
        rows.append({**cells, **_intensity(handled.panel, target, visits, settings=settings, level=level)})
    return rows


def _intensity(
    panel: Panel, target: Target, visits: pl.DataFrame, *, settings: Settings, level: float
) -> Row:
    empty = {"n": 0, "n_events": None}
    if is_within(target.indication, "cdi"):
        return {**empty, "reason": "a recurrence is dated by its onset, not by visits"}
    try:
        mean, se, weights, n = weighted_share(panel, target, visits)
    except RefusedError as error:
        return {**empty, "reason": str(error)}
    if n < settings.least_observed or not 0 < mean < 1:
        return {
            "n": n,
            "n_events": None,
            "reason": f"{n} patients judged in the window: too few, or all alike",
        }
    half = float(norm.ppf((1 + level) / 2)) * se / (mean * (1 - mean))
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    return {
        "n": n,
        "n_events": None,
        "estimate": mean,
        "se": se,
        "lower": float(expit(logit(mean) - half)),
        "upper": float(expit(logit(mean) + half)),
        "reason": "sensitivity to visits driven by recorded symptoms; "
        f"{len(weights)} visits, effectively {effective:.0f}",
    }


def _tipping(handled: Handled, *, settings: Settings, level: float, rng: np.random.Generator) -> list[Row]:
    rows: list[Row] = []
    for i, target in enumerate(handled.targets):
        group = Group(
            target.population, "indication", target.indication, np.ones(len(target.rows), dtype=bool)
        )
        cells = _cells(target, group, level=level)
        cells = {k: cells[k] for k in cells if k not in ("n", "n_events", "unit")}
        if i not in handled.completed:
            n_observed = cells["n_due"] - cells["n_missing"]
            reason = f"{n_observed} outcomes observed of {cells['n_due']} due: not imputed"
            rows.append({**cells, "unit": "log-odds", "reason": reason})
            continue
        completed = handled.completed[i]
        before = np.repeat(handled.panel.before[target.rows, target.visit][None], len(completed), axis=0)
        shares = departed(completed, target.outcome, before=before, deltas=settings.deltas, rng=rng).mean(
            axis=2
        )
        pooled = pool_proportions(shares.T, n=np.full(len(settings.deltas), len(target.rows)), level=level)
        reference, source = _reference(target)
        words = verdict(settings.deltas, pooled.lower, pooled.upper, reference=reference)
        rows += [
            {
                **cells,
                "delta": float(delta),
                "unit": "log-odds",
                "estimate": float(pooled.estimate[k]),
                "lower": float(pooled.lower[k]),
                "upper": float(pooled.upper[k]),
                "reference": reference,
                "verdict": words[k],
                "reason": f"reference: {source}",
            }
            for k, delta in enumerate(settings.deltas)
        ]
    return rows


def _reference(target: Target) -> tuple[float, str]:
    """The published control-arm response of the same kind of outcome, else the observed share."""
    wanted = "respon" if "response" in target.endpoint else ("remission", "cure")
    for entry in (indication(target.indication), *ancestors(target.indication)):
        text = entry.control_response_text
        if entry.control_response_high is not None and any(w in text for w in np.atleast_1d(wanted)):
            return entry.control_response_high, f"{text} ({entry.control_response_source})"
    return float(np.nanmean(target.outcome)), "the observed cases here; no control-arm figure is known"
