"""Standard errors of weighted curves: the infinitesimal jackknife over patients, by running sums.

A patient's influence on the estimate at t is fixed once the patient has left, and shared by all who are
still at risk; so the sum of squares needs sums over those who left and over those who are left, no loop over
patients. Rows that stand for ``n`` patients are n independent patients.
"""

from __future__ import annotations

import numpy as np

from commensal.evidence.survival.risk_sets import Array, Observed, RiskTable

# Sums of weights that should end at zero end at rounding error.
AT_RISK_NONE = 1e-9


def weighted_survival_se(data: Observed, table: RiskTable, survival: Array) -> Array:
    """SE of weighted Kaplan–Meier: S(t) √Σ wᵢ² (δᵢ a(Tᵢ) − A(min(t, Tᵢ)) + A(entryᵢ))².

    a(s) = 1/(Y(s) − d(s)), A(t) = Σ_{s ≤ t} d(s)/(Y(s)(Y(s) − d(s))).
    """
    se = np.zeros(len(table.time))
    for code, rows in enumerate(table.blocks()):
        at, squares, start = _placed(data, table, code, rows)
        at_risk, events = table.at_risk[rows], table.events[rows, 0]
        hazard = np.cumsum(_over(events, at_risk * (at_risk - events)))
        jump = _over(np.ones_like(at_risk), at_risk - events)
        from_start = np.concatenate([[0.0], hazard])
        entered = from_start[start]
        own = np.where(data.event[_members(data, code)] == 1, jump[at], 0.0) - hazard[at] + entered
        gone = _cumulated(at, squares * own**2, len(hazard))
        left = _remaining(at, start, squares, len(hazard))
        shift = _remaining(at, start, squares * entered, len(hazard))
        spread = _remaining(at, start, squares * entered**2, len(hazard))
        total = gone + hazard**2 * left - 2 * hazard * shift + spread
        se[rows] = survival[rows] * np.sqrt(total.clip(min=0))
    return se


def weighted_incidence_se(data: Observed, table: RiskTable, column: int) -> Array:
    """SE of the weighted Aalen–Johansen estimate F of one cause, by the influence of every patient.

    ψᵢ(t) = Σ_{s ≤ t} S(s−)(dN_kᵢ − Yᵢ dΛ_k)/Y − Σ_{s ≤ t} (F(t) − F(s))(dNᵢ − Yᵢ dΛ)/(Y − d).
    """
    se = np.zeros(len(table.time))
    for code, rows in enumerate(table.blocks()):
        at, squares, start = _placed(data, table, code, rows)
        at_risk, events = table.at_risk[rows], table.events[rows, column]
        every = table.events[rows].sum(axis=1)
        before = np.concatenate([[1.0], np.cumprod(1 - _over(every, at_risk))[:-1]])
        f = np.cumsum(before * _over(events, at_risk))
        hazard = _over(every, at_risk * (at_risk - every))
        fixed = np.cumsum(before * _over(events, at_risk**2) + f * hazard)
        moving = np.cumsum(hazard)
        fixed_0 = np.concatenate([[0.0], fixed])[start]
        moving_0 = np.concatenate([[0.0], moving])[start]
        kind = data.event[_members(data, code)]
        jump = np.where(np.isin(kind, table.causes), _over(np.ones_like(f), at_risk - every)[at], 0.0)
        own = np.where(kind == table.causes[column], _over(before, at_risk)[at], 0.0)
        c0 = own + f[at] * jump - fixed[at] + fixed_0
        c1 = jump - moving[at] + moving_0
        gone = [_cumulated(at, squares * x, len(f)) for x in (c0 * c0, c0 * c1, c1 * c1)]
        kept = (np.ones_like(c0), fixed_0, moving_0, fixed_0**2, fixed_0 * moving_0, moving_0**2)
        left = [_remaining(at, start, squares * x, len(f)) for x in kept]
        now = f * moving - fixed
        still = now**2 * left[0] + 2 * now * (left[1] - f * left[2])
        still += left[3] - 2 * f * left[4] + f**2 * left[5]
        total = gone[0] - 2 * f * gone[1] + f**2 * gone[2] + still
        se[rows] = np.sqrt(total.clip(min=0))
    return se


def _placed(data: Observed, table: RiskTable, code: int, rows: slice) -> tuple[Array, Array, Array]:
    """Of the patients of a stratum: row of leaving, n times squared weight, first row at risk."""
    who, times = _members(data, code), table.time[rows]
    at = np.searchsorted(times, data.time[who])
    count = np.ones(len(at)) if data.count is None else data.count[who]
    weight = np.ones(len(at)) if data.weight is None else data.weight[who]
    if data.entry is None:
        start = np.zeros(len(at), dtype=np.int64)
    else:
        start = np.searchsorted(times, data.entry[who], side="right")
    return at, count * weight**2, start


def _members(data: Observed, code: int) -> Array | slice:
    return slice(None) if data.stratum is None else np.flatnonzero(data.stratum == code)


def _cumulated(at: Array, values: Array, n_rows: int) -> Array:
    return np.cumsum(np.bincount(at, weights=values, minlength=n_rows))


def _remaining(at: Array, start: Array, values: Array, n_rows: int) -> Array:
    """Sums over those at risk at each row who do not leave at it."""
    return _cumulated(start, values, n_rows) - _cumulated(at, values, n_rows)


def _over(top: Array, bottom: Array) -> Array:
    return np.divide(top, bottom, out=np.zeros_like(bottom, dtype=float), where=bottom > AT_RISK_NONE)
