"""Repeated measures and marginal models against R."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from commensal.evidence.longitudinal import gee, mmrm

# Distances of girls (11) and boys (16) at 8, 10, 12 and 14 years, as printed in Potthoff and Roy,
# Biometrika 1964;51:313, table 1.
DISTANCES = """
21 20 21.5 23|21 21.5 24 25.5|20.5 24 24.5 26|23.5 24.5 25 26.5|21.5 23 22.5 23.5|20 21 21 22.5
21.5 22.5 23 25|23 23 23.5 24|20 21 22 21.5|16.5 19 19 19.5|24.5 25 28 28
26 25 29 31|21.5 22.5 23 26.5|23 22.5 24 27.5|25.5 27.5 26.5 27|20 23.5 22.5 26|24.5 25.5 27 28.5
22 22 24.5 26.5|24 21.5 24.5 25.5|23 20.5 31 26|27.5 28 31 31.5|23 23 23.5 25|21.5 23.5 24 28
17 24.5 26 29.5|22.5 25.5 25.5 26|23 24.5 26 30|22 21.5 23.5 25
"""


def distances() -> np.ndarray:
    rows = DISTANCES.strip().replace("\n", "|").split("|")
    return np.array([[float(v) for v in row.split()] for row in rows])


def test_unstructured_covariance_and_restricted_likelihood_as_nlme():
    # R 4.2.2 nlme 3.1-162, gls by REML of distance by sex × age (a factor) with a general correlation and a
    # variance for each age: log likelihood -207.0174, 18 parameters, and the covariance printed below.
    y = distances()
    fit = mmrm(
        y.ravel(),
        subject=np.repeat(np.arange(27), 4),
        visit=np.tile([8, 10, 12, 14], 27),
        group=np.repeat(["F"] * 11 + ["M"] * 16, 4),
    )
    printed = [
        [5.4155, 2.7168, 3.9102, 2.7102],
        [2.7168, 4.1848, 2.9272, 3.3172],
        [3.9102, 2.9272, 6.4557, 4.1307],
        [2.7102, 3.3172, 4.1307, 4.9857],
    ]
    assert fit.visit_covariance == pytest.approx(np.array(printed), abs=5.1e-5)
    assert fit.log_likelihood == pytest.approx(-207.0174, abs=5.1e-5)
    assert len(fit.coefficients) + 4 * 5 // 2 == 18
    assert np.sqrt(np.diag(fit.visit_covariance)) == pytest.approx(
        [2.3271, 2.0457, 2.5408, 2.2329], abs=5.1e-5
    )


@pytest.fixture(scope="module")
def ohio() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = pl.read_csv(Path(os.environ["COMMENSAL_DATA"]) / "evidence" / "ohio.csv")
    age, smoke = rows["age"].to_numpy(), rows["smoke"].to_numpy()
    design = np.column_stack([np.ones(len(age)), age, smoke, age * smoke])
    return rows["resp"].to_numpy(), design, rows["id"].to_numpy()


@pytest.mark.data
@pytest.mark.skipif("COMMENSAL_DATA" not in os.environ, reason="COMMENSAL_DATA is not set")
def test_marginal_logistic_model_as_geepack(ohio):
    # R 4.2.2 geepack 1.3.9, geeglm of resp by age * smoke, binomial, exchangeable, scale fixed.
    y, design, who = ohio
    fit = gee(y, design=design, subject=who, link="logit", working="exchangeable")
    assert fit.coefficients == pytest.approx(
        [-1.9004952912, -0.1412359152, 0.3138258297, 0.0708318426], rel=1e-6
    )
    assert fit.se == pytest.approx([0.1190869782, 0.0582008895, 0.1878418139, 0.0882788575], rel=1e-6)
    assert fit.p_values[1:] == pytest.approx([0.0152369818, 0.0947825152, 0.4223420026], rel=1e-5)


@pytest.mark.data
@pytest.mark.skipif("COMMENSAL_DATA" not in os.environ, reason="COMMENSAL_DATA is not set")
def test_working_correlation_as_geepack(ohio):
    # geepack 1.3.9 prints alpha .354531011. Its fixed scale is the one it starts from, the mean squared
    # Pearson residual of the independence fit (.99961638), not 1; with the scale at 1 alpha is .354395.
    y, design, who = ohio
    mu = expit(design @ gee(y, design=design, subject=who, working="independence").coefficients)
    scale = float(((y - mu) ** 2 / (mu * (1 - mu))).mean())
    assert gee(y, design=design, subject=who, scale=scale).correlation == pytest.approx(0.354531011, rel=1e-6)
    assert gee(y, design=design, subject=who).correlation == pytest.approx(0.354531011 * scale, rel=1e-6)
