"""Time and memory of charts, limits and funnels at three sizes, beside a plain loop for the chart.

Run: python benchmarks/bench_cusum.py
"""

from __future__ import annotations

import math
import resource
import time

import numpy as np

from commensal.evidence.monitoring import cusum, cusum_limit, funnel

SIZES = (10_000, 100_000, 1_000_000)
COURSES_A_UNIT = 100


def naive(observed: list[float], expected: list[float], ratio: float) -> float:
    """The last value of the chart, course by course in plain Python."""
    value = 0.0
    for y, p in zip(observed, expected, strict=True):
        value = max(0.0, value + (math.log(ratio) if y else 0.0) - math.log(1 - p + ratio * p))
    return value


def timed(function, *arguments, **choices) -> tuple[float, object]:
    """Return CPU seconds and the result."""
    start = time.process_time()
    result = function(*arguments, **choices)
    return time.process_time() - start, result


def peak() -> float:
    """Return the highest memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print one line a size."""
    rng = np.random.default_rng(1)
    p = rng.uniform(0.05, 0.7, 200)
    cusum(np.zeros(200), p, limit=5.0)
    cusum_limit(p)
    funnel(np.zeros(200), p, unit=["A"] * 200)
    imports = peak()
    for n in SIZES:
        p = rng.uniform(0.05, 0.7, n)
        y = (rng.random(n) < p).astype(float)
        fast, run = timed(cusum, y, p, limit=5.0)
        slow, last = timed(naive, y.tolist(), p.tolist(), 2.0)
        assert abs(run.statistic[-1] - last) < 1e-6
        few = min(n, 100 * COURSES_A_UNIT)
        units = np.repeat(np.arange(few // COURSES_A_UNIT).astype(str), COURSES_A_UNIT)
        limits, _ = timed(lambda p=p, n=n: [cusum_limit(p[i : i + 100]) for i in range(0, min(n, 2000), 100)])
        rows, _ = timed(funnel, y[:few], p[:few], unit=units)
        print(
            f"{n:>9,} courses: chart {fast * 1e3:8.1f} ms, plain loop {slow * 1e3:8.0f} ms "
            f"(x{slow / max(fast, 1e-6):.0f}); a limit {limits / 20 * 1e3:.1f} ms; "
            f"funnel of {few // COURSES_A_UNIT} units {rows * 1e3:.0f} ms; "
            f"{peak() - imports:.0f} MB above imports"
        )


if __name__ == "__main__":
    main()
