"""Remission in clinical words: who is due, who counts, and what a missing answer does."""

import polars as pl
import pytest

from commensal.evidence.cohort import cohort_of
from commensal.evidence.landmarks import due_at, windows_of
from commensal.evidence.outcomes import records_of
from commensal.evidence.remission import (
    COMPOSITE,
    NON_RESPONDER,
    OBSERVED,
    missingness,
    not_defined,
    on_treatment,
    outcome_rows,
    remission,
)
from commensal.study import Manifest, study_of

pytestmark = pytest.mark.slow  # each makes a study and the facts of its patients

LANDMARKS = ["W8", "M3", "Y1", "Y5"]
HBI = "crohns_hbi_remission"


def table(text: str) -> list[list[str | None]]:
    """Cells of an ASCII table; '.' is unknown."""
    return [[None if c == "." else c for c in line.split()] for line in text.strip().splitlines()]


def study(patients: str, visits: str = "", *, cut: int | None = 2500, **tables: pl.DataFrame):
    """patients: id indication index_day [arm]; visits: id day instrument value (day from index)."""
    people = [[*row, "fmt"][:4] for row in table(patients)]
    index = {row[0]: int(row[2]) for row in people}
    seen = [(f"v{i}", *row) for i, row in enumerate(table(visits))] if visits else []
    treated = [row[0] for row in people if row[3] == "fmt"]
    frames = {
        "patients": pl.DataFrame(
            [(p, i, int(d), a, "prospective") for p, i, d, a in people],
            schema=["patient_id", "indication", "index_day", "arm", "cohort"],
            orient="row",
        ),
        "sessions": pl.DataFrame(
            {
                "session_id": [f"s-{p}" for p in treated],
                "patient_id": treated,
                "administered_day": [index[p] for p in treated],
                "route": ["colonoscopy"] * len(treated),
            }
        ),
        "visits": pl.DataFrame(
            [(v, p, index[p] + int(d), "attended") for v, p, d, _, _ in seen],
            schema={
                "visit_id": pl.String,
                "patient_id": pl.String,
                "visited_day": pl.Int64,
                "status": pl.String,
            },
            orient="row",
        ),
        "assessments": pl.DataFrame(
            [(v, p, i, "total", 1, float(x)) for v, p, _, i, x in seen if i and x],
            schema={
                "visit_id": pl.String,
                "patient_id": pl.String,
                "instrument": pl.String,
                "item": pl.String,
                "occurrence": pl.Int64,
                "value": pl.Float64,
            },
            orient="row",
        ),
    }
    return study_of(frames | tables, manifest=Manifest(origin="test", data_cut_day=cut))


def outcomes(made):
    cohort = cohort_of(made)
    due = due_at(cohort, windows=windows_of(), at=LANDMARKS)
    return outcome_rows(records_of(made, cohort, due), landmarks=LANDMARKS)


def estimate(made, endpoint, landmark, *, handling=OBSERVED, group="indication", level="crohns", active=True):
    rows = remission(outcomes(made)).filter(
        (pl.col("endpoint") == endpoint)
        & (pl.col("landmark") == landmark)
        & pl.col("estimand").str.starts_with(handling)
        & (pl.col("group_variable") == group)
        & (pl.col("group_level") == level)
        & (pl.col("population").str.contains("maintenance") != active)
    )
    return rows.to_dicts()[0] if rows.height else None


def exposures(*rows):
    return pl.DataFrame(
        [(f"e{i}", *row) for i, row in enumerate(rows)],
        schema={
            "exposure_id": pl.String,
            "patient_id": pl.String,
            "exposure": pl.String,
            "started_day": pl.Int64,
            "stopped_day": pl.Int64,
        },
        orient="row",
    )


OTHER_CARE = exposures(("a", "dietitian_review", 0, 0))

FIVE = """
a crohns 0
b crohns 0
c crohns 0
d crohns 0
e crohns 0
"""
VISITS = """
a -3 hbi 9
a 60 hbi 2
b -3 hbi 9
b 60 hbi 8
c -3 hbi 9
d -3 hbi 3
d 60 hbi 3
e 60 hbi 2
"""


def test_observed_cases_and_failures_stand_side_by_side():
    made = study(FIVE, VISITS)
    seen, failed = (estimate(made, HBI, "W8", handling=h) for h in (OBSERVED, NON_RESPONDER))
    assert (seen["n_events"], seen["n"], seen["n_due"], seen["n_missing"]) == (1, 2, 3, 1)
    assert (failed["n_events"], failed["n"], failed["n_due"], failed["n_missing"]) == (1, 3, 3, 1)
    assert seen["estimate"] == pytest.approx(1 / 2)
    assert failed["estimate"] == pytest.approx(1 / 3)


