"""What a command writes appears whole, at its end, or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from commensal.cli.progress import progress
from commensal.study.folder import move_into_place, new_folder

if TYPE_CHECKING:
    import polars as pl

    from commensal.study import Study

    Tables = Mapping[str, pl.DataFrame]


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


def say_tables(study: Study) -> None:
    """Print the tables of a study with their rows, and where it was written."""
    for name, facts in study.manifest.tables.items():
        typer.echo(f"  {name:<20}{facts['rows']:>12,} rows")
    if study.folder is not None:
        typer.echo(f"Wrote {shown(study.folder)}")


def write_with_report(what: str, make: Callable[[], Tables], out: Path) -> Tables:
    """Make result tables, write them and the page that shows them into the new folder ``out``; return them.

    ``what`` is said while they are made. Refuses (OutputExistsError) where ``out`` exists, before any work.
    """
    from commensal.report import render
    from commensal.study import write_results

    with new_output(out) as folder, progress() as told:
        told(what, 0.0)
        tables = make()
        told("drawing the page", 0.8)
        write_results(tables, folder)
        render(folder, folder / "report.html")
    return tables


def say_results(folder: Path, table: str) -> None:
    """Say where the tables and the page are."""
    typer.echo(f"Wrote {shown(folder / f'{table}.parquet')}; open {shown(folder / 'report.html')}")
