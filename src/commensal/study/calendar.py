"""Calendar arithmetic in whole numbers: the same on every engine, and exact over leap years.

Ages cannot be had by dividing days: 18 years are 6,574 or 6,575 days. A date is split into year, month and
day with integer division alone, so that DuckDB, Polars and Spark agree to the day.
"""

from __future__ import annotations

from typing import Any

import narwhals as nw

Lazy = nw.LazyFrame[Any]

# Mean length of a year of the Gregorian calendar: 146,097 days in 400 years, here times 10,000.
_YEAR_IN_DAYS_E4 = 3_652_425


def with_age(frame: Lazy, born_day: str, on_day: str, *, name: str, clock: str) -> Lazy:
    """Add the age in completed years (integer) on a day; null where either day is unknown.

    On a calendar clock the age is exact: it rises on the birthday, on 1 March in common years for somebody
    born on 29 February. On a patient clock no birthday is known: the days lived are divided by the mean
    Gregorian year and the fraction dropped, which may be one year off on the days beside a birthday.
    """
    if clock == "patient":
        lived = (nw.col(on_day).cast(nw.Int64) - nw.col(born_day).cast(nw.Int64)) * 10_000
        return frame.with_columns((lived // _YEAR_IN_DAYS_E4).alias(name))
    frame = _with_parts(_with_parts(frame, born_day, "b"), on_day, "o")
    is_before_birthday = nw.col("o_mmdd") < nw.col("b_mmdd")
    years = nw.col("o_year") - nw.col("b_year")
    age = nw.when(is_before_birthday).then(years - 1).otherwise(years)
    known = nw.when(~(nw.col(born_day).is_null() | nw.col(on_day).is_null())).then(age)
    return frame.with_columns(known.alias(name)).drop("b_year", "b_mmdd", "o_year", "o_mmdd")


def _with_parts(frame: Lazy, day: str, prefix: str) -> Lazy:
    """Add ``{prefix}_year`` and ``{prefix}_mmdd`` (month × 100 + day) of days since 1970-01-01.

    After Howard Hinnant, "chrono-compatible low-level date algorithms" (civil_from_days): eras of 400 years
    of 146,097 days that begin on 1 March, so that the leap day is the last of its year. All numbers are
    positive after the year 0, where floor and truncated division are the same on every engine.
    """

    def c(name: str) -> nw.Expr:
        return nw.col(f"{prefix}_{name}")

    steps: list[dict[str, nw.Expr]] = [
        {"z": nw.col(day).cast(nw.Int64) + 719_468},
        {"era": c("z") // 146_097},
        {"doe": c("z") - c("era") * 146_097},
        {"yoe": (c("doe") - c("doe") // 1_460 + c("doe") // 36_524 - c("doe") // 146_096) // 365},
        {"doy": c("doe") - (c("yoe") * 365 + c("yoe") // 4 - c("yoe") // 100)},
        {"mp": (c("doy") * 5 + 2) // 153},
        {"day": c("doy") - (c("mp") * 153 + 2) // 5 + 1},
        {"month": nw.when(c("mp") < 10).then(c("mp") + 3).otherwise(c("mp") - 9)},
        {
            "year": c("yoe") + c("era") * 400 + nw.when(c("month") <= 2).then(nw.lit(1)).otherwise(nw.lit(0)),
            "mmdd": c("month") * 100 + c("day"),
        },
    ]
    for step in steps:
        frame = frame.with_columns(**{f"{prefix}_{name}": value for name, value in step.items()})
    return frame.drop(
        *[f"{prefix}_{name}" for name in ("z", "era", "doe", "yoe", "doy", "mp", "day", "month")]
    )
