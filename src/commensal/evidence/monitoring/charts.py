"""Risk-adjusted CUSUM: one outcome a course, in order of treatment."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from commensal.errors import InputError

Array = np.ndarray

N_NODES = 201
# Nodes that follow a shared error, by the variance it adds to a count over the count's own.
NODES = ((0.1, 3), (0.3, 5), (np.inf, 15))
HIGHEST_LIMIT = 60.0


@dataclass(frozen=True, eq=False)
class Cusum:
    """A CUSUM chart.

    ``statistic`` (n,) is the value after each course; ``limit`` where it alarms; ``alarm_at`` the position
    (from 0) of the first course at which it does, None where it does not. The chart is not reset.
    """

    statistic: Array
    odds_ratio: float
    limit: float
    alarm_at: int | None


def cusum(
    observed: Sequence[float] | Array,
    expected: Sequence[float] | Array,
    *,
    odds_ratio: float = 2.0,
    limit: float,
) -> Cusum:
    """Run the risk-adjusted log-likelihood-ratio CUSUM over outcomes in order of treatment.

    Parameters
    ----------
    observed : (n,) 1 where the event (a failure) happened, else 0. Leave out what is not known yet.
    expected : (n,) probability of the event for each course, from a model that did not see the unit.
    odds_ratio : the change looked for; above 1 more events than expected, below 1 fewer.
    limit : value at which the chart alarms (:func:`cusum_limit`).

    Refuses (InputError) lengths that differ, outcomes other than 0 and 1, probabilities outside (0, 1), an
    odds ratio of 1 or not above 0, a limit not above 0.

    Notes
    -----
    Wₜ = max(0, Wₜ₋₁ + wₜ) from W₀ = 0, wₜ = y log R − log(1 − p + R p) with R the odds ratio. It tests odds R
    times the expected against the expected, in one direction; one chart for each direction.

    References
    ----------
    Steiner et al., Biostatistics 2000;1:441, doi:10.1093/biostatistics/1.4.441.

    Example
    -------
    >>> cusum([0, 1, 1], [0.2, 0.2, 0.2], limit=1.0).statistic.round(3)
    array([0.   , 0.511, 1.022])
    """
    from commensal.evidence.monitoring._kernels import cusum_path

    outcomes, p = checked_outcomes(observed, expected)
    _check_odds_ratio(odds_ratio)
    if not limit > 0:
        raise InputError(f"a limit of {limit}", expected="a limit above 0", do="make one with cusum_limit")
    path = cusum_path(outcomes, *_weights(p, odds_ratio))
    return Cusum(path, odds_ratio, float(limit), first_at(path >= limit))


def cusum_limit(
    expected: Sequence[float] | Array | float,
    *,
    odds_ratio: float = 2.0,
    false_alarm: float = 0.05,
    horizon: int | None = None,
    uncertainty: float = 0.0,
) -> float:
    """Return the lowest limit at which the chart alarms by chance with probability ``false_alarm`` at most.

    The probability is that of any alarm over the whole stream of ``expected`` (n,), or over ``horizon``
    courses (the stream taken again from its start as often as needed; one number is the same for all), while
    outcomes follow ``expected``; ``uncertainty`` as in :func:`cusum_alarm_probability`, by which it is
    computed, so there is no seed. Found to 1e-3. A stream too short for any alarm has a limit that it cannot
    reach.

    Refuses as :func:`cusum`, and a false-alarm probability outside (0, 1).
    """
    p = checked_probabilities(_stream(expected, horizon))
    check_share(false_alarm, "false_alarm")

    def spent(limit: float) -> float:
        return cusum_alarm_probability(p, limit=limit, odds_ratio=odds_ratio, uncertainty=uncertainty)

    return lowest_limit(spent, false_alarm, highest=HIGHEST_LIMIT)


def cusum_alarm_probability(
    expected: Sequence[float] | Array,
    *,
    limit: float,
    odds_ratio: float = 2.0,
    true_odds_ratio: float = 1.0,
    true: Sequence[float] | Array | None = None,
    uncertainty: float = 0.0,
) -> float:
    """Return the probability of any alarm over the stream ``expected`` (n,).

    Events have the probability ``true`` (n,), or else the odds of ``expected`` times ``true_odds_ratio``: 1
    gives the false-alarm probability of the stream, ``odds_ratio`` its power. ``uncertainty`` is the
    standard deviation of the error that the expected log-odds share because they were estimated; 0 takes
    them as known. A Markov chain over the value of the chart, on 201 nodes from 0 to the limit. Refuses as
    :func:`cusum`. Reference: Brook & Evans, Biometrika 1972;59:539, doi:10.1093/biomet/59.3.539.
    """
    p = checked_probabilities(np.asarray(expected, dtype=float))
    _check_odds_ratio(odds_ratio)
    if not limit > 0:
        raise InputError(f"a limit of {limit}", expected="a limit above 0")
    events = times_odds(p, true_odds_ratio) if true is None else np.asarray(true, dtype=float)
    return averaged(
        lambda moved: _crossing(p, moved, odds_ratio, limit), checked_probabilities(events), uncertainty
    )


@functools.cache
def _gauss_hermite(n_nodes: int) -> tuple[Array, Array]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(n_nodes)
    return nodes, weights / weights.sum()


def averaged(probability: Callable[[Array], float], true: Array, uncertainty: float) -> float:
    """The mean of ``probability`` over a shared normal error of the log-odds of ``true``."""
    errors, weights = shared_errors(true, uncertainty)
    return float(
        sum(w * probability(times_odds(true, float(np.exp(e)))) for e, w in zip(errors, weights, strict=True))
    )


def shared_errors(probabilities: Array, uncertainty: float) -> tuple[Array, Array]:
    """Gauss–Hermite nodes and weights of a normal error with standard deviation ``uncertainty`` (0: none).

    More nodes where the error moves the count by much of its own spread.
    """
    if not 0 <= uncertainty < np.inf:
        raise InputError(f"an uncertainty of {uncertainty}", expected="a standard deviation of 0 or more")
    if uncertainty == 0:
        return np.zeros(1), np.ones(1)
    inflation = uncertainty**2 * float((probabilities * (1 - probabilities)).sum())
    nodes, weights = _gauss_hermite(next(n for below, n in NODES if inflation < below))
    return uncertainty * nodes, weights


def lowest_limit(spent: Callable[[float], float], allowed: float, *, highest: float) -> float:
    """The lowest limit (to 1e-3) at which ``spent``, a falling function of it, is ``allowed`` at most.

    A bracket, cut where log(spent) would cross on a straight line, and in the middle every other time: such
    probabilities fall almost exponentially, but in steps where outcomes are few.
    """
    low, above, high = 0.0, 1.0, max(1.0, -math.log(allowed))
    below = spent(high)
    while below > allowed and high < highest:
        low, above, high = high, below, high + 2.0
        below = spent(high)
    is_straight = True
    while high - low > 1e-3:
        cut = (low + high) / 2
        if is_straight and 0 < below < above:
            part = math.log(above / allowed) / math.log(above / below)
            cut = low + (high - low) * min(max(part, 0.0), 1.0)
            # A hair to the far side, so that both ends of the bracket close in.
            cut = min(max(cut + 4e-4, low + 4e-4), high - 4e-4)
        is_straight = not is_straight
        found = spent(cut)
        if found > allowed:
            low, above = cut, found
        else:
            high, below = cut, found
    return high


def times_odds(probabilities: Array, ratio: float) -> Array:
    """The probabilities whose odds are ``ratio`` times as high."""
    return ratio * probabilities / (1 - probabilities + ratio * probabilities)


def checked_outcomes(
    observed: Sequence[float] | Array, expected: Sequence[float] | Array
) -> tuple[Array, Array]:
    """Both as arrays; refuses (InputError) what is no outcome of 0 or 1 with a probability beside it."""
    outcomes = np.asarray(observed, dtype=float)
    p = checked_probabilities(np.asarray(expected, dtype=float))
    if outcomes.shape != p.shape or not np.isin(outcomes, (0, 1)).all():
        raise InputError(
            f"{outcomes.shape[0] if outcomes.ndim else 1} outcomes beside {len(p)} expected probabilities",
            expected="one outcome of 0 or 1 and one probability for each course",
            do="leave out courses whose outcome is missing or not due, and count them",
        )
    return outcomes, p


def checked_probabilities(probabilities: Array) -> Array:
    """The array itself; refuses (InputError) an empty one and values outside (0, 1)."""
    if probabilities.ndim != 1 or not len(probabilities):
        raise InputError("no expected probabilities", expected="one probability for each course")
    if not ((probabilities > 0) & (probabilities < 1)).all():
        raise InputError(
            "expected probabilities that are missing, 0, 1 or outside",
            expected="a probability above 0 and below 1 for each course",
        )
    return probabilities


def check_share(value: float, name: str) -> None:
    """Refuse (InputError) what is no probability above 0 and below 1."""
    if not 0 < value < 1:
        raise InputError(f"{name} = {value}", expected="a number above 0 and below 1")


def first_at(reached: Array) -> int | None:
    """Position of the first true value; None where there is none."""
    return int(np.argmax(reached)) if reached.any() else None


def _check_odds_ratio(odds_ratio: float) -> None:
    if not odds_ratio > 0 or odds_ratio == 1:
        raise InputError(f"an odds ratio of {odds_ratio}", expected="a number above 0 other than 1")


def _weights(p: Array, odds_ratio: float) -> tuple[Array, Array]:
    none = -np.log(1 - p + odds_ratio * p)
    return np.log(odds_ratio) + none, none


def _stream(expected: Sequence[float] | Array | float, horizon: int | None) -> Array:
    p = np.atleast_1d(np.asarray(expected, dtype=float))
    if horizon is None:
        return p
    if horizon < 1:
        raise InputError(f"a horizon of {horizon} courses", expected="one course or more")
    return np.resize(p, horizon)


def _crossing(expected: Array, true: Array, odds_ratio: float, limit: float) -> float:
    from commensal.evidence.monitoring._kernels import cusum_crossing

    return float(cusum_crossing(*_weights(expected, odds_ratio), true, float(limit), N_NODES))
