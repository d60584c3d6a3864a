"""Rubin's rules: what is refused, and the corners."""

from __future__ import annotations

import numpy as np
import pytest

from commensal.errors import InputError
from commensal.evidence.pooling import pool, pool_proportions


@pytest.mark.parametrize(
    ("estimates", "variances", "df"),
    [
        ([1.0], [1.0], None),
        ([1.0, 2.0], [1.0], None),
        ([1.0, np.nan], [1.0, 1.0], None),
        ([1.0, 2.0], [1.0, -1.0], None),
        ([1.0, 2.0], [1.0, np.inf], None),
        ([1.0, 2.0], [1.0, 1.0], 0.0),
    ],
)
def test_refuses_what_cannot_be_pooled(estimates, variances, df) -> None:
    with pytest.raises(InputError):
        pool(estimates, variances, df_complete=df)


def test_refuses_a_level_that_is_none() -> None:
    with pytest.raises(InputError, match="level"):
        pool([1.0, 2.0], [1.0, 1.0], level=1.0)


def test_a_vector_is_pooled_as_its_scalars() -> None:
    rng = np.random.default_rng(1)
    q, u = rng.standard_normal((6, 3)), rng.uniform(0.1, 1, (6, 3))
    whole = pool(q, u, df_complete=np.array([10.0, 20.0, 30.0]))
    for k, df in enumerate((10.0, 20.0, 30.0)):
        alone = pool(q[:, k], u[:, k], df_complete=df)
        for name in ("estimate", "variance", "df", "fraction_missing", "lower", "upper", "p_value"):
            assert np.asarray(getattr(whole, name))[k] == pytest.approx(getattr(alone, name))


def test_no_variance_at_all_gives_the_estimate_and_no_nan() -> None:
    found = pool([0.3, 0.3], [0.0, 0.0])
    assert (found.lower, found.upper, found.p_value) == (0.3, 0.3, 0.0)
    assert pool([0.0, 0.0], [0.0, 0.0]).p_value == 1.0


def test_variance_between_alone_is_all_missing_information() -> None:
    found = pool([0.0, 1.0], [0.0, 0.0])
    assert found.fraction_missing == 1.0
    assert np.isfinite(found.lower)


def test_proportions_on_the_logit_scale_and_at_the_edge() -> None:
    shares = np.array([[0.30, 0.0], [0.34, 0.0], [0.32, 0.05]])
    found = pool_proportions(shares, n=np.array([50, 20]))
    assert found.is_wilson.tolist() == [False, True]
    assert found.estimate == pytest.approx([0.32, 0.05 / 3])
    assert (found.lower >= 0).all()
    assert (found.lower < found.estimate).all()
    assert (found.upper > found.estimate).all()


def test_more_imputed_is_wider() -> None:
    narrow = pool_proportions(np.full((5, 1), 0.4), n=np.array([100]))
    wide = pool_proportions(np.array([[0.3], [0.35], [0.4], [0.45], [0.5]]), n=np.array([100]))
    assert wide.upper - wide.lower > narrow.upper - narrow.lower


def test_refuses_a_group_of_nobody() -> None:
    with pytest.raises(InputError, match="no patients"):
        pool_proportions(np.full((2, 1), 0.4), n=np.array([0]))
