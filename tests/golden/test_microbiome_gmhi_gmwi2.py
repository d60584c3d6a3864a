"""GMHI of 25 samples and GMWI2 of one, exactly as their authors' programs give them.

GMHI: jaeyunsung/GMHI_2020, its example table and output (doi:10.1038/s41467-020-18476-8). GMWI2:
danielchang2002/GMWI2, the example SRR1761667 with the 22 coefficients present in it; its score is their sum
(doi:10.1038/s41467-024-51651-9).
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from commensal.formats import import_study
from commensal.microbiome.reference.dysbiosis import dysbiosis
from commensal.microbiome.reference.indices import gmhi
from commensal.study import Manifest, Study, study_of

needs_data = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif("COMMENSAL_DATA" not in os.environ, reason="COMMENSAL_DATA is not set"),
]


def folder() -> Path:
    return Path(os.environ["COMMENSAL_DATA"]) / "dysbiosis_gmhi_gmwi2"


def rows_of(name: str, *, delimiter: str = ",") -> list[list[str]]:
    with (folder() / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file, delimiter=delimiter))


def profiles() -> Study:
    header, *rows = rows_of("gmhi_species_relative_abundances.csv")
    patients = header[1:]
    shares = [
        (sample, row[0], float(value) / 100)
        for row in rows
        for sample, value in zip(patients, row[1:], strict=True)
        if float(value) > 0
    ]
    genera = [row[0].removeprefix("s__").split("_")[0] for row in rows]
    return study_of(
        {
            "patients": pl.DataFrame({"patient_id": patients, "arm": "fmt"}),
            "samples": pl.DataFrame({"sample_id": patients, "patient_id": patients, "run_id": "r"}),
            "sequencing_runs": pl.DataFrame(
                {"run_id": ["r"], "assay": ["shotgun"], "pipeline": ["MetaPhlAn mpa_v20"]}
            ),
            "taxa": pl.DataFrame(
                {
                    "taxon_id": [row[0] for row in rows],
                    "rank": "species",
                    "genus": genera,
                    "species": [row[0].removeprefix("s__") for row in rows],
                }
            ),
            "abundances": pl.DataFrame(shares, schema=["sample_id", "taxon_id", "proportion"], orient="row"),
        },
        manifest=Manifest(origin="GMHI example", clock="patient"),
    )


class TestExact:
    pytestmark = needs_data

    def test_gmhi_of_25_samples(self) -> None:
        found = dysbiosis(profiles())["dysbiosis"].filter(measure="gmhi")
        values = dict(found.select("sample_id", "value").iter_rows())
        expected = {row[0]: float(row[1]) for row in rows_of("gmhi_GMHI_output.csv")[1:]}
        assert len(expected) == 25
        assert values == pytest.approx(expected, abs=1e-12)
        assert set(found["threshold"]) == {0.0}
        beyond = dict(found.select("sample_id", "is_beyond").iter_rows())
        assert beyond == {sample: value < 0 for sample, value in expected.items()}

    def test_gmwi2_of_its_example(self, tmp_path: Path) -> None:
        lines = rows_of("gmwi2_SRR1761667_GMWI2_taxa.txt", delimiter="\t")
        coefficients = {clade: float(weight) for clade, weight in lines[1:]}
        source = folder() / "gmwi2_SRR1761667_metaphlan.txt"
        study = import_study("metaphlan", source, tmp_path / "study")
        absent = {"k__Bacteria|p__Firmicutes|c__Bacilli|o__Nowhere": 100.0}
        for model in (coefficients, coefficients | absent):
            found = dysbiosis(study, gmwi2_coefficients=model)["dysbiosis"]
            assert len(coefficients) == 22
            assert found.filter(measure="gmwi2")["value"].to_list() == pytest.approx(
                [1.4017773651306447], abs=1e-12
            )

    def test_gmwi2_is_not_shipped_in_part(self, tmp_path: Path) -> None:
        source = folder() / "gmwi2_SRR1761667_metaphlan.txt"
        found = dysbiosis(import_study("metaphlan", source, tmp_path / "study"))["dysbiosis"]
        row = found.filter(measure="gmwi2").row(0, named=True)
        assert (row["value"], row["reason"]) == (None, "the coefficients of GMWI2 were not given")


def test_gmhi_by_hand() -> None:
    """Two healthy species of a quarter each, one of the others at a half: ψ = R / K · (−Σ p ln p)."""
    shares = np.zeros((1, 50))
    shares[0, :2], shares[0, 7] = 0.25, 0.5
    healthy = 2 / 7 * -(0.5 * np.log(0.25))
    other = 1 / 31 * -(0.5 * np.log(0.5))
    assert gmhi(shares, n_healthy=7)[0] == pytest.approx(np.log10((healthy + 1e-5) / (other + 1e-5)))


def test_gmhi_of_a_trace_is_of_none() -> None:
    shares = np.zeros((2, 50))
    shares[:, 0] = 0.4, 0.4
    shares[1, 1] = 9e-6
    values = gmhi(shares, n_healthy=7)
    assert values[0] == values[1]
