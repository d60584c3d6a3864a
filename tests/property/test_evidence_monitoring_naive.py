"""Charts, funnels and expectations against naive twins that walk course by course."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal.evidence.logistic import logistic
from commensal.evidence.monitoring import (
    cusum,
    cusum_alarm_probability,
    funnel,
    holm,
    poisson_binomial,
    sequential_alarm_probability,
    sequential_test,
)
from commensal.evidence.monitoring.expected import expected_without

probabilities = st.lists(st.floats(0.02, 0.95), min_size=1, max_size=9)


def naive_path(observed: list[int], expected: list[float], ratio: float) -> list[float]:
    path, value = [], 0.0
    for y, p in zip(observed, expected, strict=True):
        value = max(0.0, value + math.log((ratio if y else 1.0) / (1 - p + ratio * p)))
        path.append(value)
    return path


def all_streams(p: list[float]):
    """Every sequence of outcomes with its probability."""
    for outcomes in itertools.product((0, 1), repeat=len(p)):
        yield outcomes, math.prod(q if y else 1 - q for y, q in zip(outcomes, p, strict=True))


@settings(deadline=None, max_examples=40)
@given(probabilities, st.sampled_from([0.5, 2.0, 3.0]), st.data())
def test_the_path_is_the_naive_one(p, ratio, data):
    observed = data.draw(st.lists(st.integers(0, 1), min_size=len(p), max_size=len(p)))
    assert cusum(observed, p, odds_ratio=ratio, limit=3.0).statistic == pytest.approx(
        naive_path(observed, p, ratio)
    )


@settings(deadline=None, max_examples=25)
@given(probabilities)
def test_counts_are_those_of_all_streams(p):
    naive = np.zeros(len(p) + 1)
    for outcomes, weight in all_streams(p):
        naive[sum(outcomes)] += weight
    assert poisson_binomial(p) == pytest.approx(naive, abs=1e-12)


@settings(deadline=None, max_examples=15)
@given(st.lists(st.floats(0.02, 0.95), min_size=1, max_size=6), st.floats(0.5, 3.0))
def test_the_sequential_crossing_is_that_of_all_streams(p, limit):
    naive = sum(
        weight
        for outcomes, weight in all_streams(p)
        if sequential_test(outcomes, p, limit=limit).alarm_at is not None
    )
    assert sequential_alarm_probability(p, limit=limit) == pytest.approx(naive, abs=1e-9)


def test_the_cusum_crossing_is_that_of_all_streams():
    # The chart takes few values on so short a stream: the limit stands between two of them.
    p = [0.1, 0.35, 0.2, 0.5, 0.15, 0.4, 0.3, 0.25, 0.6, 0.2]
    naive = sum(w for y, w in all_streams(p) if max(naive_path(list(y), p, 2.0)) >= 1.1)
    assert cusum_alarm_probability(p, limit=1.1) == pytest.approx(naive, rel=0.05)


def test_taking_a_unit_out_is_fitting_without_it():
    rng = np.random.default_rng(5)
    x = np.column_stack([np.ones(300), rng.normal(size=(300, 3))])
    y = (rng.random(300) < 1 / (1 + np.exp(-x @ [0.2, 0.5, -0.4, 0.0]))).astype(float)
    for size, close in ((4, 2e-4), (60, 1e-6)):
        rows = np.sort(rng.choice(300, size, replace=False))
        rest = np.setdiff1d(np.arange(300), rows)
        naive = logistic(x[rest], y[rest], ridge=1.0)
        expected = 1 / (1 + np.exp(-x[rows] @ naive.coefficients))
        assert expected_without(x, y, members=[rows])[0] == pytest.approx(expected, abs=close)


def test_limits_of_the_ratio_invert_the_test():
    rng = np.random.default_rng(2)
    p = rng.uniform(0.1, 0.6, 40)
    made = funnel((rng.random(40) < p).astype(int), p, unit=["A"] * 40)
    for end, sign in ((made.lower[0], 1), (made.upper[0], -1)):
        low, high = -5.0, 5.0
        for _ in range(60):
            middle = (low + high) / 2
            moved = np.exp(middle) * p / (1 - p + np.exp(middle) * p)
            low, high = (middle, high) if moved.sum() < end * p.sum() else (low, middle)
        count = int(made.observed[0])
        masses = poisson_binomial(moved)
        tail = masses[count:].sum() if sign == 1 else masses[: count + 1].sum()
        assert tail == pytest.approx(0.025, abs=1e-6)


def test_row_order_does_not_matter_to_the_funnel():
    rng = np.random.default_rng(3)
    p, unit = rng.uniform(0.1, 0.6, 90), np.repeat(["A", "B", "C"], 30)
    y = (rng.random(90) < p).astype(int)
    order = rng.permutation(90)
    one, two = funnel(y, p, unit=unit), funnel(y[order], p[order], unit=unit[order])
    assert one.units == two.units
    for name in ("ratio", "lower", "upper", "inner", "outer", "p_controlled"):
        assert (getattr(one, name) == getattr(two, name)).all()


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_the_stepwise_rule(p):
    order = sorted(range(len(p)), key=lambda i: p[i])
    running, naive = 0.0, [0.0] * len(p)
    for rank, i in enumerate(order):
        running = max(running, (len(p) - rank) * p[i])
        naive[i] = min(running, 1.0)
    assert holm(np.array(p)) == pytest.approx(naive)
