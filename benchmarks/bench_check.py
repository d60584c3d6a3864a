"""How many abundance rows `check` looks at in a second, at three sizes, in key order and shuffled.

Run: python benchmarks/bench_check.py [rows ...]
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from commensal.study import Manifest, StudyWriter, check, open_study

TAXA_PER_SAMPLE = 200
N_TAXA = 1000


def write_abundances(folder: Path, n_rows: int, *, is_shuffled: bool) -> None:
    """A study of donors' samples: only the abundance table is large."""
    generator = np.random.default_rng(1)
    n_samples = max(1, n_rows // TAXA_PER_SAMPLE)
    samples = pl.Series([f"sample-{i:08}" for i in range(n_samples)])
    taxa = pl.Series([f"taxon-{i:05}" for i in range(N_TAXA)])
    picked = (
        np.sort(np.argsort(generator.random((n_samples, N_TAXA)), axis=1)[:, :TAXA_PER_SAMPLE], axis=1)
        if n_samples <= 2000
        else np.tile(np.arange(0, N_TAXA, N_TAXA // TAXA_PER_SAMPLE), (n_samples, 1))
    )
    frame = pl.DataFrame(
        {
            "sample_id": samples.gather(np.repeat(np.arange(n_samples), TAXA_PER_SAMPLE)),
            "taxon_id": taxa.gather(picked.ravel()),
            "count": generator.integers(1, 1000, n_samples * TAXA_PER_SAMPLE),
        }
    )
    if is_shuffled:
        frame = frame.sample(fraction=1, shuffle=True, seed=1)
    with StudyWriter(folder, manifest=Manifest(origin="bench")) as writer:
        writer.append("donors", pl.DataFrame({"donor_id": ["d"]}))
        writer.append("samples", pl.DataFrame({"sample_id": samples, "donor_id": ["d"] * n_samples}))
        writer.append("taxa", pl.DataFrame({"taxon_id": taxa}))
        writer.append("abundances", frame)


def main(sizes: list[int]) -> None:
    print("    rows  order     seconds   rows/s   peak MB")
    for n_rows in sizes:
        for is_shuffled in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                write_abundances(Path(folder) / "s", n_rows, is_shuffled=is_shuffled)
                start = time.perf_counter()
                problems = check(open_study(Path(folder) / "s"))
                seconds = time.perf_counter() - start
            assert problems.height == 0, problems
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            order = "shuffled" if is_shuffled else "sorted"
            print(f"{n_rows:8}  {order:8} {seconds:8.2f} {n_rows / seconds:10,.0f} {peak:6}", flush=True)


if __name__ == "__main__":
    main([int(a) for a in sys.argv[1:]] or [100_000, 1_000_000, 10_000_000])
