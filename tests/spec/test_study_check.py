"""What `check` promises: a sound study has no problems; each fault is told with its table, row and value."""

import datetime as dt
import json

import polars as pl
import pytest

from commensal.errors import ProblemsFoundError
from commensal.study import Manifest, as_problems, check, demand_usable, is_usable, study_of, write_study

INDEX = dt.date(2024, 3, 1)


def on(days: int) -> dt.date:
    return INDEX + dt.timedelta(days=days)


def sound() -> dict[str, list[dict]]:
    """One patient treated with one donor's unit and one comparator, followed to week 8."""
    return {
        "sites": [{"site_id": "s"}],
        "patients": [
            {"patient_id": "p1", "site_id": "s", "arm": "fmt", "born_on": on(-9000), "index_on": on(0)},
            {"patient_id": "p2", "site_id": "s", "arm": "placebo", "index_on": on(0)},
        ],
        "donors": [{"donor_id": "d1", "site_id": "s", "kind": "universal"}],
        "donations": [{"donation_id": "n1", "donor_id": "d1", "donated_on": on(-30)}],
        "batches": [{"batch_id": "b1", "produced_on": on(-30)}],
        "units": [
            {
                "unit_id": "u1",
                "batch_id": "b1",
                "release_pathway": "bookend",
                "produced_on": on(-30),
                "expires_on": on(300),
            }
        ],
        "unit_donors": [{"unit_id": "u1", "donor_id": "d1", "donation_id": "n1", "share": 1.0}],
        "custody": [
            {"event_id": "e1", "unit_id": "u1", "sequence": 1, "event": "released"},
            {"event_id": "e2", "unit_id": "u1", "sequence": 2, "event": "issued"},
        ],
        "courses": [{"course_id": "c1", "patient_id": "p1", "number": 1}],
        "sessions": [
            {
                "session_id": "x1",
                "course_id": "c1",
                "patient_id": "p1",
                "site_id": "s",
                "administered_on": on(0),
                "route": "colonoscopy",
                "dose_grams": 50.0,
            }
        ],
        "session_units": [{"session_id": "x1", "unit_id": "u1", "fraction": 1.0}],
        "visits": [
            {
                "visit_id": "v1",
                "patient_id": "p1",
                "visit": "W8",
                "visited_on": on(56),
                "status": "attended",
            }
        ],
        "assessments": [
            {"visit_id": "v1", "patient_id": "p1", "instrument": "mayo", "item": "total", "occurrence": 1}
        ],
        "adverse_events": [
            {"adverse_event_id": "a1", "patient_id": "p1", "began_on": on(1), "resolved_on": on(3)}
        ],
        "samples": [
            {"sample_id": "m1", "patient_id": "p1", "collected_on": on(0)},
            {"sample_id": "m2", "donor_id": "d1"},
        ],
        "taxa": [{"taxon_id": "t1"}, {"taxon_id": "t2"}],
        "abundances": [
            {"sample_id": "m1", "taxon_id": "t1", "count": 5},
            {"sample_id": "m1", "taxon_id": "t2", "count": 900},
            {"sample_id": "m2", "taxon_id": "t1", "count": 7},
        ],
    }


def frames(rows: dict[str, list[dict]]) -> dict[str, pl.DataFrame]:
    return {name: pl.DataFrame(some, infer_schema_length=None) for name, some in rows.items() if some}


def found(rows: dict[str, list[dict]], **manifest) -> list[tuple]:
    problems = check(study_of(frames(rows), manifest=Manifest(origin="test", **manifest)))
    return problems.select("table", "row", "column", "rule", "severity").rows()


def test_a_sound_study_has_no_problems_in_memory_and_on_disk(tmp_path):
    assert found(sound()) == []
    study = write_study(frames(sound()), tmp_path / "s", manifest=Manifest(origin="test"))
    assert check(study).rows() == []
    assert is_usable(check(study))


