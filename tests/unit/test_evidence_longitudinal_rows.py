"""Rows about scores on a small synthetic centre, and the parts they are made of on hand-made frames."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from commensal.errors import InputError
from commensal.evidence.ground import Ground, ground_of
from commensal.evidence.longitudinal import Settings, quality_of_life
from commensal.evidence.longitudinal.departures import Departure
from commensal.evidence.longitudinal.equivalents import prednisolone_milligrams
from commensal.evidence.longitudinal.mmrm import Contrast
from commensal.evidence.longitudinal.relapses import observed_relapses, rate_of
from commensal.simulate import simulate
from commensal.study import open_study
from commensal.study.results import RESULTS

LANDMARKS = ("W8", "M3", "Y1", "Y5")


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    folder = tmp_path_factory.mktemp("centre") / "study"
    simulate(folder, n_patients=250, seed=5)
    return ground_of(open_study(folder), landmarks=LANDMARKS)


@pytest.fixture(scope="module")
def tables(ground: Ground) -> dict[str, pl.DataFrame]:
    return quality_of_life(ground, settings=Settings(), level=0.95, seed=1)


@pytest.mark.slow
def test_rows_are_of_the_declared_tables_once_each_and_never_nan(tables):
    for name, rows in tables.items():
        assert rows.columns == list(RESULTS[name].names)
        assert not rows.select(RESULTS[name].key).is_duplicated().any()
        for column in rows.select(pl.col(pl.Float64)).iter_columns():
            assert not column.is_nan().any()
    estimates = tables["estimates"]
    assert estimates.filter(pl.col("estimate").is_null() & pl.col("reason").is_null()).is_empty()
    assert estimates.filter(pl.col("n") > pl.col("n_due")).is_empty()


@pytest.mark.slow
def test_a_rerun_gives_the_same_rows(ground, tables):
    again = quality_of_life(ground, settings=Settings(), level=0.95, seed=1, processes=2)
    assert all(again[name].equals(rows) for name, rows in tables.items())


@pytest.mark.slow
def test_childrens_and_adults_instruments_have_no_patient_in_common(ground):
    from commensal.evidence.longitudinal.measured import measured_scores

    who = {}
    for measured in measured_scores(ground, settings=Settings(instruments=("mayo", "pucai"))):
        known = set(measured.patients["patient_id"])
        who.setdefault(measured.instrument.code, set()).update(known)
    assert who["mayo"]
    assert who["pucai"]
    assert not who["mayo"] & who["pucai"]


@pytest.mark.slow
def test_observed_change_equals_a_walk_over_the_records(ground, tables):
    assessed = ground.records.assessed["ibs_sss"]
    base = dict(assessed.baseline.select("patient_id", "total").drop_nulls().iter_rows())
    treated = ground.treated.filter(pl.col("indication") == "ibs_c")
    changes, n_due = [], 0
    for patient in treated["patient_id"]:
        due = ground.records.due.filter((pl.col("patient_id") == patient) & (pl.col("landmark") == "M3"))
        target, opens, closes, is_due = due.select("target", "open", "close", "is_due").row(0)
        age = treated.filter(pl.col("patient_id") == patient)["age_at_index_years"][0]
        if not is_due or age < 18:
            continue
        n_due += 1
        visits = assessed.visits.filter(pl.col("patient_id") == patient).drop_nulls("total")
        inside = [
            (abs(day - target), day, total)
            for day, total in visits.select("day", "total").iter_rows()
            if opens <= day <= closes
        ]
        if inside and patient in base:
            changes.append(min(inside)[2] - base[patient])
    row = tables["estimates"].filter(
        (pl.col("endpoint") == "change_in_ibs_sss_total")
        & (pl.col("landmark") == "M3")
        & (pl.col("group_level") == "ibs_c")
        & pl.col("method").str.starts_with("mean")
    )
    assert (row["n"][0], row["n_due"][0]) == (len(changes), n_due)
    assert row["estimate"][0] == pytest.approx(np.mean(changes))
    assert row["se"][0] == pytest.approx(np.std(changes, ddof=1) / len(changes) ** 0.5)


@pytest.mark.slow
def test_scores_do_not_move_who_is_due(ground, tables):
    shuffled = {
        code: type(a)(
            a.instrument,
            a.visits.with_columns(pl.all().exclude("patient_id", "visit_id", "day").shuffle(seed=1)),
            a.baseline,
        )
        for code, a in ground.records.assessed.items()
    }
    records = type(ground.records)(**{**vars(ground.records), "assessed": shuffled})
    other = Ground(**{**vars(ground), "records": records})
    keys = ["endpoint", "landmark", "group_level"]
    counts = [
        found["estimates"]
        .filter(pl.col("endpoint").str.starts_with("change_in") & pl.col("method").str.starts_with("mean of"))
        .select(*keys, "n_due")
        .sort(keys)
        for found in (tables, quality_of_life(other, settings=Settings(), level=0.95, seed=1))
    ]
    assert counts[0].equals(counts[1])


def test_prednisolone_equivalents_are_known_or_unknown_never_zero():
    doses = pl.DataFrame(
        {
            "agent": [
                "Prednisone",
                "hydrocortisone",
                "budesonide",
                "dexamethasone",
                "prednisolone",
                None,
                "prednisolone",
            ],
            "dose": [20.0, 20.0, 9.0, 750.0, 0.0, 5.0, None],
            "dose_unit": ["mg", "mg", "mg", "ug", "mg", "mg", "mg"],
            "doses_per_day": [1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0],
        }
    )
    found = doses.select(prednisolone_milligrams()).to_series().to_list()
    assert found == [20.0, 10.0, None, pytest.approx(5.0), 0.0, None, None]


def test_relapses_count_from_the_first_remission_to_the_last_assessed_visit():
    judged = pl.DataFrame(
        [
            *[
                ("a", day, well)
                for day, well in ((10, False), (100, True), (200, False), (300, True), (465, False))
            ],
            *[("b", day, well) for day, well in ((50, True), (100, None), (150, True))],
            ("c", 90, True),
            ("d", 90, False),
            *[("e", day, well) for day, well in ((-5, True), (30, False), (60, True), (90, True))],
        ],
        schema=["patient_id", "day", "success"],
        orient="row",
    )
    found = {p: (n, round(years * 365.25)) for p, n, years in observed_relapses(judged).iter_rows()}
    assert found == {"a": (2, 365), "b": (0, 100), "c": (0, 0), "e": (0, 30)}


def test_no_relapses_leave_an_upper_limit():
    rate = rate_of(np.array([0, 0]), np.array([1.0, 2.0]), level=0.95)
    assert (rate.estimate, rate.lower, rate.se) == (0, 0, None)
    assert rate.upper == pytest.approx(-math.log(0.025) / 3)


def test_departure_tips_where_its_limit_is_no_change():
    found = Contrast(-3.0, 0.5, 40.0, -4.0105, -1.9895, 0.0)
    moved = Departure(found, share=0.4, spread=0.001, worse=1, level=0.95)
    assert moved.tip is not None
    assert moved.at(moved.tip)[2] == pytest.approx(0, abs=1e-9)
    assert moved.at(0)[0] == -3.0
    better_is_higher = Departure(
        Contrast(3.0, 0.5, 40.0, 1.9895, 4.0105, 0.0), share=0.4, spread=0.001, worse=-1, level=0.95
    )
    assert better_is_higher.tip == pytest.approx(moved.tip)
    assert Departure(Contrast(0.1, 1, 9, -2, 2, 0.9), share=0.4, spread=0, worse=1, level=0.95).tip is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"deltas": (-0.1,)}, "deltas"),
        ({"instruments": ("mayoo",)}, "mayo"),
        ({"scores": ("mayo",)}, "mayo.partial"),
        ({"least_patients": 1}, "least_patients"),
        ({"working": "banded"}, "working"),
        ({"drugs": ("steroids",)}, "steroid"),
        ({"important_differences": ({"instrument": "eq_5d_5l", "points": 0, "source": "x"},)}, "points"),
        ({"instruments": "mayo"}, "a list"),
    ],
)
def test_settings_name_what_is_wrong(wrong, words):
    with pytest.raises(InputError, match=words):
        Settings(**wrong)


@pytest.mark.slow
def test_an_important_difference_given_takes_the_place_of_half_a_deviation(ground):
    given = {"instrument": "eq_5d_5l", "points": 8, "source": "a trial"}
    settings = Settings(instruments=("eq_5d_5l",), important_differences=(given,))
    rows = quality_of_life(ground, settings=settings, level=0.95, seed=1)["estimates"]
    words = rows.filter(pl.col("endpoint") == "response_in_eq_5d_5l_vas")["estimand"].unique().to_list()
    assert words
    assert all("up by 8 or more (a trial)" in text for text in words)
