"""A taxon carries the lowest name it has, a species never its epithet alone."""

import polars as pl
import pytest

from commensal.microbiome import taxon_names
from commensal.study import INPUTS, Manifest, study_of


@pytest.mark.parametrize(
    ("genus", "species", "name"),
    [
        ("Faecalibacterium", "prausnitzii", "Faecalibacterium prausnitzii"),
        ("Faecalibacterium", "Faecalibacterium prausnitzii", "Faecalibacterium prausnitzii"),
        ("Dorea", None, "Dorea"),
        ("Dorea", "", "Dorea"),
        (None, None, "Lachnospiraceae"),
    ],
)
def test_the_name_is_the_lowest_one(genus, species, name):
    row = {"taxon_id": "ASV1", "family": "Lachnospiraceae", "genus": genus, "species": species}
    schema = INPUTS["taxa"].schema
    taxa = pl.DataFrame([{**dict.fromkeys(schema), **row}], schema=schema)
    study = study_of({"taxa": taxa}, manifest=Manifest(origin="test", clock="patient"))
    assert taxon_names(study, taxa=["ASV1"]).row(0)[:2] == ("ASV1", name)
