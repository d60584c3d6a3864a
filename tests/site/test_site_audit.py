"""Every change leaves a sealed row, or does not happen."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys

import pytest
from django.apps import apps
from django.db import Error, connection, transaction
from universe import TODAY

from commensal.registry import audit, triggers
from commensal.registry.actions import material
from commensal.registry.models import MODELS

pytestmark = pytest.mark.slow


def last(n=1):
    with connection.cursor() as cursor:
        cursor.execute(
            "select tbl, pk_value, op, actor, reason, old, new from audit order by seq desc limit %s", [n]
        )
        return cursor.fetchall()


@pytest.fixture
def donor(universe):
    return universe.donor()


def test_a_row_tells_who_when_why_and_what(universe, donor):
    material.set_donor_status(
        by=universe.ann, donor=donor.pk, status="deferred", on=TODAY, reason="tattoo last week"
    )
    table, pk, op, actor, reason, old, new = last()[0]
    assert (table, pk, op, actor, reason) == ("donors", donor.pk, "UPDATE", "ann", "tattoo last week")
    assert (json.loads(old)["status"], json.loads(new)["status"]) == ("candidate", "deferred")
    assert audit.history("donors", donor.pk)[-1]["changes"] == [("status", "candidate", "deferred")]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: MODELS["donors"].objects.filter(pk=d.pk).update(sex="female"),
        lambda d: MODELS["donors"].objects.bulk_update([d], ["sex"]),
        lambda d: connection.cursor().execute("update donors set sex = 'female'"),
    ],
    ids=["update", "bulk_update", "raw sql"],
)
def test_every_way_of_changing_is_audited_or_refused(donor, change):
    before = audit.head().seq
    donor.sex = "female"
    with pytest.raises((Error, PermissionError)), transaction.atomic():
        change(donor)
    assert audit.head().seq == before
    with audit.acting("somebody", reason="test"):
        change(donor)
    assert audit.head().seq == before + 1
    assert last()[0][3] == "somebody"


def test_every_table_of_the_registry_is_audited(db):
    wanted = {f"audit_{t}_{op}" for t in triggers.AUDITED for op in ("insert", "update", "delete")}
    assert wanted <= set(triggers.names())
    assert audit.missing(connection) == []


def test_every_model_is_audited_or_is_the_trail():
    models = {m._meta.db_table for m in apps.get_app_config("registry").get_models()}
    assert models - set(triggers.AUDITED) == {triggers.TRAIL}


@pytest.mark.parametrize("table", triggers.APPEND_ONLY)
@pytest.mark.parametrize("statement", ["delete from {table}", "update {table} set {column} = {column}"])
def test_what_is_append_only_takes_no_change_and_no_deletion(universe, donor, table, statement):
    universe.unit(donor)
    with audit.acting("ann", reason="test"):
        MODELS["accesses"].objects.create(access_id="A1", kind="page", page="donor", actor="ann")
    with connection.cursor() as cursor:
        cursor.execute(f"select * from {table}")
        assert cursor.fetchone(), "a trigger for each row shows only where there is one"
        column = cursor.description[0][0]
    with (
        pytest.raises(Error, match="append-only"),
        transaction.atomic(),
        audit.acting("ann", reason="tamper"),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(table=table, column=column))


def tamper(statement):
    """Change the trail behind its own back, as the owner of the database could."""
    with connection.cursor() as cursor:
        for name in ("keep_audit_update", "keep_audit_delete"):
            on = " on audit" if connection.vendor == "postgresql" else ""
            cursor.execute(f"drop trigger {name}{on}")
        cursor.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "update audit set actor = 'eve' where seq = 3",
        "update audit set at = '2020-01-01T00:00:00.000Z' where seq = 3",
        "update audit set new = replace(new, 'male', 'female') where tbl = 'donors'",
        "update audit set reason = '' where seq = 3",
        "delete from audit where seq = 3",
        "delete from audit where seq = 1",
    ],
)
def test_tampering_with_a_sealed_row_is_found(donor, statement):
    assert audit.verify() > 5
    tamper(statement)
    with pytest.raises(audit.AuditBrokenError):
        audit.verify()


def test_a_cut_tail_is_found_against_a_head_given_out(donor):
    head = audit.head()
    tamper(f"delete from audit where seq > {head.seq - 2}")
    assert audit.verify() == head.seq - 2
    with pytest.raises(audit.AuditBrokenError):
        audit.verify(known=head)


def test_a_missing_trigger_is_noticed_and_put_back(db):
    with connection.cursor() as cursor:
        on = " on donors" if connection.vendor == "postgresql" else ""
        cursor.execute(f"drop trigger audit_donors_update{on}")
    with pytest.raises(audit.AuditBrokenError, match="audit_donors_update"):
        audit.demand_whole(connection)
    audit.install(connection)
    audit.demand_whole(connection)


def test_the_registry_does_not_start_on_a_database_whose_triggers_were_touched(tmp_path):
    env = {**os.environ, "COMMENSAL_REGISTRY": str(tmp_path)}
    env.pop("DATABASE_URL", None)
    start = [sys.executable, "-c", "from commensal.registry.site import open_registry; open_registry()"]
    subprocess.run(start, env=env, check=True)
    with contextlib.closing(sqlite3.connect(tmp_path / "registry.sqlite3")) as raw:
        raw.execute("drop trigger audit_units_update")
    again = subprocess.run(start, env=env, capture_output=True, text=True, check=False)
    assert again.returncode != 0
    assert "audit_units_update" in again.stderr
    migrate = [sys.executable, "-m", "django", "migrate", "--settings", "commensal.registry.settings"]
    subprocess.run(migrate, env=env, check=True, capture_output=True)
    subprocess.run(start, env=env, check=True)


def test_passwords_are_not_in_the_trail(universe):
    with connection.cursor() as cursor:
        cursor.execute("select new from audit where tbl = 'auth_user'")
        accounts = [json.loads(row[0]) for row in cursor.fetchall()]
    assert accounts
    assert all("password" not in account for account in accounts)