FAULTS = [
    # table, row to change (None: a new row), cells → the problem expected, as (table, row, column, rule)
    ("patients", 0, {"arm": None}, ("patients", 1, "arm", "required")),
    ("patients", 0, {"patient_id": ""}, ("patients", 1, "patient_id", "blank")),
    ("patients", 1, {"arm": "sham"}, ("patients", 2, "arm", "closed_list")),
    ("patients", 1, {"patient_id": "p1"}, ("patients", 2, "patient_id", "duplicate_key")),
    ("patients", 0, {"site_id": "elsewhere"}, ("patients", 1, "site_id", "reference")),
    ("patients", 0, {"born_on": on(5)}, ("patients", 1, "index_day", "before_birth")),
    ("patients", 0, {"index_on": on(-1)}, ("patients", 1, "index_day", "index_is_first_session")),
    ("patients", 0, {"indication": "jaundice"}, ("patients", 1, "indication", "closed_list")),
    ("sessions", 0, {"dose_grams": -1.0}, ("sessions", 1, "dose_grams", "limits")),
    ("sessions", 0, {"dose_grams": float("nan")}, ("sessions", 1, "dose_grams", "not_finite")),
    ("sessions", 0, {"dose_grams": float("inf")}, ("sessions", 1, "dose_grams", "not_finite")),
    ("sessions", 0, {"patient_id": "p2"}, ("sessions", 1, "patient_id", "comparator_session")),
    ("sessions", 0, {"patient_id": "p2"}, ("sessions", 1, "patient_id", "same_patient")),
    ("visits", 0, {"visited_on": on(-9001)}, ("visits", 1, "visited_day", "before_birth")),
    ("visits", 0, {"visit": "week eight"}, ("visits", 1, "visit", "closed_list")),
    ("assessments", 0, {"occurrence": 0}, ("assessments", 1, "occurrence", "limits")),
    ("assessments", 0, {"patient_id": "p2"}, ("assessments", 1, "patient_id", "same_patient")),
    ("adverse_events", 0, {"resolved_on": on(0)}, ("adverse_events", 1, "resolved_day", "order_of_days")),
    ("units", 0, {"release_pathway": "historical"}, ("custody", 2, "unit_id", "historical_issued")),
    ("custody", 1, {"sequence": 1}, ("custody", 2, "sequence", "custody_sequence")),
    ("donors", 0, {"patient_id": "p1"}, ("sessions", 1, "donor_id", "own_donor")),
    ("donors", 0, {"kind": "autologous", "patient_id": "p2"}, ("sessions", 1, "donor_id", "own_donor")),
    ("donors", 0, {"kind": "autologous"}, ("sessions", 1, "donor_id", "own_donor")),
    (
        "samples",
        0,
        {"donor_id": "d1"},
        ("samples", 1, "patient_id;donor_id;batch_id;control", "sample_source"),
    ),
    ("abundances", 0, {"count": 0}, ("abundances", 1, "count", "limits")),
    ("abundances", 0, {"count": None}, ("abundances", 1, "count;proportion", "count_xor_proportion")),
    ("abundances", 0, {"proportion": 0.5}, ("abundances", 0, "count;proportion", "mixed_measures")),
    ("abundances", 2, {"sample_id": "m9"}, ("abundances", 3, "sample_id", "reference")),
    ("abundances", 2, {"taxon_id": "t9"}, ("abundances", 3, "taxon_id", "reference")),
    ("abundances", 1, {"taxon_id": "t1"}, ("abundances", 2, "sample_id;taxon_id", "duplicate_key")),
]


@pytest.mark.parametrize(("table", "row", "cells", "expected"), FAULTS)
def test_a_fault_is_told_with_its_place(table, row, cells, expected):
    rows = sound()
    rows[table][row] |= cells
    assert expected in [p[:4] for p in found(rows) if p[4] == "error"]


def test_a_sample_of_unknown_source_is_a_warning():
    rows = sound()
    rows["samples"][1]["donor_id"] = None
    column = "patient_id;donor_id;batch_id;control"
    assert ("samples", 2, column, "sample_source", "warning") in found(rows)


def test_an_autologous_donor_may_be_the_recipient():
    rows = sound()
    rows["donors"][0] |= {"kind": "autologous", "patient_id": "p1"}
    rows["patients"][0]["arm"] = "autologous"
    assert found(rows) == []


def test_a_donor_with_the_recipients_pseudonym_is_the_recipient():
    rows = sound()
    for table in ("donors", "donations", "unit_donors", "samples"):
        for row in rows[table]:
            row |= {"donor_id": "p1"} if row.get("donor_id") else {}
    assert found(rows) == [("sessions", 1, "donor_id", "own_donor", "error")]