def test_a_patient_in_remission_at_baseline_is_maintenance():
    found = estimate(study(FIVE, VISITS), HBI, "W8", active=False)
    assert (found["n_events"], found["n"]) == (1, 1)


def test_a_patient_without_a_baseline_score_is_in_no_population_and_counted():
    found = estimate(study(FIVE, VISITS), HBI, "W8")
    assert "1 due without a baseline score" in found["reason"]


def test_not_yet_due_is_neither_missing_nor_failure():
    # The week-8 window closes on day 70 after index.
    closed, open_ = (
        estimate(study(FIVE, VISITS, cut=cut), HBI, "W8", handling=NON_RESPONDER) for cut in (70, 69)
    )
    assert (closed["n_due"], closed["n_missing"]) == (3, 1)
    assert (open_["n_due"], open_["n"], open_["n_missing"], open_["estimate"]) == (0, 0, 0, None)
    assert open_["reason"] == "nobody is due yet"


def test_without_a_data_cut_nobody_can_say_who_is_due():
    told = estimate(study(FIVE, VISITS, cut=None), HBI, "Y5", handling=NON_RESPONDER)
    assert (told["n_due"], told["n_missing"], told["estimate"]) == (0, 0, None)
    assert "who is due cannot be told" in told["reason"]


def test_a_visit_outside_the_window_is_not_moved_into_it():
    made = study("a crohns 0", "a -3 hbi 9\na 71 hbi 1")
    assert estimate(made, HBI, "W8")["n_missing"] == 1


def test_the_visit_closest_to_the_target_decides_and_a_tie_goes_to_the_earlier():
    made = study("a crohns 0", "a -3 hbi 9\na 86 hbi 9\na 96 hbi 1", exposures=OTHER_CARE)
    assert estimate(made, HBI, "M3")["n_events"] == 0


def test_remission_on_steroids_is_no_remission_from_three_months_on():
    steroids = exposures(("a", "steroid", 0, None))
    made = study("a crohns 0", "a -3 hbi 9\na 60 hbi 1\na 91 hbi 1", exposures=steroids)
    assert estimate(made, HBI, "W8")["n_events"] == 1
    late = estimate(made, HBI, "M3")
    assert (late["n_events"], late["n"]) == (0, 1)
    assert "free of steroids" in late["estimand"]


def test_where_no_exposures_are_recorded_steroid_free_remission_cannot_be_told():
    made = study("a crohns 0\nb crohns 0", "a -3 hbi 9\na 91 hbi 1\nb -3 hbi 9\nb 91 hbi 9")
    # b's active disease is plain whatever the drugs, but counting only such failures would be biased.
    for handling in (OBSERVED, NON_RESPONDER):
        found = estimate(made, HBI, "M3", handling=handling)
        assert (found["n"], found["n_missing"], found["estimate"]) == (0, 2, None)


def test_colectomy_is_a_known_failure_and_death_is_named():
    made = study(
        FIVE,
        VISITS + "c 1000 . .",
        procedures=pl.DataFrame(
            {"procedure_id": ["x"], "patient_id": ["a"], "kind": ["colectomy"], "performed_day": [30]}
        ),
        dispositions=pl.DataFrame(
            {"disposition_id": ["y"], "patient_id": ["c"], "kind": ["death"], "occurred_day": [40]}
        ),
    )
    found = estimate(made, HBI, "W8")
    assert (found["n_events"], found["n"], found["n_missing"]) == (0, 2, 1)
    assert "1 due died" in found["reason"]


def test_rescue_fails_only_under_the_composite_handling():
    rescue = exposures(("a", "biologic", 40, None)).with_columns(is_rescue=True)
    made = study(FIVE, VISITS, exposures=rescue)
    assert estimate(made, HBI, "W8", handling=NON_RESPONDER)["n_events"] == 1
    assert estimate(made, HBI, "W8", handling=COMPOSITE)["n_events"] == 0


