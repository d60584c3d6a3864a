"""Facts in clinical words: each on a tiny study in memory. That the engines agree is tested with engine."""

import datetime as dt

import polars as pl
import pytest

from commensal.study import Manifest, Study, patient_facts, study_of
from commensal.study.facts import recipient_facts
from commensal.vocabulary.facts import facts as declared_facts
from commensal.vocabulary.governance import consent_types

INDEX = dt.date(2024, 3, 1)


def on(days: int) -> dt.date:
    return INDEX + dt.timedelta(days=days)


@pytest.fixture
def make():
    def build(clock: str = "calendar", **rows: list[dict]) -> Study:
        frames = {name: pl.DataFrame(some, infer_schema_length=None) for name, some in rows.items()}
        return study_of(frames, manifest=Manifest(origin="test", clock=clock))

    return build


def patient(**cells) -> list[dict]:
    return [{"patient_id": "p", "arm": "fmt", "index_on": INDEX} | cells]


def fact(study: Study, *names: str):
    row = patient_facts(study).collect("polars").to_native().row(0, named=True)
    return row[names[0]] if len(names) == 1 else tuple(row[n] for n in names)


@pytest.mark.parametrize(
    ("born_on", "index_on", "age"),
    [
        (dt.date(2006, 3, 1), INDEX, 18),
        (dt.date(2006, 3, 2), INDEX, 17),
        (dt.date(2004, 2, 29), dt.date(2022, 2, 28), 17),
        (dt.date(2004, 2, 29), dt.date(2022, 3, 1), 18),
        (dt.date(1931, 12, 31), dt.date(2000, 1, 1), 68),
        (None, INDEX, None),
    ],
)
def test_age_is_in_completed_years_to_the_day(make, born_on, index_on, age):
    study = make(patients=patient(born_on=born_on, index_on=index_on))
    assert fact(study, "age_at_index_years") == age


def test_age_on_a_patient_clock_counts_mean_years(make):
    rows = [{"patient_id": "p", "arm": "fmt", "index_day": 0, "born_day": -14_610}]
    assert fact(make(clock="patient", patients=rows), "age_at_index_years") == 40


@pytest.mark.parametrize(
    ("periods", "days", "within_a_year"),
    [
        ([], None, None),
        ([(-40, -10)], 10, True),
        ([(-40, -10), (-500, -490)], 10, True),
        ([(-500, -490)], 490, False),
        ([(-5, None)], 0, True),
        ([(-5, 5)], 0, True),
        ([(3, 9)], None, None),
        ([(-40, -10), (None, None)], None, None),
        ([(None, -10)], 10, True),
        ([(None, 10)], None, None),
    ],
)
def test_days_since_the_last_antibiotic(make, periods, days, within_a_year):
    taken = [
        {
            "exposure_id": str(i),
            "patient_id": "p",
            "exposure": "antibiotic",
            "started_on": None if start is None else on(start),
            "stopped_on": None if stop is None else on(stop),
        }
        for i, (start, stop) in enumerate(periods)
    ]
    study = make(patients=patient(), **({"exposures": taken} if taken else {}))
    assert fact(study, "days_since_recipient_antibiotic", "had_recipient_antibiotic") == (days, within_a_year)


STEROID = {
    "patient_id": "p",
    "exposure": "steroid",
    "agent": "Prednisone",
    "dose": 10.0,
    "dose_unit": "mg",
    "doses_per_day": 1.0,
    "started_on": on(-30),
    "stopped_on": None,
}


@pytest.mark.parametrize(
    ("changes", "milligrams"),
    [
        ([], None),
        ([{}], 10.0),
        ([{}, {"agent": "prednisolone", "dose": 2.5, "doses_per_day": 2.0}], 15.0),
        ([{"stopped_on": on(-1)}], 0.0),
        ([{"started_on": on(1)}], 0.0),
        ([{"agent": "dexamethasone"}], None),
        ([{}, {"dose": None}], None),
        ([{"dose_unit": "g"}], None),
        ([{"started_on": None}], None),
    ],
)
def test_prednisone_at_index_is_zero_only_where_steroids_are_on_record(make, changes, milligrams):
    taken = [STEROID | {"exposure_id": str(i)} | change for i, change in enumerate(changes)]
    study = make(patients=patient(), **({"exposures": taken} if taken else {}))
    assert fact(study, "prednisone_milligrams_per_day") == milligrams


