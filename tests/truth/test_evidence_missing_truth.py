"""Planted remission under dropout: recovered where recorded history explains who leaves, missed where not.

One centre of 4,000 patients of one indication a scenario, in place of many small ones: its Monte-Carlo error
is that of ten replicates of 400. The code is that of ``benchmarks/trial_missing.py``.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from commensal.evidence.missing import Settings

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "trial_missing.py"
MONTH_3, YEAR_1, YEAR_5 = 0, 1, 2
OBSERVED, WEIGHTED, IMPUTED, TIPPING = 0, 1, 2, 3
Z = 1.96


@pytest.fixture(scope="module")
def trial() -> ModuleType:
    spec = importlib.util.spec_from_file_location("trial_missing", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["trial_missing"] = module
    spec.loader.exec_module(module)
    return module


def run(trial: ModuleType, scenario: str) -> tuple[np.ndarray, np.ndarray]:
    settings = Settings(imputations=10, deltas=(-3.0, 0.0, 3.0))
    question = trial.Question(scenario, "functional_constipation", 4000, settings)
    found = trial.replicate(17, np.random.default_rng(0), question=question)
    return found, trial.truth_of(scenario, indication="functional_constipation", seed=3, n_patients=16_000)


def missed(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(landmark, method): distance to the truth in standard errors."""
    se = (found[:, :3, 2] - found[:, :3, 1]) / (2 * Z)
    return (found[:, :3, 0] - truth[:, None]) / se


def test_ignorable_dropout_is_corrected_and_complete_cases_are_not(trial: ModuleType) -> None:
    found, truth = run(trial, "clinical_only")
    away = missed(found, truth)
    assert (np.abs(away[:, WEIGHTED]) < 3).all(), away
    assert (np.abs(away[:, IMPUTED]) < 3).all(), away
    assert away[YEAR_1, OBSERVED] > 3, away
    # Corrected is closer than left alone, at one year and at five.
    late = np.abs(found[[YEAR_1, YEAR_5], :3, 0] - truth[[YEAR_1, YEAR_5], None])
    assert (late[:, WEIGHTED] < late[:, OBSERVED]).all()
    assert (late[:, IMPUTED] < late[:, OBSERVED]).all()


def test_informative_dropout_fails_visibly_and_the_tipping_point_holds_the_truth(trial: ModuleType) -> None:
    found, truth = run(trial, "informative")
    away = missed(found, truth)
    assert away[YEAR_1, WEIGHTED] > 3, away
    assert away[YEAR_1, IMPUTED] > 3, away
    assert (found[:, TIPPING, 1] <= truth).all()
    assert (truth <= found[:, TIPPING, 2]).all()
