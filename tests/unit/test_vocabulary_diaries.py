"""Bowel diaries: what is spontaneous, what is complete, and which weeks decide."""

import pytest

from commensal.errors import InputError
from commensal.vocabulary.instruments import BowelMovement, count_csbm, responder_of_weeks, score_one


def test_a_movement_within_a_day_of_rescue_is_not_spontaneous():
    movements = [BowelMovement(hour, True) for hour in (1.0, 10.0, 33.9, 34.0, 60.0)]
    assert count_csbm(movements, rescue_hours=[10.0]) == 3
    assert count_csbm(movements, rescue_hours=[]) == 5


def test_an_unanswered_completeness_matters_only_if_spontaneous():
    movements = [BowelMovement(5.0, True), BowelMovement(30.0, None), BowelMovement(60.0, False)]
    assert count_csbm(movements, rescue_hours=[]) is None
    assert count_csbm(movements, rescue_hours=[29.0]) == 1


@pytest.mark.parametrize(
    ("yes", "no", "unknown", "responder"),
    [(6, 6, 0, True), (5, 7, 0, False), (5, 6, 1, None), (6, 0, 6, True), (3, 7, 2, False)],
)
def test_responder_of_weeks(yes: int, no: int, unknown: int, responder: bool | None):
    assert responder_of_weeks([True] * yes + [False] * no + [None] * unknown) is responder


def test_every_week_is_needed():
    with pytest.raises(InputError, match="11 weeks"):
        responder_of_weeks([True] * 11)


def test_weekly_rules_of_both_subtypes():
    before = {"worst_pain": 6, "csbm_per_week": 1, "loose_days": 4}
    now = {"worst_pain": 4.2, "csbm_per_week": 2, "loose_days": 3}
    criteria = score_one("ibs_weekly", now, baseline=before).criteria
    assert criteria == {"ibs_c_response": True, "ibs_d_response": False}
    assert score_one("ibs_weekly", {"worst_pain": 5}, baseline=before).criteria["ibs_c_response"] is False
    assert score_one("ibs_weekly", {"worst_pain": 4}, baseline=before).criteria["ibs_c_response"] is None
