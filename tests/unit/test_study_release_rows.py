"""Releasing result tables: what is hidden says so, what cannot be asked is refused."""

import polars as pl
import pytest

from commensal.errors import InputError
from commensal.study.release import release


def effects(n: int, reason: str | None = None) -> pl.DataFrame:
    key = {"model": "cox", "endpoint": "remission", "population": "all", "term": "sex", "contrast": "male"}
    return pl.DataFrame([{**key, "estimate": 0.5, "lower": 0.1, "upper": 0.9, "n": n, "reason": reason}])


def test_a_hidden_row_says_so_and_keeps_its_key():
    row = release({"effects": effects(4)})[0]["effects"].row(0, named=True)
    assert (row["n"], row["estimate"], row["lower"], row["upper"]) == (None, None, None, None)
    assert row["reason"] == "hidden: fewer than 5"
    assert row["term"] == "sex"


def test_zero_is_shown_and_so_is_five():
    for n in (0, 5):
        assert release({"effects": effects(n)})[0]["effects"]["n"].to_list() == [n]


def test_a_small_number_in_a_remark_is_hidden_and_a_year_or_a_percentage_is_not():
    told = release({"effects": effects(50, "3 due died; since 2017; 12 not yet due; 95 % interval")})[0]
    assert told["effects"]["reason"][0] == "hidden: fewer than 5; since 2017; 12 not yet due; 95 % interval"


def test_one_small_box_takes_another_with_it():
    flow = pl.DataFrame(
        {
            "step_id": ["all", "a", "b", "c"],
            "parent_id": [None, "all", "all", "all"],
            "position": [1, 2, 3, 4],
            "label": ["All", "A", "B", "C"],
            "n": [100, 2, 30, 68],
        }
    )
    assert release({"flow": flow})[0]["flow"]["n"].to_list() == [100, None, None, 68]


def test_the_report_counts_what_was_hidden():
    _, told = release({"effects": effects(3), "identity": pl.DataFrame({"subject_id": ["P1"]})})
    assert told.rows() == [("effects", "released", 1, 1), ("identity", "left out", 1, 1)]


def test_a_minimum_of_one_and_an_unknown_table_are_refused():
    with pytest.raises(InputError, match="smallest count"):
        release({}, minimum=1)
    with pytest.raises(InputError, match="no result table"):
        release({"estimate": effects(9)})
