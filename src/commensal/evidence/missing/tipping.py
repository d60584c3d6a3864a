"""How far from missing at random a finding holds: log odds added to the success of the unobserved."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit, logit

Array = np.ndarray

PRIOR = 0.5


def departed(
    completed: Array, observed: Array, *, before: Array, deltas: Sequence[float], rng: np.random.Generator
) -> Array:
    """Return the completed outcomes (len(deltas), m, r) had the unobserved differed by each delta.

    Parameters: ``completed`` (m, r) of 0 and 1 under missing at random; ``observed`` (r,) with NaN where not;
    ``before`` (m, r) the state of the disease at the visit before, in any numbers.

    Notes: let π be a patient's chance of success under missing at random (the share of success among the
    observed with the same state before, in the same imputation) and π_δ = expit(logit π + δ). For δ > 0 an
    imputed failure turns to success with chance (π_δ − π)/(1 − π); for δ < 0 an imputed success stays with
    chance π_δ/π. The same uniform number serves all deltas, so that outcomes move one way only, and δ = 0
    gives back the imputed outcomes.
    """
    missing = np.isnan(observed)
    chance = _chances(observed, before)
    u = rng.random(completed.shape)
    found = []
    for delta in deltas:
        shifted = expit(logit(chance) + delta)
        up = (completed == 0) & (u < (shifted - chance) / (1 - chance))
        stays = (completed == 1) & (u < np.minimum(shifted / chance, 1.0))
        moved = np.where(up if delta > 0 else stays, 1.0, np.where(completed == 1, float(delta > 0), 0.0))
        found.append(np.where(missing, moved if delta else completed, completed))
    return np.array(found)


def _chances(observed: Array, before: Array) -> Array:
    """(m, r): share of success among the observed with the same state before, drawn to that of all."""
    seen, success = ~np.isnan(observed), observed == 1
    chance = np.empty(before.shape)
    overall = (success.sum() + PRIOR) / (seen.sum() + 2 * PRIOR)
    for state in np.unique(before):
        here = before == state
        n = (here & seen).sum(axis=1)
        n_success = (here & success).sum(axis=1)
        share = (n_success + 2 * PRIOR * overall) / (n + 2 * PRIOR)
        chance = np.where(here, share[:, None], chance)
    return chance


def verdict(deltas: Sequence[float], lower: Array, upper: Array, *, reference: float) -> list[str]:
    """What each departure does to the comparison with ``reference``, and where the conclusion tips."""
    sides = [_side(low, high, reference) for low, high in zip(lower, upper, strict=True)]
    here = sides[list(deltas).index(0)]
    tips = [d for d, side in zip(deltas, sides, strict=True) if side != here]
    if not tips:
        summary = f"at no departure from {deltas[0]:+g} to {deltas[-1]:+g} does that change"
    else:
        nearest = min(tips, key=abs)
        summary = f"at missing at random it is {here}; this tips at a departure of {nearest:+g}"
    return [f"interval {side} the reference; {summary}" for side in sides]


def _side(lower: float, upper: float, reference: float) -> str:
    if lower > reference:
        return "above"
    return "below" if upper < reference else "includes"
