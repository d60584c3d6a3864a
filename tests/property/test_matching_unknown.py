"""Forgetting an answer never makes a lot eligible."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal.matching import match
from commensal.matching.gates import recipient_rules
from commensal.study import Manifest, Study, study_of
from commensal.vocabulary import Route, find_fact
from commensal.vocabulary.screening import screening_profile

EPOCH = date(1970, 1, 1)
DONATED = date(2026, 3, 2)
TODAY = DONATED + timedelta(days=70)
STRICT = screening_profile("STRICT", on=DONATED)
CLEAR = [
    {
        "result_id": f"{need.analyte}-{lag}-{n}",
        "donor_id": "D",
        "analyte": need.analyte,
        "specimen": need.specimens[0],
        "method": "NAAT" if need.needs_nucleic_acid_test else None,
        "result": "negative",
        "collected_on": DONATED + timedelta(days=lag - n),
    }
    for need in STRICT.requirements
    for lag in (-1, 57)
    for n in range(need.n_separate_days)
]

Row = dict[str, Any]


def clear_answers() -> Row:
    """An answer that no rule objects to, to every question that no table holds."""
    numbers = {"neutrophils_per_mm3": 4000.0, "lymphocytes_per_mm3": 1500.0, "bmi": 22.0,
               "prednisone_milligrams_per_day": 0.0, "weeks_on_prednisone": 0.0,
               "albumin_grams_per_litre": 40.0, "enteral_calories_percent": 100.0,
               "n_cdi_recurrences": 2.0, "hours_since_antibiotic": 48.0,
               "days_on_cdi_antibiotic": 10.0}  # fmt: skip
    yes = {"is_bowel_prepared", "has_negative_pregnancy_test", "has_baseline_tests", "has_gut_symptoms",
           "has_baseline_samples_stored", "has_failed_conventional_therapy", "has_cdi_risk_factors",
           "can_swallow_test_capsule"}  # fmt: skip
    held = {"has_treatment_consent", "has_guardian_permission", "has_anaphylactic_food_allergy"}
    asked = {f for rule in recipient_rules(route=Route("colonoscopy"), on=None) for f in rule.facts}
    questions = {f for f in asked - held if find_fact(f).kind == "boolean"}
    return {**numbers, **{f: f in yes for f in questions}}


ASKED = clear_answers()

Answers = dict[tuple[str, str], Any]
ANSWERS: dict[tuple[str, str], list[Any]] = {
    ("patients", "indication"): ["uc", "rcdi", "ms"],
    ("patients", "immunocompromise"): ["none", "mild_moderate", "severe"],
    ("patients", "cmv_igg"): ["positive", "negative"],
    ("patients", "anaphylactic_allergens"): ["none", "egg"],
    ("donors", "kind"): ["universal", "directed"],
    ("donors", "recent_foods"): ["none", "egg;milk"],
    ("units", "expires_on"): [TODAY + timedelta(days=30), TODAY - timedelta(days=1)],
    ("units", "product"): ["frozen_suspension", "frozen_capsule"],
    ("unit_donors", "donation_id"): ["N", "elsewhere"],
    ("consents", "signed_on"): [DONATED, TODAY + timedelta(days=1)],
    ("consents", "study_id"): ["TRIAL-1"],
    ("adverse_events", "grade"): [1, 3],
    ("adverse_events", "causality"): ["possible", "unlikely"],
    ("adverse_events", "session_id"): ["S"],
}


def study(answers: Answers) -> Study:
    rows: dict[str, dict[str, Any]] = {
        "patients": {"patient_id": "P", "arm": "fmt", "born_on": date(1980, 1, 1), "ebv_igg": "positive"},
        "consents": {"consent_id": "C", "patient_id": "P", "type": "informed_signed"},
        "donors": {"donor_id": "D", "cmv_igg": "negative", "ebv_igg": "negative"},
        "donations": {"donation_id": "N", "donor_id": "D", "donated_on": DONATED},
        "units": {"unit_id": "L", "release_pathway": "bookend", "dose_grams": 50.0, "produced_on": DONATED},
        "unit_donors": {"unit_id": "L", "donor_id": "D"},
        "sessions": {"session_id": "S", "patient_id": "P", "administered_on": DONATED},
        "session_units": {"session_id": "S", "unit_id": "given"},
        "adverse_events": {"adverse_event_id": "A", "patient_id": "P", "began_on": DONATED},
    }
    for (table, column), value in answers.items():
        rows[table][column] = value
    frames = {name: pl.DataFrame([row]) for name, row in rows.items()}
    frames["units"] = pl.concat(
        [frames["units"], pl.DataFrame([{"unit_id": "given", "release_pathway": "historical"}])],
        how="diagonal",
    )
    frames["unit_donors"] = pl.concat(
        [frames["unit_donors"], pl.DataFrame([{"unit_id": "given", "donor_id": "D"}])], how="diagonal"
    )
    events = ("collected", "processed", "frozen", "stored", "released")
    frames["custody"] = pl.DataFrame(
        [
            {"event_id": f"E{n}", "unit_id": "L", "sequence": n, "event": event, "occurred_on": DONATED}
            for n, event in enumerate(events, start=1)
        ]
    )
    frames["screenings"] = pl.DataFrame(CLEAR)
    return study_of(frames, manifest=Manifest(origin="test"))


def is_eligible(answers: Answers) -> bool:
    bedside = {name: value for (table, name), value in answers.items() if table == "bedside"}
    run = match(
        study({key: value for key, value in answers.items() if key[0] != "bedside"}),
        recipient="P",
        on_day=(TODAY - EPOCH).days,
        route="colonoscopy",
        answers={name: value for name, value in bedside.items() if value is not None},
    )
    return run.rankings["is_eligible"].to_list() == [True]


ANSWERS |= {("bedside", name): [value] for name, value in ASKED.items()}
BEST: Answers = {key: values[0] for key, values in ANSWERS.items()}


def test_the_best_answers_are_eligible_so_that_the_property_can_fail() -> None:
    assert is_eligible(BEST)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.fixed_dictionaries({key: st.sampled_from(values) for key, values in ANSWERS.items()}), st.data())
def test_forgetting_an_answer_never_makes_a_lot_eligible(answers: Answers, data: st.DataObject) -> None:
    kept = {**BEST, **dict(data.draw(st.sets(st.sampled_from(sorted(answers.items(), key=str)), max_size=3)))}
    forgotten = data.draw(st.sets(st.sampled_from(sorted(ANSWERS)), min_size=1, max_size=3))
    if not is_eligible(kept):
        assert not is_eligible({**kept, **dict.fromkeys(forgotten)})
