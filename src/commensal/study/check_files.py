"""Is the folder what its manifest says: every file there, unchanged, with the declared columns and types."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from commensal.errors import InputError, nearest
from commensal.study.declaration import Table
from commensal.study.folder import Study, count_rows, read_parquet
from commensal.study.inputs import INPUTS
from commensal.study.manifest import sha256
from commensal.study.problems import problem


@dataclass(frozen=True)
class Tables:
    """The tables of a study as far as they can be read: a column of the wrong type reads as null.

    So a fault in one column is told once, and does not hide the faults of the others.
    """

    study: Study
    sound: dict[str, frozenset[str]] = field(default_factory=dict)

    def read(self, name: str, *columns: str) -> pl.DataFrame:
        """Some columns of a table, with ``row`` (from 0) in front; unsound columns are null."""
        sound = self.sound.get(name, frozenset())
        there = [c for c in columns if c in sound]
        frame = self.study.read(name, columns=there) if there else pl.DataFrame(height=self.rows(name))
        made = [
            pl.col(c) if c in sound else pl.lit(None, dtype=INPUTS[name][c].storage).alias(c) for c in columns
        ]
        return frame.select(pl.int_range(pl.len(), dtype=pl.UInt32).alias("row"), *made)

    def rows(self, name: str) -> int:
        """Rows of a table that can be read; 0 for another."""
        if not self.sound.get(name):
            return 0
        path = self.study.folder / f"{name}.parquet" if self.study.folder else None
        return count_rows(path) if path else self.study.frames[name].height

    def has(self, name: str) -> bool:
        """Whether a table can be read and has rows."""
        return self.rows(name) > 0


def check_files(study: Study) -> Iterator[pl.DataFrame]:
    """Compare the files of a study folder with its manifest."""
    if study.folder is None:
        return
    for name, listed in study.manifest.tables.items():
        yield from _check_listed(study.folder / f"{name}.parquet", name, listed)
    for path in sorted(study.folder.glob("*.parquet")):
        if path.stem not in study.manifest.tables:
            yield problem(
                path.stem,
                rule="unlisted_file",
                value=path.name,
                message="the manifest does not list this file",
            )
    for name, hashed in study.manifest.files.items():
        yield from _check_hash(study.folder / name, name, hashed)


def _check_listed(path: Path, name: str, listed: dict[str, object]) -> Iterator[pl.DataFrame]:
    yield from _check_hash(path, name, str(listed["sha256"]))
    try:
        rows = count_rows(path)
    except InputError:
        return  # told once, where the table is opened
    if rows != listed["rows"]:
        message = f"the manifest says {listed['rows']} rows"
        yield problem(name, rule="row_count", value=str(rows), message=message)


def _check_hash(path: Path, name: str, hashed: str) -> Iterator[pl.DataFrame]:
    if not path.is_file():
        yield problem(name, rule="missing_file", value=path.name, message="the manifest lists this file")
    elif sha256(path) != hashed:
        yield problem(
            name,
            rule="changed_file",
            value=path.name,
            message="the file was changed after the study was written: its SHA-256 is not the manifest's",
        )


def sound_tables(study: Study, *, changed: frozenset[str]) -> tuple[Tables, list[pl.DataFrame]]:
    """The readable tables and columns of a study, and a problem for each that is not.

    ``changed`` names the tables whose file is not the one that was written: those are read whole once.
    """
    sound: dict[str, frozenset[str]] = {}
    found: list[pl.DataFrame] = []
    for name, table in INPUTS.items():
        try:
            schema = _schema(study, name, is_changed=name in changed)
        except InputError as error:
            found.append(problem(name, rule="unreadable", message=error.what))
            continue
        if schema is not None:
            sound[name] = frozenset(c.name for c in table if schema.get(c.name) == c.storage)
            found.extend(_check_schema(schema, table))
    return Tables(study, sound), found


def _schema(study: Study, name: str, *, is_changed: bool) -> dict[str, pl.DataType] | None:
    """Column types of a table's file or frame; None where it is absent."""
    if study.folder is None:
        return dict(study.frames[name].schema) if name in study.frames else None
    path = study.folder / f"{name}.parquet"
    if not path.is_file():
        return None
    if is_changed:
        count_rows(path)
        return dict(read_parquet(path).schema)
    return dict(read_parquet(path, n_rows=0).schema)


def _check_schema(schema: dict[str, pl.DataType], table: Table) -> Iterator[pl.DataFrame]:
    for name in schema:
        if name not in table.names:
            message = f"the table declares no such column; expected {nearest(name, table.names)}"
            yield problem(table.name, column=name, rule="undeclared_column", message=message)
    for column in table:
        if column.name not in schema:
            yield problem(
                table.name, column=column.name, rule="missing_column", message="the column is absent"
            )
        elif schema[column.name] != column.storage:
            yield problem(
                table.name,
                column=column.name,
                value=str(schema[column.name]),
                rule="wrong_type",
                message=f"the column is stored as another type than {column.storage}",
            )
