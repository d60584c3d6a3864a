"""Seconds, peak memory above imports and rows written by simulate, at several sizes.

python benchmarks/bench_simulate.py                      400, 4,000 and 40,000 patients
python benchmarks/bench_simulate.py 1000000 clinical_only
"""

from __future__ import annotations

import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

from commensal.simulate import simulate

MEBIBYTE = 1024  # ru_maxrss counts kibibytes on Linux


def bench(n_patients: int, *, scenario: str | None, at_start: float) -> None:
    folder = Path(tempfile.mkdtemp(prefix="bench-simulate-"))
    begin, processor = time.perf_counter(), time.process_time()
    try:
        study = simulate(folder / "study", n_patients=n_patients, scenario=scenario, on_progress=tell)
        seconds, used = time.perf_counter() - begin, time.process_time() - processor
        size = sum(path.stat().st_size for path in (folder / "study").rglob("*.parquet")) / 1e6
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEBIBYTE - at_start
        print(
            f"{n_patients:>9,} patients, {scenario or 'centre'}: {seconds:.1f} s ({used:.1f} s of processor),"
        )
        print(f"          peak {peak:.0f} MiB above imports, {size:.0f} MB of Parquet")
        for name, facts in study.manifest.tables.items():
            print(f"          {name:20} {facts['rows']:>12,} rows")
    finally:
        shutil.rmtree(folder)


def tell(done: int, whole: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done:,} of {whole:,}", end="" if done < whole else "\n", file=sys.stderr)


if __name__ == "__main__":
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEBIBYTE
    sizes = [int(sys.argv[1])] if len(sys.argv) > 1 else [400, 4_000, 40_000]
    for n in sizes:
        bench(n, scenario=sys.argv[2] if len(sys.argv) > 2 else None, at_start=base)
