"""What the rules promise, in clinical words."""

from datetime import date

import pytest

from commensal.errors import InputError
from commensal.vocabulary.conditions import Compare, OneOf, read_condition
from commensal.vocabulary.eligibility import cohort_of, judge_routes, rule_set, study_rules
from commensal.vocabulary.rules import Rule, combine, in_force, judge, judge_each

RULES = {rule.id: rule for name in ("recipient", "routes", "study", "gates") for rule in rule_set(name)}


def outcome(rule_id, **facts):
    return judge(facts, rule=RULES[rule_id]).outcome


def test_unanswered_is_never_eligible():
    assert combine(judge_each({}, rules=rule_set("recipient"))) == "undetermined"
    assert combine(judge_each({}, rules=rule_set("gates"))) == "undetermined"
    assert combine([]) == "undetermined"


def test_warnings_do_not_gate():
    verdict = judge({"has_decompensated_liver_disease": True}, rule=RULES["REC16"])
    assert (verdict.outcome, combine([verdict])) == ("not_met", "met")


@pytest.mark.parametrize(
    ("neutrophils", "lymphocytes", "expected"),
    [
        (1500, 500, "met"),
        (1499, 500, "not_met"),
        (1500, 499, "not_met"),
        (1499, None, "not_met"),
        (1500, None, "undetermined"),
    ],
)
def test_severe_immunosuppression_by_blood_count(neutrophils, lymphocytes, expected):
    assert outcome("REC01", neutrophils_per_mm3=neutrophils, lymphocytes_per_mm3=lymphocytes) == expected


@pytest.mark.parametrize(
    ("milligrams", "weeks", "expected"),
    [
        (20, 5, "not_met"),
        (20, 4, "met"),
        (19.9, 30, "met"),
        (0, None, "met"),
        (40, None, "undetermined"),
        (None, None, "undetermined"),
    ],
)
def test_prednisone_of_20_mg_for_more_than_four_weeks(milligrams, weeks, expected):
    assert outcome("REC04", prednisone_milligrams_per_day=milligrams, weeks_on_prednisone=weeks) == expected


def test_a_child_is_not_judged_by_adult_body_mass():
    assert outcome("REC13", age_at_index_years=9, bmi=14, albumin_grams_per_litre=40) == "met"
    assert outcome("REC13", age_at_index_years=40, bmi=14, albumin_grams_per_litre=40) == "not_met"
    assert outcome("REC13", age_at_index_years=9, albumin_grams_per_litre=24.9) == "not_met"


def test_a_trial_only_indication_needs_a_study():
    assert outcome("REC19", evidence_status="guideline_supported") == "met"
    assert outcome("REC19", evidence_status="trial_only") == "not_met"
    assert outcome("REC19", evidence_status="trial_only", study_id="NCT07261826") == "met"
    assert outcome("REC19") == "undetermined"


@pytest.mark.parametrize(
    ("grade", "recipient", "donor", "expected"),
    [
        ("severe", "negative", "positive", "not_met"),
        ("mild_moderate", None, "positive", "not_met"),
        ("mild_moderate", None, "negative", "met"),
        ("mild_moderate", "positive", "positive", "met"),
        ("mild_moderate", "negative", None, "undetermined"),
        ("none", "negative", "positive", "met"),
        (None, "negative", "positive", "undetermined"),
    ],
)
def test_cmv_is_a_hard_gate_for_the_immunocompromised(grade, recipient, donor, expected):
    facts = {"immunocompromise": grade, "recipient_cmv_igg": recipient, "donor_cmv_igg": donor}
    assert outcome("GATE06", **facts) == expected


def test_outside_immunocompromise_cmv_only_warns():
    verdict = judge({"recipient_cmv_igg": "negative", "donor_cmv_igg": "positive"}, rule=RULES["GATE08"])
    assert (verdict.outcome, verdict.rule.is_binding) == ("not_met", False)


@pytest.mark.parametrize(
    ("age", "grams", "per_kilogram", "expected"),
    [
        (40, 30, 0.4, "met"),
        (40, 29, 0.4, "not_met"),
        (5, 18, 1.0, "met"),
        (5, 12, 0.7, "not_met"),
        (16, 30, 0.5, "met"),
    ],
)
def test_the_dose_of_a_child_is_one_gram_a_kilogram_capped_at_the_adult_dose(
    age, grams, per_kilogram, expected
):
    facts = {"age_at_index_years": age, "dose_grams": grams, "dose_grams_per_kilogram": per_kilogram}
    rule = "GATE18" if age >= 18 else "GATE24"
    assert outcome(rule, **facts) == expected


def test_historical_material_is_never_issuable():
    assert outcome("GATE20", release_pathway="historical") == "not_met"


# --- routes


def test_aspiration_risk_closes_every_upper_route_and_no_lower_one():
    judged = judge_routes(
        {"has_high_aspiration_risk": True}, routes=["nasojejunal", "oral_capsule_frozen", "retention_enema"]
    )
    assert judged["nasojejunal"][0] == judged["oral_capsule_frozen"][0] == "not_met"
    assert judged["retention_enema"][0] == "undetermined"


def test_a_route_with_every_question_answered_well_is_open():
    facts = {
        "has_retention_incontinence": False,
        "has_severe_perianal_disease": False,
        "has_rectal_stenosis": False,
        "neutrophils_per_mm3": 4000,
    }
    assert judge_routes(facts, routes=["retention_enema"])["retention_enema"] == ("met", ())
    low = judge_routes({**facts, "neutrophils_per_mm3": 900}, routes=["retention_enema"])
    assert [verdict.rule.id for verdict in low["retention_enema"][1]] == ["RTE13"]


