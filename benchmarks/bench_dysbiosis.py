"""Time and memory of dysbiosis, deficits and complementarity at three sizes, beside naive twins.

Run: python benchmarks/bench_dysbiosis.py
"""

from __future__ import annotations

import resource
import time

import numpy as np
import polars as pl
from scipy import sparse

from commensal.microbiome.reference.complementarity import complementarity
from commensal.microbiome.reference.dysbiosis import dysbiosis
from commensal.study import Manifest, Study, study_of

SIZES = ((172, 400, 20), (1_540, 1_000, 100), (20_000, 2_000, 150))
DONORS = ((200, 1_000), (2_000, 1_000), (10_000, 1_000))
SEEN = 0.1
NAIVE_SAMPLES = 20


def drawn_study(n_samples: int, n_taxa: int, n_donors: int, *, seed: int) -> Study:
    """A tenth of the taxa in each sample; one sample a donor, the rest of patients."""
    generator = np.random.default_rng(seed)
    donors = [f"D{i:04d}" for i in range(n_donors)]
    patients = [f"P{i:06d}" for i in range(n_samples - n_donors)]
    ids = np.array(donors + patients)
    row, taxon = np.nonzero(generator.random((n_samples, n_taxa)) < SEEN)
    classes = ["Bacteroidia", "Clostridia", "Gammaproteobacteria", "Bacilli"]
    genera = ["Faecalibacterium", "Roseburia", "Escherichia", "Veillonella", "Bacteroides"]
    genera += [f"Genus {i}" for i in range(n_taxa - len(genera))]
    return study_of(
        {
            "patients": pl.DataFrame({"patient_id": patients, "arm": "fmt"}),
            "donors": pl.DataFrame({"donor_id": donors, "kind": "universal"}),
            "samples": pl.DataFrame(
                {
                    "sample_id": ids,
                    "patient_id": [None] * n_donors + patients,
                    "donor_id": donors + [None] * len(patients),
                }
            ),
            "taxa": pl.DataFrame(
                {
                    "taxon_id": [f"T{i:05d}" for i in range(n_taxa)],
                    "rank": "genus",
                    "class": [classes[i % 4] for i in range(n_taxa)],
                    "family": [f"Family {i % 50}" for i in range(n_taxa)],
                    "genus": genera,
                }
            ),
            "abundances": pl.DataFrame(
                {
                    "sample_id": ids[row],
                    "taxon_id": np.array([f"T{i:05d}" for i in range(n_taxa)])[taxon],
                    "count": generator.integers(1, 500, row.size),
                }
            ),
        },
        manifest=Manifest(origin="bench", clock="patient"),
    )


def naive(study: Study, samples: list[str]) -> tuple[dict[str, float], float]:
    """Median Bray–Curtis to the donors with dictionaries, and the seconds it took once they were filled."""
    shares: dict[str, dict[str, float]] = {}
    for sample, taxon, count in study.read("abundances").select("sample_id", "taxon_id", "count").iter_rows():
        if sample.startswith("D") or sample in samples:
            shares.setdefault(sample, {})[taxon] = count
    for row in shares.values():
        total = sum(row.values())
        row.update({taxon: count / total for taxon, count in row.items()})
    donors = [s for s in shares if s.startswith("D")]
    start = time.perf_counter()
    medians = {}
    for sample in samples:
        mine = shares[sample]
        apart = [1 - sum(min(p, shares[d].get(t, 0.0)) for t, p in mine.items()) for d in donors]
        medians[sample] = float(np.median(apart))
    return medians, time.perf_counter() - start


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measures() -> None:
    dysbiosis(drawn_study(60, 50, 12, seed=0))
    for n_samples, n_taxa, n_donors in SIZES:
        study = drawn_study(n_samples, n_taxa, n_donors, seed=1)
        before, start, cpu = peak_megabytes(), time.perf_counter(), time.process_time()
        tables = dysbiosis(study)
        wall, used = time.perf_counter() - start, time.process_time() - cpu
        found = tables["dysbiosis"].filter(measure="bray_curtis_to_reference")
        some = found["sample_id"].to_list()[-NAIVE_SAMPLES:]
        twin, seconds = naive(study, some)
        slow = seconds * n_samples / NAIVE_SAMPLES
        fast = dict(found.select("sample_id", "value").iter_rows())
        assert all(abs(fast[s] - twin[s]) < 1e-9 for s in some), "the naive twin disagrees"
        print(
            f"{n_samples:>6,} samples × {n_taxa:>5,} taxa, {n_donors} donors: 8 measures and "
            f"{tables['deficits'].height:,} deficit rows {wall:.2f} s (CPU {used:.2f}); "
            f"naive twin (1 measure, no interval, from {NAIVE_SAMPLES} samples) {slow:.1f} s, "
            f"{slow / wall:.1f} ×; memory above the study {peak_megabytes() - before:.0f} MB"
        )


def donors_ranked() -> None:
    generator = np.random.default_rng(2)
    for n_donors, n_taxa in DONORS:
        has = sparse.csr_array((generator.random((n_donors, n_taxa)) < 0.3).astype(float))
        prevalence, recipient = generator.random(n_taxa), (generator.random(n_taxa) < 0.3).astype(float)
        times = []
        for _ in range(7):
            start = time.perf_counter()
            found = complementarity(recipient, has, prevalence=prevalence)
            times.append(time.perf_counter() - start)
        start = time.perf_counter()
        lacking = [t for t in range(n_taxa) if recipient[t] == 0 and prevalence[t] >= 0.1]
        total = sum(prevalence[t] for t in lacking)
        one = has[[0]].toarray()[0]
        slow = sum(prevalence[t] for t in lacking if one[t]) / total
        slow_seconds = (time.perf_counter() - start) * n_donors
        assert abs(found.values[0] - slow) < 1e-9, "the naive twin disagrees"
        print(
            f"{n_donors:>6,} donors × {n_taxa:,} taxa: complementarity {1e3 * np.median(times):.1f} ms; "
            f"naive twin {1e3 * slow_seconds:.0f} ms, {slow_seconds / np.median(times):.0f} ×"
        )


if __name__ == "__main__":
    measures()
    donors_ranked()