def session(number: int, day: int, **cells) -> dict:
    return {"session_id": f"s{number}", "patient_id": "p", "administered_on": on(day)} | cells


def test_sessions_courses_and_retreatment(make):
    study = make(
        patients=patient(),
        courses=[
            {"course_id": "1", "patient_id": "p", "purpose": "induction", "is_planned_at_index": True},
            {"course_id": "2", "patient_id": "p", "purpose": None, "is_planned_at_index": None},
            {"course_id": "3", "patient_id": "p", "purpose": "retreatment", "is_planned_at_index": None},
            {"course_id": "4", "patient_id": "p", "purpose": "consolidation", "is_planned_at_index": False},
        ],
        sessions=[
            session(1, 0, course_id="1"),
            session(2, 5, course_id="1"),
            session(3, 50, course_id="2"),
            session(4, 90, course_id="3"),
            session(5, 70, course_id="4"),
        ],
    )
    names = ("n_sessions", "n_courses", "days_to_last_session", "days_to_last_planned_session")
    assert fact(study, *names) == (5, 4, 90, 5)
    assert fact(study, "days_to_retreatment", "is_treated") == (70, True)


@pytest.mark.parametrize(
    ("routes", "main", "n_routes"),
    [
        (["colonoscopy", "retention_enema", "retention_enema"], "retention_enema", 2),
        (["retention_enema", "colonoscopy"], "retention_enema", 2),
        ([None, "colonoscopy"], "colonoscopy", 1),
        ([None], None, None),
    ],
)
def test_the_main_route_is_the_most_used_then_the_first(make, routes, main, n_routes):
    rows = [session(i, i, route=route) for i, route in enumerate(routes)]
    assert fact(make(patients=patient(), sessions=rows), "main_route", "n_routes") == (main, n_routes)


def test_donors_are_counted_once_through_units_and_pools(make):
    study = make(
        patients=patient(),
        sessions=[session(1, 0), session(2, 1)],
        session_units=[{"session_id": "s1", "unit_id": "u"}, {"session_id": "s2", "unit_id": "v"}],
        unit_donors=[{"unit_id": u, "donor_id": d} for u, d in ("ua", "ub", "va")],
    )
    assert fact(study, "n_donors") == 2


def test_without_a_session_nobody_is_treated_and_donors_are_unknown(make):
    study = make(patients=patient(arm="placebo"))
    assert fact(study, "n_sessions", "is_treated", "n_donors") == (0, False, None)


def test_follow_up_ends_and_events(make):
    study = make(
        patients=patient(),
        visits=[
            {"visit_id": "1", "patient_id": "p", "visited_on": on(-3), "status": "attended"},
            {"visit_id": "2", "patient_id": "p", "visited_on": on(56), "status": "attended"},
            {"visit_id": "3", "patient_id": "p", "visited_on": on(90), "status": "missed"},
        ],
        assessments=[
            {
                "visit_id": "1",
                "patient_id": "p",
                "instrument": "mayo",
                "item": "total",
                "occurrence": 1,
                "value": 8.0,
            }
        ],
        dispositions=[
            {"disposition_id": "1", "patient_id": "p", "kind": "last_contact", "occurred_on": on(70)},
            {"disposition_id": "2", "patient_id": "p", "kind": "withdrawal", "occurred_on": on(65)},
        ],
        procedures=[
            {"procedure_id": "1", "patient_id": "p", "kind": "colectomy", "performed_on": on(60)},
            {"procedure_id": "2", "patient_id": "p", "kind": "endoscopy", "performed_on": on(2)},
        ],
        exposures=[
            {
                "exposure_id": "1",
                "patient_id": "p",
                "exposure": "biologic",
                "started_on": on(4),
                "is_rescue": False,
            },
            {
                "exposure_id": "2",
                "patient_id": "p",
                "exposure": "biologic",
                "started_on": on(40),
                "is_rescue": True,
            },
        ],
        diagnoses=[{"diagnosis_id": "1", "patient_id": "p", "role": "indication", "diagnosed_on": on(-100)}],
    )
    assert fact(study, "days_followed", "days_to_withdrawal", "days_to_death", "days_to_loss") == (
        70,
        65,
        None,
        None,
    )
    assert fact(study, "days_to_colectomy", "days_to_rescue", "days_from_diagnosis_to_index") == (60, 40, 100)
    assert fact(study, "has_baseline_record", "has_baseline_severity", "n_contacts_after_index") == (
        True,
        True,
        1,
    )


