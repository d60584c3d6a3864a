"""Feature tables: features as rows, samples as columns, made long and sparse and checked on the way.

Counts and proportions are told apart by their values and never mixed. What looks like percentages, or
like presence and absence, is refused until somebody says what it is.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from commensal.errors import InputError, Problem, nearest
from commensal.formats.files import read_text
from commensal.formats.sheets import sniff_delimiter

KINDS = ("counts", "proportions", "percent", "coverage")
SUM_TOLERANCE = 0.01
MAX_PROBLEMS = 1000
MAX_COUNT = 1e15

# Bad cells are told as problems; they do not go any further.
_PRESENT = pl.col("value").is_finite() & pl.col("value").is_between(0, MAX_COUNT, closed="right")


@dataclass(frozen=True)
class Matrix:
    """A feature table in long form.

    ``values`` has the columns sample_id, taxon_id and value, non-zero only. ``id_column`` is the name
    the first column had in the file.
    """

    id_column: str
    taxon_ids: tuple[str, ...]
    sample_ids: tuple[str, ...]
    values: pl.DataFrame


def read_matrix(path: Path, *, problems: list[Problem]) -> Matrix | None:
    """Read a text feature table; every bad cell, row and name is added to ``problems``.

    Returns None where the rows are not all as long as the header (the file may be truncated).
    """
    text = read_text(path).lstrip("\r\n")
    head, _, _ = text.partition("\n")
    delimiter = sniff_delimiter(head, name=path.name)
    header = [c.strip().strip('"') for c in head.rstrip("\r").split(delimiter)]
    if ragged := _ragged(text, delimiter, name=path.name):
        problems.extend(ragged)
        return None
    try:
        frame = pl.read_csv(
            io.BytesIO(text.encode()),
            separator=delimiter,
            has_header=False,
            skip_rows=1,
            infer_schema=False,
            new_columns=[str(i) for i in range(len(header))],
        )
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"{path.name} is not a feature table: {error}",
            expected="features as rows, samples as columns, every row as long as the header",
            do="make sure that the file is whole",
        ) from error
    if frame.width != len(header):
        raise InputError(f"{path.name}: rows have {frame.width} cells, the header {len(header)}")
    return _matrix(path.name, header, frame, problems)


def _ragged(text: str, delimiter: str, *, name: str) -> list[Problem]:
    """Rows that are longer or shorter than the header; left to the parser where cells are quoted."""
    if '"' in text:
        return []
    lines = text.rstrip("\r\n").split("\n")
    expected = lines[0].count(delimiter)
    return [
        Problem(
            table=name,
            row=number,
            column="",
            value=line[:40],
            rule="ragged_row",
            message=f"the row has {line.count(delimiter) + 1} cells, the header {expected + 1}",
        )
        for number, line in enumerate(lines[1:], start=1)
        if line.count(delimiter) != expected
    ][:MAX_PROBLEMS]


def _matrix(name: str, header: list[str], frame: pl.DataFrame, problems: list[Problem]) -> Matrix:
    features = [(f or "").strip() for f in frame["0"].to_list()]
    if not features:
        problems.append(Problem(name, 0, "", "", "no_rows", "the table has a header but no features"))
    text = frame.select(pl.exclude("0"))
    values = text.select(pl.all().str.strip_chars().cast(pl.Float64, strict=False)).to_numpy()
    # A blank cell is not a zero: what could not be read is NaN here, and a problem below.
    rows, columns = np.nonzero(values)
    matrix = matrix_of(
        name,
        taxon_ids=features,
        sample_ids=header[1:],
        rows=rows,
        columns=columns,
        data=values[rows, columns],
        problems=problems,
        written=lambda row, column: text[row, column] or "",
    )
    return replace(matrix, id_column=header[0])


def _name_problems(name: str, names: Sequence[str], *, what: str) -> list[Problem]:
    return [
        Problem(name, 0, "", value, f"{what}_twice", f"the {what} stands {n} times in the table")
        if value
        else Problem(name, 0, "", "", f"{what}_unnamed", f"{n} {what}s have no name")
        for value, n in Counter(names).items()
        if n > 1 or not value
    ][:MAX_PROBLEMS]


def matrix_of(
    name: str,
    *,
    taxon_ids: Sequence[str],
    sample_ids: Sequence[str],
    rows: np.ndarray,
    columns: np.ndarray,
    data: np.ndarray,
    problems: list[Problem],
    written: Callable[[int, int], str] | None = None,
) -> Matrix:
    """A matrix from sparse coordinates (feature row, sample column, value), each of them checked.

    ``written`` gives a cell as it stands in the file; without it a bad value is shown as the number it is.
    """
    problems += [
        *_name_problems(name, taxon_ids, what="feature"),
        *_name_problems(name, sample_ids, what="sample"),
    ]
    bad = ~np.isfinite(data) | (data < 0) | (data > MAX_COUNT)
    problems += [
        Problem(
            table=name,
            row=int(rows[i]) + 1,
            column=sample_ids[int(columns[i])],
            value=written(int(rows[i]), int(columns[i])) if written else str(data[i]),
            rule="abundance_not_a_number",
            message="an abundance is a number from 0 up; a blank is not a zero",
        )
        for i in np.flatnonzero(bad)[:MAX_PROBLEMS]
    ]
    values = pl.DataFrame(
        {
            "sample_id": pl.Series(sample_ids, dtype=pl.String).gather(columns),
            "taxon_id": pl.Series(taxon_ids, dtype=pl.String).gather(rows),
            "value": np.asarray(data, dtype=float),
        }
    ).filter(_PRESENT)
    return Matrix("feature_id", tuple(taxon_ids), tuple(sample_ids), values)


def kind_of(matrix: Matrix, *, name: str, declared: str | None, problems: list[Problem]) -> str | None:
    """Return ``counts``, ``proportions``, ``percent`` or ``coverage``; None (with a problem) if unclear."""
    if declared is not None and declared not in KINDS:
        raise InputError(f"abundance = {declared!r} does not exist", expected=nearest(declared, KINDS))
    value = matrix.values["value"]
    sums = matrix.values.group_by("sample_id", maintain_order=True).agg(pl.col("value").sum())["value"]
    fault = (
        _declared_fault(declared, value, sums)
        if declared
        else _guess_fault(value, sums, n_samples=len(matrix.sample_ids))
    )
    if fault:
        problems.append(Problem(name, 0, "", *fault))
        return None
    return declared or ("counts" if _are_whole(value) else "proportions")


def _are_whole(value: pl.Series) -> bool:
    return bool((value == value.round()).all())


def _declared_fault(declared: str, value: pl.Series, sums: pl.Series) -> tuple[str, str, str] | None:
    top = {"proportions": 1.0, "percent": 100.0}.get(declared)
    if declared == "counts" and not _are_whole(value):
        first = value.filter(value != value.round())[0]
        return str(first), "count_not_whole", "declared as counts, but not a whole number"
    if top and any(s > top * (1 + SUM_TOLERANCE) for s in sums):
        return f"{max(sums):g}", "share_above_whole", f"declared as {declared}, but a sample sums to more"
    return None


def _guess_fault(value: pl.Series, sums: pl.Series, *, n_samples: int) -> tuple[str, str, str] | None:
    """Why the values cannot be taken as counts or as proportions; None where they can."""
    if value.is_empty():
        return "", "no_abundance", "the table holds no abundance above zero"
    low, high = _number(sums.min()), _number(sums.max())
    near_hundred = low >= 100 * (1 - SUM_TOLERANCE) and high <= 100 * (1 + SUM_TOLERANCE)
    if near_hundred and (n_samples > 1 or not _are_whole(value) or high == 100):
        return (
            f"{low:g} to {high:g}",
            "percentages",
            "every sample sums to 100: these are percentages, not counts. "
            'Divide by 100, or declare abundance = "percent" (or "counts") in a mapping file',
        )
    if _are_whole(value):
        if _number(value.max()) == 1 and high > 1:
            return (
                "1",
                "presence",
                "no value is above 1: this is presence and absence, not counts. "
                'Give the counts, or declare abundance = "counts" in a mapping file',
            )
        return None
    if high <= 1 + SUM_TOLERANCE:
        return None
    return (
        f"{_number(value.max()):g}",
        "neither_counts_nor_proportions",
        f"the values are neither whole numbers nor shares of 1 (samples sum to {low:g} to {high:g}). "
        'Give counts or proportions, or declare abundance = "coverage" in a mapping file to use shares',
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def abundances(matrix: Matrix, kind: str) -> pl.DataFrame:
    """Return table abundances: counts as they are, everything else as shares of 1."""
    if kind == "counts":
        return matrix.values.select("sample_id", "taxon_id", pl.col("value").cast(pl.Int64).alias("count"))
    whole = {"proportions": pl.lit(1.0), "percent": pl.lit(100.0)}.get(
        kind, pl.col("value").sum().over("sample_id")
    )
    # Rounding in the source can leave a single share a hair above 1.
    share = (pl.col("value") / whole).clip(upper_bound=1.0)
    return matrix.values.select("sample_id", "taxon_id", share.alias("proportion"))


def unmatched(name: str, ids: Iterable[str], others: Iterable[str], *, missing_in: str) -> list[Problem]:
    """Return a problem for each sample id of one file that the other lacks."""
    known = list(others)
    known_set = set(known)
    return [
        Problem(
            table=name,
            row=0,
            column="sample_id",
            value=sample,
            rule="sample_unmatched",
            message=f"the sample is not in {missing_in}",
        )
        for sample in ids
        if sample not in known_set
    ]
