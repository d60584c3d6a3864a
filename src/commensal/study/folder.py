"""The study as a value, and the folder it is kept in.

A folder is written beside its final place and renamed: it exists whole or not at all, and is never
overwritten. Tables are Parquet; ``manifest.json`` holds their hashes; ``sources/`` keeps, losslessly,
what no table has a place for; ``truth/`` exists only where the study was simulated.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import narwhals as nw
import polars as pl
import pyarrow.parquet as pq

from commensal import engine as engines
from commensal.errors import InputError, OutputExistsError, nearest
from commensal.study.declaration import Kind, Table
from commensal.study.inputs import INPUTS
from commensal.study.manifest import Manifest, read_manifest, sha256


@dataclass(frozen=True)
class Study:
    """A study: table name → frame, with its manifest. A table that is absent is empty."""

    manifest: Manifest
    folder: Path | None = None
    frames: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    engine: str = "duckdb"

    def frame(self, name: str) -> nw.LazyFrame[Any]:
        """A table as a lazy Narwhals frame on the study's engine. Unknown names raise InputError."""
        table = _declared(name)
        path = self._path(name)
        if path is not None:
            return engines.scan(path, engine=self.engine)
        return nw.from_native(self.frames.get(name, table.empty()).lazy())

    def read(self, name: str, *, columns: list[str] | None = None) -> pl.DataFrame:
        """A table, or some of its columns, in memory. Unknown names raise InputError."""
        table = _declared(name)
        path = self._path(name)
        if path is not None:
            return pl.read_parquet(path, columns=columns)
        frame = self.frames.get(name, table.empty())
        return frame.select(columns) if columns else frame

    def has(self, name: str) -> bool:
        """Whether the study holds the table with at least one row."""
        path = self._path(_declared(name).name)
        if path is not None:
            return pq.read_metadata(path).num_rows > 0
        return name in self.frames and self.frames[name].height > 0

    def truth(self, name: str) -> pl.DataFrame:
        """A table of the truth a simulator kept beside the study. InputError where there is none."""
        path = self.folder / "truth" / f"{name}.parquet" if self.folder else None
        if path is None or not path.is_file():
            raise InputError(f"the study holds no truth table {name!r}", expected="a simulated study")
        return pl.read_parquet(path)

    def _path(self, name: str) -> Path | None:
        path = self.folder / f"{name}.parquet" if self.folder else None
        return path if path is not None and path.is_file() else None


def open_study(folder: Path | str, *, engine: str = "duckdb") -> Study:
    """Open a study folder. Raises :class:`InputError` where it is none or lacks a listed table."""
    folder = Path(folder)
    manifest = read_manifest(folder)
    for name in manifest.tables:
        if not (folder / f"{name}.parquet").is_file():
            raise InputError(
                f"{folder}: the manifest lists {name}.parquet, which is not there",
                do="restore the folder or write the study again from its source",
            )
    return Study(manifest=manifest, folder=folder, engine=engine)


def study_of(frames: Mapping[str, pl.DataFrame], *, manifest: Manifest) -> Study:
    """A study in memory (a live registry, a test) from frames of the declared tables.

    Each frame is conformed to its declaration as :func:`write_study` would; columns not given are null.
    """
    return Study(
        manifest=manifest,
        frames={name: conform(frame, INPUTS[_declared(name).name]) for name, frame in frames.items()},
    )


