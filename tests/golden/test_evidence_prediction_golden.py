"""Prediction measures against R 4.2.2 (base glm and loess, pROC-free AUC), and published sample sizes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from commensal.evidence.prediction import (
    auroc,
    brier,
    calibration,
    censored_brier,
    decision_curve,
    sample_size,
)

DATA = os.environ.get("COMMENSAL_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="COMMENSAL_DATA is not set")


@pytest.fixture(scope="module")
def binary() -> tuple[np.ndarray, np.ndarray]:
    frame = pl.read_csv(Path(DATA or "") / "evidence" / "calib_binary.csv")
    return frame["y"].to_numpy(), frame["p"].to_numpy()


@pytest.mark.data
@needs_data
def test_calibration_slope_and_intercepts(binary):
    # R 4.2.2: glm(y ~ qlogis(p), binomial); glm(y ~ offset(qlogis(p)), binomial); sum(y) / sum(p)
    found = calibration(*binary)
    assert found.slope == pytest.approx(0.833447603, rel=1e-6)
    assert found.intercept == pytest.approx(-0.289328045, rel=1e-6)
    assert found.in_the_large == pytest.approx(-0.305271959, rel=1e-6)
    assert found.observed_to_expected == pytest.approx(0.892276106, rel=1e-6)


@pytest.mark.data
@needs_data
def test_integrated_calibration_index_is_that_of_loess(binary):
    # R 4.2.2: mean(abs(predict(loess(y ~ p, span = .75)) - p)), surface = "interpolate"
    assert calibration(*binary).ici == pytest.approx(0.0518176532, rel=1e-8)


@pytest.mark.data
@needs_data
def test_brier_concordance_and_net_benefit(binary):
    # R 4.2.2, base arithmetic; net benefits agree with Python dcurves 1.1.7
    assert brier(*binary).score == pytest.approx(0.187482574, rel=1e-6)
    assert auroc(*binary).estimate == pytest.approx(0.792563651, rel=1e-6)
    curve = decision_curve(*binary, thresholds=[0.2, 0.3, 0.5])
    assert curve.model == pytest.approx([0.318125, 0.251071429, 0.1475], rel=1e-6)
    assert curve.treat_all == pytest.approx([0.284375, 0.182142857, -0.145], rel=1e-6)


@pytest.mark.data
@needs_data
def test_censored_brier_score():
    # R 4.2.2 survival 3.5-3 (apparent, lung at 365 days): Cox .225443369, Kaplan–Meier .241927915. R's script
    # put censorings before events in ties; with its own weights the figure is reproduced exactly, with events
    # first it is 1.5e-4 higher.
    frame = pl.read_csv(Path(DATA or "") / "evidence" / "lung_brier365.csv")
    times, survival = frame["time"].to_numpy(), frame["surv365"].to_numpy()
    weights = frame["ipcw365"].to_numpy()
    assert np.mean(weights * ((times > 365) - survival) ** 2) == pytest.approx(0.225443369, abs=1e-9)
    found = censored_brier(times, frame["ev"].to_numpy() == 1, survival, horizon=365)
    assert found.score == pytest.approx(0.225443369, abs=2e-4)
    assert found.null == pytest.approx(0.241927915, abs=2e-4)
    assert found.score == pytest.approx(0.2255963, abs=1e-7)


def test_sample_size_of_the_published_example():
    # Riley et al. 2019 (doi:10.1002/sim.7992); R pmsampsize prints criteria of 623, 662 and 221 patients
    found = sample_size(24, prevalence=0.174, r_squared=0.288)
    assert (found.for_shrinkage, found.for_optimism, found.for_overall_risk) == (623, 662, 221)
    assert found.required == 662
