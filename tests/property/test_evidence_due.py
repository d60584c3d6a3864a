"""Due depends on index, window close and data cut; outcomes may be permuted, invented or taken away."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal.evidence.cohort import cohort_of
from commensal.evidence.landmarks import due_at, windows_of
from commensal.evidence.outcomes import records_of
from commensal.evidence.remission import outcome_rows, remission
from commensal.study import Manifest, study_of
from commensal.vocabulary.windows import due_on

LANDMARKS = ["W8", "M3", "Y1", "Y5"]
CUT = 3000
QUICK = settings(max_examples=12, deadline=None)
PATIENT = st.tuples(
    st.integers(900, 3000),  # index day
    st.sampled_from(["prospective", "retrospective", "ambispective", None]),
    st.lists(st.one_of(st.none(), st.integers(0, 500)), min_size=3, max_size=3),  # IBS-SSS at W8, M3, Y1
    st.one_of(st.none(), st.integers(10, 400)),  # day of death
)


def study(patients, outcomes):
    ids = [f"p{i}" for i in range(len(patients))]
    rows, visits = [], []
    for name, (index, _, _, _), values in zip(ids, patients, outcomes, strict=True):
        for day, value in zip((-5, 60, 91, 365), (300, *values), strict=True):
            visits.append((f"{name}:{day}", name, index + day, "attended"))
            rows.append((f"{name}:{day}", name, "ibs_sss", "total", 1, value))
    deaths = [
        (f"d-{n}", n, "death", p[0] + p[3]) for n, p in zip(ids, patients, strict=True) if p[3] is not None
    ]
    frames = {
        "patients": pl.DataFrame(
            [(n, "ibs_d", p[0], p[1], "fmt") for n, p in zip(ids, patients, strict=True)],
            schema=["patient_id", "indication", "index_day", "cohort", "arm"],
            orient="row",
        ),
        "sessions": pl.DataFrame(
            {"session_id": ids, "patient_id": ids, "administered_day": [p[0] for p in patients]}
        ),
        "visits": pl.DataFrame(
            visits, schema=["visit_id", "patient_id", "visited_day", "status"], orient="row"
        ),
        "assessments": pl.DataFrame(
            rows,
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
        "dispositions": pl.DataFrame(
            deaths,
            schema={
                "disposition_id": pl.String,
                "patient_id": pl.String,
                "kind": pl.String,
                "occurred_day": pl.Int64,
            },
            orient="row",
        ),
    }
    return study_of(frames, manifest=Manifest(origin="test", data_cut_day=CUT))


def denominators(made) -> dict:
    cohort = cohort_of(made)
    due = due_at(cohort, windows=windows_of(), at=LANDMARKS)
    rows = remission(outcome_rows(records_of(made, cohort, due), landmarks=LANDMARKS))
    keys = ["endpoint", "landmark", "population", "estimand", "group_variable", "group_level"]
    return {tuple(r[:-1]): r[-1] for r in rows.select(*keys, "n_due").iter_rows()}


@pytest.mark.slow
@given(st.lists(PATIENT, min_size=2, max_size=6), st.randoms(use_true_random=False))
@QUICK
def test_permuting_outcomes_leaves_n_due_unchanged(patients, random):
    outcomes = [p[2] for p in patients]
    permuted = list(outcomes)
    random.shuffle(permuted)
    none = [[None] * 3 for _ in patients]
    assert denominators(study(patients, outcomes)) == denominators(study(patients, permuted))
    seen = denominators(study(patients, none))
    assert all(seen.get(key, n) == n for key, n in denominators(study(patients, outcomes)).items())


@given(st.lists(PATIENT, min_size=1, max_size=6))
@QUICK
def test_the_table_of_all_agrees_with_the_rule_for_one(patients):
    cohort = cohort_of(study(patients, [p[2] for p in patients]))
    due = due_at(cohort, windows=windows_of(), at=LANDMARKS)
    by_patient = {(r["patient_id"], r["landmark"]): r["is_due"] for r in due.to_dicts()}
    for i, (index, group, _, _) in enumerate(patients):
        for landmark in LANDMARKS:
            one = due_on(landmark, index_day=index, cohort=group or "retrospective", data_cut_day=CUT)
            assert by_patient[f"p{i}", landmark] is one
