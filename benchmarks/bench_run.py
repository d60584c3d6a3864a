"""Time of the demonstration's steps, and peak memory above imports, at 400, 4,000 and 40,000 patients.

Run: python benchmarks/bench_run.py [patients ...]. Each step runs in a process of its own.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZES = ("400", "4000", "40000")
# A process's peak is never under its parent's: this file imports nothing large before it starts them.


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def simulated(patients: int, folder: Path) -> None:
    from commensal.simulate import simulate

    before, start = peak_megabytes(), time.perf_counter()
    simulate(folder / "study", n_patients=patients, seed=7)
    tell(patients, "simulated", start, before)


def analysed(patients: int, folder: Path) -> None:
    from commensal.programme import run
    from commensal.study import open_study

    study, before, start = open_study(folder / "study"), peak_megabytes(), time.perf_counter()
    run(study, folder / "results")
    tell(patients, "checked and run", start, before)


def reported(patients: int, folder: Path) -> None:
    from commensal.report import render

    before, start = peak_megabytes(), time.perf_counter()
    render(folder / "results", folder / "report.html")
    tell(patients, "reported", start, before)


def tell(patients: int, what: str, start: float, before: float) -> None:
    seconds, megabytes = time.perf_counter() - start, peak_megabytes() - before
    print(
        f"{patients:>7} patients {what:<16}{seconds:>7.1f} s {megabytes:>6.0f} MB above imports", flush=True
    )


STEPS = {"simulated": simulated, "analysed": analysed, "reported": reported}


def main(sizes: list[str]) -> None:
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            for step in STEPS:
                subprocess.run([sys.executable, __file__, "--step", step, size, folder], check=True)  # noqa: S603


if __name__ == "__main__":
    if "--step" in sys.argv:
        STEPS[sys.argv[2]](int(sys.argv[3]), Path(sys.argv[4]))
    else:
        main(sys.argv[1:] or list(SIZES))
