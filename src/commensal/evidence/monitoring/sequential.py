"""A sequential test for rare serious events, calibrated to a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commensal.errors import InputError
from commensal.evidence.monitoring.charts import (
    averaged,
    check_share,
    checked_outcomes,
    checked_probabilities,
    first_at,
    lowest_limit,
)

Array = np.ndarray

HIGHEST_LIMIT = 100.0


@dataclass(frozen=True, eq=False)
class SequentialTest:
    """A maximised sequential probability ratio test.

    ``statistic`` (n,) is the log-likelihood ratio after each course, ``limit`` where it alarms (with
    ``min_events`` events at least), ``alarm_at`` the position (from 0) of the first course at which it does.
    ``false_alarm`` is the probability of an alarm over the whole stream while events are as expected; whole
    counts keep it at or below what was asked.
    """

    statistic: Array
    limit: float
    min_events: int
    false_alarm: float
    alarm_at: int | None


def sequential_test(
    observed: Sequence[float] | Array,
    expected: Sequence[float] | Array,
    *,
    false_alarm: float = 0.05,
    min_events: int = 2,
    limit: float | None = None,
    uncertainty: float = 0.0,
) -> SequentialTest:
    """Test after every course whether events are more frequent than expected.

    Parameters
    ----------
    observed : (n,) 1 where the course had the event, else 0, in order of treatment; unascertained ones left
    out. expected : (n,) baseline probability of each course, from patients outside the unit or from a
    reference. false_alarm : probability of any alarm over the stream; with ``limit`` given, only stated.
    min_events : no alarm before this many events.
    uncertainty : standard deviation of the error that the expected log-odds share because they were
        estimated; 0 takes the baseline as known.

    Refuses (InputError) lengths that differ, other outcomes, probabilities outside (0, 1), bad settings.

    Notes
    -----
    Statistic k log(k/m) − (k − m) where k events exceed the m expected so far, else 0: the Poisson likelihood
    ratio of the best-fitting rate against the baseline. Its limit comes from the exact distribution of the
    count, course by course, with absorption at the boundary: looking after every course is paid for.

    References
    ----------
    Kulldorff et al., Seq Anal 2011;30:58, doi:10.1080/07474946.2011.539924.
    """
    outcomes, p = checked_outcomes(observed, expected)
    from commensal.evidence.monitoring._kernels import ratio_path

    found = (
        sequential_limit(p, false_alarm=false_alarm, min_events=min_events, uncertainty=uncertainty)
        if limit is None
        else float(limit)
    )
    path = ratio_path(outcomes, p)
    reached = (path >= found) & (np.cumsum(outcomes) >= min_events)
    spent = sequential_alarm_probability(p, limit=found, min_events=min_events, uncertainty=uncertainty)
    return SequentialTest(path, found, min_events, spent, first_at(reached))


def sequential_limit(
    expected: Sequence[float] | Array,
    *,
    false_alarm: float = 0.05,
    min_events: int = 2,
    uncertainty: float = 0.0,
) -> float:
    """Return the lowest limit whose probability of any alarm over the stream is ``false_alarm`` at most.

    ``expected`` (n,) and ``uncertainty`` as in :func:`sequential_test`; found to 1e-3. Refuses as that
    function.
    """
    p = checked_probabilities(np.asarray(expected, dtype=float))
    check_share(false_alarm, "false_alarm")

    def spent(limit: float) -> float:
        return sequential_alarm_probability(p, limit=limit, min_events=min_events, uncertainty=uncertainty)

    return lowest_limit(spent, false_alarm, highest=HIGHEST_LIMIT)


def sequential_alarm_probability(
    expected: Sequence[float] | Array,
    *,
    limit: float,
    min_events: int = 2,
    true: Sequence[float] | Array | float | None = None,
    uncertainty: float = 0.0,
) -> float:
    """Return the probability of any alarm over the stream ``expected`` (n,), exactly.

    ``true`` are the probabilities of the event, (n,) or one for all; None: as expected. ``uncertainty`` as in
    :func:`sequential_test`, which this refuses like.

    Example
    -------
    >>> import numpy as np
    >>> expected = np.full(500, 0.014)
    >>> limit = sequential_limit(expected, false_alarm=0.05)
    >>> [round(sequential_alarm_probability(expected, limit=limit, true=t), 2) for t in (0.014, 0.03, 0.06)]
    [0.05, 0.68, 1.0]
    """
    p = checked_probabilities(np.asarray(expected, dtype=float))
    events = p if true is None else np.broadcast_to(np.asarray(true, dtype=float), p.shape).copy()
    return averaged(
        lambda moved: _crossing(p, moved, limit, min_events), checked_probabilities(events), uncertainty
    )


def _crossing(expected: Array, true: Array, limit: float, min_events: int) -> float:
    from commensal.evidence.monitoring._kernels import ratio_crossing

    if not limit > 0 or min_events < 1:
        raise InputError(
            f"a limit of {limit} with {min_events} events at least",
            expected="a limit above 0 and one event or more",
        )
    return float(ratio_crossing(expected, true, float(limit), min_events))
