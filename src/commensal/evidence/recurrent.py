"""Recurrent events: how many each patient has had by a day, on average, with death ending the count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from commensal.errors import InputError
from commensal.evidence.proportion import check_level

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class MeanCumulativeCount:
    """Mean events per patient by each of the days ``at``, one entry each.

    ``estimate`` is NaN on a day to which nobody was followed; ``n_at_risk`` are patients under observation
    on that day, ``n_events`` all events up to it.
    """

    at: Array
    estimate: Array
    se: Array
    lower: Array
    upper: Array
    n_at_risk: Array
    n_events: Array
    level: float


def mean_cumulative_count(
    patient: Any,
    day: Any,
    *,
    end: Any,
    is_dead: Any = None,
    entry: Any = None,
    at: Sequence[float],
    level: float = 0.95,
) -> MeanCumulativeCount:
    """Mean cumulative number of recurrent events by each day, death being the end of counting.

    Parameters
    ----------
    patient, day : (e,) index of the patient (row of ``end``) and day of each event.
    end : (n,) last day under observation; ``entry`` (n,) first one, 0 for all without. Both included.
    is_dead : (n,) whether ``end`` is a death; None: nobody died.
    at : days at which to read the function.

    Refuses (InputError) events outside their patient's observation, unknown patients, missing values.

    Notes
    -----
    μ(t) = Σ_{u ≤ t} S(u−) dN(u)/Y(u): N the events and Y the patients under observation on day u, S the
    Kaplan–Meier survival. Without deaths it is the Nelson–Aalen sum of all events. The variance is robust:
    Σᵢ ψᵢ(t)² with ψᵢ = ∫ S(u−) dMᵢ(u)/Y(u) − ∫ (μ(t) − μ(u)) dMᴰᵢ(u)/Y(u), so events of one patient may
    depend on each other. Limits on the log scale; without events the upper limit is the exact Poisson one
    over the patients still under observation.
    References: Ghosh & Lin, Biometrics 2000;56:554; Lawless & Nadeau, Technometrics 1995;37:158.
    """
    check_level(level)
    who, when, first, last, dead = _checked(patient, day, end, is_dead, entry)
    days = np.unique(np.concatenate([when, last[dead]]))
    at_risk = (
        np.searchsorted(np.sort(first), days, side="right")
        - np.searchsorted(np.sort(last), days, side="left")
    ).astype(float)
    n_events = np.bincount(np.searchsorted(days, when), minlength=len(days)).astype(float)
    n_deaths = np.bincount(np.searchsorted(days, last[dead]), minlength=len(days)).astype(float)
    before = np.concatenate([[1.0], np.cumprod(1 - n_deaths / at_risk)[:-1]]) if len(days) else at_risk
    mean = np.cumsum(before * n_events / at_risk)
    steps = _Steps(days, at_risk, n_events, n_deaths, before, mean)
    times = np.asarray(at, dtype=float)
    risk = np.array([((first <= t) & (last >= t)).sum() for t in times], dtype=int)
    count = np.array([(when <= t).sum() for t in times], dtype=int)
    position = np.searchsorted(days, times, side="right")
    estimate = np.where(risk > 0, np.concatenate([[0.0], mean])[position], np.nan)
    psi = [_influence(steps, k, who, when, first, last, dead) for k in position]
    se = np.array([np.sqrt((p**2).sum()) for p in psi])
    lower, upper = _limits(estimate, se, risk, level=level)
    return MeanCumulativeCount(times, estimate, se, lower, upper, risk, count, level)


@dataclass(frozen=True, eq=False)
class _Steps:
    """The days on which something happened: at risk, events, deaths, survival just before, the mean after."""

    day: Array
    at_risk: Array
    n_events: Array
    n_deaths: Array
    before: Array
    mean: Array


def _checked(patient: Any, day: Any, end: Any, is_dead: Any, entry: Any) -> tuple[Array, ...]:
    who, when, last = np.asarray(patient, dtype=int), np.asarray(day, dtype=float), np.asarray(end, float)
    first = np.zeros(len(last)) if entry is None else np.asarray(entry, dtype=float)
    dead = np.zeros(len(last), dtype=bool) if is_dead is None else np.asarray(is_dead, dtype=bool)
    if not len(who) == len(when) or not len(first) == len(last) == len(dead):
        raise InputError("events or patients differ in length", expected="one value for each")
    if not (np.isfinite(first).all() and np.isfinite(last).all() and (first <= last).all()):
        raise InputError("observation that is missing or ends before it begins", expected="entry ≤ end")
    known = (who >= 0) & (who < len(last))
    if not known.all() or not ((when >= first[who]) & (when <= last[who])).all():
        raise InputError(
            "events of unknown patients, or on days their patient was not under observation",
            expected="entry ≤ day ≤ end of the event's patient",
            do="leave such events out, and count them",
        )
    return who, when, first, last, dead


def _influence(
    steps: _Steps, k: int, who: Array, when: Array, first: Array, last: Array, dead: Array
) -> Array:
    """ψ of every patient at the time after the first ``k`` steps."""
    psi = np.zeros(len(last))
    if not k:
        return psi
    at_risk, mean = steps.at_risk[:k], steps.mean[:k]
    weight, left = steps.before[:k] / at_risk, mean[-1] - mean
    seen = when <= steps.day[k - 1]
    np.add.at(psi, who[seen], weight[np.searchsorted(steps.day, when[seen])])
    gone = dead & (last <= steps.day[k - 1])
    where = np.searchsorted(steps.day, last[gone])
    psi[gone] -= left[where] / at_risk[where]
    drift = weight * steps.n_events[:k] / at_risk - left * steps.n_deaths[:k] / at_risk**2
    passed = np.concatenate([[0.0], np.cumsum(drift)])
    until = np.searchsorted(steps.day[:k], last, side="right")
    since = np.searchsorted(steps.day[:k], first, side="left")
    return psi - (passed[until] - passed[np.minimum(since, until)])


def _limits(estimate: Array, se: Array, at_risk: Array, *, level: float) -> tuple[Array, Array]:
    z = float(norm.ppf((1 + level) / 2))
    some = estimate > 0
    half = z * np.divide(se, estimate, out=np.zeros_like(se), where=some)
    highest = -np.log((1 - level) / 2) / np.maximum(at_risk, 1)
    upper = np.where(some, estimate * np.exp(half), np.where(estimate == 0, highest, np.nan))
    return np.where(some, estimate * np.exp(-half), estimate), upper
