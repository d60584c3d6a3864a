"""Every result table as CSV, with R scripts that read it and work the main figures out again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import polars as pl

from commensal.report.checklists import CHECKLISTS, filled
from commensal.study import RESULTS, read_results
from commensal.study.conform import conform
from commensal.study.declaration import Kind, Table
from commensal.study.folder import move_into_place, new_folder

_R_TYPES = {
    Kind.ID: "character",
    Kind.TEXT: "character",
    Kind.CODE: "character",
    Kind.DATE: "Date",
    Kind.DAY: "integer",
    Kind.INSTANT: "character",
    Kind.INTEGER: "numeric",
    Kind.NUMBER: "numeric",
    Kind.FLAG: "logical",
}
_R_HEAD = """# Reads the tables of this folder into a list of data frames, with declared types; base R alone.
# An empty cell is NA: unknown, never zero.

read_tables <- function(folder = ".") {
  read <- function(name, types) {
    utils::read.csv(file.path(folder, paste0(name, ".csv")), colClasses = types, na.strings = "",
                    encoding = "UTF-8", check.names = FALSE)
  }
  tables <- list()
"""
_R_TAIL = """  tables
}
"""
_README = """# Result tables

One CSV file a table (UTF-8, comma, a head line, days counted from 1970-01-01 or from index). An empty cell is
unknown or hidden, never zero; the reason stands in the row. `checklist_*.csv` hold the reporting checklists.

    Rscript recompute.R                  works the main figures out again from the counts
    source("read_tables.R")              then: tables <- read_tables(".")

"""


def write_tables(results: Path | str | Mapping[str, pl.DataFrame], folder: Path | str) -> Path:
    """Write result tables as CSV into a new folder, with R scripts and the meaning of every column.

    ``results`` is a results folder, or tables (those of :func:`commensal.study.release`, say). Tables without
    rows are left out, except estimates and curves, which the script asks for. Returns the folder.

    Raises :class:`~commensal.errors.InputError` where there are no result tables, and
    :class:`~commensal.errors.OutputExistsError` where the folder exists.
    """
    target = new_folder(folder)
    tables = dict(results) if isinstance(results, Mapping) else read_results(results)
    kept = {name: conform(frame, RESULTS[name]) for name, frame in _kept(tables).items()}
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    work.chmod(0o755)
    try:
        for name, frame in kept.items():
            frame.write_csv(work / f"{name}.csv")
        everything = {name: table.empty() for name, table in RESULTS.items()} | kept
        for code in CHECKLISTS:
            filled(everything, code).write_csv(work / f"checklist_{code}.csv")
        for name, text in _texts(kept).items():
            (work / name).write_text(text, encoding="utf-8")
        move_into_place(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _kept(tables: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    asked = {name: RESULTS[name].empty() for name in ("estimates", "curves")}
    return asked | {name: frame for name, frame in tables.items() if frame.height}


def _texts(tables: Mapping[str, pl.DataFrame]) -> dict[str, str]:
    recompute = files("commensal.report") / "templates" / "recompute.R"
    return {
        "read_tables.R": reading_script(list(tables)),
        "recompute.R": recompute.read_text(encoding="utf-8"),
        "README.md": _README + "\n".join(_meaning(RESULTS[name]) for name in tables),
    }


def reading_script(names: list[str]) -> str:
    """The R script that reads the tables, their types as declared."""
    return _R_HEAD + "".join(_reading(RESULTS[name]) for name in names) + _R_TAIL


def _reading(table: Table) -> str:
    types = ",\n    ".join(f'{c.name} = "{_R_TYPES[c.kind]}"' for c in table)
    return f'  tables${table.name} <- read("{table.name}", c(\n    {types}\n  ))\n'


def _meaning(table: Table) -> str:
    lines = [f"- `{c.name}`{f' ({c.unit})' if c.unit else ''}: {c.meaning}" for c in table]
    return "\n".join([f"## {table.name}.csv", "", f"One row is {table.row}.", "", *lines, ""])
