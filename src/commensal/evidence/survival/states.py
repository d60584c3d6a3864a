"""States that are left and entered again: the probability of being in each at t, and the mean time there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from commensal.errors import InputError
from commensal.evidence.survival.limits import limits_of, quantile_of
from commensal.evidence.survival.risk_sets import Array, check_lengths, coded, numbers


@dataclass(frozen=True)
class Occupation:
    """Occupation of states over time.

    ``curve``: [time, state, n_at_risk, n_in_state, n_entered, estimate, se, lower, upper] at every time at
    which somebody changed state; ``n_at_risk`` under observation just before, ``n_in_state`` of them in the
    state, ``n_entered`` who enter it then. ``mean_times``: [until, state, estimate, se, lower, upper], mean
    time in each state up to each horizon, null where nobody was under observation that long. ``n`` patients.
    """

    curve: pl.DataFrame
    mean_times: pl.DataFrame
    n: int


def state_occupation(
    patient: Any,
    time: Any,
    state: Any,
    *,
    states: Sequence[str],
    absorbing: Sequence[str] = (),
    horizons: Sequence[float] = (),
    level: float = 0.95,
) -> Occupation:
    """Estimate the probability of being in each of ``states`` at t from the states seen at visits.

    One row per patient and time seen, in any order: ``patient`` labels, ``time`` from the origin (0 is the
    first row of everybody), ``state`` found then. A patient is under observation until the last row; a change
    is dated at the row that shows it. ``absorbing`` states are never left.

    Refuses (InputError) unknown states, patients whose first row is not at time 0, two rows of a patient at
    one time, and rows after an absorbing state ("events after death"), with the counts.

    Notes
        Aalen–Johansen: p(t) = p(0) Π_{s ≤ t} (I + dA(s)), dA_jk = dN_jk/Y_j. For the occupation of states it
        needs no Markov property (Datta & Satten), but independent censoring. SE by the infinitesimal
        jackknife over patients; mean time in a state is ∫₀^τ p(t) dt with SE from the same influences.
    References: Aalen & Johansen, Scand J Stat 1978;5:141; Datta & Satten, Stat Probab Lett 2001;55:403.
    """
    rows = _checked(patient, time, state, states=states, absorbing=absorbing)
    made = _occupied(rows, n_states=len(states), horizons=np.asarray(horizons, dtype=float))
    labels = np.asarray(states, dtype=object)
    lower, upper = limits_of(made.estimate, made.se, level=level, limits="log-log")
    n_times, k = made.estimate.shape
    curve = pl.DataFrame(
        {
            "time": np.repeat(made.times, k),
            "state": pl.Series(np.tile(labels, n_times).tolist(), dtype=pl.String),
            "n_at_risk": np.repeat(made.occupied.sum(axis=1), k).astype(np.int64),
            "n_in_state": made.occupied.ravel().astype(np.int64),
            "n_entered": made.entered.ravel().astype(np.int64),
            "estimate": made.estimate.ravel().clip(0, 1),
            "se": made.se.ravel(),
            "lower": pl.Series(lower.ravel(), nan_to_null=True),
            "upper": pl.Series(upper.ravel(), nan_to_null=True),
        }
    )
    return Occupation(curve, _mean_times(made, horizons, states, rows, level=level), rows.n)


@dataclass(frozen=True)
class _Rows:
    """Moves between states sorted by time: patient, time, from, to; start and end of each patient."""

    n: int
    who: Array
    when: Array
    source: Array
    target: Array
    start: Array
    end: Array


@dataclass(frozen=True)
class _Made:
    times: Array
    estimate: Array
    se: Array
    occupied: Array
    entered: Array
    mean: Array
    mean_se: Array


def _checked(
    patient: Any, time: Any, state: Any, *, states: Sequence[str], absorbing: Sequence[str]
) -> _Rows:
    days = numbers(time).astype(float)
    check_lengths(len(days), patient=patient, state=state)
    who, _ = coded(patient if isinstance(patient, pl.Series) else pl.Series(list(patient)))
    assert who is not None
    number = {name: i for i, name in enumerate(states)}
    labels = list(state)
    unknown = sorted({str(s) for s in labels if s not in number})
    if unknown or not np.isfinite(days).all():
        raise InputError(
            f"states {', '.join(unknown) or 'known'}, {int((~np.isfinite(days)).sum())} rows without a time",
            expected="states among " + ", ".join(states) + " and a time for each",
            do="leave out visits whose state is unknown, and count them",
        )
    code = np.array([number[s] for s in labels])
    order = np.lexsort((days, who))
    who, days, code = who[order], days[order], code[order]
    is_first = np.concatenate([[True], who[1:] != who[:-1]])
    ends = np.isin(code, [number[a] for a in absorbing])
    faults = {
        "patients whose first row is not at time 0": (is_first & (days != 0)).sum(),
        "rows at a time the patient already has": (~is_first & (np.diff(days, prepend=-1) == 0)).sum(),
        "rows after an absorbing state (events after death)": (~is_first & np.roll(ends, 1)).sum(),
    }
    if any(faults.values()):
        raise InputError(
            "; ".join(f"{int(count)} {words}" for words, count in faults.items() if count),
            expected="one state a patient and time, from time 0 until the patient was last seen",
            do="correct the days, or leave these rows out and count them",
        )
    moved = np.flatnonzero(~is_first & (code != np.roll(code, 1)))
    moved = moved[np.argsort(days[moved], kind="stable")]
    is_last = np.concatenate([is_first[1:], [True]])
    return _Rows(
        n=int(is_first.sum()),
        who=who[moved],
        when=days[moved],
        source=code[moved - 1],
        target=code[moved],
        start=code[is_first],
        # Who has come to an absorbing state stays known.
        end=np.where(ends[is_last], np.inf, days[is_last]),
    )


def _occupied(rows: _Rows, *, n_states: int, horizons: Array) -> _Made:
    """Walk through the times of change, carrying p and every patient's influence on it."""
    times = np.unique(rows.when)
    bounds = np.searchsorted(rows.when, times, side="left"), np.searchsorted(rows.when, times, side="right")
    shape = (len(times), n_states)
    estimate, se, occupied, entered = np.empty(shape), np.empty(shape), np.empty(shape), np.empty(shape)
    now = rows.start.copy()
    p = np.bincount(now, minlength=n_states) / rows.n
    influence = (np.eye(n_states)[now] - p) / rows.n
    mean, spread = np.zeros((len(horizons), n_states)), np.zeros((len(horizons), rows.n, n_states))
    before = 0.0
    for t, (when, a, b) in enumerate(zip(times, *bounds, strict=True)):
        length = np.clip(np.minimum(when, horizons) - before, 0, None)
        mean, spread = mean + length[:, None] * p, spread + length[:, None, None] * influence
        present = rows.end >= when
        at_risk = np.bincount(now[present], minlength=n_states)
        step, moved = _move(rows, slice(a, b), at_risk, n_states)
        per_one = np.divide(p, at_risk, out=np.zeros(n_states), where=at_risk > 0)
        influence = influence + influence @ step
        influence -= (present * per_one[now])[:, None] * step[now]
        who, source, target = rows.who[a:b], rows.source[a:b], rows.target[a:b]
        influence[who, target] += per_one[source]
        influence[who, source] -= per_one[source]
        now[who] = target
        p = p + p @ step
        estimate[t], se[t] = p, np.sqrt((influence**2).sum(axis=0))
        occupied[t], entered[t] = at_risk, moved
        before = when
    length = np.clip(horizons - before, 0, None)
    mean, spread = mean + length[:, None] * p, spread + length[:, None, None] * influence
    return _Made(times, estimate, se, occupied, entered, mean, np.sqrt((spread**2).sum(axis=1)))


