"""The same facts and counts on Polars, DuckDB and Spark: the answer does not depend on where it ran."""

import datetime as dt
import shutil
import sys

import narwhals as nw
import numpy as np
import polars as pl
import pytest

from commensal.evidence.cohort import cohort_of
from commensal.evidence.counts import cohort_counts
from commensal.evidence.covariates import disease_durations, index_sessions
from commensal.evidence.landmarks import attended_visits, windows_of
from commensal.study import Manifest, open_study, patient_facts, study_of, unit_facts, write_study

INDEX = dt.date(2024, 3, 1)
N_PATIENTS = 60
ON_DAY = 20_000


def has_spark() -> bool:
    try:
        import pyspark  # noqa: F401
    except ImportError:
        return False
    return shutil.which("java") is not None


ENGINES = [
    "duckdb",
    pytest.param(
        "spark",
        marks=[
            pytest.mark.spark,
            pytest.mark.skipif(not has_spark(), reason="Spark needs the spark extra and Java"),
        ],
    ),
]


def drawn_frames() -> dict[str, pl.DataFrame]:
    """Patients with a drawn history in every table that facts read, unknown cells among them."""
    generator = np.random.default_rng(5)

    def days(n: int, low: int, high: int) -> list[dt.date | None]:
        drawn = generator.integers(low, high, n)
        return [None if generator.random() < 0.1 else INDEX + dt.timedelta(days=int(d)) for d in drawn]

    def pick(n: int, *choices):
        return [choices[i] for i in generator.integers(0, len(choices), n)]

    def of_patients(n: int, key: str) -> dict:
        return {key: [f"{key}{i}" for i in range(n)], "patient_id": pick(n, *patients)}

    n = 4 * N_PATIENTS
    patients = [f"p{i:02}" for i in range(N_PATIENTS)]
    tables = {
        "patients": {
            "patient_id": patients,
            "arm": pick(N_PATIENTS, "fmt", "placebo", "autologous"),
            "indication": pick(N_PATIENTS, "uc", "rcdi", None),
            "born_on": days(N_PATIENTS, -30_000, -2_000),
            "index_on": days(N_PATIENTS, -5, 5),
            "cmv_igg": pick(N_PATIENTS, "positive", "pending", None),
        },
        "courses": of_patients(n, "course_id")
        | {
            "purpose": pick(n, "induction", "retreatment", None),
            "is_planned_at_index": pick(n, True, False, None),
        },
        "sessions": of_patients(n, "session_id")
        | {
            "course_id": [f"course_id{i}" for i in generator.integers(0, n, n)],
            "administered_on": days(n, 0, 90),
            "route": pick(n, "colonoscopy", "nasojejunal", None),
        },
        "session_units": {
            "session_id": [f"session_id{i}" for i in range(n)],
            "unit_id": [f"u{i}" for i in generator.integers(0, 30, n)],
        },
        "units": {
            "unit_id": [f"u{i}" for i in range(30)],
            "release_pathway": ["bookend"] * 30,
            "expires_on": days(30, 0, 900),
        },
        "unit_donors": {
            "unit_id": [f"u{i % 30}" for i in range(45)],
            "donor_id": [f"d{i % 7}" for i in range(45)],
        },
        "donors": {"donor_id": [f"d{i}" for i in range(7)], "kind": pick(7, "universal", "autologous", None)},
        "holds": {"hold_id": ["h"], "kind": ["recall"], "donor_id": ["d3"], "placed_on": [INDEX]},
        "visits": of_patients(n, "visit_id")
        | {
            "visited_on": days(n, -30, 200),
            "status": pick(n, "attended", "missed"),
            "visit": pick(n, "V0", "W8", None),
        },
        "dispositions": of_patients(20, "disposition_id")
        | {"kind": pick(20, "death", "withdrawal", "last_contact"), "occurred_on": days(20, 0, 300)},
        "exposures": of_patients(n, "exposure_id")
        | {
            "exposure": pick(n, "antibiotic", "steroid", "biologic"),
            "agent": pick(n, "Prednisone", "PREDNISOLONE", "x", None),
            "dose": pick(n, 2.5, 10.1, 0.3, None),
            "dose_unit": pick(n, "mg", "mg", "g"),
            "doses_per_day": pick(n, 1.0, 3.0),
            "started_on": days(n, -90, 10),
            "stopped_on": days(n, -10, 90),
            "is_rescue": pick(n, True, False, None),
        },
        "lab_results": of_patients(n, "lab_result_id")
        | {
            "analyte": pick(n, "albumin", "body_mass", "body_height"),
            "value": [float(v) for v in generator.normal(30, 3, n)],
            "collected_on": days(n, -9, 2),
        },
        "consents": of_patients(n, "consent_id")
        | {
            "type": pick(n, "informed_signed", "data_use_signed", "assent"),
            "signed_on": days(n, -20, 20),
            "study_id": pick(n, "T1", "T2", None),
            "withdrawal_level": pick(n, "W1", None, None),
        },
    }
    return {name: pl.DataFrame(columns, infer_schema_length=None) for name, columns in tables.items()}