@pytest.mark.parametrize(
    ("cells", "stands"),
    [({}, True), ({"withdrawn_on": on(9)}, False), ({"withdrawal_level": "W2"}, False), (None, None)],
)
def test_consent_stands_was_withdrawn_or_is_unknown(make, cells, stands):
    signed = {"consent_id": "c", "patient_id": "p", "type": "informed_signed", "signed_on": on(-2)}
    more = {} if cells is None else {"consents": [signed | {"study_id": "T1"} | cells]}
    study = make(patients=patient(), **more)
    assert fact(study, "has_informed_consent") is stands
    assert fact(study, "study_id") == ("T1" if stands else None)
    if stands is not None:
        assert fact(study, "consent_type", "days_from_index_to_consent") == ("informed_signed", -2)
        assert fact(study, "days_from_informed_consent_to_first_procedure") == 2


@pytest.mark.parametrize(
    "kind", [kind for kind in consent_types() if kind not in ("informed_signed", "donor_consent")]
)
def test_only_an_informed_consent_puts_the_treatment_inside_a_study(make, kind):
    registry = {"consent_id": "1", "patient_id": "p", "type": kind, "signed_on": on(-9), "study_id": "A"}
    trial = registry | {"consent_id": "2", "type": "informed_signed", "study_id": "T"}
    withdrawn = trial | {"withdrawn_on": on(-1)}
    for consents, expected in (([registry], None), ([registry, trial], "T"), ([registry, withdrawn], None)):
        study = make(patients=patient(), consents=consents)
        assert fact(study, "study_id") == expected
        today = (
            recipient_facts(study, on_day=(INDEX - dt.date(1970, 1, 1)).days).collect("polars").to_native()
        )
        assert today["study_id"].to_list() == [expected]


def test_laboratory_values_are_the_latest_before_index(make):
    rows = [("albumin", -30, 20.0), ("albumin", -3, 38.0), ("albumin", 5, 10.0), ("body_mass", -3, 80.0)]
    rows += [("body_height", -400, 2.0), ("neutrophils", -1, None)]
    study = make(
        patients=patient(),
        lab_results=[
            {"lab_result_id": str(i), "patient_id": "p", "analyte": a, "collected_on": on(d), "value": v}
            for i, (a, d, v) in enumerate(rows)
        ],
    )
    assert fact(study, "albumin_grams_per_litre", "bmi", "neutrophils_per_mm3") == (38.0, 20.0, None)


def test_what_nobody_asked_is_unknown(make):
    names = ("recipient_cmv_igg", "has_anaphylactic_food_allergy", "immunocompromise", "has_informed_consent")
    assert fact(make(patients=patient()), *names) == (None, None, None, None)


def test_answers_that_say_nothing_are_unknown(make):
    study = make(patients=patient(cmv_igg="pending", ebv_igg="equivocal", anaphylactic_allergens="none"))
    names = ("recipient_cmv_igg", "recipient_ebv_igg", "has_anaphylactic_food_allergy")
    assert fact(study, *names) == (None, "equivocal", False)


def test_every_patient_has_one_row_whatever_the_tables_repeat(make):
    ids = ["p", "q", "r"]
    study = make(
        patients=[{"patient_id": i, "arm": "fmt", "index_on": INDEX} for i in ids],
        consents=[
            {"consent_id": f"{i}{k}", "patient_id": i, "type": t, "signed_on": on(0)}
            for i in ids
            for k, t in enumerate(("informed_signed", "data_use_signed", "informed_signed"))
        ],
    )
    frame = patient_facts(study).collect("polars").to_native()
    assert sorted(frame["patient_id"]) == ids
    assert set(frame["consent_type"]) == {"data_use_signed"}


def test_facts_carry_the_names_and_kinds_that_rules_use(make):
    schema = patient_facts(make(patients=patient())).collect("polars").to_native().schema
    shared = {name for name, declared in declared_facts().items() if declared.subject == "recipient"} & set(
        schema
    )
    assert len(shared) >= 20
    for name in shared:
        kind = declared_facts()[name].kind
        matches = {"number": schema[name].is_numeric(), "boolean": schema[name] == pl.Boolean}
        assert matches.get(kind, schema[name] == pl.String), name
