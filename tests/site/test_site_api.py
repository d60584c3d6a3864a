"""The programming interface: read-only, scoped, every answer documented; and what leaves as files."""

import csv
import io
import json
import zipfile
from datetime import timedelta

import pytest
import schemathesis
from django.core.cache import cache
from django.core.handlers.wsgi import WSGIHandler
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import given as drawn
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from commensal.errors import InputError
from commensal.registry import api
from commensal.registry.actions import exports
from commensal.registry.models import MODELS

pytestmark = pytest.mark.slow
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture
def token(given):
    cache.clear()
    universe = given[0]
    ahead = timezone.localdate() + timedelta(days=30)
    return exports.make_token(by=universe.ann, site="S1", name="statistics", expires_on=ahead)


def ask(client, path, token):
    return client.get(f"/api/{path}", headers={"Authorization": f"Bearer {token}"})


def test_every_operation_answers_as_documented(token):
    schema = schemathesis.openapi.from_dict(api.api.get_openapi_schema(path_prefix="/api/"))
    schema.app = WSGIHandler()
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == 2 * len(api.TABLES)
    codes = set()
    quiet = settings(max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck))

    def run(case):
        cache.clear()
        answer = case.call(headers={"Authorization": f"Bearer {token}"})
        codes.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)

    for operation in operations:
        modes = GenerationMode if operation.path.count("{") == 0 else [GenerationMode.POSITIVE]
        for mode in modes:
            quiet(drawn(operation.as_strategy(generation_mode=mode))(run))()
    assert {200, 404, 422} <= codes


def test_lists_go_on_by_key_and_show_one_centre(token, given, client):
    universe = given[0]
    for _ in range(3):
        universe.patient()
    universe.patient(by=universe.otto, site="S2")
    first = ask(client, "patients?limit=3", token).json()
    assert [row["patient_id"] for row in first["items"]] == ["P0001", "P0002", "P0003"]
    second = ask(client, f"patients?limit=3&after={first['next']}", token).json()
    assert [row["patient_id"] for row in second["items"]] == ["P0004"]
    assert second["next"] is None
    assert ask(client, "patients/P0005", token).status_code == 404
    assert ask(client, "patients/P0001", token).json()["born_on"] == "1980-01-01"
    assert ask(client, "units", token).json()["items"][0]["unit_id"] == given[1].pk


def test_a_look_by_program_is_recorded(token, client):
    assert ask(client, "patients/P0001", token).status_code == 200
    assert MODELS["accesses"].objects.filter(patient="P0001", actor="ann").exists()


def test_a_token_ends(token, given, client):
    universe = given[0]
    assert ask(client, "patients", "cmsl_guess").status_code == 401
    assert client.get("/api/patients").status_code == 401
    row = MODELS["tokens"].objects.get()
    assert token not in json.dumps(list(MODELS["tokens"].objects.values()), default=str)
    exports.revoke_token(by=universe.ann, token=row.pk)
    assert ask(client, "patients", token).status_code == 401
    with pytest.raises(InputError, match="year ahead"):
        exports.make_token(
            by=universe.ann, site="S1", name="x", expires_on=timezone.localdate() + timedelta(days=400)
        )


def test_haste_is_answered_with_429(token, client, monkeypatch):
    monkeypatch.setattr(api, "A_MINUTE", 2)
    codes = [ask(client, "visits", token).status_code for _ in range(3)]
    assert codes == [200, 200, 429]


@pytest.mark.parametrize("kind", ["deidentified", "redcap", "odm", "fhir"])
def test_an_export_needs_a_purpose_and_is_recorded(given, client, kind):
    universe, _, patient, _ = given
    client.force_login(universe.quinn)
    asked = {"site_id": "S1", "kind": kind}
    assert client.post("/exports/new", asked).status_code == 422
    answer = client.post("/exports/new", {**asked, "purpose": "yearly report"})
    assert answer.status_code == 200
    logged = MODELS["accesses"].objects.get(kind="export")
    assert (logged.actor, logged.page, logged.purpose) == ("quinn", kind, "yearly report")
    assert logged.n_rows > 0
    assert (patient.pk.encode() in everything(answer.content)) == (kind != "deidentified")


def everything(content):
    if not content.startswith(b"PK"):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


def test_a_person_who_withdrew_does_not_leave(given):
    from commensal.registry.actions import care

    universe, _, patient, _ = given
    other = universe.patient()
    care.add_record(
        by=universe.ann,
        table="dispositions",
        patient=other.pk,
        values={"kind": "withdrawal", "occurred_on": timezone.localdate(), "withdrawal_level": "W4"},
    )
    made = exports.export_site(by=universe.quinn, site="S1", kind="redcap", purpose="report")
    with zipfile.ZipFile(io.BytesIO(made.content)) as archive:
        rows = list(csv.reader(io.StringIO(archive.read("patients/data.csv").decode())))
    records = {row[0] for row in rows[1:]}
    assert patient.pk in records
    assert other.pk not in records
