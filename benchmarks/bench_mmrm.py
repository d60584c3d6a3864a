"""Time and memory of the repeated-measures model at three sizes, beside a twin with one matrix a patient.

The twin evaluates the restricted likelihood once, patient by patient; the fit evaluates it some 50 times,
with gradient, and adds degrees of freedom. Both start from the same rows: 5 visits, a quarter missed, 3
groups and a baseline score with a slope at each visit (20 coefficients, 15 covariances).

Run: python benchmarks/bench_mmrm.py
"""

from __future__ import annotations

import resource
import time

import numpy as np

from commensal.evidence.longitudinal import RepeatedMeasures, mmrm

SIZES = (400, 4_000, 40_000)
N_VISITS = 5


def drawn(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scores, patients and visits of the rows seen, and the baseline of every patient."""
    generator = np.random.default_rng(seed)
    root = np.eye(N_VISITS) + np.tril(generator.normal(size=(N_VISITS, N_VISITS)) / 2, -1)
    base = generator.normal(size=n)
    scores = generator.normal(size=(n, N_VISITS)) @ root.T + base[:, None]
    who, when = np.nonzero(generator.random((n, N_VISITS)) > 0.25)
    return scores[who, when], who, when, base


def once(y: np.ndarray, who: np.ndarray, when: np.ndarray, base: np.ndarray, fit: RepeatedMeasures) -> float:
    """One evaluation of the restricted likelihood at the fitted covariance, a patient at a time."""
    centred = base[who] - fit.centres[0]
    cells = np.eye(N_VISITS * 3)[when * 3 + who % 3]
    x = np.column_stack([cells, np.eye(N_VISITS)[when] * centred[:, None]])
    information, right, quadratic, log_volume = np.zeros((x.shape[1],) * 2), np.zeros(x.shape[1]), 0.0, 0.0
    for rows in np.split(np.arange(len(y)), np.flatnonzero(np.diff(who)) + 1):
        v = fit.visit_covariance[np.ix_(when[rows], when[rows])]
        w = np.linalg.inv(v)
        information += x[rows].T @ w @ x[rows]
        right += x[rows].T @ w @ y[rows]
        quadratic += y[rows] @ w @ y[rows]
        log_volume += np.linalg.slogdet(v)[1]
    quadratic -= right @ np.linalg.solve(information, right)
    free = len(y) - x.shape[1]
    log_information = np.linalg.slogdet(information)[1]
    return -0.5 * (free * np.log(2 * np.pi) + log_volume + log_information + quadratic)


def peak() -> float:
    """Return the greatest resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    y, who, when, base = drawn(200, seed=2)
    mmrm(y, subject=who, visit=when, covariates=base[who], group=who % 3)  # warm
    for n in SIZES:
        y, who, when, base = drawn(n, seed=1)
        before, wall, cpu = peak(), time.perf_counter(), time.process_time()
        fit = mmrm(y, subject=who, visit=when, covariates=base[who], group=who % 3)
        wall, cpu, above = time.perf_counter() - wall, time.process_time() - cpu, peak() - before
        slow = time.perf_counter()
        twin = once(y, who, when, base, fit)
        slow = time.perf_counter() - slow
        assert abs(twin - fit.log_likelihood) < 1e-8 * abs(twin), "the naive twin disagrees"
        print(
            f"{n:>6,} patients, {len(y):>7,} rows: fit {wall:.3f} s ({cpu:.3f} s CPU, {above:.0f} MB above); "
            f"one likelihood by the twin {slow:.3f} s, {slow / wall:.1f} × the whole fit"
        )


if __name__ == "__main__":
    main()
