"""The time-to-event part of a study, from a synthetic centre."""

from dataclasses import replace

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from commensal.evidence.ground import Ground, ground_of
from commensal.evidence.survival import Settings, time_to_event
from commensal.evidence.survival.courses import courses_of
from commensal.simulate import simulate
from commensal.study import open_study
from commensal.study.results import RESULTS

pytestmark = pytest.mark.slow
TABLES = {"curves", "numbers_at_risk", "estimates", "effects", "hypothesis_tests"}


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> Ground:
    folder = tmp_path_factory.mktemp("centre") / "study"
    simulate(folder, n_patients=250, seed=11)
    return ground_of(open_study(folder), landmarks=["W8", "M3", "Y1", "Y5"])


def run(ground: Ground, **settings) -> dict[str, pl.DataFrame]:
    return time_to_event(ground, settings=Settings(**settings), level=0.95, seed=1)


def with_cohort(ground: Ground, cohort: pl.DataFrame) -> Ground:
    return replace(ground, records=replace(ground.records, cohort=cohort))


def test_rows_are_of_the_declared_tables_without_nan_or_repeated_keys(ground):
    found = run(ground)
    assert set(found) == TABLES
    for name, rows in found.items():
        assert rows.columns == list(RESULTS[name].names)
        assert rows.height
        assert not rows.select(RESULTS[name].key).is_duplicated().any()
        for column, kind in rows.schema.items():
            assert kind != pl.Float64 or not rows[column].is_nan().any()


def test_what_has_no_number_has_a_reason(ground):
    found = run(ground)
    for name in ("curves", "estimates", "effects"):
        empty = found[name].filter(pl.col("estimate").is_null())
        assert empty["reason"].null_count() == 0
    tests = found["hypothesis_tests"].filter(pl.col("statistic").is_null())
    assert tests["reason"].null_count() == 0


def test_the_same_bytes_again_and_in_any_order_of_patients(ground):
    first, again = run(ground), run(ground)
    assert all(rows.equals(again[name]) for name, rows in first.items())
    shuffled = run(with_cohort(ground, ground.cohort.sample(fraction=1, shuffle=True, seed=3)))
    for name, rows in first.items():
        assert_frame_equal(rows, shuffled[name], rel_tol=1e-9, abs_tol=1e-12)


def test_sustained_cross_sectional_and_time_in_remission_are_different_rows(ground):
    rows = run(ground)["estimates"]
    assert set(rows["endpoint"]) == {"sustained_remission", "time_in_remission"}
    sustained = rows.filter(pl.col("endpoint") == "sustained_remission")
    assert (sustained["n"] + sustained["n_missing"] == sustained["n_due"]).all()
    time = rows.filter((pl.col("endpoint") == "time_in_remission") & pl.col("estimate").is_not_null())
    assert time.filter(pl.col("landmark") == "Y1")["estimate"].is_between(0, 365).all()


def test_a_model_with_too_few_events_is_refused_with_the_counts(ground):
    rows = run(ground, events_per_parameter=500)["effects"]
    assert rows["estimate"].null_count() == rows.height
    assert rows["reason"].str.contains(r"\d+ events|no event among \d+|never recorded").all()


def test_visits_after_death_and_deaths_before_index_are_left_out_and_counted(ground):
    dead = ground.cohort.with_columns(
        days_to_death=pl.when(pl.col("indication") == "functional_constipation")
        .then(pl.lit(60))
        .when(pl.col("indication") == "crohns")
        .then(pl.lit(-5))
        .otherwise("days_to_death")
    )
    courses = {(c.indication, c.event): c for c in courses_of(with_cohort(ground, dead).records)}
    late = courses["functional_constipation", "remission"]
    assert "visits dated after death are not used" in (late.reason or "")
    assert late.times["time"].max() <= 60
    gone = courses["crohns", "remission"]
    assert "dead before index are left out" in (gone.reason or "")
    assert gone.times.is_empty()


def test_entry_at_consent_is_said_and_counted(ground):
    consented = ground.cohort.with_columns(
        days_from_index_to_consent=pl.lit(40), cohort=pl.lit("ambispective")
    )
    late = with_cohort(ground, consented)
    found = run(late, is_truncated_at_consent=True, events_per_parameter=1)
    curves = found["curves"].filter(
        pl.col("curve").str.starts_with("cumulative") & pl.col("estimate").is_not_null()
    )
    assert curves["method"].str.contains("entry at consent").all()
    first = pl.col("endpoint").is_in(["first_remission", "first_response"])
    grey = found["effects"].filter(pl.col("model").str.starts_with("fine_gray") & first)
    assert grey["estimate"].null_count() == grey.height
    assert grey["reason"].str.contains("late entry").any()
    entered = courses_of(late.records, is_truncated_at_consent=True)
    for course in entered:
        assert (course.times["entry"].fill_null(0) < course.times["time"]).all()
    assert run(late)["curves"]["method"].str.contains("entry at consent").sum() == 0


def test_everybody_censored_draws_a_curve_that_says_so(ground):
    # No verdict is remission any more: the curve stays at zero and the models refuse.
    assessed = {
        code: replace(a, visits=a.visits.with_columns(pl.col(pl.Boolean) & False))
        for code, a in ground.records.assessed.items()
    }
    never = replace(ground, records=replace(ground.records, assessed=assessed))
    found = run(never)
    own = pl.col("curve") == "cumulative_incidence_of_remission"
    rows = found["curves"].filter(own & (pl.col("event") == "remission") & pl.col("estimate").is_not_null())
    assert rows["estimate"].max() == 0
    assert rows["reason"].str.contains("no event was observed").all()
    models = found["effects"].filter(pl.col("endpoint") == "first_remission")
    assert models["estimate"].null_count() == models.height
    assert models["reason"].str.contains("no event among|0 events|never recorded").all()
