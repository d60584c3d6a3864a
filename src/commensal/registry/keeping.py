"""Backups: a copy of the database in one moment, the attachments, and what shows that they are whole.

A backup is a folder: the database (SQLite's own file, or pg_dump's archive), ``attachments``, and
``manifest.json`` with the digest of every file and of every table's rows, and the head of the audit trail.
The keys are another matter: who has backup and keys has everything, so they are in it only when asked for.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Model

from commensal.errors import CommensalError, InputError, RefusedError
from commensal.registry import audit
from commensal.registry.files import ATTACHMENTS
from commensal.registry.models import MODELS, Audit, Membership
from commensal.registry.vault import KEY_FILES, KEYS
from commensal.study.folder import move_into_place, new_folder

MANIFEST, SQLITE, ARCHIVE = "manifest.json", "registry.sqlite3", "registry.pgdump"
BEYOND = 2**256


class BackupBrokenError(CommensalError):
    """A backup is not whole, or what was restored is not what was kept."""


def kept_models() -> list[type[Model]]:
    """Return the models whose rows are the registry, those referred to before those that refer."""
    return [get_user_model(), *MODELS.values(), Membership, Audit]


def digests(*, using: str = "default") -> dict[str, dict[str, Any]]:
    """Return table → number of rows and digest; the same on every database, whatever the order of rows."""
    return {model._meta.db_table: _digest(model, using) for model in kept_models()}


def _digest(model: type[Model], using: str) -> dict[str, Any]:
    names = sorted(field.attname for field in model._meta.concrete_fields)
    rows, total = 0, 0
    for values in model._default_manager.using(using).values_list(*names).iterator(chunk_size=2000):
        plain = json.dumps(values, default=_plain, ensure_ascii=False)
        total = (total + int.from_bytes(hashlib.sha256(plain.encode()).digest(), "big")) % BEYOND
        rows += 1
    return {"rows": rows, "digest": f"{total:064x}"}


def _plain(value: Any) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value.isoformat()


# --- backup


def write_backup(folder: Path, *, with_keys: bool) -> dict[str, Any]:
    """Write a backup into a new folder, whole or not at all, and return its manifest."""
    final = new_folder(folder)
    work = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
    try:
        manifest = _write(work, with_keys=with_keys)
        move_into_place(work, final)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return manifest


def _write(folder: Path, *, with_keys: bool) -> dict[str, Any]:
    found = _copy_sqlite(folder) if connection.vendor == "sqlite" else _dump_postgresql(folder)
    if (attachments := settings.FOLDER / ATTACHMENTS).exists():
        shutil.copytree(attachments, folder / ATTACHMENTS)
    if with_keys:
        _copy_keys(settings.FOLDER, folder / KEYS)
    manifest = {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "engine": connection.vendor,
        "has_keys": with_keys,
        "files": {str(path.relative_to(folder)): _sha256(path) for path in _files(folder)},
        **found,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    return manifest


def _copy_sqlite(folder: Path) -> dict[str, Any]:
    """Copy the database while it is in use; what is written down is read from the copy."""
    import sqlite3

    connection.ensure_connection()
    copy = sqlite3.connect(folder / SQLITE)
    connection.connection.backup(copy)
    copy.execute("pragma journal_mode=delete")
    copy.close()
    with opened(folder / SQLITE) as alias:
        return _described(alias)


def _dump_postgresql(folder: Path) -> dict[str, Any]:
    """Dump the database as it is in one moment; the digests are read in the same one."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")
        cursor.execute("select pg_export_snapshot()")
        snapshot = cursor.fetchone()[0]
        _run("pg_dump", "--format=custom", f"--snapshot={snapshot}", f"--file={folder / ARCHIVE}")
        return _described("default")


def _described(alias: str) -> dict[str, Any]:
    trail = audit.head(connection=connections[alias])
    audit.verify(connection=connections[alias])
    return {
        "audit": {"rows": trail.seq, "head": trail.digest},
        "migrations": applied(alias),
        "tables": digests(using=alias),
    }


def applied(alias: str) -> list[str]:
    """Return the migrations a database has."""
    return sorted(".".join(key) for key in MigrationRecorder(connections[alias]).applied_migrations())


def _copy_keys(source: Path, target: Path) -> None:
    target.mkdir(mode=0o700)
    for name in KEY_FILES:
        if (source / name).exists():
            shutil.copy2(source / name, target / name)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- restore


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a backup whose files are all there. BackupBrokenError where one is not."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        listed = dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder} holds no {MANIFEST} of a backup", do="name the backup's folder"
        ) from error
    there = {str(path.relative_to(folder)): path for path in _files(folder)}
    if wrong := [name for name, sha in listed.items() if name not in there or _sha256(there[name]) != sha]:
        raise BackupBrokenError(
            f"{len(wrong)} files of the backup are gone or changed: {', '.join(wrong[:5])}",
            expected="every file as it was written",
            do="take another backup",
        )
    return manifest


