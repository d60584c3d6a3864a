"""Pooling and imputation against R: Rubin's rules exactly, chained equations within Monte-Carlo error.

Made by R 4.2.2 with mice 3.15.0 (pool.scalar, mice, pool) and survival 3.5-3 (survfit).
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from commensal.evidence.missing import censoring_weights, impute
from commensal.evidence.pooling import pool

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif("COMMENSAL_DATA" not in os.environ, reason="COMMENSAL_DATA is not set"),
]

# R mice 3.15.0 pool.scalar, the worked example.
ESTIMATES, ERRORS = [1.20, 1.35, 1.05, 1.42, 1.28], [0.10, 0.12, 0.09, 0.11, 0.10]


def evidence(name: str) -> pl.DataFrame:
    return pl.read_csv(Path(os.environ["COMMENSAL_DATA"]) / "evidence" / name, null_values="NA")


def test_scalar_with_barnard_and_rubins_df() -> None:
    # pool.scalar(n = 4000, k = 3)
    found = pool(ESTIMATES, np.square(ERRORS), df_complete=3997)
    assert found.estimate == pytest.approx(1.26, rel=1e-9)
    assert found.within == pytest.approx(0.01092, rel=1e-9)
    assert found.between == pytest.approx(0.02045, rel=1e-9)
    assert found.variance == pytest.approx(0.03546, rel=1e-9)
    assert found.relative_increase == pytest.approx(2.2472527, rel=1e-7)
    assert found.df == pytest.approx(8.2956419, rel=1e-7)
    assert found.fraction_missing == pytest.approx(0.7465733, rel=1e-6)


def test_scalar_with_rubins_first_df() -> None:
    # pool.scalar(n = Inf)
    found = pool(ESTIMATES, np.square(ERRORS))
    assert found.df == pytest.approx(8.3519587, rel=1e-7)
    assert found.fraction_missing == pytest.approx(0.74630279, rel=1e-6)


def test_nhanes_coefficients_pooled() -> None:
    # R mice 3.15.0: pool(with(mice(nhanes, seed = 123, m = 5), lm(chl ~ age + bmi)))
    rows = evidence("rubin_nhanes_chl_age_bmi.csv")
    estimates = rows.select(pl.selectors.starts_with("q")).to_numpy()
    errors = rows.select(pl.selectors.starts_with("se")).to_numpy()
    found = pool(estimates, errors**2, df_complete=22)
    np.testing.assert_allclose(found.estimate, [0.11362202, 31.56827105, 5.18299581], rtol=1e-6)
    np.testing.assert_allclose(found.within, [2973.9645129, 73.1143156, 3.0364026], rtol=1e-6)
    np.testing.assert_allclose(found.between, [520.77744189, 63.84914562, 0.18639316], rtol=1e-6)
    np.testing.assert_allclose(found.variance, [3598.8974432, 149.7332904, 3.2600743], rtol=1e-6)
    np.testing.assert_allclose(found.df, [14.8527798, 6.0008701, 18.4422140], rtol=1e-6)
    np.testing.assert_allclose(found.relative_increase, [0.21013463, 1.04793397, 0.07366342], rtol=1e-6)
    np.testing.assert_allclose(found.fraction_missing, [0.26621997, 0.62020296, 0.15548389], rtol=1e-6)
    np.testing.assert_allclose(found.p_value, [0.9985140197, 0.0417733687, 0.0099973607], rtol=1e-5)
    np.testing.assert_allclose(np.asarray(found.lower)[1:], [1.6275508, 1.3961484], rtol=1e-5)
    np.testing.assert_allclose(np.asarray(found.upper)[1:], [61.5089913, 8.9698432], rtol=1e-5)


@pytest.mark.slow
def test_nhanes_imputed_a_hundred_times() -> None:
    # R mice 3.15.0, m = 100: age 32.5756923 (se 11.0039973), bmi 5.5980902 (2.1383454). Both are Monte-Carlo
    # figures: within three standard errors of the difference of two runs, √(2B/m).
    rows = evidence("nhanes.csv")
    made = impute(rows, kinds=dict.fromkeys(rows.columns, "continuous"), m=100, iterations=10, seed=123)
    fits = [linear(made.completed(i)) for i in range(100)]
    found = pool([b for b, _ in fits], [v for _, v in fits], df_complete=22)
    spread = np.sqrt(2 * np.asarray(found.between) / 100)
    for k, (estimate, se) in ((1, (32.5756923, 11.0039973)), (2, (5.5980902, 2.1383454))):
        assert abs(np.asarray(found.estimate)[k] - estimate) < 3 * spread[k]
        # The between-variance of 100 draws has a relative standard error of √(2/99) in either run.
        error = 1.01 * np.asarray(found.between)[k] * np.sqrt(2 / 99) * np.sqrt(2) / (2 * se)
        assert abs(np.asarray(found.se)[k] - se) < 3 * error + 0.02 * se
    complete = linear(rows.drop_nulls())
    # Without imputation: 53.07 and 6.88, visibly elsewhere.
    np.testing.assert_allclose(complete[0][1:], [53.0690791, 6.8840538], rtol=1e-6)


def linear(rows: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and variances of chl on age and bmi."""
    x = np.c_[np.ones(rows.height), rows["age"].to_numpy(), rows["bmi"].to_numpy()]
    y = rows["chl"].to_numpy()
    inverse = np.linalg.inv(x.T @ x)
    beta = inverse @ x.T @ y
    return beta, np.diag(inverse) * ((y - x @ beta) ** 2).sum() / (len(y) - 3)


def test_censoring_weights_are_the_kaplan_meier_estimate() -> None:
    # R survival 3.5-3 survfit: 1 − Ŝ(365) = .590758376; dropping the 42 censored before gives .650537634.
    rows = evidence("lung.csv")
    time, died = rows["time"].to_numpy(), (rows["status"] == 2).to_numpy()
    found = censoring_weights(time, died, at=365)
    assert (found.weights * (died & (time <= 365))).mean() == pytest.approx(0.590758376, rel=1e-8)
    assert ((~died) & (time < 365)).sum() == 42
