"""Scoring a frame: refusals, recorded totals, repeats, ages."""

import polars as pl
import pytest

from commensal.errors import InputError
from commensal.vocabulary import check_answers, instrument, instrument_for, instruments, score, score_one
from commensal.vocabulary.instruments import choose
from commensal.vocabulary.instruments.expressions import parse


def frame(code: str, *rows: tuple[str, str, str, float | None], occurrence: int = 1) -> pl.DataFrame:
    columns = {"patient_id": pl.String, "visit_id": pl.String, "item": pl.String, "value": pl.Float64}
    made = pl.DataFrame(list(rows), schema=columns, orient="row")
    return made.with_columns(instrument=pl.lit(code), occurrence=pl.lit(occurrence, pl.Int64))


MAYO = ("stool_frequency", "rectal_bleeding", "endoscopy", "pga")


def mayo(patient: str, visit: str, *values: float | None) -> list[tuple[str, str, str, float | None]]:
    return [(patient, visit, item, value) for item, value in zip(MAYO, values, strict=True)]


def test_one_row_per_assessment_with_response_to_baseline():
    rows = frame(
        "mayo", *mayo("P1", "V0", 2, 2, 2, 2), *mayo("P1", "M3", 1, 0, 1, 0), *mayo("P2", "M3", 0, 0, None, 0)
    )
    base = pl.DataFrame({"patient_id": ["P1"], "visit_id": ["V0"]})
    out = score("mayo", rows, baseline_visits=base)
    assert out.select("patient_id", "visit_id", "total", "remission", "response", "reason").rows() == [
        ("P1", "M3", 2.0, True, True, None),
        ("P1", "V0", 8.0, False, False, None),
        ("P2", "M3", None, None, None, "items_missing"),
    ]
    assert out["partial_remission"].to_list() == [True, False, True]


def test_without_baseline_no_response_is_claimed():
    out = score("mayo", frame("mayo", *mayo("P1", "M3", 1, 0, 1, 0)))
    assert out["response"].to_list() == [None]


def test_an_answer_out_of_range_is_refused_and_its_scores_withheld():
    rows = frame("mayo", *mayo("P1", "M3", 1, 0, 7, 0))
    out = score("mayo", rows).row(0, named=True)
    assert (out["total"], out["partial"], out["reason"], out["n_refused"]) == (None, 1.0, "out_of_range", 1)
    assert check_answers("mayo", rows).select("item", "value", "rule").rows() == [
        ("endoscopy", 7.0, "out_of_range")
    ]
    one = score_one("mayo", dict(zip(MAYO, (1, 0, 7, 0), strict=True)))
    assert one.problems == ("endoscopy is 7, expected 0 to 3 in steps of 1",)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, 0.5, 101])
def test_nothing_strange_becomes_a_score(value: float):
    answers = {
        "pain_severity": 50,
        "pain_days": value,
        "distension": 50,
        "dissatisfaction": 5,
        "interference": 5,
    }
    assert score_one("ibs_sss", answers).scores["total"] is None


def test_a_computed_score_that_cannot_be_is_withheld():
    scored = score_one("csbm_diary", {"csbm_count": 400, "days_recorded": 7})
    assert (scored.scores["csbm_per_week"], scored.reason) == (None, "out_of_range")


def test_ibs_sss_on_its_other_scale_is_noticed():
    items = ("pain_severity", "pain_days", "distension", "dissatisfaction", "interference")
    small = frame("ibs_sss", *[("P", "V", item, 10.0) for item in items])
    assert set(check_answers("ibs_sss", small)["rule"]) == {"suspect_scale"}
    assert check_answers("ibs_sss", small.with_columns(pl.col("value") * 10)).is_empty()
    assert score_one("ibs_sss", dict.fromkeys(items, 7)).reason == "out_of_range"
    assert score_one("ibs_sss", dict.fromkeys(items[1:], 50)).scores["total"] is None


