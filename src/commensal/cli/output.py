"""What a command writes appears whole, at its end, or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from commensal.study.folder import move_into_place, new_folder

if TYPE_CHECKING:
    import polars as pl


@contextmanager
def new_output(out: Path) -> Iterator[Path]:
    """Yield a path to write to; leaving normally renames it to ``out``, an exception removes it.

    Refuses (OutputExistsError) where ``out`` exists. Parents of ``out`` that are missing are made.
    """
    final = new_folder(out)
    work = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
    try:
        yield work / final.name
        move_into_place(work / final.name, final)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def shown(path: Path) -> str:
    """A path as the user would type it: relative to where they stand, if it lies below."""
    path, here = path.absolute(), Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def write_with_report(tables: Mapping[str, pl.DataFrame], out: Path) -> Path:
    """Write result tables and the page that shows them into the new folder ``out``; return it."""
    from commensal.report import render
    from commensal.study import write_results

    with new_output(out) as folder:
        write_results(tables, folder)
        render(folder, folder / "report.html")
    return out


def say_results(folder: Path, table: str) -> None:
    """Say where the tables and the page are."""
    typer.echo(f"Wrote {shown(folder / f'{table}.parquet')}; open {shown(folder / 'report.html')}")
