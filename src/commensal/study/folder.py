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
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any

import narwhals as nw
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from commensal import engine as engines
from commensal.errors import InputError, OutputExistsError, nearest
from commensal.study.conform import conform
from commensal.study.declaration import Table
from commensal.study.inputs import INPUTS
from commensal.study.manifest import Manifest, read_manifest, sha256

# Row groups are what an engine reads in parallel: small enough that a large table has many.
ROW_GROUP = 122_880


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
        if self.folder is not None:
            return engines.place(table.empty(), engine=self.engine)
        return nw.from_native((self.frames[name] if name in self.frames else table.empty()).lazy())

    def read(self, name: str, *, columns: list[str] | None = None) -> pl.DataFrame:
        """A table, or some of its columns, in memory. Unknown names raise InputError."""
        table = _declared(name)
        if unknown := [c for c in columns or () if c not in table.names]:
            raise InputError(
                f"table {name} has no column {unknown[0]!r}", expected=nearest(unknown[0], table.names)
            )
        path = self._path(name)
        if path is not None:
            return read_parquet(path, columns=columns)
        frame = self.frames[name] if name in self.frames else table.empty()
        return frame.select(columns) if columns else frame

    def has(self, name: str) -> bool:
        """Whether the study holds the table with at least one row."""
        path = self._path(_declared(name).name)
        if path is not None:
            return count_rows(path) > 0
        return name in self.frames and self.frames[name].height > 0

    def truth(self, name: str) -> pl.DataFrame:
        """A table of the truth a simulator kept beside the study. InputError where there is none."""
        path = self.folder / "truth" / f"{name}.parquet" if self.folder else None
        if path is None or not path.is_file():
            raise InputError(f"the study holds no truth table {name!r}", expected="a simulated study")
        return read_parquet(path)

    def kept(self, part: str) -> dict[str, Path]:
        """The files kept beside the tables: ``sources`` or ``truth``, path inside that folder → file."""
        root = self.folder / part if self.folder else None
        if root is None or not root.is_dir():
            return {}
        return {p.relative_to(root).as_posix(): p for p in sorted(root.rglob("*")) if p.is_file()}

    def _path(self, name: str) -> Path | None:
        path = self.folder / f"{name}.parquet" if self.folder else None
        return path if path is not None and path.is_file() else None


def open_study(folder: Path | str, *, engine: str = "duckdb") -> Study:
    """Open a study folder. Raises :class:`InputError` where it is none or lacks a listed table."""
    folder = Path(folder)
    engines.check_engine(engine)
    manifest = read_manifest(folder)
    for name in manifest.tables:
        _declared(name)
        if not (folder / f"{name}.parquet").is_file():
            raise InputError(
                f"{folder}: the manifest lists {name}.parquet, which is not there",
                do="restore the folder or write the study again from its source",
            )
    return Study(manifest=manifest, folder=folder, engine=engine)


def study_of(frames: Mapping[str, pl.DataFrame], *, manifest: Manifest) -> Study:
    """A study in memory (a live registry, a test) from frames of the declared tables.

    Each frame is conformed to its declaration as :func:`write_study` does; columns not given are null.
    """
    return Study(
        manifest=manifest,
        frames={name: conform(frame, INPUTS[_declared(name).name]) for name, frame in frames.items()},
    )


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

    def keep_truth(self, name: str, content: bytes) -> None:
        """Keep a file of a simulator's truth as it was, under ``truth/``."""
        self._keep("truth", name, content)

    def keep_source(self, name: str, content: bytes) -> None:
        """Keep a file of the source as it was, under ``sources/``; ``name`` may hold folders.

        Raises :class:`InputError` where the name leaves ``sources/`` or was kept before.
        """
        self._keep("sources", name, content)

    def _keep(self, part: str, name: str, content: bytes) -> None:
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts or not inside.name:
            raise InputError(f"{name!r} cannot be kept in {part}/", expected="a file name without '..'")
        path = self._work / part / inside
        if path.exists():
            raise InputError(f"{part}/{name} is kept twice", expected="a name of its own for each file")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def _write(self, name: str, frame: pl.DataFrame) -> None:
        arrow = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        if name not in self._open:
            path = self._work / f"{name}.parquet"
            self._open[name] = pq.ParquetWriter(path, arrow.schema, compression="zstd")
        self._open[name].write_table(arrow, row_group_size=ROW_GROUP)

    def __enter__(self) -> StudyWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for writer in self._open.values():
                writer.close()
            if error is None:
                self._finish()
        finally:
            shutil.rmtree(self._work, ignore_errors=True)

    def _finish(self) -> None:
        tables = {
            name: {"rows": self._rows[name], "sha256": sha256(self._work / f"{name}.parquet")}
            for name in sorted(self._rows)
        }
        files = {
            path.relative_to(self._work).as_posix(): sha256(path)
            for part in ("sources", "truth")
            for path in sorted((self._work / part).rglob("*"))
            if path.is_file()
        }
        manifest = replace(self.manifest, tables=tables, files=files)
        (self._work / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
        move_into_place(self._work, self.folder)


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
    """Return the path if nothing is there yet; its parents are made. Raises OutputExistsError otherwise."""
    folder = Path(folder).absolute()
    if folder.exists() or folder.is_symlink():
        raise _exists(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder.parent} cannot be made: {error.strerror}") from error
    return folder


def move_into_place(work: Path, folder: Path) -> None:
    """Rename a finished folder to its final name; raise OutputExistsError where something came between."""
    if folder.exists():
        raise _exists(folder)
    work.rename(folder)


def read_parquet(path: Path, *, columns: list[str] | None = None, n_rows: int | None = None) -> pl.DataFrame:
    """Read a Parquet file or its first rows, whatever signs its name holds.

    Raises :class:`InputError` where it is no Parquet file.
    """
    try:
        return pl.read_parquet(path, columns=columns, n_rows=n_rows, glob=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        # A damaged page can make the reader panic, which is no ordinary Exception.
        raise _unreadable(path, error) from error


def count_rows(path: Path) -> int:
    """Rows of a Parquet file, from its footer. Raises :class:`InputError` where it is none."""
    try:
        return pq.read_metadata(path).num_rows
    except (pa.ArrowException, OSError, ValueError) as error:  # ValueError: a column name that is not UTF-8
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} cannot be read as Parquet: {error}",
        do="restore the file or write the study again from its source",
    )


def _exists(folder: Path) -> OutputExistsError:
    return OutputExistsError(
        f"{folder} exists already",
        expected="a new folder",
        do="choose another --out, or move the old one",
    )


def _declared(name: str) -> Table:
    if name not in INPUTS:
        raise InputError(f"there is no table {name!r} in a study", expected=nearest(name, INPUTS))
    return INPUTS[name]
