"""The rehearsal of backup, restore and move on PostgreSQL."""

import subprocess

import psycopg
import pytest
import test_site_postgresql
from test_site_keeping import commensal, filled, manifest_of

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]
server = test_site_postgresql.server


@pytest.fixture
def database(server):
    """Make an empty database and return its address."""

    def make(name):
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f"create database {name}")
        return server.rpartition("/")[0] + f"/{name}"

    return make


def test_a_registry_moves_is_kept_and_restored_and_stays_the_same(database, tmp_path):
    source = filled(tmp_path / "sqlite")
    commensal("backup", "--out", tmp_path / "before", folder=source)
    first, second = database("moved"), database("restored")
    assert "each table the same" in commensal("move", source, url=first, folder=tmp_path / "pg")
    again = commensal("move", source, url=first, folder=tmp_path / "pg", is_refused=True)
    assert "has rows already" in again
    commensal("backup", "--out", tmp_path / "after", url=first, folder=tmp_path / "pg")
    commensal("restore", tmp_path / "after", url=second, folder=tmp_path / "pg2")
    commensal("backup", "--out", tmp_path / "last", url=second, folder=tmp_path / "pg2")
    before, after, last = (manifest_of(tmp_path / name) for name in ("before", "after", "last"))
    assert before["tables"] == after["tables"] == last["tables"]
    assert before["audit"] == after["audit"] == last["audit"]
    refused = commensal("restore", tmp_path / "after", url=second, folder=tmp_path / "pg2", is_refused=True)
    assert "has a database already" in refused


def test_a_moved_registry_goes_on_numbering_and_auditing(database, tmp_path):
    source = filled(tmp_path / "sqlite")
    url = database("goes_on")
    commensal("move", source, url=url, folder=tmp_path / "pg")
    with psycopg.connect(url) as raw:
        before = raw.execute("select max(id), (select max(seq) from audit) from auth_user").fetchone()
        raw.execute("select set_config('app.actor', 'ann', true)")
        raw.execute(
            "insert into auth_user (password, is_superuser, username, first_name, last_name, email, is_staff,"
            " is_active, date_joined) values ('x', false, 'zed', '', '', '', false, true, now())"
        )
        after = raw.execute("select max(id), (select max(seq) from audit) from auth_user").fetchone()
    assert (after[0], after[1]) == (before[0] + 1, before[1] + 1)


def test_rows_that_do_not_fit_move_nothing(database, tmp_path):
    source = filled(tmp_path / "sqlite")
    harm = (
        "import sqlite3; c = sqlite3.connect('registry.sqlite3'); c.execute('pragma foreign_keys=off');"
        "q = \"select sql from sqlite_master where name = 'audit_patients_update'\";"
        "t = c.execute(q).fetchone()[0];"
        "c.execute('drop trigger audit_patients_update');"
        "c.execute(\"update patients set site_id = 'nowhere'\"); c.execute(t); c.commit()"
    )
    subprocess.run(["python3", "-c", harm], cwd=source, check=True)
    url = database("untouched")
    commensal("move", source, url=url, folder=tmp_path / "pg", is_refused=True)
    with psycopg.connect(url) as raw:
        assert raw.execute("select count(*) from audit").fetchone() == (0,)