def restore_database(folder: Path, manifest: dict[str, Any]) -> None:
    """Put the rows of a backup into a database without tables, and prove that they are the same."""
    if manifest["engine"] != connection.vendor:
        raise RefusedError(
            f"this backup is of {manifest['engine']}, the registry of {connection.vendor}",
            do="restore it into the same engine; `commensal move` goes from SQLite to PostgreSQL",
        )
    if connection.vendor == "sqlite":
        _restore_sqlite(folder, manifest)
        return
    with connection.cursor() as cursor:
        _demand_empty(not connection.introspection.table_names(cursor))
    connections.close_all()
    _run("pg_restore", "--no-owner", "--exit-on-error", "--single-transaction", str(folder / ARCHIVE))
    demand_same(manifest, using="default")


def _restore_sqlite(folder: Path, manifest: dict[str, Any]) -> None:
    target, staged = settings.FOLDER / SQLITE, settings.FOLDER / f"{SQLITE}.restoring"
    _demand_empty(not target.exists())
    shutil.copy2(folder / SQLITE, staged)
    with opened(staged) as alias:
        demand_same(manifest, using=alias)
    staged.replace(target)


def restore_files(folder: Path) -> None:
    """Put back the attachments of a backup."""
    if (folder / ATTACHMENTS).exists():
        shutil.copytree(folder / ATTACHMENTS, settings.FOLDER / ATTACHMENTS, dirs_exist_ok=True)


def _demand_empty(is_empty: bool) -> None:
    if not is_empty:
        raise RefusedError(
            "the registry to restore into has a database already",
            expected="a new folder, or an empty database",
            do="name another COMMENSAL_REGISTRY or DATABASE_URL; nothing was changed",
        )


def demand_same(manifest: dict[str, Any], *, using: str) -> None:
    """Refuse (BackupBrokenError) a database whose rows or audit trail are not those of the manifest."""
    known = audit.Head(manifest["audit"]["rows"], manifest["audit"]["head"])
    audit.verify(known=known, connection=connections[using])
    if sorted(manifest["migrations"]) != applied(using):
        raise BackupBrokenError("the database restored is of another version than its manifest says")
    demand_equal(manifest["tables"], digests(using=using))


def demand_equal(wanted: dict[str, Any], found: dict[str, Any]) -> None:
    """Refuse (BackupBrokenError) tables that differ in rows or digest."""
    if wrong := sorted(t for t in wanted.keys() | found.keys() if wanted.get(t) != found.get(t)):
        raise BackupBrokenError(
            f"{len(wrong)} tables differ from what was kept: {', '.join(wrong[:5])}",
            expected="the same rows",
            do="restore with the version of the software that wrote the backup",
        )


# --- other databases, other programs


@contextmanager
def opened(path: Path, *, alias: str = "copy") -> Iterator[str]:
    """Open another SQLite database beside the registry's own, under a name; closed afterwards."""
    kept = {
        "default": connections.settings["default"],
        alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": path},
    }
    connections.settings[alias] = connections.configure_settings(kept)[alias]
    try:
        yield alias
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.settings[alias]


def _run(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs on the registry's database."""
    facts = connection.settings_dict
    command = [_found(program), *arguments, "--dbname", _where(facts)]
    environment = {**os.environ, "PGPASSWORD": str(facts["PASSWORD"])}
    done = subprocess.run(  # noqa: S603  PostgreSQL's own programs
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CommensalError(f"{program} failed: {done.stderr.strip()}", do="see its message")


def _where(facts: dict[str, Any]) -> str:
    given: Iterable[tuple[str, Any]] = (
        ("host", facts["HOST"]),
        ("port", facts["PORT"]),
        ("user", facts["USER"]),
        ("dbname", facts["NAME"]),
    )
    return " ".join(f"{name}='{_escaped(str(value))}'" for name, value in given if value)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _found(program: str) -> str:
    """Return the path of one of PostgreSQL's programs: on the PATH, or where Debian keeps them."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), reverse=True)
    found = shutil.which(program) or (str(debian[0]) if debian else None)
    if found is None:
        raise InputError(f"{program} is not installed", do="install PostgreSQL's client programs")
    return found


def is_empty(model: type[Model], database: BaseDatabaseWrapper = connection) -> bool:
    """Whether a table has no row."""
    return not model._default_manager.using(database.alias).exists()
