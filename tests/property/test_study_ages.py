"""Ages by integer division agree with the calendar, on Polars and on DuckDB."""

import datetime as dt

import narwhals as nw
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal import engine
from commensal.study.calendar import with_age

DATES = st.dates(min_value=dt.date(1850, 1, 1), max_value=dt.date(2199, 12, 31))


def completed_years(born: dt.date, on: dt.date) -> int:
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def ages(pairs: list[tuple[dt.date, dt.date]], *, on_duckdb: bool) -> list[int]:
    days = [[(day - dt.date(1970, 1, 1)).days for day in pair] for pair in pairs]
    frame = pl.DataFrame(days, schema={"born": pl.Int32, "on": pl.Int32}, orient="row").with_row_index("at")
    lazy = engine.place(frame) if on_duckdb else nw.from_native(frame.lazy())
    aged = with_age(lazy, "born", "on", name="age", clock="calendar").sort("at").collect("polars").to_native()
    assert aged.columns == ["at", "born", "on", "age"]
    return aged["age"].to_list()


@pytest.mark.parametrize("on_duckdb", [False, True])
@settings(max_examples=15, deadline=None)
@given(pairs=st.lists(st.tuples(DATES, DATES), min_size=1, max_size=40))
def test_ages_agree_with_the_calendar(on_duckdb, pairs):
    assert ages(pairs, on_duckdb=on_duckdb) == [completed_years(*pair) for pair in pairs]


@pytest.mark.parametrize("on_duckdb", [False, True])
def test_every_day_of_a_leap_cycle(on_duckdb):
    born = dt.date(1996, 2, 29)
    pairs = [(born, dt.date(1999, 1, 1) + dt.timedelta(days=i)) for i in range(146_097 // 40)]
    assert ages(pairs, on_duckdb=on_duckdb) == [completed_years(*pair) for pair in pairs]
