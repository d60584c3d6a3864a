"""Time and memory of prediction measures with 500 bootstraps at three sizes, beside a plain twin.

The twin draws each bootstrap sample and calls the public functions on it; it is timed on a part of them
and scaled. Nested validation of one ridge model is timed on the same patients.

Run: python benchmarks/bench_prediction_models.py
"""

from __future__ import annotations

import resource
import time

import numpy as np
from scipy.special import expit

from commensal.evidence.covariates import Covariate
from commensal.evidence.prediction import brier, calibration, concordance
from commensal.evidence.prediction.held_out import Patients, held_out
from commensal.evidence.prediction.preparation import Predictor
from commensal.evidence.prediction.resampling import Judged, drawn, measures_of

SIZES = (400, 4_000, 40_000)
SAMPLES, PART = 500, 10


def patients_of(n: int, *, seed: int) -> Patients:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(10, n))
    outcome = (generator.random(n) < expit(-0.5 + 0.8 * x[0] - 0.4 * x[1])).astype(float)
    predictors = tuple(Predictor(Covariate(f"x{i}", "continuous", f"x{i}"), v) for i, v in enumerate(x))
    return Patients(predictors, outcome, np.ones(n), 20)


def measured(outcome: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    weights = drawn(np.ones(len(outcome)), n_samples=SAMPLES, generator=np.random.default_rng(1))
    return measures_of(Judged(outcome, predicted, weights))


def plain(outcome: np.ndarray, predicted: np.ndarray, n_samples: int) -> np.ndarray:
    generator = np.random.default_rng(1)
    found = []
    for _ in range(n_samples):
        pick = generator.integers(0, len(outcome), len(outcome))
        y, p = outcome[pick], predicted[pick]
        c = calibration(y, p)
        found.append((concordance(y, p).estimate, c.slope, c.ici, brier(y, p).score))
    return np.array(found)


def timed(function, *arguments, **keywords) -> tuple[float, object]:
    started = time.process_time()
    result = function(*arguments, **keywords)
    return time.process_time() - started, result


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    warm = patients_of(200, seed=1)
    for learner in ("ridge", "boosting"):
        said = held_out(warm, np.arange(200) % 5, learner=learner, level=0.9)
    measured(warm.outcome, said.probability)
    for n in SIZES:
        patients, folds = patients_of(n, seed=2), np.arange(n) % 5
        before = peak()
        ridge_time, said = timed(held_out, patients, folds, learner="ridge", level=0.9)
        tree_time, _ = timed(held_out, patients, folds, learner="boosting", level=0.9)
        fast, _ = timed(measured, patients.outcome, said.probability)
        above = peak() - before
        slow, _ = timed(plain, patients.outcome, said.probability, SAMPLES // PART if n < 40_000 else 5)
        slow *= PART if n < 40_000 else SAMPLES / 5
        print(
            f"{n:>6,} patients: nested ridge {ridge_time:.2f} s, trees {tree_time:.2f} s, 7 measures × "
            f"{SAMPLES} bootstraps {fast:.2f} s CPU, {above:.0f} MB above imports; plain twin {slow:.1f} s, "
            f"{slow / fast:.0f} ×"
        )


if __name__ == "__main__":
    main()
