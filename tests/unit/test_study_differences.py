"""What changed between two freezes, told row by row by key."""

import polars as pl

from commensal.study import Manifest, study_of
from commensal.study.differences import differences, in_words


def study(**tables):
    frames = {name: pl.DataFrame(rows) for name, rows in tables.items()}
    return study_of(frames, manifest=Manifest(origin="test"))


BEFORE = study(
    patients=[
        {"patient_id": "P1", "arm": "fmt", "sex": None},
        {"patient_id": "P2", "arm": "fmt", "sex": "male"},
        {"patient_id": "P3", "arm": "fmt", "sex": "male"},
    ],
    visits=[{"visit_id": "V1", "patient_id": "P1", "status": "attended"}],
)


def test_rows_that_came_changed_and_went_are_counted_table_by_table():
    after = study(
        patients=[
            {"patient_id": "P1", "arm": "fmt", "sex": "female"},
            {"patient_id": "P2", "arm": "fmt", "sex": "male"},
            {"patient_id": "P4", "arm": "fmt", "sex": None},
        ],
        visits=[{"visit_id": "V1", "patient_id": "P1", "status": "attended"}],
        diaries=[{"patient_id": "P1", "recorded_on": None, "item": "pain", "value": 3.0}],
    )
    found = differences(BEFORE, after)
    assert found.rows() == [("patients", 1, 1, 1), ("diaries", 1, 0, 0)]
    assert in_words(found)[0] == "patients: 1 added, 1 changed, 1 removed"


def test_the_same_study_differs_in_nothing():
    assert differences(BEFORE, BEFORE).is_empty()
