"""Problems as rows: how a check says what it found."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from commensal.errors import Problem

SEVERITIES = ("error", "warning", "safety")
SCHEMA: dict[str, pl.DataType] = {
    "table": pl.String(),
    "row": pl.Int64(),
    "column": pl.String(),
    "value": pl.String(),
    "rule": pl.String(),
    "message": pl.String(),
    "severity": pl.String(),
}


def none_found() -> pl.DataFrame:
    """A frame of problems without rows."""
    return pl.DataFrame(schema=SCHEMA)


def problem(
    table: str, *, rule: str, message: str, column: str = "", value: str = "", severity: str = "error"
) -> pl.DataFrame:
    """One problem of a whole table (row 0)."""
    row = (table, 0, column, value, rule, message, severity)
    return pl.DataFrame([row], schema=SCHEMA, orient="row")


def problems_at(
    broken: pl.DataFrame, table: str, *, column: str, rule: str, message: str, severity: str = "error"
) -> pl.DataFrame:
    """One problem for each row of ``broken``.

    ``broken`` holds ``row`` (data rows counted from 0) and the column, whose value is shown; ``column`` may
    be empty for a fault of the whole row.
    """
    if not broken.height:
        return none_found()
    value = pl.col(column).cast(pl.String).fill_null("") if column in broken.columns else pl.lit("")
    return broken.select(
        pl.lit(table).alias("table"),
        pl.col("row").cast(pl.Int64) + 1,
        pl.lit(column).alias("column"),
        value.alias("value"),
        pl.lit(rule).alias("rule"),
        pl.lit(message).alias("message"),
        pl.lit(severity).alias("severity"),
    )


def joined(found: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """All problems in one frame, in the order they were found."""
    return pl.concat([none_found(), *found])


def as_problems(problems: pl.DataFrame) -> tuple[Problem, ...]:
    """The rows as :class:`~commensal.errors.Problem` values, for ``ProblemsFoundError``."""
    return tuple(Problem(**row) for row in problems.iter_rows(named=True))


def is_usable(problems: pl.DataFrame) -> bool:
    """Whether a study with these problems may be analysed: warnings only."""
    return problems["severity"].is_in(["error", "safety"]).sum() == 0
