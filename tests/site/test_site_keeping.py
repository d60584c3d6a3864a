"""Backup, restore and move, rehearsed from outside: the rows are the same, the audit trail is whole."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
COMMENSAL = str(Path(sys.executable).parent / "commensal")
HERE = Path(__file__).parent
FILL = (
    "from commensal.registry.site import open_registry; open_registry();"
    "from universe import Universe; u = Universe(); u.session(u.patient(), u.released_unit())"
)


def run(*command, url="", folder, is_refused=False):
    """Run a command on the registry of a folder (and database) and return what it says."""
    env = {**os.environ, "COMMENSAL_REGISTRY": str(folder), "PYTHONPATH": path()}
    env.pop("DATABASE_URL", None)
    if url:
        env["DATABASE_URL"] = url
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) is is_refused, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr if is_refused else done.stdout


def path():
    return os.pathsep.join(p for p in (str(HERE), os.environ.get("PYTHONPATH", "")) if p)


def filled(folder, *, url=""):
    """A registry with the path from donor to session, and one attachment."""
    run(sys.executable, "-c", FILL, url=url, folder=folder)
    kept = folder / "attachments" / "ab"
    kept.mkdir(parents=True)
    (kept / "abcd").write_bytes(b"sealed")
    (folder / "vault_key").write_text("a key")
    return folder


def commensal(*arguments, **where):
    return run(COMMENSAL, *(str(a) for a in arguments), **where)


def manifest_of(folder):
    return json.loads((folder / "manifest.json").read_text())


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A registry and a backup of it."""
    folder = tmp_path_factory.mktemp("kept")
    filled(folder / "registry")
    commensal("backup", "--out", folder / "backup", folder=folder / "registry")
    return folder / "registry", folder / "backup"


def test_what_is_restored_is_what_was_kept(kept, tmp_path):
    _, backup = kept
    said = commensal("restore", backup, folder=tmp_path / "new")
    assert "audit trail is whole" in said
    assert (tmp_path / "new/attachments/ab/abcd").read_bytes() == b"sealed"
    commensal("backup", "--out", tmp_path / "again", folder=tmp_path / "new")
    first, second = manifest_of(backup), manifest_of(tmp_path / "again")
    assert first["tables"] == second["tables"]
    assert first["audit"] == second["audit"]
    assert first["tables"]["sessions"]["rows"] == 1
    assert first["tables"]["audit"]["rows"] > 100


def test_the_keys_are_kept_only_when_asked_for(kept, tmp_path):
    registry, backup = kept
    assert not (backup / "keys").exists()
    assert not any(p.read_bytes() == b"a key" for p in backup.rglob("*") if p.is_file())
    commensal("backup", "--with-keys", "--out", tmp_path / "all", folder=registry)
    commensal("restore", tmp_path / "all", folder=tmp_path / "new")
    for name in ("vault_key", "secret_key"):
        assert (tmp_path / "new" / name).read_text() == (registry / name).read_text()


def test_a_backup_is_put_into_nothing_that_has_a_database(kept):
    registry, backup = kept
    before = (registry / "registry.sqlite3").read_bytes()
    said = commensal("restore", backup, folder=registry, is_refused=True)
    assert "has a database already" in said
    assert (registry / "registry.sqlite3").read_bytes() == before


def test_a_backup_is_never_written_over(kept):
    registry, backup = kept
    assert "exists" in commensal("backup", "--out", backup, folder=registry, is_refused=True)


@pytest.mark.parametrize("harm", ["changed file", "lost file", "changed row", "no manifest"])
def test_a_backup_that_is_not_whole_is_not_restored(kept, tmp_path, harm):
    broken = tmp_path / "broken"
    subprocess.run(["cp", "-r", kept[1], broken], check=True)
    match harm:
        case "changed file":
            (broken / "attachments/ab/abcd").write_bytes(b"other!")
        case "lost file":
            (broken / "attachments/ab/abcd").unlink()
        case "no manifest":
            (broken / "manifest.json").unlink()
        case _:
            change_a_row(broken)
    said = commensal("restore", broken, folder=tmp_path / "new", is_refused=True)
    wanted = {"changed row": "patients", "no manifest": "manifest.json"}.get(harm, "abcd")
    assert wanted in said
    assert not (tmp_path / "new/registry.sqlite3").exists()


def change_a_row(folder):
    """Change a patient behind the audit trail, and the file's digest with it, as a careful forger would."""
    import hashlib

    database = folder / "registry.sqlite3"
    with contextlib.closing(sqlite3.connect(database)) as raw:
        raw.execute("drop trigger audit_patients_update")
        raw.execute("update patients set sex = 'male'")
        raw.commit()
    manifest = manifest_of(folder)
    manifest["files"]["registry.sqlite3"] = hashlib.sha256(database.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_registry_in_use_is_kept_as_it_was_in_one_moment(kept, tmp_path):
    """While somebody writes, backups hold whole transactions: the trail verifies in every one of them."""
    writer = subprocess.Popen(
        [sys.executable, "-c", FILL.split("u.session")[0] + "\nwhile True: u.patient()"],
        env={**os.environ, "COMMENSAL_REGISTRY": str(tmp_path / "busy"), "PYTHONPATH": path()},
    )
    try:
        database = tmp_path / "busy/registry.sqlite3"
        while not (database.exists() and _rows(database) > 5):
            assert writer.poll() is None
        commensal("backup", "--out", tmp_path / "backup", folder=tmp_path / "busy")
    finally:
        writer.kill()
        writer.wait()
    assert manifest_of(tmp_path / "backup")["tables"]["patients"]["rows"] > 5
    commensal("restore", tmp_path / "backup", folder=tmp_path / "new")


def _rows(database):
    with contextlib.closing(sqlite3.connect(database)) as raw:
        try:
            return raw.execute("select count(*) from patients").fetchone()[0]
        except sqlite3.OperationalError:
            return 0


def test_only_postgresql_is_moved_to(kept, tmp_path):
    assert "DATABASE_URL" in commensal("move", kept[0], folder=tmp_path, is_refused=True)
