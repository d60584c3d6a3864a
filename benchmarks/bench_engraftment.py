"""Time and memory of the engraftment panel at three sizes, beside a naive twin that walks taxon by taxon.

The panel is all measures with nulls, global tests, outcomes and fates of taxa; the twin makes two measures
without a null. Stated reference, not run here: q2-fmt 9a27849 takes 60 s and 1.6 GB at 1,540 × 5,000 for PEDS
by sample (.92 s), by feature (52.3 s) and its Monte-Carlo test (6.8 s); it needs a conda environment of its
own and does not install with pip.

Run: python benchmarks/bench_engraftment.py
"""

from __future__ import annotations

import resource
import time

import numpy as np
import polars as pl

from commensal.microbiome import engraft
from commensal.study import Manifest, Study, study_of

SIZES = ((172, 1_600), (1_540, 5_000), (20_000, 5_000))
Q2FMT_SECONDS = {(1_540, 5_000): 60.0}
SAMPLES_A_PATIENT = 7
N_DONORS = 20


def drawn_study(n_samples: int, n_taxa: int, *, seed: int) -> Study:
    """About a tenth of the taxa in each sample, as in 16S data; one donor a patient."""
    generator = np.random.default_rng(seed)
    n_patients = (n_samples - N_DONORS) // SAMPLES_A_PATIENT
    patients = [f"P{i:05d}" for i in range(n_patients)]
    donors = [f"D{i:02d}" for i in range(N_DONORS)]
    days = [-7, 7, 14, 28, 56, 90, 365]
    samples = [(f"{p}@{day}", p, None, f"day {day}", day) for p in patients for day in days]
    samples += [(d, None, d, "donor", None) for d in donors]
    seen = generator.random((len(samples), n_taxa)) < 0.1
    row, taxon = np.nonzero(seen)
    names = np.array([s[0] for s in samples])
    given = pl.DataFrame({"session_id": patients, "patient_id": patients, "administered_day": 0})
    return study_of(
        {
            "patients": pl.DataFrame({"patient_id": patients, "arm": "fmt", "index_day": 0}),
            "sessions": given,
            "session_units": pl.DataFrame({"session_id": patients, "unit_id": patients}),
            "units": pl.DataFrame({"unit_id": patients, "release_pathway": "historical"}),
            "unit_donors": pl.DataFrame(
                {"unit_id": patients, "donor_id": [donors[i % N_DONORS] for i in range(n_patients)]}
            ),
            "donors": pl.DataFrame({"donor_id": donors, "kind": "universal"}),
            "samples": pl.DataFrame(
                samples,
                schema={
                    **dict.fromkeys(("sample_id", "patient_id", "donor_id", "timepoint"), pl.String),
                    "collected_day": pl.Int32,
                },
                orient="row",
            ),
            "abundances": pl.DataFrame(
                {
                    "sample_id": names[row],
                    "taxon_id": np.array([f"T{i:05d}" for i in range(n_taxa)])[taxon],
                    "count": generator.integers(1, 500, row.size),
                }
            ),
        },
        manifest=Manifest(origin="bench", clock="patient"),
    )


def naive(study: Study) -> float:
    """PEDS and Bray–Curtis of every sample with dictionaries; returns their sum."""
    counts: dict[str, dict[str, int]] = {}
    for sample, taxon, count in study.read("abundances").select("sample_id", "taxon_id", "count").iter_rows():
        counts.setdefault(sample, {})[taxon] = count
    donor_of = dict(study.read("unit_donors").select("unit_id", "donor_id").iter_rows())
    total = 0.0
    for sample, patient in study.read("samples").select("sample_id", "patient_id").drop_nulls().iter_rows():
        mine, theirs = counts[sample], counts[donor_of[patient]]
        n, m = sum(mine.values()), sum(theirs.values())
        total += sum(taxon in mine for taxon in theirs) / len(theirs)
        total += sum(abs(mine.get(t, 0) / n - theirs.get(t, 0) / m) for t in mine.keys() | theirs.keys()) / 2
    return total


def timed(function, *arguments) -> tuple[float, float, object]:
    """Return wall time, CPU time and the result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function(*arguments)
    return time.perf_counter() - wall, time.process_time() - cpu, result


def peak() -> float:
    """Return the greatest resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    engraft(drawn_study(*SIZES[0], seed=2))  # warm: imports and compiled loops
    for n_samples, n_taxa in SIZES:
        study = drawn_study(n_samples, n_taxa, seed=1)
        before = peak()
        wall, cpu, tables = timed(engraft, study)
        above = peak() - before
        slow, _, total = timed(naive, study)
        table = tables["engraftment"]
        sums = table.filter(pl.col("measure").is_in(["peds", "bray_curtis_to_donor"]))["value"].sum()
        assert abs(sums - total) < 1e-6 * total, "the naive twin disagrees"
        stated = Q2FMT_SECONDS.get((n_samples, n_taxa))
        peer = f"; q2-fmt as stated {stated:.0f} s, {stated / wall:.0f} ×" if stated else ""
        print(
            f"{n_samples:>6,} samples × {n_taxa:>6,} taxa: panel with nulls {wall:.2f} s "
            f"({cpu:.2f} s CPU, {table['measure'].n_unique()} measures, {above:.0f} MB above the study in "
            f"memory); naive twin (2 measures, no null) {slow:.2f} s, {slow / wall:.1f} ×{peer}"
        )


if __name__ == "__main__":
    main()
