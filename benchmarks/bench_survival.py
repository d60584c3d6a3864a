"""Kaplan–Meier and Aalen–Johansen with intervals in 24 strata, at three sizes, from patients and from counts.

The twin is the definition at each distinct time with masks over the patients, on one stratum of the smallest
size. Stated reference, not run here: R's survival 3.5-3 takes 1.75 s (Kaplan–Meier alone) and 24.5 s
(Aalen–Johansen) at 1,000,000 patients in 24 strata.

Run: python benchmarks/bench_survival.py
"""

from __future__ import annotations

import resource
import time

import numpy as np
import polars as pl

from commensal.evidence.survival import aalen_johansen, cox, grouped_counts, kaplan_meier

SIZES = (10_000, 100_000, 1_000_000)
STRATA = 24
R_SECONDS = {1_000_000: (1.75, 24.5)}
REPEATS = 5


def drawn(n: int, *, seed: int) -> dict[str, np.ndarray]:
    """Days to five years, two causes, a quarter censored."""
    rng = np.random.default_rng(seed)
    return {
        "time": rng.integers(1, 1827, n),
        "event": rng.choice([0, 1, 2], n, p=[0.25, 0.65, 0.1]),
        "stratum": rng.integers(0, STRATA, n),
    }


def both(data: dict[str, np.ndarray] | pl.DataFrame) -> pl.DataFrame:
    if isinstance(data, pl.DataFrame):
        kaplan_meier(data)
        return aalen_johansen(data, causes=[1])
    kaplan_meier(data["time"], data["event"] == 1, stratum=data["stratum"])
    return aalen_johansen(data["time"], data["event"], stratum=data["stratum"], causes=[1])


def naive(time_: np.ndarray, event: np.ndarray) -> float:
    """Cumulative incidence of cause 1 at the end, by the definition."""
    survival, incidence = 1.0, 0.0
    for t in np.unique(time_[event > 0]):
        at_risk = (time_ >= t).sum()
        incidence += survival * ((time_ == t) & (event == 1)).sum() / at_risk
        survival *= 1 - ((time_ == t) & (event > 0)).sum() / at_risk
    return incidence


def best(function, *arguments) -> tuple[float, float]:
    """Return the best wall time and the best CPU time of several runs."""
    walls, cpus = [], []
    for _ in range(REPEATS):
        wall, cpu = time.perf_counter(), time.process_time()
        function(*arguments)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return min(walls), min(cpus)


def peak() -> float:
    """Return the greatest resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    both(drawn(1_000, seed=2))
    for n in SIZES:
        data = drawn(n, seed=1)
        before = peak()
        wall, cpu = best(both, data)
        above = peak() - before
        counts = grouped_counts(pl.DataFrame(data))
        from_counts, _ = best(both, counts)
        one = data["stratum"] == 0
        slow, _ = best(naive, data["time"][one], data["event"][one]) if n == SIZES[0] else (0.0, 0.0)
        curve = both(data)
        if slow:
            end = curve.filter(pl.col("stratum") == 0)["estimate"].to_numpy()[-1]
            assert abs(end - naive(data["time"][one], data["event"][one])) < 1e-12, "the twin disagrees"
        stated = R_SECONDS.get(n)
        peer = f"; R as stated {sum(stated):.1f} s, {sum(stated) / wall:.0f} ×" if stated else ""
        twin = (
            f"; naive twin of incidence alone {slow * STRATA:.2f} s, {slow * STRATA / wall:.0f} ×"
            if slow
            else ""
        )
        print(
            f"{n:>9,} patients, {STRATA} strata: KM + AJ + intervals {wall:.3f} s ({cpu:.3f} s CPU, "
            f"{above:.0f} MB above the data); from {counts.height:,} grouped counts {from_counts:.3f} s"
            f"{twin}{peer}"
        )
    rng = np.random.default_rng(3)
    for n in (4_000, 40_000, 400_000):
        data = drawn(n, seed=4)
        wall, cpu = best(cox, data["time"], data["event"] == 1, rng.normal(size=(n, 8)))
        print(f"{n:>9,} patients: Cox with 8 covariates, Efron {wall:.3f} s ({cpu:.3f} s CPU)")


if __name__ == "__main__":
    main()
