"""Dysbiosis of published studies: patients lie further from health than the healthy do from each other.

Figures are this software's own, measured on the tidied counts of SRP128892 (95 healthy subjects and 73 with
inflammatory bowel disease, genera) and of Kump 2017 (doi:10.1111/apt.14387).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from scipy.stats import mannwhitneyu

from commensal.formats import import_study
from commensal.microbiome.reference.dysbiosis import MEASURES, dysbiosis
from commensal.study import Study

pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif("COMMENSAL_DATA" not in os.environ, reason="COMMENSAL_DATA is not set"),
]

CHINA, KUMP = "china_ibd_fmt_16s_SRP128892", "kump2017_uc_16s"
JACOB, NUSBAUM = "jacob2017_uc_16s", "nusbaum2018_ped_uc_16s"


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Study]:
    made: dict[str, Study] = {}

    def study(name: str) -> Study:
        if name not in made:
            source = Path(os.environ["COMMENSAL_DATA"]) / name
            made[name] = import_study("tidy", source, tmp_path_factory.mktemp("studies") / name)
        return made[name]

    return study


@pytest.fixture(scope="module")
def measured(imported: Callable[[str], Study]) -> Callable[[str], dict[str, pl.DataFrame]]:
    made: dict[str, dict[str, pl.DataFrame]] = {}

    def tables(name: str) -> dict[str, pl.DataFrame]:
        if name not in made:
            made[name] = dysbiosis(imported(name))
        return made[name]

    return tables


@pytest.mark.parametrize("name", [CHINA, KUMP, JACOB, NUSBAUM])
def test_every_sample_has_every_measure_or_the_reason_why_not(name, imported, measured) -> None:
    table = measured(name)["dysbiosis"]
    samples = imported(name).read("samples").filter(pl.col("control").is_null())
    assert table.height == samples.height * len(MEASURES)
    assert set(table["sample_id"]) == set(samples["sample_id"])
    assert table.filter(pl.col("value").is_null() & pl.col("reason").is_null()).is_empty()
    numbers = table.select(pl.col(pl.Float64))
    assert not any(numbers[c].is_nan().any() or numbers[c].is_infinite().any() for c in numbers.columns)
    deficits = measured(name)["deficits"]
    assert deficits.filter(pl.col("direction").is_null() & pl.col("reason").is_null()).is_empty()
    functions = deficits.filter(kind="function")
    assert set(functions.group_by("sample_id").len()["len"]) == {7}


@pytest.mark.parametrize(
    ("measure", "sick", "healthy", "sick_is_higher", "p"),
    [
        ("bray_curtis_to_reference", 0.5736, 0.4859, True, 0.001),
        ("cloud", 1.2276, 0.9573, True, 0.001),
        ("mhi_a", 64.93, 130.55, False, 0.005),
        ("richness_share", 0.8728, 0.9994, False, 0.001),
    ],
)
def test_ibd_before_fmt_lies_further_from_health(measure, sick, healthy, sick_is_higher, p, measured) -> None:
    """One sample of each person; the healthy are measured against the other 94 healthy subjects.

    MHI-A, made for what antibiotics do, tells IBD from health the least (p = 0.0039)."""
    table = measured(CHINA)["dysbiosis"].filter(measure=measure).drop_nulls("value")
    basal = table.filter(pl.col("timepoint") == "Basal")
    patients = basal.drop_nulls("subject_id")["value"]
    others = basal.drop_nulls("donor_id").unique("donor_id", keep="first", maintain_order=True)["value"]
    assert patients.median() == pytest.approx(sick, rel=1e-3)
    assert others.median() == pytest.approx(healthy, rel=1e-3)
    side = "greater" if sick_is_higher else "less"
    assert mannwhitneyu(patients, others, alternative=side).pvalue < p


def test_a_tenth_of_the_healthy_lies_beyond_the_threshold(measured) -> None:
    table = measured(CHINA)["dysbiosis"].filter(measure="bray_curtis_to_reference")
    assert table["threshold"].unique().to_list() == pytest.approx([0.641270], abs=1e-6)
    healthy = table.drop_nulls("donor_id").group_by("donor_id").agg(pl.col("is_beyond").mean())
    assert healthy["is_beyond"].mean() == pytest.approx(0.0947, abs=0.02)
    basal = table.filter(pl.col("timepoint") == "Basal").drop_nulls("subject_id")
    assert basal["is_beyond"].sum() == 25
    assert basal.height == 73


def test_kump_antibiotics_and_return(measured) -> None:
    """After vancomycin, paromomycin and nystatin the communities lie far off; after FMT near the donors."""
    table = measured(KUMP)["dysbiosis"].filter(measure="bray_curtis_to_reference")
    medians = dict(
        table.drop_nulls("subject_id").group_by("timepoint").agg(pl.col("value").median()).iter_rows()
    )
    assert medians["postABX"] == pytest.approx(0.9722, abs=1e-3)
    assert medians["preABX"] == pytest.approx(0.5700, abs=1e-3)
    assert medians["postFMT"] == pytest.approx(0.5077, abs=1e-3)
    beyond = table.filter(pl.col("timepoint") == "postABX")["is_beyond"]
    assert (beyond.sum(), beyond.len()) == (21, 22)


def test_twelve_donors_give_centiles_with_a_caution_seven_give_none(measured) -> None:
    functions = measured(KUMP)["deficits"].filter(kind="function", feature="butyrate_producers")
    assert functions["reason"].str.contains("12 reference subjects: 5th and 95th").all()
    seven = measured(NUSBAUM)["dysbiosis"].filter(measure="cloud")
    assert seven["value"].null_count() == 0
    assert seven["threshold"].null_count() == seven["reference_share"].null_count() == seven.height
    assert seven["reason"].str.contains("7 reference subjects: no centile below 10").all()


def test_pools_are_no_reference_but_another_study_may_be(imported, measured) -> None:
    table = measured(JACOB)["dysbiosis"].filter(measure="cloud")
    assert table["reason"].str.starts_with("no reference").all()
    kump = imported(KUMP)
    against = dysbiosis(imported(JACOB), reference=kump)["dysbiosis"].filter(measure="cloud")
    assert against["value"].null_count() == 0
    assert against["reference"].str.contains("kump2017").all()
    assert set(against["n_reference"]) == {12}


def test_sixteen_s_names_no_species_of_gmhi_and_genera_no_bai(measured) -> None:
    gmhi = measured(KUMP)["dysbiosis"].filter(measure="gmhi")
    assert gmhi["value"].null_count() == gmhi.height
    bai = measured(CHINA)["deficits"].filter(feature="bile_acid_7a_dehydroxylation")
    assert set(bai["reason"]) == {"told at the rank species, which the table does not name"}
