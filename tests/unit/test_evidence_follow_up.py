"""Follow-up, analysis sets, donors and comparators on studies small enough to count by hand."""

import polars as pl
import pytest

from commensal.errors import InputError
from commensal.evidence.analysis_sets import analysis_sets
from commensal.evidence.comparators import comparators
from commensal.evidence.flow import donor_flow
from commensal.evidence.follow_up import follow_up
from commensal.evidence.ground import ground_of
from commensal.evidence.participants import Settings, participants
from commensal.study import Manifest, study_of
from commensal.study.results import RESULTS

# a is seen at week 8; b died on day 30; c was lost on day 20; d withdrew on day 10; e missed; f is not due.
PATIENTS = pl.DataFrame(
    {
        "patient_id": list("abcdef"),
        "arm": ["fmt"] * 6,
        "indication": ["uc"] * 6,
        "cohort": ["retrospective"] * 6,
        "index_day": [0, 0, 0, 0, 0, 160],
    }
)
SESSIONS = pl.DataFrame(
    {
        "session_id": list("123456"),
        "patient_id": list("abcdef"),
        "administered_day": [0, 0, 0, 0, 0, 160],
    }
)
VISITS = pl.DataFrame(
    {
        "visit_id": ["va", "ve", "vf"],
        "patient_id": ["a", "e", "f"],
        "visited_day": [60, 170, 165],
        "status": ["attended"] * 3,
    }
)
ENDS = pl.DataFrame(
    {
        "disposition_id": ["1", "2", "3", "4", "5"],
        "patient_id": ["b", "c", "c", "d", "d"],
        "kind": ["death", "lost_to_follow_up", "last_contact", "withdrawal", "last_contact"],
        "occurred_day": [30, 20, 20, 10, 10],
    }
)


def ground(*, cut: int | None = 180, **tables):
    frames = {"patients": PATIENTS, "sessions": SESSIONS, "visits": VISITS, "dispositions": ENDS} | tables
    manifest = Manifest(origin="test", clock="patient", data_cut_day=cut)
    return ground_of(study_of(frames, manifest=manifest), landmarks=["W8"])


def cell(rows, landmark="W8", by="all", level="all"):
    found = rows.filter(
        pl.col("landmark").eq_missing(pl.lit(landmark))
        & (pl.col("group_variable") == by)
        & (pl.col("group_level") == level)
    ).to_dicts()
    assert len(found) == 1
    return found[0]


def test_everybody_due_is_in_one_state():
    found = cell(follow_up(ground()))
    names = ("due", "not_due", "unknown", "seen", "missed", "lost", "withdrawn", "dead")
    assert [found[f"n_{n}"] for n in names] == [5, 1, 0, 1, 1, 1, 1, 1]


def test_clarks_c_is_observed_over_potential_time_and_death_completes_it():
    found = cell(follow_up(ground()))
    # To day 56: a 56, b 30 (death), c 20, d 10, e 56, f 5 of the 20 days to the data cut.
    observed, potential = 56 + 30 + 20 + 10 + 56 + 5, 56 + 30 + 56 + 56 + 56 + 20
    assert found["person_years"] == pytest.approx(observed / 365.25)
    assert found["completeness"] == pytest.approx(observed / potential)


def test_the_median_takes_death_for_censoring():
    # Follow-up ends at 5, 10, 20, 60 and 170, a death is at 30: the curve is half from 20 until 60.
    assert cell(follow_up(ground()), landmark=None)["median_years"] == pytest.approx(40 / 365.25)


def test_without_a_data_cut_nobody_is_due_and_the_row_says_why():
    found = cell(follow_up(ground(cut=None)))
    assert (found["n_due"], found["n_unknown"], found["completeness"]) == (0, 6, None)
    assert "data cut or the index day is unknown of 6" in found["reason"]


def test_a_study_without_visits_missed_none():
    found = cell(follow_up(ground(visits=VISITS.clear())))
    assert (found["n_due"], found["n_seen"], found["n_missed"]) == (5, None, None)
    assert "no visits are recorded" in found["reason"]


def test_the_full_data_set_is_a_flag_with_a_reason_for_everybody_outside():
    sets = analysis_sets(ground())
    assert sets["is_treated"].all()
    assert not sets["is_full_data"].any()
    assert sets["why_not_full"].null_count() == 0


