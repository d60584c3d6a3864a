"""What the database itself refuses, what a freeze covers, and who may do what."""

import re
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import Error, transaction
from universe import TODAY

from commensal import registry
from commensal.errors import InputError
from commensal.registry import audit, scope
from commensal.registry.actions import accounts, care, custody, material
from commensal.registry.freezing import freeze_rows
from commensal.registry.loading import load_study
from commensal.registry.models import MODELS, PROJECTION
from commensal.registry.rows import all_frames
from commensal.registry.tables import TABLES
from commensal.study.declaration import Privacy
from commensal.study.inputs import INPUTS
from commensal.vocabulary.routes import Route

pytestmark = pytest.mark.slow
NOT_RECORDED = {"samples", "sequencing_runs", "taxa", "abundances", "strains"}


def test_the_registry_records_every_declared_table_but_those_of_the_sequencer():
    assert set(INPUTS) - set(TABLES) == NOT_RECORDED


@pytest.mark.parametrize("table", TABLES)
def test_every_declared_column_is_frozen_and_every_field_classified(db, table):
    declared = [column.name for column in INPUTS[table].declared]
    assert all_frames()[table].columns == declared
    fields = [f for f in MODELS[table]._meta.concrete_fields if f.name != "id"]
    assert {f.column for f in fields} == set(declared) | (set(PROJECTION) if table == "units" else set())
    assert all(isinstance(f.privacy, Privacy) for f in fields)
    assert table in scope.SITE_OF


SOURCES = Path(registry.__file__).parent


@pytest.mark.parametrize("path", sorted(SOURCES.rglob("*.py")), ids=lambda p: p.stem)
def test_state_changes_only_in_actions_and_views_ask_through_the_scope(path):
    text, room = path.read_text(encoding="utf-8"), path.relative_to(SOURCES).parts[0]
    if room not in ("actions", "migrations"):
        assert not re.search(r"\.(save|create|update|delete|bulk_create|get_or_create)\(", text)
    if room == "views":
        assert ".objects" not in text


def test_the_migrations_are_those_of_the_declarations(db):
    call_command("makemigrations", "registry", check=True, dry_run=True, verbosity=0)


@pytest.mark.parametrize("route", ["intravenous", "IV", "colonoscopic", "静脉"])
def test_the_database_stores_no_route_but_the_enteral_ones(given, route):
    session = given[3]
    with pytest.raises(Error, match="sessions_route_is_listed"), transaction.atomic():  # noqa: SIM117
        with audit.acting("ann", reason="test"):
            MODELS["sessions"].objects.filter(pk=session.pk).update(route=route)


def test_every_enteral_route_can_be_stored(given):
    session = given[3]
    for route in Route:
        with audit.acting("ann", reason="test"):
            MODELS["sessions"].objects.filter(pk=session.pk).update(route=route.value)


@pytest.mark.parametrize(
    ("table", "values", "constraint"),
    [
        ("units", {"custody_state": "issued", "is_released": False}, "units_given_only_if_released"),
        (
            "units",
            {"release_pathway": "historical", "custody_state": "issued"},
            "units_historical_never_issued",
        ),
        ("units", {"fraction_left": -0.1}, "units_fraction_left_is_a_share"),
        ("donations", {"bristol_type": 8}, "donations_bristol_type_maximum"),
        ("sessions", {"dose_grams": -1}, "sessions_dose_grams_minimum"),
        ("patients", {"sex": "none of it"}, "patients_sex_is_listed"),
    ],
)
def test_named_constraints_hold_against_any_writer(given, table, values, constraint):
    with pytest.raises(Error, match=constraint), transaction.atomic():  # noqa: SIM117
        with audit.acting("ann", reason="test"):
            MODELS[table].objects.update(**values)


def test_one_custody_event_at_a_time(given):
    unit = given[1]
    with pytest.raises(Error, match=r"custody"), transaction.atomic():  # noqa: SIM117
        with audit.acting("ann", reason="test"):
            MODELS["custody"].objects.create(event_id="twice", unit=unit, sequence=1, event="stored")