def conform(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Return the frame with the table's columns, types and order; day twins made from dates.

    Raises :class:`InputError` on a column the table does not declare or a type that cannot be cast.
    """
    if unknown := [c for c in frame.columns if c not in table.names]:
        raise InputError(
            f"table {table.name} has no column {unknown[0]!r}", expected=nearest(unknown[0], table.names)
        )
    have = set(frame.columns)
    made = [_column(c.name, c.storage, have) for c in table.columns]
    try:
        frame = frame.select(made)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"table {table.name}: {error}", expected=f"types {table.schema}") from error
    return frame.with_columns(_twins(table))


def _column(name: str, storage: pl.DataType, have: set[str]) -> pl.Expr:
    return pl.col(name).cast(storage) if name in have else pl.lit(None, dtype=storage).alias(name)


def _twins(table: Table) -> list[pl.Expr]:
    dates = [c for c in table.declared if c.kind is Kind.DATE]
    return [
        pl.coalesce(pl.col(c.name).cast(pl.Int32), pl.col(c.twin)).cast(pl.Int32).alias(c.twin) for c in dates
    ]


class StudyWriter:
    """Write a study folder table by table and chunk by chunk; all of it appears at the end, or nothing.

    Use as a context manager: leaving it normally renames the folder into place; an exception removes it.
    """

    def __init__(self, folder: Path | str, *, manifest: Manifest) -> None:
        self.folder = new_folder(folder)
        self.manifest = manifest
        self._work = Path(tempfile.mkdtemp(prefix=f".{self.folder.name}-", dir=self.folder.parent))
        self._work.chmod(0o755)
        self._open: dict[str, pq.ParquetWriter] = {}
        self._rows: dict[str, int] = {}

    def append(self, name: str, frame: pl.DataFrame) -> None:
        """Append rows to a declared table."""
        table = _declared(name)
        self._write(name, conform(frame, table))
        self._rows[name] = self._rows.get(name, 0) + frame.height

    def append_truth(self, name: str, frame: pl.DataFrame) -> None:
        """Append rows to a table of the simulator's truth."""
        (self._work / "truth").mkdir(exist_ok=True)
        self._write(f"truth/{name}", frame)

    def keep_source(self, name: str, content: bytes) -> None:
        """Keep a file of the source as it was, under ``sources/``."""
        (self._work / "sources").mkdir(exist_ok=True)
        (self._work / "sources" / Path(name).name).write_bytes(content)

    def _write(self, name: str, frame: pl.DataFrame) -> None:
        arrow = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        if name not in self._open:
            path = self._work / f"{name}.parquet"
            self._open[name] = pq.ParquetWriter(path, arrow.schema, compression="zstd")
        self._open[name].write_table(arrow)

    def __enter__(self) -> StudyWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._open.values():
            writer.close()
        if error is not None:
            shutil.rmtree(self._work)
            return
        tables = {
            name: {"rows": self._rows[name], "sha256": sha256(self._work / f"{name}.parquet")}
            for name in sorted(self._rows)
        }
        manifest = replace(self.manifest, tables=tables)
        (self._work / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
        self._work.rename(self.folder)


def write_study(
    frames: Mapping[str, pl.DataFrame],
    folder: Path | str,
    *,
    manifest: Manifest,
    sources: Mapping[str, bytes] | None = None,
) -> Study:
    """Write a study folder from frames (each sorted by its key) and open it.

    Raises :class:`OutputExistsError` where the folder exists, :class:`InputError` where a frame does not
    fit its declaration.
    """
    with StudyWriter(folder, manifest=manifest) as writer:
        for name in [n for n in INPUTS if n in frames]:
            writer.append(name, conform(frames[name], INPUTS[name]).sort(INPUTS[name].key, nulls_last=True))
        if unknown := [n for n in frames if n not in INPUTS]:
            _declared(unknown[0])
        for name, content in (sources or {}).items():
            writer.keep_source(name, content)
    return open_study(folder)


def new_folder(folder: Path | str) -> Path:
    """Return the path if nothing is there yet and its parent exists; raise OutputExistsError otherwise."""
    folder = Path(folder).absolute()
    if folder.exists():
        raise OutputExistsError(
            f"{folder} exists already",
            expected="a new folder",
            do="choose another --out, or move the old one",
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder


def _declared(name: str) -> Table:
    if name not in INPUTS:
        raise InputError(f"there is no table {name!r} in a study", expected=nearest(name, INPUTS))
    return INPUTS[name]
