"""Time and memory of engraftment at three sizes, beside a naive twin that walks taxon by taxon.

Run: python benchmarks/bench_engraftment.py
"""

from __future__ import annotations

import resource
import time

import numpy as np
import polars as pl

from commensal.microbiome import engraft, taxon_engraftment
from commensal.study import Manifest, Study, study_of

SIZES = ((172, 1_600), (1_540, 5_000), (6_000, 8_000))
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


def timed(function, *arguments) -> tuple[float, object]:
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def main() -> None:
    for n_samples, n_taxa in SIZES:
        study = drawn_study(n_samples, n_taxa, seed=1)
        fast, table = timed(engraft, study)
        by_taxon, _ = timed(taxon_engraftment, study)
        slow, total = timed(naive, study)
        sums = table.filter(pl.col("measure").is_in(["peds", "bray_curtis_to_donor"]))["value"].sum()
        assert abs(sums - total) < 1e-6 * total, "the naive twin disagrees"
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{n_samples:>6,} samples × {n_taxa:>6,} taxa: engraft {fast:.2f} s (11 measures), "
            f"by taxon {by_taxon:.2f} s; naive twin (2 measures) {slow:.2f} s, {slow / fast:.1f} ×; "
            f"peak so far {peak:.0f} MB"
        )


if __name__ == "__main__":
    main()
