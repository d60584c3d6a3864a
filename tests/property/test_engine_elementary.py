"""Logarithm and exponential of compiled loops against those of the library."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal.engine.elementary import LARGEST, exp_of, log_of

pytestmark = pytest.mark.slow


@settings(deadline=None, max_examples=300)
@given(st.floats(2.3e-308, 1.7e308))
def test_logarithm_is_that_of_the_library(x: float) -> None:
    assert abs(log_of(x) - math.log(x)) <= 2 * np.spacing(abs(math.log(x)))


@settings(deadline=None, max_examples=300)
@given(st.floats(0.5, 2.0))
def test_logarithm_near_one(x: float) -> None:
    assert abs(log_of(x) - math.log(x)) <= 2 * np.spacing(abs(math.log(x)))


@settings(deadline=None, max_examples=300)
@given(st.floats(-LARGEST, LARGEST))
def test_exponential_is_that_of_the_library(x: float) -> None:
    assert abs(exp_of(x) - math.exp(x)) <= 2 * np.spacing(math.exp(x))


def test_exponential_beyond_its_range_stays_at_its_end() -> None:
    assert exp_of(-1e9) == exp_of(-LARGEST) > 0
    assert exp_of(1e9) == exp_of(LARGEST) < math.inf
    assert math.isnan(exp_of(math.nan))
    assert exp_of(0.0) == 1.0
    assert log_of(1.0) == 0.0