# --- the study


ADULT = {
    "indication": "uc",
    "days_from_diagnosis_to_index": 400,
    "age_at_index_years": 34,
    "n_sessions": 1,
    "cohort": "prospective",
    "has_informed_consent": True,
    "days_from_informed_consent_to_first_procedure": 3,
    "has_severe_complication_before_index": False,
}


def enrolled(**changes):
    return combine(judge_each({**ADULT, **changes}, rules=study_rules()))


def test_an_adult_with_everything_is_enrolled():
    assert enrolled() == "met"


def test_complete_follow_up_is_a_flag_and_never_a_gate():
    assert enrolled(has_baseline_record=False, n_contacts_after_index=0) == "met"
    assert {rule.id for rule in study_rules(subject="analysis")} == {"INC4", "EXC1"}
    assert not any(rule.is_binding for rule in study_rules(subject="analysis"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"age_at_index_years": 2}, "not_met"),
        ({"n_sessions": 0}, "not_met"),
        ({"days_from_diagnosis_to_index": -1}, "not_met"),
        ({"indication": "psa"}, "not_met"),
        ({"days_from_informed_consent_to_first_procedure": -1}, "not_met"),
        ({"has_severe_complication_before_index": True}, "not_met"),
        ({"has_severe_complication_before_index": None}, "undetermined"),
        ({"cohort": None}, "undetermined"),
        ({"age_at_index_years": 9}, "undetermined"),
        (
            {
                "age_at_index_years": 9,
                "has_guardian_permission": True,
                "has_assent": True,
                "is_of_age_now": False,
            },
            "met",
        ),
        ({"age_at_index_years": 5, "has_guardian_permission": True, "is_of_age_now": False}, "met"),
        (
            {
                "age_at_index_years": 17,
                "has_guardian_permission": True,
                "has_assent": True,
                "is_of_age_now": True,
            },
            "undetermined",
        ),
    ],
)
def test_who_is_enrolled(changes, expected):
    assert enrolled(**changes) == expected


def test_consent_after_the_first_fmt_is_a_cohort_and_not_an_exclusion():
    assert enrolled(cohort="ambispective", days_from_informed_consent_to_first_procedure=None) == "met"
    assert cohort_of(index_day=100, informed_consent_day=100) == "prospective"
    assert cohort_of(index_day=100, informed_consent_day=101) == "ambispective"
    assert cohort_of(index_day=100, informed_consent_day=None, data_use_consent_day=900) == "retrospective"
    assert cohort_of(index_day=100, informed_consent_day=None) is None
    assert cohort_of(index_day=None, informed_consent_day=1) is None


def test_a_retrospective_patient_needs_consent_and_a_waiver_only_where_allowed():
    retrospective = {"cohort": "retrospective", "has_informed_consent": None}
    assert enrolled(**retrospective, has_data_use_consent=True) == "met"
    waived = {**retrospective, "has_data_use_consent": False, "has_ethics_waiver": True}
    assert enrolled(**waived, is_waiver_allowed=False) == "not_met"
    assert enrolled(**waived, is_waiver_allowed=True) == "met"
    assert enrolled(**waived) == "undetermined"


# --- verdicts in words, and refusals


def test_a_verdict_explains_itself():
    words = judge({"neutrophils_per_mm3": 1400}, rule=RULES["REC01"]).explain()
    assert words.startswith("Not met (excludes): Neutrophils are at least 1,500")
    assert "neutrophils_per_mm3 = 1400" in words
    assert "Not answered: lymphocytes_per_mm3." in words
    assert "Chinese expert consensus" in words
    assert "so not eligible" in judge({}, rule=RULES["REC01"]).explain()


def test_an_answer_of_the_wrong_kind_is_refused():
    for value in ("many", True):
        with pytest.raises(InputError, match="neutrophils_per_mm3"):
            outcome("REC01", neutrophils_per_mm3=value)
    with pytest.raises(InputError, match="is_released"):
        outcome("GATE01", is_released="no")


def test_a_rule_holds_between_its_days():
    rule = Rule(
        "R", "A rule.", Compare("bmi", "at_least", 15), "exclude", "CN20", "H", "donor",
        valid_from=date(2020, 1, 1), valid_until=date(2020, 12, 31),
    )  # fmt: skip
    for on, held in (
        (date(2019, 12, 31), 0),
        (date(2020, 1, 1), 1),
        (date(2020, 12, 31), 1),
        (date(2021, 1, 1), 0),
    ):
        assert len(in_force([rule], on=on)) == held


@pytest.mark.parametrize(
    "text",
    [
        {"fact": "bmi"},
        {"fact": "bmi", "roughly": 3},
        {"fact": "bmi", "between": [3, 1]},
        {"fact": "x", "one_of": []},
    ],
)
def test_an_unreadable_condition_is_refused(text):
    with pytest.raises(InputError):
        read_condition(text)


def test_a_rule_without_source_or_with_unknown_words_is_refused():
    for source, confidence, consequence in (
        ("X", "H", "exclude"),
        ("CN20", "Z", "exclude"),
        ("CN20", "H", "ban"),
        ("CN20", "H", "defer"),
    ):
        with pytest.raises(InputError):
            Rule("R", "A rule.", OneOf("route", ("colonoscopy",)), consequence, source, confidence, "donor")
