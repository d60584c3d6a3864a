"""Time and memory of the crossed linear mixed model at three sizes, beside mixedlm (a peer).

Run: OMP_NUM_THREADS=1 python benchmarks/bench_mixed.py
"""

from __future__ import annotations

import resource
import time

import numpy as np

from commensal.evidence.effects import mixed_model

SIZES = (400, 4_000, 40_000)
VISITS, CENTRES = 6, 8


def drawn(n_patients: int, *, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scores of patients at six visits, crossed with eight centres."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(n_patients), VISITS)
    centre = rng.integers(CENTRES, size=n_patients)[patient]
    day = np.tile([0, 16, 31, 90, 180, 365], n_patients).astype(float)
    y = 56 + 0.02 * day + rng.normal(0, 7.2, n_patients)[patient] + rng.normal(0, 2.2, CENTRES)[centre]
    return y + rng.normal(0, 6.6, len(y)), day, patient, centre


def timed(function) -> tuple[float, float, object]:
    """Return wall time, CPU time and the result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def peak() -> float:
    """Return the greatest resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def own(n: int):
    """Fit by this project."""
    y, day, patient, centre = drawn(n, seed=1)
    fixed = np.column_stack([np.ones(len(y)), day])
    return mixed_model(y, fixed=fixed, factors={"patient": patient, "centre": centre})


def peer(n: int):
    """Fit by mixedlm."""
    import mixedlm
    import pandas as pd

    y, day, patient, centre = drawn(n, seed=1)
    frame = pd.DataFrame({"y": y, "day": day, "patient": patient.astype(str), "centre": centre.astype(str)})
    return mixedlm.lmer("y ~ day + (1 | patient) + (1 | centre)", frame)


def main() -> None:
    own(SIZES[0])
    peer(SIZES[0])
    for n in SIZES:
        before = peak()
        wall, cpu, fit = timed(lambda n=n: own(n))
        above = peak() - before
        other, other_cpu, theirs = timed(lambda n=n: peer(n))
        gap = abs(fit.residual - theirs.sigma**2) / fit.residual
        print(
            f"{n:>6,} patients × {VISITS} visits: {wall:.2f} s ({cpu:.2f} s CPU, {above:.0f} MB above); "
            f"mixedlm {other:.2f} s ({other_cpu:.2f} s CPU), {other_cpu / cpu:.1f} ×; "
            f"residuals differ by {gap:.1e}"
        )


if __name__ == "__main__":
    main()