def test_missing_outcomes_are_counted_by_reason():
    made = study(
        """
        a ibs_d 0
        b ibs_d 0
        c ibs_d 0
        d ibs_d 0
        e ibs_d 0
        f ibs_d 2490
        """,
        """
        a 60 . .
        b 10 . .
        """,
        dispositions=pl.DataFrame(
            {
                "disposition_id": ["1", "2", "3"],
                "patient_id": ["c", "d", "e"],
                "kind": ["lost_to_follow_up", "withdrawal", "death"],
                "occurred_day": [20, 20, 20],
            }
        ),
    )
    rows = missingness(outcomes(made)).filter(pl.col("landmark") == "W8")
    assert dict(rows.select("reason", "n").iter_rows()) == {
        "data_not_collected": 1,
        "missed_visit": 1,
        "lost": 1,
        "withdrew": 1,
        "died": 1,
        "not_yet_due": 1,
    }


CDI = "a rcdi 0"


def cdi(visits="", *, level="rcdi", **tables):
    return estimate(study(CDI, visits, **tables), "cdi_cure", "W8", level=level)


def recurrence(day, patient="a"):
    return pl.DataFrame(
        {"adverse_event_id": ["r"], "patient_id": [patient], "term": ["ae18"], "began_day": [day]}
    )


def test_a_recurrence_without_a_visit_is_a_failure_and_not_missing():
    found = cdi(adverse_events=recurrence(20))
    assert (found["n_events"], found["n"], found["n_missing"]) == (0, 1, 0)


@pytest.mark.parametrize(("day", "cured"), [(56, 0), (57, 1)])
def test_the_clock_of_cure_ends_on_day_56(day, cured):
    assert cdi("a 60 . .", adverse_events=recurrence(day))["n_events"] == cured


@pytest.mark.parametrize(("contact", "n"), [(55, 0), (56, 1)])
def test_cure_needs_a_contact_at_56_days(contact, n):
    found = cdi(f"a {contact} . .")
    assert (found["n"], found["n_events"]) == (n, n)


def test_retreatment_fails_the_primary_cure_but_not_the_overall_cure():
    tables = {
        "sessions": pl.DataFrame(
            {
                "session_id": ["1", "2"],
                "course_id": ["c1", "c2"],
                "patient_id": ["a", "a"],
                "administered_day": [0, 30],
            }
        ),
        "courses": pl.DataFrame(
            {
                "course_id": ["c1", "c2"],
                "patient_id": ["a", "a"],
                "purpose": ["induction", "retreatment"],
                "is_planned_at_index": [True, False],
            }
        ),
    }
    made = study(CDI, "a 95 . .", **tables)
    assert estimate(made, "cdi_cure", "W8", level="rcdi")["n_events"] == 0
    assert estimate(made, "cdi_overall_cure", "W8", level="rcdi")["n_events"] == 1


def test_what_no_source_defines_is_a_sentence_and_no_number():
    made = study("a parkinson 0")
    cohort = cohort_of(made)
    due = due_at(cohort, windows=windows_of(), at=LANDMARKS)
    rows = not_defined(cohort, due, landmarks=LANDMARKS).to_dicts()
    assert {r["landmark"] for r in rows} == set(LANDMARKS)
    assert all(r["estimate"] is None and "not defined" in r["reason"] for r in rows)


def test_nothing_is_pooled_over_diseases():
    made = study("a crohns 0\nb ibs_d 0", "a -3 hbi 9\na 60 hbi 2\nb -3 ibs_sss 300\nb 60 ibs_sss 20")
    rows = remission(outcomes(made)).filter(pl.col("n") > 0)
    assert rows["group_variable"].is_in(["indication", "route", "cohort"]).all()
    assert rows.filter(pl.col("group_variable") != "indication")["n"].max() == 1


def test_a_control_arm_of_the_literature_or_the_line_on_regression_stands_beside():
    made = study("a uc 0", "a -3 mayo 9\na 60 mayo 1")
    found = estimate(made, "uc_clinical_remission", "W8", level="uc")
    assert "control arms" in found["reference"]
    assert "regression to the mean" in found["reference"]


def test_a_child_is_judged_by_the_paediatric_instrument():
    made = study("a uc 0", "a -3 pucai 50\na 60 pucai 5")
    young = made.frames["patients"].with_columns(born_day=pl.lit(-4000, dtype=pl.Int32))
    made = study_of({**made.frames, "patients": young}, manifest=made.manifest)
    found = estimate(made, "uc_clinical_remission", "W8", level="uc")
    assert (found["n_events"], found["n"]) == (1, 1)


