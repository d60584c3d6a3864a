"""Time of the whole analysis, and peak memory above imports, at 400, 4,000 and 40,000 patients.

Run: python benchmarks/bench_run.py [patients ...]. Each size is simulated and run in a process of its own.
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


def one(patients: int, folder: Path) -> None:
    from commensal.programme import run
    from commensal.simulate import simulate
    from commensal.study import open_study

    if not (folder / "study").exists():
        start = time.perf_counter()
        simulate(folder / "study", n_patients=patients, seed=7)
        print(f"{patients:>7} patients: simulated in {time.perf_counter() - start:.1f} s", flush=True)
        return
    study, before, start = open_study(folder / "study"), peak_megabytes(), time.perf_counter()
    run(study, folder / "results")
    seconds = time.perf_counter() - start
    print(f"{patients:>7} patients: run in {seconds:.1f} s, {peak_megabytes() - before:.0f} MB above imports")


def main(sizes: list[str]) -> None:
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            for _ in ("simulate", "run"):
                subprocess.run([sys.executable, __file__, "--one", size, folder], check=True)  # noqa: S603


if __name__ == "__main__":
    if "--one" in sys.argv:
        one(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        main(sys.argv[1:] or list(SIZES))
