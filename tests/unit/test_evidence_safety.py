import numpy as np
import polars as pl
import pytest

from commensal.errors import InputError
from commensal.evidence.cohort import cohort_of
from commensal.evidence.proportion import clustered_proportion
from commensal.evidence.safety import NOT_RECORDED, Window, adverse_event_incidence
from commensal.study import Manifest, study_of

# Patients a and b have two sessions each and are seen on day 120; c is not seen after day 3; d died on day 5.
PATIENTS = pl.DataFrame({"patient_id": list("abcdk"), "arm": ["fmt"] * 4 + ["placebo"], "index_day": [0] * 5})
SESSIONS = pl.DataFrame(
    {
        "session_id": ["a1", "a2", "b1", "b2", "c1", "d1"],
        "patient_id": ["a", "a", "b", "b", "c", "d"],
        "administered_day": [0, 30, 0, 30, 0, 0],
        "route": ["colonoscopy"] * 2 + ["nasojejunal"] * 4,
    }
)
VISITS = pl.DataFrame(
    {
        "visit_id": ["va", "vb", "vc"],
        "patient_id": ["a", "b", "c"],
        "visited_day": [120, 120, 3],
        "status": ["attended"] * 3,
    }
)
DEATH = pl.DataFrame({"disposition_id": ["x"], "patient_id": ["d"], "kind": ["death"], "occurred_day": [5]})
EVENTS = pl.DataFrame(
    {
        "adverse_event_id": ["e1", "e2", "e3", "e4"],
        "patient_id": ["a", "b", "c", "b"],
        "session_id": ["a1", None, "c1", None],
        "term": ["ae01", "ae07", "ae01", "ae02"],
        # e2 follows b's second session by two days; e4 follows no session within a week.
        "began_day": [1, 32, 1, 60],
        "grade": [1, 3, 1, None],
        "is_serious": [False, True, False, False],
        "causality": ["probable", "possible", "possible", "unlikely"],
        "related_to": ["delivery", "microbiota", "delivery", None],
    }
)


def study(**tables):
    frames = {"patients": PATIENTS, "sessions": SESSIONS, "visits": VISITS, "dispositions": DEATH}
    return study_of(frames | tables, manifest=Manifest(origin="test", clock="patient"))


def incidence(**tables) -> pl.DataFrame:
    made = study(**tables)
    return adverse_event_incidence(made, cohort_of(made))


def row(frame, endpoint, unit, group="all", level="all"):
    found = frame.filter(
        (pl.col("endpoint") == endpoint)
        & (pl.col("unit") == unit)
        & (pl.col("group_variable") == group)
        & (pl.col("group_level") == level)
    ).to_dicts()
    assert len(found) == 1
    return found[0]


def test_procedures_not_followed_through_the_window_are_not_in_the_denominator():
    found = row(incidence(adverse_events=EVENTS), "adverse_event", "per_procedure")
    # a1, a2, b1, b2 were followed; d died within the window, which ends the question; c was not seen.
    assert (found["n_events"], found["n"], found["n_due"], found["n_missing"]) == (2, 5, 6, 1)
    assert found["estimate"] == pytest.approx(2 / 5)
    assert found["lower"] < 2 / 5 < found["upper"]


def test_an_event_without_a_named_session_follows_the_latest_one_before_it_within_the_window():
    found = row(incidence(adverse_events=EVENTS), "grade_3_event", "per_procedure", "route", "nasojejunal")
    assert (found["n_events"], found["n"]) == (1, 3)


def test_per_patient_counts_patients_and_tells_of_events_outside():
    found = row(incidence(adverse_events=EVENTS), "adverse_event", "per_patient")
    assert (found["n_events"], found["n"], found["n_due"]) == (2, 3, 4)
    assert "1 patients with an event were not followed" in found["reason"]


def test_no_event_has_an_upper_limit_over_the_ascertained():
    quiet = EVENTS.with_columns(is_serious=pl.lit(False))
    found = row(incidence(adverse_events=quiet), "serious_adverse_event", "per_patient")
    assert (found["estimate"], found["lower"]) == (0, 0)
    assert found["upper"] == pytest.approx(1 - 0.025 ** (1 / 3))


def test_person_time_ends_at_the_last_day_known():
    rows = incidence(adverse_events=EVENTS).filter(pl.col("method") == "exact Poisson")
    found = row(rows, "adverse_event", "per_100_person_years")
    years = (120 + 120 + 3 + 5) / 365.25
    assert found["estimate"] == pytest.approx(100 * 4 / years)


def test_events_with_an_unknown_grade_are_said_to_be_left_out():
    found = row(incidence(adverse_events=EVENTS), "grade_3_event", "per_patient")
    assert "1 events without a recorded grade" in found["reason"]


def test_no_record_is_not_zero():
    rows = incidence().to_dicts()
    assert [r["reason"] for r in rows] == [NOT_RECORDED]
    assert rows[0]["estimate"] is None
    assert (rows[0]["n_due"], rows[0]["n_missing"]) == (4, 4)


def test_terms_are_counted_per_procedure():
    found = row(incidence(adverse_events=EVENTS), "adverse_event", "per_procedure", "term", "ae01")
    assert (found["n_events"], found["n"]) == (1, 5)


def test_a_longer_window_ascertains_fewer():
    made = study(adverse_events=EVENTS)
    long = adverse_event_incidence(made, cohort_of(made), window=Window(procedure_days=100))
    assert row(long, "adverse_event", "per_procedure")["n"] == 3


def test_clusters_of_one_are_the_binomial_share_with_its_sandwich_error():
    hits = np.array([1.0, 0, 0, 1, 0, 0, 0, 1, 0, 0])
    found = clustered_proportion(hits, sizes=np.ones(10))
    assert found.estimate == pytest.approx(0.3)
    assert found.se == pytest.approx((0.3 * 0.7 / 9) ** 0.5)


def test_events_that_cluster_in_patients_widen_the_interval():
    spread = clustered_proportion(np.array([1.0, 1, 1, 1, 0, 0]), sizes=np.full(6, 4.0))
    heaped = clustered_proportion(np.array([4.0, 0, 0, 0, 0, 0]), sizes=np.full(6, 4.0))
    assert spread.estimate == heaped.estimate
    assert heaped.upper - heaped.lower > spread.upper - spread.lower


def test_no_units_are_refused():
    with pytest.raises(InputError):
        clustered_proportion(np.zeros(2), sizes=np.zeros(2))