def _move(rows: _Rows, part: slice, at_risk: Array, n_states: int) -> tuple[Array, Array]:
    """dA of one time, rows summing to zero, and how many enter each state."""
    moves = np.zeros((n_states, n_states))
    np.add.at(moves, (rows.source[part], rows.target[part]), 1.0)
    step = moves / np.maximum(at_risk, 1)[:, None]
    return step - np.diag(step.sum(axis=1)), moves.sum(axis=0)


def _mean_times(
    made: _Made, horizons: Sequence[float], states: Sequence[str], rows: _Rows, *, level: float
) -> pl.DataFrame:
    # Beyond the last patient who could still move, a mean time would be invented.
    still = rows.end[np.isfinite(rows.end)]
    z, longest = quantile_of(level), float(still.max()) if len(still) else np.inf
    found = []
    for i, until in enumerate(horizons):
        for j, name in enumerate(states):
            estimate, se = float(made.mean[i, j]), float(made.mean_se[i, j])
            known = longest >= until
            values = (estimate, se, max(estimate - z * se, 0.0), min(estimate + z * se, float(until)))
            found.append((float(until), name, *(values if known else (None,) * 4)))
    kinds = {"until": pl.Float64(), "state": pl.String()}
    return pl.DataFrame(
        found,
        schema={**kinds, **dict.fromkeys(("estimate", "se", "lower", "upper"), pl.Float64())},
        orient="row",
    )