def test_donors_are_followed_from_the_study_to_their_use():
    donors = pl.DataFrame(
        {
            "donor_id": list("vwxyz"),
            "kind": ["universal"] * 4 + ["healthy_reference"],
            "status": ["eligible", "excluded", "retired", None, None],
        }
    )
    tests = pl.DataFrame(
        {
            "result_id": list("123"),
            "donor_id": list("vwx"),
            "analyte": ["hiv"] * 3,
            "specimen": ["blood"] * 3,
        }
    )
    study = study_of(
        {"donors": donors, "screenings": tests}, manifest=Manifest(origin="test", clock="patient")
    )
    boxes = dict(donor_flow(study, used=["x", "y"]).select("step_id", "n").iter_rows())
    main = [boxes[f"donors{s}"] for s in ("", "_screened", "_accepted", "_used")]
    assert main == [4, 3, 2, 2]
    assert boxes["donors_screened:excluded"] == 1
    assert boxes["donors_used:unscreened"] == 1


def arms(*, n_treated=30, n_control=20):
    """Recurrent C. difficile: everyone was seen at week 8; every third treated and half of the controls had
    a recurrence on day 20."""
    n = n_treated + n_control
    names = [f"p{i:03}" for i in range(n)]
    failed = [i % 3 == 0 if i < n_treated else i % 2 == 0 for i in range(n)]
    patients = pl.DataFrame(
        {
            "patient_id": names,
            "arm": ["fmt"] * n_treated + ["antibiotics_only"] * n_control,
            "indication": ["rcdi"] * n,
            "cohort": ["prospective"] * n,
            "sex": ["female" if i % 4 else "male" for i in range(n)],
            "index_day": [0] * n,
        }
    )
    sessions = pl.DataFrame(
        {
            "session_id": [f"s{i}" for i in range(n_treated)],
            "patient_id": names[:n_treated],
            "administered_day": [0] * n_treated,
        }
    )
    visits = pl.DataFrame(
        {
            "visit_id": [f"v{i}" for i in range(n)],
            "patient_id": names,
            "visited_day": [60] * n,
            "status": ["attended"] * n,
        }
    )
    again = [name for name, bad in zip(names, failed, strict=True) if bad]
    events = pl.DataFrame(
        {
            "adverse_event_id": [f"e{i}" for i in range(len(again))],
            "patient_id": again,
            "term": ["ae18"] * len(again),
            "began_day": [20] * len(again),
        }
    )
    frames = {"patients": patients, "sessions": sessions, "visits": visits, "adverse_events": events}
    manifest = Manifest(origin="test", clock="patient", data_cut_day=400)
    return ground_of(study_of(frames, manifest=manifest), landmarks=["W8"])


def test_comparators_stand_beside_those_treated_with_their_counts():
    rows = comparators(arms(), level=0.95)["effects"]
    assert set(rows["model"]) == {"comparator_observed", "comparator_failures", "comparator_overlap"}
    assert rows.filter(pl.col("estimate").is_null() & pl.col("reason").is_null()).is_empty()
    crude = rows.filter((pl.col("model") == "comparator_observed") & (pl.col("unit") == "risk_difference"))
    assert crude.height == 1
    assert crude["estimate"][0] == pytest.approx(20 / 30 - 10 / 20)
    assert "20 of 30 against 10 of 20" in crude["reason"][0]
    assert rows.filter(pl.col("model") == "comparator_overlap")["estimate"].null_count() == 0
    key = list(RESULTS["effects"].key)
    assert not rows.select(key).is_duplicated().any()
    assert all("association" in r["reason"] for r in rows.to_dicts() if r["estimate"] is not None)


def test_no_comparator_no_rows_and_the_whole_of_participants_survives():
    assert comparators(ground(), level=0.95)["effects"].is_empty()
    tables = participants(ground(), level=0.95, seed=1)
    for name, rows in tables.items():
        assert not rows.select(list(RESULTS[name].key)).is_duplicated().any(), name
    assert set(tables["baseline"]["version"]) == {"observed", "weighted", "imputed"}


def test_participants_do_not_change_with_the_order_of_rows():
    shuffled = ground(patients=PATIENTS.reverse(), visits=VISITS.reverse(), dispositions=ENDS.reverse())
    one, two = (participants(g, level=0.95, seed=1) for g in (ground(), shuffled))
    for name in one:
        assert one[name].equals(two[name]), name


def test_impossible_settings_are_refused():
    with pytest.raises(InputError, match="measured after index"):
        Settings(weighted_by=("n_sessions",))
    with pytest.raises(InputError, match="imputations"):
        Settings(imputations=0)