@pytest.mark.parametrize("route", ["intravenous", "oral_capsule_magic"])
def test_a_route_outside_the_closed_list_is_a_safety_problem(route):
    rows = sound()
    rows["sessions"][0]["route"] = route
    assert found(rows) == [("sessions", 1, "route", "closed_list", "safety")]


@pytest.mark.parametrize("words", ["IV drip", "静脉注射", "i.v.", "peripheral vein"])
def test_a_parenteral_route_in_words_is_a_safety_problem(words):
    rows = sound()
    rows["sessions"][0] |= {"route": None, "route_as_recorded": words}
    assert found(rows) == [("sessions", 1, "route_as_recorded", "parenteral_route", "safety")]


def test_an_intravenous_drug_is_legal():
    rows = sound() | {
        "exposures": [
            {"exposure_id": "e", "patient_id": "p1", "exposure": "biologic", "route_of_drug": "intravenous"}
        ]
    }
    assert found(rows) == []


def test_nothing_happens_after_death():
    rows = sound() | {
        "dispositions": [{"disposition_id": "q", "patient_id": "p1", "kind": "death", "occurred_on": on(20)}]
    }
    assert found(rows) == [("visits", 1, "visited_day", "after_death", "error")]
    rows["visits"][0]["status"] = "missed"
    assert found(rows) == []
    rows["dispositions"].append(rows["dispositions"][0] | {"disposition_id": "r"})
    assert found(rows) == [("dispositions", 2, "patient_id", "one_death", "error")]


def test_events_after_the_data_cut_are_a_warning():
    cut = (on(10) - dt.date(1970, 1, 1)).days
    assert found(sound(), data_cut_day=cut) == [("visits", 1, "visited_day", "after_data_cut", "warning")]


def test_a_treated_patient_without_a_session_and_a_bare_sample_are_warnings():
    rows = sound()
    rows["patients"].append({"patient_id": "p3", "arm": "fmt"})
    rows["samples"].append({"sample_id": "m3", "control": "negative"})
    study = study_of(frames(rows), manifest=Manifest(origin="test"))
    problems = demand_usable(study)
    assert problems.select("table", "row", "rule", "severity").rows() == [
        ("patients", 3, "no_session", "warning"),
        ("samples", 3, "no_abundances", "warning"),
    ]


@pytest.mark.parametrize("counts", [(40, 60, 100), (1, 1, 1)])
def test_percentages_or_presences_taken_for_counts_are_found(counts):
    rows = sound()
    for row, count in zip(rows["abundances"], counts, strict=True):
        row["count"] = count
    if counts[0] == 1:
        del rows["abundances"][1]
    assert ("abundances", 0, "count", "shares_as_counts", "error") in found(rows)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ((0.25, 0.75, 1.0), []),
        ((0.25, 0.7504, 1.0), []),
        ((0.5, 0.7, 1.0), [("samples", 1, "sample_id", "proportion_sum", "error")]),
        ((0.0, 0.7, 1.0), [("abundances", 1, "proportion", "zero_abundance", "error")]),
        (
            (25.0, 75.0, 100.0),
            [("abundances", i, "proportion", "limits", "error") for i in (1, 2, 3)]
            + [("samples", i, "sample_id", "proportion_sum", "error") for i in (1, 2)],
        ),
    ],
)
def test_proportions_sum_to_one_at_most(shares, expected):
    rows = sound()
    for row, share in zip(rows["abundances"], shares, strict=True):
        row |= {"count": None, "proportion": share}
    assert found(rows) == expected


def test_all_problems_are_told_at_once():
    rows = sound()
    for table, row, cells, _ in FAULTS[3:12]:
        rows[table][row] |= cells
    assert len({p[3] for p in found(rows)}) >= 5


def test_a_patient_clock_has_no_dates():
    assert ("visits", 1, "visited_on", "day_twin", "error") in found(sound(), clock="patient")


def test_errors_are_raised_with_every_problem_and_safety_has_its_exit_code():
    rows = sound()
    rows["sessions"][0] |= {"route": "intravenous", "dose_grams": -1.0}
    with pytest.raises(ProblemsFoundError) as caught:
        demand_usable(study_of(frames(rows), manifest=Manifest(origin="test")))
    assert [p.rule for p in caught.value.problems] == ["closed_list", "limits"]
    assert caught.value.exit_code == 3