def test_an_adult_score_of_a_child_does_not_count():
    made = study("a uc 0", "a -3 mayo 9\na 60 mayo 1")
    young = made.frames["patients"].with_columns(born_day=pl.lit(-4000, dtype=pl.Int32))
    made = study_of({**made.frames, "patients": young}, manifest=made.manifest)
    found = estimate(made, "uc_clinical_remission", "W8", level="uc")
    assert (found["estimate"], found["n"]) == (None, 0)
    assert "no baseline score" in found["reason"]


def test_faecal_calprotectin_from_the_laboratory_is_the_biomarker_tier():
    laboratory = pl.DataFrame(
        {
            "lab_result_id": ["1", "2"],
            "patient_id": ["a", "a"],
            "analyte": ["calprotectin"] * 2,
            "value": [900.0, 100.0],
            "collected_day": [-5, 92],
        }
    )
    made = study("a uc 0", lab_results=laboratory, exposures=OTHER_CARE)
    found = estimate(made, "ibd_calprotectin_remission", "M3", level="uc")
    assert (found["n_events"], found["n"]) == (1, 1)


def test_the_share_still_on_treatment_at_three_months_is_reported():
    sessions = pl.DataFrame(
        {
            "session_id": ["1", "2", "3"],
            "patient_id": ["a", "a", "b"],
            "course_id": ["c", "c", "d"],
            "administered_day": [0, 112, 0],
        }
    )
    courses = pl.DataFrame(
        {"course_id": ["c", "d"], "patient_id": ["a", "b"], "is_planned_at_index": [True, True]}
    )
    made = study("a uc 0\nb uc 0", sessions=sessions, courses=courses)
    cohort = cohort_of(made)
    rows = on_treatment(cohort, due_at(cohort, windows=windows_of(), at=["M3"])).to_dicts()
    assert [(r["n_events"], r["n"]) for r in rows] == [(1, 2)]


def test_comparator_patients_stand_in_their_own_arm():
    made = study(
        "a ibs_d 0\nb ibs_d 0 placebo",
        "a -3 ibs_sss 300\na 60 ibs_sss 20\nb -3 ibs_sss 300\nb 60 ibs_sss 290",
    )
    arms = {
        level: estimate(made, "ibs_remission", "W8", group="arm", level=level)["n_events"]
        for level in ("fmt", "placebo")
    }
    assert arms == {"fmt": 1, "placebo": 0}
    assert estimate(made, "ibs_remission", "W8", level="ibs_d")["n"] == 1


def test_half_an_instrument_tells_of_no_failure_either():
    # Without endoscopy a success cannot be told. Bleeding of 3 alone rules remission out, but counting that
    # would observe failures only.
    items = [
        ("v0", "a", i, v)
        for i, v in [("stool_frequency", 3), ("rectal_bleeding", 3), ("endoscopy", 3), ("pga", 3)]
    ]
    items += [("v1", "a", i, v) for i, v in [("stool_frequency", 3), ("rectal_bleeding", 3), ("pga", 3)]]
    assessments = pl.DataFrame(
        [(v, p, "mayo", i, 1, float(x)) for v, p, i, x in items],
        schema=["visit_id", "patient_id", "instrument", "item", "occurrence", "value"],
        orient="row",
    )
    made = study("a uc 0", "a -3 . .\na 60 . .", assessments=assessments)
    clinical, partial = (
        estimate(made, endpoint, "W8", level="uc")
        for endpoint in ("uc_clinical_remission", "uc_partial_mayo_remission")
    )
    assert (clinical["n"], clinical["n_missing"]) == (0, 1)
    assert (partial["n"], partial["n_events"]) == (1, 0)


def test_the_clock_of_a_comparator_starts_at_index():
    made = study("a rcdi 0 antibiotics_only\nb rcdi 0 antibiotics_only", "a 60 . .\nb 60 . .")
    found = estimate(made, "cdi_cure", "W8", group="arm", level="antibiotics_only")
    assert (found["n_events"], found["n"]) == (2, 2)


def test_a_known_recurrence_without_a_later_contact_is_not_observed_at_one_year():
    # Freedom from recurrence could only be known by a contact, so neither may the recurrence count alone.
    made = study("a rcdi 0\nb rcdi 0", "a 60 . .\na 365 . .\nb 60 . .", adverse_events=recurrence(20, "b"))
    found = estimate(made, "cdi_recurrence_free", "Y1", level="rcdi")
    assert (found["n_events"], found["n"], found["n_missing"]) == (1, 1, 1)