def collected(lazy: nw.LazyFrame, *by: str) -> pl.DataFrame:
    return lazy.sort(*by, nulls_last=True).collect("polars").to_native()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_facts_and_counts_agree_with_polars(engine, tmp_path):
    frames, manifest = drawn_frames(), Manifest(origin="test")
    here = study_of(frames, manifest=manifest)
    write_study(frames, tmp_path / "s [1]", manifest=manifest)
    there = open_study(tmp_path / "s [1]", engine=engine)

    expected, found = (collected(patient_facts(study), "patient_id") for study in (here, there))
    assert found.columns == expected.columns
    assert found.rows() == expected.rows()
    known = {c: expected[c].drop_nulls().n_unique() for c in expected.columns}
    assert {c for c, n in known.items() if n == 0} <= {
        "site_id", "cohort", "sex", "immunocompromise", "has_severe_complication_before_index",
        "is_mucosal_barrier_injured", "recipient_ebv_igg", "has_anaphylactic_food_allergy", "days_to_loss",
        "days_to_colectomy", "days_from_diagnosis_to_index", "neutrophils_per_mm3", "lymphocytes_per_mm3",
        "has_ethics_waiver", "has_guardian_permission",
    }  # fmt: skip

    units = [collected(unit_facts(study, on_day=ON_DAY), "unit_id").rows() for study in (here, there)]
    assert units[0] == units[1]

    counts = [
        collected(
            patient_facts(study)
            .group_by("indication", "main_route")
            .agg(
                nw.len().cast(nw.Int64).alias("n"),
                nw.col("n_sessions").sum().cast(nw.Int64).alias("sessions"),
            ),
            "indication",
            "main_route",
        ).rows()
        for study in (here, there)
    ]
    assert counts[0] == counts[1]


def _drawn(item: int, generator: np.random.Generator) -> float:
    return item + float(generator.normal())


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.skipif(not has_spark(), reason="Spark needs the spark extra and Java")
def test_map_gives_the_same_numbers_on_spark():
    from pyspark import cloudpickle

    from commensal.engine import map as engine_map

    # Workers have the installed software, not this file.
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    assert engine_map(_drawn, range(5), seed=3, processes="spark") == engine_map(_drawn, range(5), seed=3)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_cohort_counts_and_what_models_know_agree_with_polars(engine, tmp_path):
    frames, manifest = drawn_frames(), Manifest(origin="test", data_cut_day=20_000, clock="calendar")
    n = frames["courses"].height
    frames["courses"] = frames["courses"].with_columns(
        number=pl.Series([(i % 4) or None for i in range(n)]),
        n_sessions_planned=pl.Series([(i % 6) or None for i in range(n)]),
    )
    frames["diagnoses"] = pl.DataFrame(
        {
            "diagnosis_id": [f"d{i}" for i in range(n)],
            "patient_id": [f"p{i % N_PATIENTS:02}" for i in range(n)],
            "role": ["indication" if i % 3 else "comorbidity" for i in range(n)],
            "disease_duration_years": [i * 37 % 101 / 8 for i in range(n)],
        }
    )
    cohorts = ["prospective", "retrospective", "ambispective", None]
    frames["patients"] = frames["patients"].with_columns(
        cohort=pl.Series([cohorts[i % 4] for i in range(N_PATIENTS)])
    )
    here = study_of(frames, manifest=manifest)
    write_study(frames, tmp_path / "study", manifest=manifest)
    there = open_study(tmp_path / "study", engine=engine)
    assert cohort_of(there).equals(cohort_of(here))

    windows, at = windows_of(), ["W8", "M3", "Y1"]
    by = ["indication", "cohort", "is_treated"]
    counted = [cohort_counts(study, windows=windows, at=at, by=by, with_days=True) for study in (here, there)]
    assert counted[0].equals(counted[1])
    assert counted[0]["n"].sum() == N_PATIENTS
    assert counted[0]["n_seen_W8"].sum() > 0
    assert 0 < counted[0]["observed_days_W8"].sum() < counted[0]["potential_days_W8"].sum()

    cohort = cohort_of(here)
    assert attended_visits(there, cohort).equals(attended_visits(here, cohort))
    first = [index_sessions(study, cohort).sort("patient_id") for study in (here, there)]
    assert first[0].equals(first[1])
    durations = [disease_durations(study).sort("patient_id") for study in (here, there)]
    assert durations[0].equals(durations[1])
    for frame, column in ((first[0], "course_number"), (durations[0], "disease_duration_years")):
        assert frame[column].n_unique() > 2
