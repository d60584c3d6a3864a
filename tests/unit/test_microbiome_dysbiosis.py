"""Dysbiosis: what is refused, what is a reason row, and small cases worked by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from commensal.errors import InputError, RefusedError
from commensal.microbiome.abundance import abundance_of
from commensal.microbiome.reference.cohort import reference_of
from commensal.microbiome.reference.complementarity import complementarity, functions_supplied
from commensal.microbiome.reference.deficits import function_shares
from commensal.microbiome.reference.dysbiosis import MEASURES, dysbiosis
from commensal.microbiome.reference.members import lineages_of, with_all_taxa
from commensal.study import Manifest, Study, study_of
from commensal.vocabulary.taxon_functions import taxon_functions

GENERA = {
    "Bacteroides": ("Bacteroidia", "Bacteroidaceae"),
    "Faecalibacterium": ("Clostridia", "Ruminococcaceae"),
    "Escherichia": ("Gammaproteobacteria", "Enterobacteriaceae"),
    "Enterococcus": ("Bacilli", "Enterococcaceae"),
}
HEALTHY = {"Bacteroides": 600, "Faecalibacterium": 380, "Escherichia": 10, "Enterococcus": 10}
SICK = {"Bacteroides": 100, "Escherichia": 600, "Enterococcus": 300}


def made(
    samples: Mapping[str, tuple[str | None, str | None, Mapping[str, int]]],
    *,
    origin: str = "made",
    runs: Mapping[str, str] | None = None,
    settings: pl.DataFrame | None = None,
    kinds: Mapping[str, str] | None = None,
    more: Mapping[str, pl.DataFrame] | None = None,
    taxa: pl.DataFrame | None = None,
    batches: Mapping[str, str] | None = None,
) -> Study:
    """A study of genera: sample → (patient, donor, reads of each genus)."""
    donors = sorted({d for _, d, _ in samples.values() if d})
    patients = sorted({p for p, _, _ in samples.values() if p})
    rows = [(s, g, n) for s, (_, _, reads) in samples.items() for g, n in reads.items() if n]
    frames = {
        "patients": pl.DataFrame({"patient_id": patients, "arm": ["fmt"] * len(patients)}),
        "donors": pl.DataFrame(
            {"donor_id": donors, "kind": [(kinds or {}).get(d, "universal") for d in donors]}
        ),
        "samples": pl.DataFrame(
            [(s, p, d, (runs or {}).get(s), (batches or {}).get(s)) for s, (p, d, _) in samples.items()],
            schema=dict.fromkeys(("sample_id", "patient_id", "donor_id", "run_id", "batch_id"), pl.String),
            orient="row",
        ),
        "taxa": taxa
        if taxa is not None
        else pl.DataFrame(
            [(g, "genus", c, f, g) for g, (c, f) in GENERA.items()],
            schema=["taxon_id", "rank", "class", "family", "genus"],
            orient="row",
        ),
        "abundances": pl.DataFrame(rows, schema=["sample_id", "taxon_id", "count"], orient="row"),
    }
    if settings is not None:
        frames["sequencing_runs"] = settings
    return study_of({**frames, **(more or {})}, manifest=Manifest(origin=origin, clock="patient"))


def donors(n: int, **reads: int) -> dict[str, tuple[None, str, dict[str, int]]]:
    """Donors a little unlike each other."""
    base = {**HEALTHY, **reads}
    return {
        f"d{i:02d}": (None, f"D{i:02d}", {**base, "Bacteroides": base["Bacteroides"] + 10 * i})
        for i in range(n)
    }


def row(table: pl.DataFrame, sample: str, measure: str) -> dict[str, Any]:
    return table.filter(sample_id=sample, measure=measure).row(0, named=True)


def test_a_sick_sample_among_the_healthy() -> None:
    found = dysbiosis(made({"p": ("P", None, SICK), **donors(12)}))
    table = found["dysbiosis"]
    far = row(table, "p", "bray_curtis_to_reference")
    assert far["value"] == pytest.approx(0.88, abs=0.02)
    assert far["is_beyond"] is True
    assert far["reference_share"] == pytest.approx(1 / 13)
    assert (far["n_reference"], far["subject_id"], far["donor_id"]) == (12, "P", None)
    assert far["lower"] <= far["value"] <= far["upper"]
    assert row(table, "p", "mhi_a")["value"] == pytest.approx(100 / 900)
    assert row(table, "p", "md_index")["value"] == pytest.approx(np.log10(600 / 100))
    assert row(table, "p", "md_index")["is_beyond"] is True
    deficits = found["deficits"].filter(sample_id="p")
    direction = dict(deficits.select("feature", "direction").iter_rows())
    assert direction["butyrate_producers"] == "deficit"
    assert direction["pathobionts"] == "excess"
    assert direction["Faecalibacterium"] == "deficit"
    assert direction["Escherichia"] == "excess"


def test_no_row_is_called_balance_or_a_ratio_of_phyla() -> None:
    assert not any("balance" in m or "firmicutes" in m for m in MEASURES)


def test_no_reads_below_the_line_is_unbounded_not_large() -> None:
    clean = {"Bacteroides": 500, "Faecalibacterium": 500}
    found = row(dysbiosis(made({"p": ("P", None, clean), **donors(12)}))["dysbiosis"], "p", "mhi_a")
    assert (found["value"], found["upper"]) == (None, None)
    assert found["lower"] == pytest.approx(1000 / 1.959964**2, rel=1e-4)
    assert found["is_beyond"] is False
    assert found["reason"].startswith("unbounded above")


def test_nothing_on_either_side_is_undefined() -> None:
    taxa = made({"p": ("P", None, HEALTHY)}).read("taxa")
    other = pl.concat(
        [
            taxa,
            taxa.head(1).with_columns(
                pl.lit("Other").alias("taxon_id"),
                pl.lit("Other").alias("class"),
                pl.lit("Other").alias("genus"),
            ),
        ]
    )
    study = made({"p": ("P", None, {"Other": 2000}), **donors(12)}, taxa=other)
    found = row(dysbiosis(study)["dysbiosis"], "p", "mhi_a")
    assert (found["value"], found["is_beyond"]) == (None, None)
    assert "none of the taxa of the index was found" in found["reason"]


@pytest.mark.parametrize(
    ("n", "reason"),
    [
        (2, "2 comparable reference subjects: at least 3 for a distance, 10 for a centile"),
        (9, "9 reference subjects: no centile below 10"),
    ],
)
def test_too_few_reference_subjects(n: int, reason: str) -> None:
    table = dysbiosis(made({"p": ("P", None, SICK), **donors(n)}))["dysbiosis"]
    found = row(table, "p", "cloud")
    assert (found["value"] is None) == (n == 2)
    assert (found["threshold"], found["reference_share"]) == (None, None)
    assert reason in found["reason"]
    assert row(table, "p", "mhi_a")["value"] == pytest.approx(1 / 9)


def test_without_a_healthy_subject_indices_remain_and_the_rest_say_why() -> None:
    table = dysbiosis(made({"p": ("P", None, SICK)}))["dysbiosis"]
    assert table.height == len(MEASURES)
    assert row(table, "p", "mhi_a")["value"] == pytest.approx(1 / 9)
    assert row(table, "p", "cloud")["reason"].startswith("no reference")
    own = dysbiosis(made({"a": (None, "A", HEALTHY)}, kinds={"A": "autologous"}))["dysbiosis"]
    assert row(own, "a", "cloud")["reason"].startswith("no reference"), "an autologous donor is a patient"


def test_a_sample_without_profile_has_its_rows() -> None:
    study = made({"p": ("P", None, SICK), "empty": ("P", None, {}), **donors(12)})
    table = dysbiosis(study)["dysbiosis"].filter(sample_id="empty")
    assert set(table["measure"]) == set(MEASURES)
    assert set(table["reason"]) == {"no abundance profile of this sample"}


def test_a_shallow_sample_has_no_richness_and_no_deficit_by_absence() -> None:
    found = dysbiosis(made({"p": ("P", None, {"Bacteroides": 60}), **donors(12)}))
    richness = row(found["dysbiosis"], "p", "richness_share")
    assert richness["value"] is None
    assert "fewer than 1,000 reads" in richness["reason"]
    assert "shallow: 60 reads" in row(found["dysbiosis"], "p", "cloud")["reason"]
    deficits = found["deficits"].filter(sample_id="p")
    unseen = deficits.filter(feature="Escherichia").row(0, named=True)
    assert unseen["direction"] is None
    assert "too shallowly" in unseen["reason"]
    assert deficits.filter(feature="Faecalibacterium")["direction"].to_list() == ["deficit"]


RUNS = pl.DataFrame({"run_id": ["v4", "v34"], "assay": "16s", "region": ["V4", "V3-V4"]})


def test_another_region_is_refused_in_a_row() -> None:
    samples = {"p": ("P", None, SICK), **donors(12)}
    runs = {s: "v34" if s == "p" else "v4" for s in samples}
    table = dysbiosis(made(samples, runs=runs, settings=RUNS))["dysbiosis"]
    found = row(table, "p", "bray_curtis_to_reference")
    assert found["value"] is None
    assert "another 16S region" in found["reason"]
    assert row(table, "d00", "bray_curtis_to_reference")["value"] is not None


def test_a_region_known_on_one_side_is_a_caution() -> None:
    samples = {"p": ("P", None, SICK), **donors(12)}
    runs = {s: "v4" for s in samples if s != "p"}
    found = row(dysbiosis(made(samples, runs=runs, settings=RUNS))["dysbiosis"], "p", "cloud")
    assert found["value"] is not None
    assert "unknown of one of the two" in found["reason"]


def test_a_pool_is_not_compared_with_its_own_donors() -> None:
    samples = {"pool": (None, None, HEALTHY), **donors(12)}
    more = {
        "batches": pl.DataFrame({"batch_id": ["B"]}),
        "units": pl.DataFrame({"unit_id": ["U"], "batch_id": ["B"]}),
        "unit_donors": pl.DataFrame({"unit_id": ["U", "U"], "donor_id": ["D00", "D01"]}),
    }
    study = made(samples, batches={"pool": "B"}, more=more)
    found = row(dysbiosis(study)["dysbiosis"], "pool", "cloud")
    assert (found["n_reference"], found["donor_id"]) == (10, "B")
    assert "2 reference subjects left out" in found["reason"]


def test_another_study_as_reference_is_named_and_versioned() -> None:
    patients = made({"p": ("P", None, SICK)})
    healthy = made(donors(12), origin="the healthy")
    found = row(dysbiosis(patients, reference=healthy)["dysbiosis"], "p", "cloud")
    same = row(dysbiosis(made({"p": ("P", None, SICK), **donors(12)}))["dysbiosis"], "p", "cloud")
    assert found["value"] == pytest.approx(same["value"])
    assert found["reference"] == f"the healthy @{reference_of(healthy).version}"
    changed = reference_of(made(donors(12, Escherichia=11), origin="the healthy"))
    assert changed.version != reference_of(healthy).version


def test_another_taxonomy_is_refused() -> None:
    taxa = made(donors(1)).read("taxa").with_columns(pl.col("class") + "_new")
    healthy = made(donors(12), taxa=taxa)
    with pytest.raises(RefusedError, match="no taxon of the samples has its name"):
        dysbiosis(made({"p": ("P", None, SICK)}), reference=healthy)


def test_another_rank_is_refused_unless_one_is_given() -> None:
    taxa = made(donors(1)).read("taxa")
    species = taxa.with_columns(rank=pl.lit("species"), species=pl.col("genus") + " typicus")
    healthy = made(donors(12), taxa=species)
    patients = made({"p": ("P", None, SICK)})
    with pytest.raises(RefusedError, match="named at the rank genus, the reference at species"):
        dysbiosis(patients, reference=healthy)
    found = row(dysbiosis(patients, reference=healthy, rank="genus")["dysbiosis"], "p", "cloud")
    assert found["value"] is not None


def test_variants_of_two_studies_are_not_compared_by_id() -> None:
    asv = pl.DataFrame({"taxon_id": list(GENERA), "rank": "asv"})
    with pytest.raises(RefusedError, match="sequence variants"):
        dysbiosis(made({"p": ("P", None, SICK)}, taxa=asv), reference=made(donors(12), taxa=asv))


def test_a_function_told_by_species_has_a_reason_in_a_table_of_genera() -> None:
    found = dysbiosis(made({"p": ("P", None, SICK), **donors(12)}))["deficits"]
    bai = found.filter(sample_id="p", feature="bile_acid_7a_dehydroxylation").row(0, named=True)
    assert (bai["proportion"], bai["direction"]) == (None, None)
    assert "told at the rank species" in bai["reason"]
    oral = found.filter(sample_id="p", feature="oral_bacteria").row(0, named=True)
    assert (oral["proportion"], oral["reason"]) == (None, "no taxon of the table has the name of a member")


@pytest.mark.parametrize(
    "wrong", [{"level": 1.0}, {"neighbours": 0}, {"depth": 0}, {"draws": 0}, {"rank": "x"}]
)
def test_settings_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        dysbiosis(made({"p": ("P", None, SICK), **donors(3)}), **wrong)


def test_a_reference_of_chosen_samples() -> None:
    study = made({"p": ("P", None, SICK), **donors(12)})
    assert reference_of(study, samples=["d01", "d02"]).subjects == ("D01", "D02")
    with pytest.raises(InputError, match="'p' cannot be part"):
        reference_of(study, samples=["p"])
    with pytest.raises(RefusedError, match="no donor or healthy subject"):
        reference_of(made({"p": ("P", None, SICK)}))
    cohort = reference_of(study)
    assert cohort.prevalence.tolist() == [1.0] * 4
    assert cohort.prevalence_of(["Nothing", "Escherichia"]).tolist() == [0.0, 1.0]


def test_shares_of_functions_are_nan_where_nobody_can_tell() -> None:
    study = made({"p": ("P", None, SICK)})
    abundance = with_all_taxa(abundance_of(study), study.read("taxa"))
    shares, reasons = function_shares(abundance, lineages_of(study.read("taxa"), abundance.taxon_ids))
    found = dict(zip(taxon_functions().codes, shares[0].tolist(), strict=True))
    assert found["enterobacteriaceae"] == pytest.approx(0.6)
    assert found["pathobionts"] == pytest.approx(0.9)
    assert found["butyrate_producers"] == 0
    for share, reason in zip(shares[0], reasons, strict=True):
        assert np.isnan(share) == (reason is not None)


def test_what_a_table_names_does_not_hang_on_the_other_samples() -> None:
    """Nobody here has Faecalibacterium; the table names it, so its absence is told."""
    found = dysbiosis(made({"p": ("P", None, SICK)}))["deficits"]
    butyrate = found.filter(feature="butyrate_producers").row(0, named=True)
    assert butyrate["proportion"] == 0


DONORS = sparse.csr_array(np.array([[1.0, 1, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0]]))


def test_complementarity_by_hand() -> None:
    recipient, prevalence = np.array([5.0, 0, 0, 0]), np.array([1.0, 0.5, 0.3, 0.05])
    found = complementarity(recipient, DONORS, prevalence=prevalence)
    assert found.values == pytest.approx([1.0, 0.3 / 0.8, 0.0])
    assert found.n_supplied.tolist() == [2, 1, 0]
    assert (found.n_lacking, found.lacking.tolist()) == (2, [1, 2])
    assert found.effective == pytest.approx(0.8**2 / (0.25 + 0.09))
    assert found.lower[0] < 1 == found.upper[0]
    assert found.lower[2] == 0 < found.upper[2]


@pytest.mark.parametrize(
    ("recipient", "prevalence", "error"),
    [
        ([1.0, 1, 1, 1], [1.0] * 4, RefusedError),
        ([0.0, 0, 0, 0], [1.0] * 4, RefusedError),
        ([1.0, 0, 0], [1.0] * 4, InputError),
        ([1.0, np.nan, 0, 0], [1.0] * 4, InputError),
        ([1.0, 0, 0, 0], [2.0] * 4, InputError),
        ([1.0, 0, 0, 0, 0], [1.0] * 5, InputError),
    ],
)
def test_complementarity_refuses(recipient: list[float], prevalence: list[float], error: type) -> None:
    with pytest.raises(error):
        complementarity(np.array(recipient), DONORS, prevalence=np.array(prevalence))


def test_functions_supplied_and_unknown() -> None:
    recipient, least = np.array([0.0, 0.5, np.nan]), np.array([0.1, 0.2, 0.1])
    donors_shares = np.array([[0.2, 0.5, 0.9], [0.05, 0.5, np.nan]])
    found = functions_supplied(recipient, donors_shares, least=least)
    assert found.is_lacking.tolist() == [True, False, False]
    assert found.is_supplied.tolist() == [[True, False, False], [False, False, False]]
