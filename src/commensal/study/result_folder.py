"""Result folders: the tables an analysis wrote, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from commensal.errors import InputError, nearest
from commensal.study.conform import conform
from commensal.study.folder import move_into_place, new_folder, read_parquet
from commensal.study.results import RESULTS


def write_results(frames: Mapping[str, pl.DataFrame], folder: Path | str) -> Path:
    """Write result tables as Parquet into a new folder, in the order the analysis gave; return its path."""
    folder = new_folder(folder)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    work.chmod(0o755)
    try:
        for name, frame in frames.items():
            if name not in RESULTS:
                raise InputError(f"there is no result table {name!r}", expected=nearest(name, RESULTS))
            # Pieces of a frame would show in the bytes of its file.
            conform(frame, RESULTS[name]).rechunk().write_parquet(work / f"{name}.parquet")
        move_into_place(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


def read_results(folder: Path | str) -> dict[str, pl.DataFrame]:
    """Read every result table of a folder; a table that is absent is empty."""
    folder = Path(folder)
    if not any((folder / f"{name}.parquet").is_file() for name in RESULTS):
        raise InputError(
            f"{folder} holds no result tables",
            expected="a folder written by `commensal run`",
            do="run the study first: commensal run study/ --out results/",
        )
    return {
        name: read_parquet(folder / f"{name}.parquet")
        if (folder / f"{name}.parquet").is_file()
        else table.empty()
        for name, table in RESULTS.items()
    }
