"""One declaration, two interpreters: for every instrument the frame and the single patient agree."""

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal.vocabulary.instruments import Instrument, Item, instruments, score, score_one

CODES = instruments().codes


def answer(item: Item) -> st.SearchStrategy[float | None]:
    if item.values:
        good = st.sampled_from([float(v) for v in item.values])
    elif item.step:
        steps = round((item.maximum - item.minimum) / item.step)
        good = st.integers(0, steps).map(lambda n: item.minimum + n * item.step)
    else:
        good = st.floats(item.minimum, item.maximum)
    wrong = st.sampled_from([item.minimum - 1.0, item.maximum + 1.0, math.nan, math.inf])
    return st.integers(0, 19).flatmap(lambda n: st.none() if n < 2 else wrong if n == 2 else good)


@st.composite
def assessments(draw: st.DrawFn, declared: Instrument) -> dict[str, float | None]:
    only_items = draw(st.booleans())
    inputs = {i.code: i for i in declared.items} if only_items and declared.items else declared.inputs
    return {code: draw(answer(item)) for code, item in inputs.items() if draw(st.integers(0, 9))}


def long(code: str, visits: dict[str, dict[str, float | None]]) -> pl.DataFrame:
    rows = [
        {
            "patient_id": "P",
            "visit_id": visit,
            "instrument": code,
            "item": item,
            "occurrence": 1,
            "value": value,
        }
        for visit, answers in visits.items()
        for item, value in answers.items()
    ]
    schema = {
        "patient_id": pl.String,
        "visit_id": pl.String,
        "instrument": pl.String,
        "item": pl.String,
        "occurrence": pl.Int64,
        "value": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema)


def same(left: object, right: object) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)
    return left == right


@pytest.mark.slow
@pytest.mark.parametrize("code", CODES)
def test_frame_and_patient_agree(code: str):
    declared = instruments().get(code)

    @given(assessments(declared), assessments(declared))
    @settings(deadline=None, max_examples=8, database=None)
    def agree(before: dict[str, float | None], now: dict[str, float | None]):
        visits = {"A": before, "B": now}
        base = pl.DataFrame({"patient_id": ["P"], "visit_id": ["A"]})
        for row in score(code, long(code, visits), baseline_visits=base).iter_rows(named=True):
            one = score_one(code, visits[row["visit_id"]], baseline=before)
            assert all(same(row[name], value) for name, value in one.scores.items()), (row, one)
            assert all(row[name] is value for name, value in one.criteria.items()), (row, one)
            assert (row["band"], row["reason"], row["n_refused"]) == (one.band, one.reason, len(one.problems))
            for declared_score in declared.scores:
                value = row[declared_score.code]
                assert (
                    value is None or declared_score.minimum - 1e-6 <= value <= declared_score.maximum + 1e-6
                )

    agree()
