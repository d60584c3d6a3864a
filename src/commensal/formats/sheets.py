"""Sheets: small tables of text with a header, read whole, every fault collected."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from commensal.errors import InputError, Problem
from commensal.formats.files import open_archive, read_bytes, read_text

MAX_COLUMNS = 1000
MAX_ROWS = 5_000_000
MAX_CELL = 1 << 20
MISSING = ("", "NA", "N/A", "n/a", "nan", "NaN", "null", "NULL", "None", "#N/A")
WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")


@dataclass(frozen=True)
class Sheet:
    """A table of text: ``columns`` name → cells. A missing cell is None. ``name`` is the file's name."""

    name: str
    columns: dict[str, list[str | None]]
    n_rows: int

    def __contains__(self, column: object) -> bool:
        return column in self.columns

    def get(self, column: str) -> list[str | None]:
        """The cells of a column; all missing where there is no such column."""
        return self.columns.get(column, [None] * self.n_rows)

    def rows(self) -> Iterator[dict[str, str | None]]:
        """The rows as mappings."""
        names = list(self.columns)
        for cells in zip(*self.columns.values(), strict=True):
            yield dict(zip(names, cells, strict=True))


def read_sheet(
    path: Path,
    *,
    problems: list[Problem],
    encoding: str | None = None,
    delimiter: str | None = None,
    missing: tuple[str, ...] = MISSING,
    sheet: str | None = None,
) -> Sheet:
    """Read a CSV, TSV or Excel table as text.

    Faults of single rows (too few or too many cells) are added to ``problems``. InputError where the
    file as a whole is no table: binary, no header, a header with a name twice, over 1,000 columns.
    """
    if path.suffix.lower() in WORKBOOKS:
        return _sheet(path.name, *_workbook(path, sheet=sheet), problems=problems, missing=missing)
    text = read_text(path, encoding=encoding)
    return sheet_of_text(text, name=path.name, problems=problems, delimiter=delimiter, missing=missing)


def sheet_of_text(
    text: str,
    *,
    name: str,
    problems: list[Problem],
    delimiter: str | None = None,
    missing: tuple[str, ...] = MISSING,
) -> Sheet:
    """Read a delimited text as a sheet, as :func:`read_sheet` does."""
    header, rows = _text(text, name=name, delimiter=delimiter)
    return _sheet(name, header, rows, problems=problems, missing=missing)


def _sheet(
    name: str,
    header: list[str],
    rows: list[list[str]],
    *,
    problems: list[Problem],
    missing: tuple[str, ...],
) -> Sheet:
    _check_header(name, header)
    _check_rows(name, header, rows, problems)
    gone = set(missing)
    rows = [(row + [""] * len(header))[: len(header)] for row in rows]
    cells = [[None if c.strip() in gone else c.strip() for c in column] for column in zip(*rows, strict=True)]
    columns = dict(zip(header, cells or [[] for _ in header], strict=True))
    return Sheet(name, columns, len(rows))


def _text(text: str, *, name: str, delimiter: str | None) -> tuple[list[str], list[list[str]]]:
    first = text.lstrip("\r\n").splitlines()[0] if text.strip() else ""
    chosen = delimiter or sniff_delimiter(first, name=name)
    if (n := first.count(chosen) + 1) > MAX_COLUMNS:
        raise _too_wide(name, n)
    csv.field_size_limit(MAX_CELL)
    try:
        rows = list(csv.reader(io.StringIO(text.lstrip("\r\n"), newline=""), delimiter=chosen, strict=True))
    except csv.Error as error:
        raise InputError(
            f"{name} is not a well-formed table: {error}",
            expected="one row a line, cells with quotes closed",
            do="look for an unclosed quotation mark, or export the file again",
        ) from error
    if len(rows) > MAX_ROWS:
        raise InputError(f"{name} has {len(rows):,} rows", expected=f"at most {MAX_ROWS:,}")
    return [c.strip() for c in rows[0]], _without_blank_end(rows[1:])


def sniff_delimiter(header: str, *, name: str) -> str:
    """Return the delimiter of a header line: the one of tab, comma, semicolon that occurs most."""
    best = max("\t,;|", key=header.count)
    if header.count(best) == 0:
        raise InputError(
            f"{name} has a single column: {header[:60]!r}",
            expected="a header with names between tabs, commas or semicolons",
            do="make sure that the file is a table and is whole",
        )
    return best


def _workbook(path: Path, *, sheet: str | None) -> tuple[list[str], list[list[str]]]:
    if path.suffix.lower() in {".xlsx", ".xlsm", ".xlsb", ".ods"}:
        open_archive(path).close()
    else:
        read_bytes(path)
    try:
        frame = pl.read_excel(
            path,
            sheet_name=sheet,
            engine="calamine",
            infer_schema_length=0,
            has_header=False,
            drop_empty_rows=False,
        )
    except InputError:
        raise
    except Exception as error:  # calamine and polars raise many kinds on a damaged workbook
        raise InputError(
            f"{path.name} cannot be read as a workbook: {error}",
            do="open it in a spreadsheet program and save it again, or name the sheet in the mapping",
        ) from error
    if frame.height == 0:
        raise InputError(f"{path.name} has no rows", do="name the sheet in the mapping")
    if frame.width > MAX_COLUMNS:
        raise _too_wide(path.name, frame.width)
    rows = [["" if c is None else str(c) for c in row] for row in frame.iter_rows()]
    return [c.strip() for c in rows[0]], _without_blank_end(rows[1:])


def _without_blank_end(rows: list[list[str]]) -> list[list[str]]:
    """Blank lines at the end are no rows; one in the middle is, so that row numbers stay true."""
    end = len(rows)
    while end and not any(rows[end - 1]):
        end -= 1
    return rows[:end]


def _too_wide(name: str, n: int) -> InputError:
    return InputError(
        f"{name} has {n:,} columns",
        expected=f"at most {MAX_COLUMNS:,} columns in a table of records or sample metadata",
        do="if this is a feature table, import it as abundance.tsv (tidy), BIOM or qza",
    )


def _check_header(name: str, header: list[str]) -> None:
    if "" in header:
        raise InputError(f"{name}: column {header.index('') + 1} has no name", do="name every column")
    if twice := sorted({c for c in header if header.count(c) > 1}):
        raise InputError(f"{name}: column {twice[0]!r} stands twice", do="give each column its own name")


def _check_rows(name: str, header: list[str], rows: list[list[str]], problems: list[Problem]) -> None:
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            problems.append(
                Problem(
                    table=name,
                    row=number,
                    column="",
                    value=row[0] if row else "",
                    rule="ragged_row",
                    message=f"the row has {len(row)} cells, the header {len(header)}",
                )
            )
    if not rows:
        problems.append(Problem(name, 0, "", "", "no_rows", "the table has a header but no rows"))