def test_a_recorded_total_stands_in_but_may_not_contradict_its_items():
    items = dict(zip(MAYO, (1, 0, 1, 0), strict=True))
    assert score_one("mayo", {"total": 6}).scores["total"] == 6
    assert score_one("mayo", items | {"total": 2}).scores["total"] == 2
    differs = score_one("mayo", items | {"total": 3})
    assert (differs.scores["total"], differs.reason) == (None, "total_differs_from_items")


def test_total_names_the_only_score():
    assert score_one("pain_nrs", {"total": 4}).scores == {"pain": 4.0}
    assert (
        score("calprotectin", frame("calprotectin", ("P", "V", "total", 90)))["biomarker_remission"].item()
        is True
    )
    with pytest.raises(InputError, match="das28_crp"):
        score_one("das28", {"total": 3})


def test_unknown_items_double_answers_and_two_baselines_are_refused():
    with pytest.raises(InputError, match="endoscopy"):
        score("mayo", frame("mayo", ("P", "V", "endoscpy", 1)))
    with pytest.raises(InputError, match="twice"):
        score("mayo", frame("mayo", ("P", "V", "pga", 1), ("P", "V", "pga", 2)))
    both = pl.concat(
        [frame("pain_nrs", ("P", "V", "pain", 5)), frame("pain_nrs", ("P", "V", "pain", 6), occurrence=2)]
    )
    assert score("pain_nrs", both)["score"].to_list() == [5, 6]
    with pytest.raises(InputError, match="two baseline"):
        score("pain_nrs", both, baseline_visits=pl.DataFrame({"patient_id": ["P"], "visit_id": ["V"]}))


@pytest.mark.parametrize("code", instruments().codes)
def test_no_assessments_give_no_rows_of_the_same_shape(code: str):
    empty = frame(code).lazy()
    other = frame("hbi" if code != "hbi" else "mayo", ("P", "V", "total", 3.0))
    assert score(code, empty).is_empty()
    assert score(code, other).schema == score(code, empty).schema


def test_row_order_does_not_matter():
    rows = frame(
        "mayo", *mayo("P1", "V0", 2, 2, 2, 2), *mayo("P1", "M3", 1, 0, 1, 0), *mayo("P2", "M3", 0, 0, 3, 0)
    )
    assert score("mayo", rows).equals(score("mayo", rows.reverse()))


@pytest.mark.parametrize(
    ("purpose", "age", "code"),
    [
        ("uc", 17.9, "pucai"),
        ("uc", 18, "mayo"),
        ("crohns", 17, "wpcdai"),
        ("crohns", 18, "cdai"),
        ("health_status", 16, "eq_5d_5l"),
        ("health_status", 15.9, "eq_5d_y"),
        ("health_status", 5, "eq_5d_y"),
        ("health_status", 3, None),
        ("health_profile", 12, "peds_ql"),
        ("health_profile", 40, "rand_36"),
        ("ibs_d", 12, None),
        ("fibromyalgia", 30, "fiqr"),
    ],
)
def test_children_are_not_scored_with_adult_instruments(purpose: str, age: float, code: str | None):
    chosen = instrument_for(purpose, age_years=age)
    assert (chosen.code if chosen else None) == code
    assert chosen is None or chosen.is_for_age(age)


def test_a_young_childs_answers_are_a_proxys():
    chosen = choose("health_status", age_years=6)
    assert chosen is not None
    assert chosen.by_proxy
    with pytest.raises(InputError, match="health_status"):
        choose("health_statis", age_years=6)


def test_name_clashes_are_kept_apart():
    assert instrument("cdai").label != instrument("cdai_ra").label
    with pytest.raises(InputError, match="abc_a"):
        instrument("abc")


@pytest.mark.parametrize(
    "formula",
    ["__import__('os')", "a.b", "a if b else c", "a ** 2", "[a]", "a != 1", "'x_*'", "drop(1)", "foo(a)"],
)
def test_a_formula_holds_nothing_else(formula: str):
    with pytest.raises(ValueError, match=r"may not|takes one|stands for no item"):
        parse(formula, ("a", "b", "c"))