def test_a_row_that_is_referred_to_is_never_deleted(given):
    with pytest.raises(Exception, match="protected"), audit.acting("ann", reason="test"):
        MODELS["donors"].objects.all().delete()


def test_nobody_sees_or_changes_another_centre(given):
    universe, unit, patient, _ = given
    for table in TABLES:
        if table not in ("sites", "batches"):
            assert not scope.within(table, sites=scope.sites_of(universe.otto)).exists(), table
    with pytest.raises(InputError, match="at your centres"):
        care.add_visit(by=universe.otto, patient=patient.pk, status="attended")
    with pytest.raises(InputError, match="at your centres"):
        custody.handle_unit(by=universe.otto, unit=unit.pk, event="wasted", on=TODAY)
    with pytest.raises(PermissionDenied):
        material.add_donor(by=universe.otto, site_id="S1", sex="male")
    assert MODELS["donors"].objects.count() == 1


def test_a_person_without_a_centre_sees_nothing(universe):
    stranger = universe.person("stranger", "S1")
    with pytest.raises(PermissionDenied):
        scope.within("patients", sites=scope.sites_of(stranger))


ACTIONS = {
    material.set_donor_status: {"donor": "D0001", "status": "eligible", "on": TODAY},
    material.make_units: {"donation": "N0001", "site_id": "S1", "n_units": 1, "batch": {}, "unit": {}},
    custody.lift_hold: {"hold": "H", "at": None, "on": TODAY},
    custody.correct_event: {"event": "E", "on": TODAY},
    accounts.close_account: {"username": "ann"},
}


@pytest.mark.parametrize("action", ACTIONS, ids=lambda a: a.__name__)
def test_a_coordinator_alone_may_not(universe, action):
    with pytest.raises(PermissionDenied, match="carl works at no centre as"):
        action(by=universe.carl, reason="because", **ACTIONS[action])


def test_a_grave_change_needs_a_reason(universe):
    donor = universe.donor()
    with pytest.raises(InputError, match="no reason"):
        material.set_donor_status(by=universe.ann, donor=donor.pk, status="excluded", on=TODAY)


def test_a_weak_password_is_refused(universe):
    with pytest.raises(InputError, match="too weak"):
        accounts.add_person(by=universe.quinn, username="zed", password="password", site="S1", roles=["lab"])


def test_a_frozen_registry_loads_into_an_empty_one_and_freezes_the_same(given, tmp_path):
    study = freeze_rows(tmp_path / "one", on=TODAY)
    names = list(study.manifest.tables)
    with transaction.atomic():
        _empty()
        counts = load_study(study)
        second = freeze_rows(tmp_path / "two", on=TODAY)
    assert counts == {name: study.manifest.tables[name]["rows"] for name in names}
    assert {n: t["sha256"] for n, t in second.manifest.tables.items()} == {
        n: t["sha256"] for n, t in study.manifest.tables.items()
    }
    for unit in MODELS["units"].objects.all():
        assert unit.custody_state == custody.state_of(unit).custody


def _empty():
    """Empty every table as only the owner of the database could."""
    from django.db import connection

    with audit.acting("owner", reason="test"), connection.cursor() as cursor:
        on = " on custody" if connection.vendor == "postgresql" else ""
        cursor.execute(f"drop trigger keep_custody_delete{on}")
        cursor.execute("delete from memberships")
        for table in reversed(TABLES):
            cursor.execute(f"delete from {table}")
        audit.install(connection)


def test_a_study_without_dates_is_not_loaded(db):
    from commensal.study import Manifest, study_of

    with pytest.raises(InputError, match="no dates"):
        load_study(study_of({}, manifest=Manifest(origin="paper", clock="patient")))


def test_django_finds_nothing_to_warn_about_in_production(tmp_path):
    import os
    import subprocess
    import sys

    env = {
        **os.environ,
        "COMMENSAL_REGISTRY": str(tmp_path),
        "COMMENSAL_HTTPS": "1",
        "COMMENSAL_HOSTS": "registry.example.org",
        "DJANGO_SETTINGS_MODULE": "commensal.registry.settings",
    }
    command = [sys.executable, "-W", "ignore", "-m", "django", "check", "--deploy", "--fail-level", "WARNING"]
    found = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
