"""The words of real studies' metadata are understood."""

import csv
import os
from pathlib import Path

import pytest

from commensal.vocabulary import find_indication, read_route

DATA = os.environ.get("COMMENSAL_DATA", "")
FILES = {
    "kump2017_uc_16s": ({"uc"}, {("colonoscopy", "flexible_sigmoidoscopy")}),
    "jacob2017_uc_16s": ({"uc"}, {("colonoscopy",)}),
    "nusbaum2018_ped_uc_16s": ({"uc"}, set()),
    "crothers2021_uc_longitudinal_16s": ({"uc"}, {("colonoscopy", "oral_capsule_frozen"), ()}),
    "china_ibd_fmt_16s_SRP128892": ({"uc", "crohns"}, set()),
    "samestr_rcdi_strain": ({"rcdi"}, set()),
    "autism_mtt_virome_16s": ({"autism"}, {()}),
}


@pytest.mark.data
@pytest.mark.skipif(not DATA, reason="COMMENSAL_DATA is not set: no real studies to read")
@pytest.mark.parametrize("study", FILES)
def test_diseases_and_routes_are_read(study: str):
    with (Path(DATA) / study / "metadata.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    diseases = {row["disease"] for row in rows if row["disease"] and not row["disease"].startswith("healthy")}
    routes = {tuple(r.value for r in read_route(row["route"]).codes) for row in rows if row["route"]}
    assert ({find_indication(disease).code for disease in diseases}, routes) == FILES[study]
