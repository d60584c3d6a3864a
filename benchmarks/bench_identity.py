"""Time and memory of identity at three sizes, beside a plain twin: the donor of highest Jaccard similarity.

Run: python benchmarks/bench_identity.py     (the third size takes a minute or two)
"""

from __future__ import annotations

import resource
import time

import numpy as np
import polars as pl

from commensal.microbiome.abundance import abundance_of
from commensal.microbiome.identity.identify import identify
from commensal.study import Manifest, Study, study_of

SIZES = ((172, 1_600, 12), (1_540, 5_000, 20), (20_000, 5_000, 200))
DAYS = (-7, 7, 14, 28, 56, 90, 365)


def drawn_study(n_samples: int, n_taxa: int, n_donors: int, *, seed: int) -> Study:
    """A tenth of the taxa in each gut; after transplant half of what the donor has; two stools a donor."""
    rng = np.random.default_rng(seed)
    n_patients = (n_samples - 2 * n_donors) // len(DAYS)
    patients, donors = [f"P{i:05d}" for i in range(n_patients)], [f"D{i:03d}" for i in range(n_donors)]
    given = [donors[i % n_donors] for i in range(n_patients)]
    prevalence = rng.beta(0.5, 4.5, n_taxa)
    theirs = rng.random((n_donors, n_taxa)) < prevalence
    names, rows, taxa = [], [], []

    def add(name: str, seen: np.ndarray) -> None:
        found = np.flatnonzero(seen & (rng.random(n_taxa) < 0.85))
        rows.append(np.full(found.size, len(names)))
        taxa.append(found)
        names.append(name)

    for i, patient in enumerate(patients):
        own = rng.random(n_taxa) < prevalence
        gained = own | (theirs[i % n_donors] & (rng.random(n_taxa) < 0.5))
        for day in DAYS:
            add(f"{patient}@{day}", gained if day > 0 else own)
    for d, donor in enumerate(donors):
        for k in range(2):
            add(f"{donor}.{k}", theirs[d])
    row, taxon = np.concatenate(rows), np.concatenate(taxa)
    samples = [(f"{p}@{day}", p, None, day) for p in patients for day in DAYS]
    samples += [(f"{d}.{k}", None, d, None) for d in donors for k in range(2)]
    sample_schema = {"sample_id": pl.String, "patient_id": pl.String, "donor_id": pl.String}
    return study_of(
        {
            "patients": pl.DataFrame({"patient_id": patients, "arm": "fmt", "index_day": 0}),
            "sessions": pl.DataFrame({"session_id": patients, "patient_id": patients, "administered_day": 0}),
            "session_units": pl.DataFrame({"session_id": patients, "unit_id": patients}),
            "units": pl.DataFrame({"unit_id": patients, "release_pathway": "historical"}),
            "unit_donors": pl.DataFrame({"unit_id": patients, "donor_id": given}),
            "donors": pl.DataFrame({"donor_id": donors, "kind": "universal"}),
            "samples": pl.DataFrame(
                samples, schema={**sample_schema, "collected_day": pl.Int32}, orient="row"
            ),
            "abundances": pl.DataFrame(
                {
                    "sample_id": np.array(names)[row],
                    "taxon_id": np.array([f"T{i:05d}" for i in range(n_taxa)])[taxon],
                    "count": rng.integers(1, 500, row.size),
                }
            ),
        },
        manifest=Manifest(origin="bench", clock="patient"),
    )


def nearest_by_jaccard(study: Study) -> dict[str, str]:
    """The donor whose first stool has the highest Jaccard similarity: a plain twin, without probabilities."""
    abundance = abundance_of(study)
    seen = abundance.presence
    stools = [s for s in abundance.sample_ids if s.startswith("D")]
    stools = [s for s in stools if s.endswith(".0")]
    other = seen[[abundance.rows[s] for s in stools]]
    common = (seen @ other.T).toarray()
    size, theirs = np.asarray(seen.sum(axis=1)).ravel(), np.asarray(other.sum(axis=1)).ravel()
    best = (common / (size[:, None] + theirs - common)).argmax(axis=1)
    return {s: stools[k][:-2] for s, k in zip(abundance.sample_ids, best, strict=True)}


def timed(function, study: Study) -> tuple[float, float, object]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = function(study)
    return time.perf_counter() - wall, time.process_time() - cpu, result


def main() -> None:
    identify(drawn_study(172, 300, 6, seed=0))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for n_samples, n_taxa, n_donors in SIZES:
        study = drawn_study(n_samples, n_taxa, n_donors, seed=1)
        wall, cpu, table = timed(identify, study)
        plain, _, nearest = timed(nearest_by_jaccard, study)
        judged = table.filter(pl.col("recorded_donor_probability").is_not_null())
        right = (judged["likely_donor_id"] == judged["recorded_donor_id"]).mean()
        twin = np.mean(
            [nearest[s] == d for s, d in judged.select("sample_id", "recorded_donor_id").iter_rows()]
        )
        own = (table["likely_subject_id"] == table["subject_id"]).mean()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before
        print(
            f"{n_samples:>6,} samples × {n_taxa:,} taxa × {n_donors} donors: {wall:.1f} s ({cpu:.1f} s CPU), "
            f"own donor {right:.1%}, own patient {own:.1%}; plain twin {plain:.2f} s, {twin:.1%}, "
            f"{wall / plain:.0f} × its time; peak above start {peak:.0f} MB",
            flush=True,
        )


if __name__ == "__main__":
    main()
