"""Donor screening: profiles, the donor's verdict and the release window, in clinical words."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from commensal.errors import InputError
from commensal.vocabulary.donor_verdicts import ScreeningResult, donor_verdict, release_window
from commensal.vocabulary.questionnaires import QuestionAnswer, questionnaire_facts
from commensal.vocabulary.rules import judge
from commensal.vocabulary.screening import Interval, profile_codes, release_pathways, screening_profile

DAY_0 = date(2025, 1, 1)
STRICT = screening_profile("STRICT", on=DAY_0)


def day(n):
    return DAY_0 + timedelta(days=n)


def clean_screen(n, *, profile=STRICT, prefix="", specimens=("blood", "stool"), donation_id=""):
    """Every analyte of a profile negative, three stool specimens on days n, n-1, n-2."""
    return [
        ScreeningResult(
            f"{prefix}{need.analyte}-{n - back}",
            need.analyte,
            need.specimens[0],
            "negative",
            day(n - back),
            method="PCR" if need.needs_nucleic_acid_test else "",
            donation_id=donation_id,
        )
        for need in profile.requirements
        if need.specimens[0] in specimens
        for back in range(need.n_separate_days)
    ]


def with_result(results, analyte, **changes):
    return [replace(r, **changes) if r.analyte == analyte else r for r in results]


def test_a_clean_donor_is_clear():
    assert donor_verdict(clean_screen(0), profile=STRICT, on=day(10)).outcome == "met"


@pytest.mark.parametrize("result", ["pending", "equivocal", "invalid"])
def test_an_unfinished_test_is_never_negative(result):
    verdict = donor_verdict(with_result(clean_screen(0), "hiv", result=result), profile=STRICT, on=day(1))
    assert verdict.outcome == "undetermined"
    assert [open_.analyte for open_ in verdict.open] == ["hiv"]


def test_a_missing_analyte_is_undetermined():
    results = [r for r in clean_screen(0) if r.analyte != "esbl"]
    verdict = donor_verdict(results, profile=STRICT, on=day(1))
    assert verdict.outcome == "undetermined"
    assert "ESBL" in verdict.explain()


def test_a_stale_screen_is_undetermined_from_day_61():
    assert donor_verdict(clean_screen(0), profile=STRICT, on=day(58)).outcome == "met"
    assert donor_verdict(clean_screen(0), profile=STRICT, on=day(61)).outcome == "undetermined"


def test_a_later_negative_does_not_overwrite_a_positive():
    positive = ScreeningResult("p", "giardia", "stool", "positive", day(-1))
    negative = ScreeningResult("n", "giardia", "stool", "negative", day(5), supersedes="p")
    verdict = donor_verdict([*clean_screen(0), positive, negative], profile=STRICT, on=day(6))
    assert verdict.outcome == "not_met"
    assert verdict.open[0].result_ids == ("p",)


def test_a_resolved_positive_still_needs_a_negative():
    positive = ScreeningResult("p", "giardia", "stool", "positive", day(-1), is_resolved=True)
    results = [r for r in clean_screen(0) if r.analyte != "giardia"]
    assert donor_verdict([*results, positive], profile=STRICT, on=day(6)).outcome == "undetermined"
    assert donor_verdict([*clean_screen(0), positive], profile=STRICT, on=day(6)).outcome == "met"


def test_a_pending_result_is_closed_by_the_one_that_supersedes_it():
    pending = ScreeningResult("x", "hiv", "blood", "pending", day(68))
    final = ScreeningResult("y", "hiv", "blood", "negative", day(68), supersedes="x")
    assert released([*screens(70, 55), pending], 10) == "undetermined"
    assert released([*screens(70, 55), pending, final], 10) == "met"


def test_a_pending_result_after_the_window_is_of_the_next_one():
    assert (
        released([*screens(70, 55), ScreeningResult("x", "hiv", "blood", "pending", day(130))], 10) == "met"
    )
    assert (
        released([*screens(70, 55), ScreeningResult("x", "hiv", "blood", "equivocal", day(130))], 10)
        == "undetermined"
    )


def test_a_donor_whose_routine_screen_is_out_rests_on_the_last_one():
    pending = ScreeningResult("x", "hiv", "blood", "pending", day(50))
    verdict = donor_verdict([*clean_screen(0), pending], profile=STRICT, on=day(51))
    assert verdict.outcome == "met"
    hiv = next(one for one in verdict.analytes if one.analyte == "hiv")
    assert hiv.result_ids == ("hiv-0",)


def test_stec_by_culture_is_not_enough():
    results = with_result(clean_screen(0), "stec", method="culture")
    assert donor_verdict(results, profile=STRICT, on=day(1)).outcome == "undetermined"


def test_two_stools_are_not_three():
    results = [r for r in clean_screen(0) if r.result_id != "ova_and_parasites--2"]
    assert donor_verdict(results, profile=STRICT, on=day(1)).outcome == "undetermined"


def test_recorded_serology_never_blocks():
    results = with_result(clean_screen(0), "cmv_igg", result="positive")
    assert donor_verdict(results, profile=STRICT, on=day(1)).outcome == "met"


@pytest.mark.parametrize("code", [code for code in profile_codes() if code != "STRICT"])
def test_an_incomplete_profile_clears_nobody_until_signed(code):
    profile = screening_profile(code, on=DAY_0)
    results = clean_screen(0)
    assert donor_verdict(results, profile=profile, on=day(1)).outcome == "undetermined"
    signed = profile.signed(by="Dr A", intervals=[Interval("blood_nat", 60), Interval("stool", 60)])
    expected = "met" if code in {"CN2020", "US_FDA", "BSG_HIS2018", "PUBLISHED_PRACTICE"} else "undetermined"
    assert donor_verdict(results, profile=signed, on=day(1)).outcome == expected


# --- the window around a donation


def screens(closing_blood, closing_stool):
    return [
        *clean_screen(0, prefix="o"),
        *clean_screen(closing_stool, prefix="s", specimens=("stool",)),
        *clean_screen(closing_blood, prefix="b", specimens=("blood",)),
    ]


def released(results, donated, *, on=400, **options):
    return release_window(results, profile=STRICT, donated_on=day(donated), on=day(on), **options).outcome


def test_a_donation_between_two_clean_screens_is_released():
    assert released(screens(10 + 60, 55), 10) == "met"


def test_no_unit_donated_on_day_59_is_released_by_blood_drawn_on_day_60():
    assert released([*screens(60, 60), *clean_screen(58, prefix="p")], 59) == "undetermined"


@pytest.mark.parametrize(
    ("lag", "outcome"), [(55, "undetermined"), (56, "met"), (84, "met"), (85, "undetermined")]
)
def test_the_blood_window_is_56_to_84_days_inclusive(lag, outcome):
    assert released(screens(10 + lag, 50), 10) == outcome


def test_stool_screens_lie_at_most_60_days_apart():
    assert released(screens(70, 60), 10) == "met"
    assert released(screens(70, 63), 10) == "undetermined"


def test_a_nucleic_acid_test_closes_only_with_its_own_lag():
    results = [
        replace(r, method="NAAT") if r.analyte == "hiv" and r.result_id.startswith("b") else r
        for r in screens(10 + 28, 50)
    ]
    hiv = {
        v.analyte: v.outcome
        for v in release_window(results, profile=STRICT, donated_on=day(10), on=day(99)).analytes
    }
    assert hiv["hiv"] == "undetermined"
    own = STRICT.signed(by="Dr A", intervals=[Interval("blood_nat", 60, 21, 42)])
    hiv = {
        v.analyte: v.outcome
        for v in release_window(results, profile=own, donated_on=day(10), on=day(99)).analytes
    }
    assert (hiv["hiv"], hiv["hbsag"]) == ("met", "undetermined")


def test_nothing_is_released_before_the_closing_blood_is_drawn():
    assert released(screens(70, 55), 10, on=69) == "undetermined"


def test_a_positive_closing_screen_blocks_the_whole_window():
    assert (
        released([*screens(70, 55), ScreeningResult("p", "cre", "stool", "positive", day(56))], 10)
        == "not_met"
    )


def test_direct_testing_rests_on_the_donations_own_stool():
    blood = [r for r in screens(70, 55) if r.specimen == "blood"]
    own = clean_screen(10, prefix="d", specimens=("stool",), donation_id="D1")
    other = clean_screen(10, prefix="d", specimens=("stool",), donation_id="D2")
    direct = {"pathway": "direct_testing", "donation_id": "D1"}
    assert released([*blood, *own], 10, **direct) == "met"
    awaited = ScreeningResult("w", "stec", "stool", "pending", day(10), donation_id="D1")
    assert released([*blood, *own, awaited], 10, **direct) == "undetermined"
    assert released([*blood, *other], 10, **direct) == "undetermined"
    assert released([*blood, *other], 10, pathway="direct_testing") == "undetermined"


def test_history_is_never_issuable_and_a_supplier_answers_for_its_product():
    assert released(screens(70, 55), 10, pathway="historical") == "not_met"
    assert released(screens(70, 55), 10, pathway="external_product") == "undetermined"
    assert [code for code, p in release_pathways().items() if not p.can_issue] == ["historical"]


# --- profiles


def test_strict_is_at_least_as_restrictive_as_every_profile():
    order = ("record", "warn", "refer", "defer", "exclude")
    strict = {rule.id.split(".")[1]: rule for rule in STRICT.rules}
    needs = {need.analyte: need for need in STRICT.requirements}
    for code in profile_codes():
        profile = screening_profile(code, on=DAY_0)
        for rule in profile.rules:
            merged = strict[rule.id.split(".")[1]]
            assert (order.index(merged.consequence), merged.defer_days or 0) >= (
                order.index(rule.consequence),
                rule.defer_days or 0,
            )
        for need in profile.requirements:
            assert order.index(needs[need.analyte].if_positive) >= order.index(need.if_positive)
        assert profile.shelf_life is None or STRICT.shelf_life.days <= profile.shelf_life.days
        for group, interval in profile.intervals.items():
            strictest = STRICT.intervals[group]
            for name in ("max_opening_age_days", "max_closing_lag_days", "max_gap_days"):
                limit = getattr(interval, name)
                assert limit is None or getattr(strictest, name) <= limit


def test_strict_takes_the_narrowest_range():
    conditions = {rule.id: rule.condition for rule in STRICT.rules}
    assert (conditions["STRICT.age"].low, conditions["STRICT.age"].high) == (18, 30)
    assert (conditions["STRICT.bmi"].low, conditions["STRICT.bmi"].high) == (18.5, 23.9)


def test_a_blank_cell_is_not_inherited():
    assert screening_profile("BSG_HIS2024", on=DAY_0).rules == ()
    assert screening_profile("EU_UEG2021", on=DAY_0).shelf_life.months == 24
    assert screening_profile("US_FDA", on=DAY_0).shelf_life is None


@pytest.mark.parametrize(
    ("on", "analytes"),
    [
        (date(2019, 6, 17), set()),
        (date(2019, 6, 18), {"esbl", "cre", "vre", "mrsa"}),
        (date(2020, 3, 12), {"esbl", "cre", "vre", "mrsa", "stec", "epec", "sars_cov_2"}),
    ],
)
def test_safety_alerts_hold_from_their_day(on, analytes):
    assert {need.analyte for need in screening_profile("US_FDA", on=on).requirements} == analytes


def test_monkeypox_is_asked_of_stool_given_from_15_march_2022():
    for on, asked in ((date(2022, 3, 14), False), (date(2022, 3, 15), True)):
        rules = {rule.id for rule in screening_profile("US_FDA", on=on).rules}
        assert ("US_FDA.mpox_risk" in rules) is asked


def test_a_deferral_ends_after_its_days():
    rule = next(rule for rule in STRICT.rules if rule.id == "STRICT.antibiotic")
    assert judge({"had_antibiotic": False}, rule=rule).outcome == "met"
    assert judge({"had_antibiotic": True}, rule=rule).outcome == "undetermined"
    verdict = judge({"had_antibiotic": True, "days_since_antibiotic": 30}, rule=rule)
    assert (verdict.outcome, verdict.defer_until_days) == ("not_met", 62)
    assert judge({"had_antibiotic": True, "days_since_antibiotic": 92}, rule=rule).outcome == "met"


@pytest.mark.parametrize(
    ("bristol", "reject", "review"),
    [
        (2, "not_met", "not_met"),
        (3, "met", "met"),
        (4, "met", "met"),
        (5, "met", "not_met"),
        (6, "not_met", "not_met"),
    ],
)
def test_bristol_type_decides_the_donation(bristol, reject, review):
    rules = {rule.id: rule for rule in STRICT.rules_for("donation")}
    facts = {"bristol_type": bristol}
    assert judge(facts, rule=rules["STRICT.bristol"]).outcome == reject
    assert judge(facts, rule=rules["STRICT.bristol_review"]).outcome == review


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(InputError, match="CN2020"):
        screening_profile("CN2002", on=DAY_0)
    with pytest.raises(InputError, match="negative"):
        ScreeningResult("r", "hiv", "blood", "negativ", DAY_0)


# --- the questionnaire


def asked(question, result, n, **extra):
    return QuestionAnswer(question, result, day(n), **extra)


def facts_on(n, *answers):
    return questionnaire_facts(answers, on=day(n))


def test_never_is_an_answer_and_silence_is_not():
    assert facts_on(1, asked("antibiotic", "negative", 0))["had_antibiotic"] is False
    assert facts_on(1)["had_antibiotic"] is None
    assert facts_on(1, asked("antibiotic", "equivocal", 0))["had_antibiotic"] is None


def test_an_event_is_counted_from_its_last_date():
    first = asked("antibiotic", "positive", 0, event_on=day(-40))
    again = asked("antibiotic", "positive", 10, event_on=day(5))
    denied = asked("antibiotic", "negative", 20)
    assert facts_on(30, first, again, denied)["days_since_antibiotic"] == 25
    assert facts_on(30, first, denied)["had_antibiotic"] is True
    undated = asked("antibiotic", "positive", 12)
    assert facts_on(30, first, undated)["days_since_antibiotic"] is None


def test_an_answer_from_the_future_is_not_looked_at():
    assert facts_on(5, asked("transplant", "positive", 6))["has_transplant"] is None


def test_requirements_and_numbers_take_the_latest_answer():
    answers = (
        asked("consent", "positive", 0),
        asked("consent", "negative", 3),
        asked("bmi", None, 0, value=22.0),
    )
    facts = facts_on(4, *answers)
    assert (facts["has_donor_consent"], facts["donor_bmi"]) == (False, 22.0)


def test_the_bristol_type_serves_both_of_its_rules():
    assert facts_on(1, asked("bristol", None, 0, value=4))["bristol_type"] == 4
