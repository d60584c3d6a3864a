"""A whole synthetic centre goes in, comes out the same, and two people never give one unit."""

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from universe import TODAY

from commensal.bank import exposures, trace, unit_states
from commensal.errors import InputError, RefusedError
from commensal.registry import audit
from commensal.registry.freezing import freeze_rows
from commensal.registry.loading import load_study
from commensal.registry.models import MODELS
from commensal.registry.tables import TABLES
from commensal.simulate import simulate
from commensal.study import Manifest, study_of
from commensal.study.inputs import INPUTS

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def centre(tmp_path_factory):
    folder = tmp_path_factory.mktemp("centre") / "study"
    return simulate(folder, n_patients=50, seed=3, scenario="clinical_only")


def test_what_is_loaded_is_frozen_again(centre, db, tmp_path):
    load_study(centre)
    frozen = freeze_rows(tmp_path / "study", on=TODAY)
    for table in TABLES:
        before = centre.read(table).sort(INPUTS[table].key, nulls_last=True)
        assert frozen.read(table).equals(before), table
    assert audit.verify() == sum(centre.read(table).height for table in TABLES)


def test_a_second_load_is_refused(centre, db):
    load_study(centre)
    with pytest.raises(RefusedError, match="empty registry"):
        load_study(centre)


@pytest.mark.parametrize(
    ("table", "row", "message"),
    [
        ("sessions", {"session_id": "S1", "patient_id": "P1", "route": "intravenous"}, "route"),
        ("visits", {"visit_id": "V1", "patient_id": "P9", "status": "attended"}, "(?i)foreign key"),
        ("patients", {"patient_id": "P1", "arm": "fmt"}, "(?i)unique"),
    ],
)
def test_a_study_that_does_not_fit_is_not_loaded_in_part(db, table, row, message):
    rows = {"patients": [{"patient_id": "P1", "arm": "fmt"}]}
    rows[table] = [*rows.get(table, []), row]
    frames = {name: pl.DataFrame(found) for name, found in rows.items()}
    with pytest.raises(InputError, match=message):
        load_study(study_of(frames, manifest=Manifest(origin="test")))
    assert not MODELS["patients"].objects.exists()


def test_every_exposure_of_a_synthetic_centre_is_traced(centre):
    used = centre.read("session_units").join(
        centre.read("sessions").select("session_id", "patient_id"), on="session_id"
    )
    parts = centre.read("unit_donors")
    for donor in parts["donor_id"].unique():
        units = parts.filter(pl.col("donor_id") == donor)["unit_id"]
        planted = set(used.filter(pl.col("unit_id").is_in(units.to_list()))["patient_id"])
        found = trace(centre, donor=donor)
        assert set(found.links["patient_id"].drop_nulls()) == planted
    assert set(exposures(centre)["recorded_in"]) == {"both"}


def test_a_synthetic_centre_keeps_a_whole_custody_record(centre):
    states = unit_states(centre, on_day=centre.manifest.data_cut_day)
    assert not states["reason"].str.contains("fault").any()
    given = states.filter(pl.col("custody") == "administered")
    assert given.height > 0
    assert not given["is_issuable"].any()


def dispense(environment):
    """Outcome of eight people giving one unit at once: given, administrations, sessions, answers."""
    program = [sys.executable, str(HERE / "dispensers.py")]
    found = subprocess.run(
        program, env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return found.stdout.split()


def test_of_eight_people_giving_one_unit_exactly_one_succeeds(tmp_path):
    if "DATABASE_URL" in os.environ:
        pytest.skip("run against a database of its own by the tests of PostgreSQL")
    assert dispense({"COMMENSAL_REGISTRY": str(tmp_path)}) == ["1", "1", "1", "8"]
