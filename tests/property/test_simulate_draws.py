"""The small calculations behind the draws, against their plain definitions."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal.simulate.disease import relapse_rate
from commensal.simulate.draws import chosen, expit, intercept, within_groups
from commensal.simulate.scenario import read_scenario

DISORDER = read_scenario().indications[1]


@given(st.lists(st.integers(0, 5), max_size=40))
@settings(deadline=None, max_examples=50)
def test_position_within_a_group(keys: list[int]) -> None:
    plain = [keys[:i].count(key) for i, key in enumerate(keys)]
    assert within_groups(np.array(keys, dtype=np.int64)).tolist() == plain


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.floats(0.001, 0.999))
@settings(deadline=None, max_examples=50)
def test_the_intercept_gives_the_mean(linear: list[float], target: float) -> None:
    x = np.array(linear)
    assert abs(expit(intercept(x, target) + x).mean() - target) < 1e-9


@given(st.floats(0.1, 0.9), st.floats(0.5, 0.95), st.floats(0.01, 0.3))
@settings(deadline=None, max_examples=50)
def test_the_relapse_rate_gives_the_retention(response: float, retention: float, recovery: float) -> None:
    from dataclasses import replace

    disorder = replace(DISORDER, month_3_response=response, retention_year_1=retention)
    rate = relapse_rate(disorder, recovery)
    years, steps = 274 / 365.25, 20_000
    share = response
    for _ in range(steps):  # Euler steps of the two-state equation
        share += (recovery * (1 - share) - rate * share) * years / steps
    assert rate == 60.0 or abs(share - response * retention) < 2e-3


def test_shares_are_drawn_as_asked() -> None:
    drawn = chosen(np.random.default_rng(1), [0.2, 0.0, 0.8], 20_000)
    assert set(drawn) == {0, 2}
    assert abs((drawn == 0).mean() - 0.2) < 0.012
