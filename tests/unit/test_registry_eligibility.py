"""Eligibility from everything on record: never on the unknown; what is missing is named with its place."""

from datetime import UTC, date, datetime, timedelta

import pytest

from commensal.registry.eligibility import answered, asked_facts, coming_of_age, gathered, judged, where_of
from commensal.registry.medication import drug_facts, is_list_complete, taken
from commensal.registry.permitted import Permitted
from commensal.vocabulary.eligibility import rule_set
from commensal.vocabulary.facts import find_fact
from commensal.vocabulary.immunocompromise import immunocompromise, immunocompromise_rules

ON = date(2026, 6, 1)
FREE = Permitted()


def clear():
    """The facts of a recipient whom no rule keeps from FMT."""
    facts = {
        fact: False if find_fact(fact).kind == "boolean" else 1000.0
        for rule in (*rule_set("recipient"), *immunocompromise_rules())
        for fact in rule.facts
        if find_fact(fact).kind != "text"
    }
    return facts | {
        "neutrophils_per_mm3": 4000.0,
        "prednisone_milligrams_per_day": 0.0,
        "weeks_on_prednisone": 0.0,
        "enteral_calories_percent": 100.0,
        "age_at_index_years": 46,
        "bmi": 22.0,
        "albumin_grams_per_litre": 40.0,
        "indication": "rcdi",
        "evidence_status": "guideline_supported",
        "immunocompromise": "none",
        "has_treatment_consent": True,
        "n_cdi_recurrences": 3,
    }


def test_a_recipient_whom_nothing_keeps_from_it_is_eligible():
    found = judged(clear(), on=ON)
    assert found.outcome == "met", [v.explain() for v in found.recipient if v.outcome != "met"]
    assert found.missing == ()


@pytest.mark.parametrize("name", sorted(clear()))
def test_who_is_eligible_stays_so_or_is_undetermined_when_an_answer_is_taken_away(name):
    found = judged({**clear(), name: None}, on=ON)
    assert found.outcome in ("met", "undetermined")
    if found.outcome == "undetermined":
        assert name in {m.fact for m in found.missing}


def test_nobody_is_eligible_on_nothing_and_every_missing_fact_has_a_place():
    found = judged({}, on=ON)
    assert found.outcome == "undetermined"
    assert all(m.where != "nowhere" for m in found.missing)


def test_an_adult_is_not_sent_for_a_guardian():
    facts = clear() | {"has_treatment_consent": None, "has_guardian_permission": None}
    assert {m.fact for m in judged(facts, on=ON).missing} == {"has_treatment_consent"}
    child = facts | {"age_at_index_years": 9}
    assert {m.fact for m in judged(child, on=ON).missing} == {
        "has_treatment_consent",
        "has_guardian_permission",
    }


def test_whoever_withdrew_has_no_consent_to_treatment():
    facts = gathered(clear(), {}, [], on=ON, standing=Permitted(level="W1"))
    assert judged(facts, on=ON).outcome == "not_met"
    assert judged(gathered(clear(), {}, [], on=ON, standing=FREE), on=ON).outcome == "met"


def answer(fact, said, days_ago=0, hour=8):
    at = datetime(2026, 6, 1, hour, tzinfo=UTC)
    value = {"is_so": said, "value": None} if isinstance(said, bool) else {"is_so": None, "value": said}
    return {"fact": fact, "found_on": ON - timedelta(days=days_ago), "answered_at": at, **value}


def test_an_answer_holds_thirty_days_and_the_last_one_counts():
    assert answered([answer("is_pregnant", False, 30)], on=ON) == {"is_pregnant": False}
    assert answered([answer("is_pregnant", False, 31)], on=ON) == {}
    assert answered([answer("is_pregnant", False, -1)], on=ON) == {}
    same = [answer("is_pregnant", True, hour=9), answer("is_pregnant", False, hour=8)]
    assert answered(same, on=ON) == {"is_pregnant": True}


def test_what_the_tables_say_goes_before_an_answer():
    facts = gathered({"bmi": 14.0}, {}, [answer("bmi", 22.0)], on=ON, standing=FREE)
    assert facts["bmi"] == 14.0