# --- the folder


@pytest.fixture
def study(tmp_path):
    sources = {"raw.tsv": b"raw"}
    return write_study(frames(sound()), tmp_path / "s", manifest=Manifest(origin="t"), sources=sources)


def rules(study) -> list[tuple]:
    return check(study).select("table", "column", "rule").rows()


def rewrite(study, name: str, frame: pl.DataFrame) -> None:
    frame.write_parquet(study.folder / f"{name}.parquet")


def test_a_tampered_file_is_found(study):
    rewrite(study, "visits", study.read("visits").with_columns(visited_day=pl.col("visited_day") + 1))
    assert rules(study) == [("visits", "", "changed_file"), ("visits", "visited_on", "day_twin")]


def test_added_rows_are_found(study):
    rewrite(
        study,
        "taxa",
        pl.concat([study.read("taxa"), study.read("taxa").with_columns(taxon_id=pl.lit("t3"))[:1]]),
    )
    assert rules(study) == [("taxa", "", "changed_file"), ("taxa", "", "row_count")]


def test_a_changed_source_and_an_unlisted_table_are_found(study):
    (study.folder / "sources" / "raw.tsv").write_bytes(b"other")
    rewrite(study, "diaries", study.read("diaries"))
    assert rules(study) == [("diaries", "", "unlisted_file"), ("sources/raw.tsv", "", "changed_file")]


def test_columns_undeclared_missing_or_of_another_type_are_all_told(study):
    frame = study.read("visits").drop("mode").with_columns(mood=pl.lit("x"), visited_day=pl.lit("0"))
    rewrite(study, "visits", frame)
    assert rules(study)[1:] == [
        ("visits", "mood", "undeclared_column"),
        ("visits", "visited_day", "wrong_type"),
        ("visits", "mode", "missing_column"),
    ]


@pytest.mark.parametrize("length", [0, 20, -30])
def test_a_broken_file_is_a_problem_and_the_rest_is_still_checked(study, length):
    path = study.folder / "adverse_events.parquet"
    path.write_bytes(path.read_bytes()[:length])
    rewrite(study, "diaries", study.read("diaries"))
    assert [r for r in rules(study) if r[2] != "unlisted_file"] == [
        ("adverse_events", "", "changed_file"),
        ("adverse_events", "", "unreadable"),
    ]


@pytest.mark.slow
def test_garbage_inside_a_file_never_escapes_as_a_traceback(study):
    path = study.folder / "abundances.parquet"
    whole = path.read_bytes()
    for at in range(4, len(whole) - 8, len(whole) // 12):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        assert ("abundances", "", "changed_file") in rules(study)


def test_a_manifest_with_another_row_count_is_found(study):
    path = study.folder / "manifest.json"
    fields = json.loads(path.read_text())
    fields["tables"]["taxa"]["rows"] = 5
    path.write_text(json.dumps(fields))
    from commensal.study import open_study

    assert rules(open_study(study.folder)) == [("taxa", "", "row_count")]


def test_problems_turn_into_values():
    rows = sound()
    rows["patients"][1]["arm"] = "sham"
    (problem,) = as_problems(check(study_of(frames(rows), manifest=Manifest(origin="test"))))
    assert (problem.row, problem.value) == (2, "sham")
    assert "expected one of fmt, placebo" in problem.message


def answers(*rows: tuple[str, str, float | None]) -> list[dict]:
    return [
        {
            "visit_id": "v1",
            "patient_id": "p1",
            "occurrence": i,
            "instrument": code,
            "item": item,
            "value": value,
        }
        for i, (code, item, value) in enumerate(rows, start=1)
    ]


def test_an_answer_the_item_does_not_admit_is_a_warning_and_an_unknown_item_an_error():
    tables = sound() | {
        "assessments": answers(
            ("pucai", "total", 230.0), ("pucai", "total", 40.0), ("mayo", "pga", 1.5), ("mayo", "mood", 1.0),
            ("pucai", "total", None),
        )
    }  # fmt: skip
    assert [row[1:] for row in found(tables)] == [
        (4, "item", "unknown_item", "error"),
        (1, "value", "out_of_range", "warning"),
        (3, "value", "out_of_range", "warning"),
    ]