def test_of_the_grade_on_record_and_the_facts_the_graver_holds():
    now = clear() | {"immunocompromise": "none", "takes_chemotherapy": True}
    assert gathered(now, {}, [], on=ON, standing=FREE)["immunocompromise"] == "severe"
    better = clear() | {"immunocompromise": "severe"}
    assert gathered(better, {}, [], on=ON, standing=FREE)["immunocompromise"] == "severe"


def test_no_question_is_asked_of_what_a_table_gives():
    assert all(fact.kind in ("boolean", "number") for fact in asked_facts())
    assert "has_sepsis_or_sirs" in {fact.code for fact in asked_facts()}
    assert where_of("neutrophils_per_mm3") == "lab_results"


def test_coming_of_age():
    consents = [{"type": "informed_signed", "signed_on": date(2026, 4, 15), "withdrawn_on": None}]
    born = date(2008, 4, 15)
    assert coming_of_age(born, consents, on=ON) == {
        "is_of_age_now": True,
        "has_reconsented_at_majority": True,
    }
    assert coming_of_age(born, [], on=ON)["has_reconsented_at_majority"] is False
    assert coming_of_age(None, consents, on=ON) == {}


# --- medication


def exposure(drug, started=None, stopped=None):
    return {
        "exposure_id": drug,
        "exposure": drug,
        "agent": None,
        "started_on": started,
        "stopped_on": stopped,
    }


def review(days_ago, *, is_complete=True):
    return {"reviewed_on": ON - timedelta(days=days_ago), "is_complete": is_complete}


def test_what_is_listed_is_taken_until_it_was_stopped():
    day = timedelta(days=1)
    rows = [exposure("biologic"), exposure("steroid", ON + day), exposure("laxative", None, ON - day)]
    assert [r["exposure"] for r in taken(rows, on=ON)] == ["biologic"]


@pytest.mark.parametrize(
    ("reviews", "is_complete"),
    [
        ([], False),
        ([review(30)], True),
        ([review(31)], False),
        ([review(-1)], False),
        ([review(10), review(5, is_complete=None)], False),
        ([review(10, is_complete=False), review(5)], True),
    ],
)
def test_only_a_recent_complete_review_says_what_is_not_taken(reviews, is_complete):
    assert is_list_complete(reviews, on=ON) == is_complete
    facts = drug_facts([exposure("biologic")], reviews, on=ON)
    assert facts["takes_biologic"] is True
    assert facts["takes_chemotherapy"] is (False if is_complete else None)
    assert facts.get("prednisone_milligrams_per_day") == (0.0 if is_complete else None)


def test_a_steroid_on_the_list_is_not_zero():
    assert "prednisone_milligrams_per_day" not in drug_facts([exposure("steroid")], [review(1)], on=ON)


# --- immunocompromise


@pytest.mark.parametrize(
    ("change", "grade"),
    [
        ({}, "none"),
        ({"takes_chemotherapy": True}, "severe"),
        ({"neutrophils_per_mm3": 1499.0}, "severe"),
        ({"lymphocytes_per_mm3": 499.0}, "severe"),
        ({"has_hiv": True, "cd4_cells_per_mm3": 199.0}, "severe"),
        ({"has_hiv": True, "cd4_cells_per_mm3": 200.0}, "mild_moderate"),
        ({"has_hiv": True, "cd4_cells_per_mm3": None}, None),
        ({"takes_biologic": True}, "mild_moderate"),
        ({"takes_biologic": None}, None),
        ({"takes_biologic": True, "had_car_t_cells": None}, None),
        ({"takes_biologic": None, "had_car_t_cells": True}, "severe"),
        ({"prednisone_milligrams_per_day": 20.0, "weeks_on_prednisone": 4.0}, "none"),
        ({"prednisone_milligrams_per_day": 20.0, "weeks_on_prednisone": 5.0}, "mild_moderate"),
    ],
)
def test_the_grade_follows_the_facts(change, grade):
    found = immunocompromise(clear() | change)
    assert found.grade == grade
    assert bool(found.reasons) == (grade != "none")


def test_every_rule_of_the_grade_is_cited_and_asks_declared_facts():
    for rule in immunocompromise_rules():
        assert rule.profile in ("severe", "mild_moderate")
        assert rule.sentence.endswith(".")
        assert all(find_fact(fact) for fact in rule.facts)
