"""Clocks of adverse events and the standing of a blinded adjudication, without a database."""

from datetime import UTC, datetime, timedelta

import pytest

from commensal.registry.checklist import is_firm_rule
from commensal.registry.reporting import agreement, duties

AWARE = datetime(2028, 2, 28, 22, 0, tzinfo=UTC)
EVENT = {
    "adverse_event_id": "e",
    "patient_id": "P1",
    "term": "ae15",
    "grade": 3,
    "is_serious": True,
    "seriousness_criteria": "hospitalisation",
    "causality": "possible",
    "is_expected": False,
    "aware_at": AWARE,
}


def days(event, **more):
    return {
        d.code.rsplit(":", 1)[0]: d for d in duties({**EVENT, **event}, (), jurisdiction="eu_ctr", **more)
    }


def test_a_serious_unexpected_suspected_event_is_due_in_fifteen_days_over_a_leap_day():
    due = days({})
    assert set(due) == {"site:sae", "eu_ctr:susar"}
    assert due["eu_ctr:susar"].due_at == datetime(2028, 3, 14, 22, 0, tzinfo=UTC)
    assert due["site:sae"].due_at == AWARE + timedelta(hours=24)


@pytest.mark.parametrize("event", [{"grade": 4}, {"term": "ae22"}, {"seriousness_criteria": "death"}])
def test_a_fatal_or_life_threatening_one_is_due_in_seven(event):
    assert days(event)["eu_ctr:fatal_or_life_threatening_susar"].due_at == AWARE + timedelta(days=7)
    assert "eu_ctr:susar" not in days(event)


@pytest.mark.parametrize("event", [{"is_expected": True}, {"causality": "unlikely"}])
def test_an_expected_or_unsuspected_event_keeps_the_first_clock_alone(event):
    assert set(days(event)) == {"site:sae"}


def test_no_clock_of_an_event_that_is_not_serious():
    assert days({"is_serious": False}) == {}


@pytest.mark.parametrize("unknown", ["is_serious", "is_expected", "causality"])
def test_what_is_not_known_lets_the_clock_run(unknown):
    due = days({unknown: None})
    assert due["eu_ctr:susar"].open


def test_a_clock_nobody_started_is_late_at_once():
    assert days({"aware_at": None})["site:sae"].is_late(AWARE)
    assert not days({})["site:sae"].is_late(AWARE + timedelta(hours=24))
    assert days({})["site:sae"].is_late(AWARE + timedelta(hours=24, seconds=1))


def test_a_suspicion_of_anybody_counts():
    found = duties({**EVENT, "causality": "unlikely"}, ["probable"], jurisdiction="us_ind")
    assert any(d.clock.event == "susar" for d in found)


A, B, C = ("a", "probable", "microbiota"), ("b", "possible", "microbiota"), ("c", "unlikely", "disease")


@pytest.mark.parametrize(
    ("judged", "standing"),
    [
        ([], ("open", None)),
        ([A], ("open", None)),
        ([B, A], ("agreed", "probable")),
        ([A, C], ("third", None)),
        ([A, ("b", "possible", "delivery")], ("third", None)),
        ([A, ("b", None, "microbiota")], ("third", None)),
        ([A, C, B], ("settled", "possible")),
    ],
)
def test_two_agree_or_a_third_settles(judged, standing):
    assert agreement(judged) == standing


@pytest.mark.parametrize(
    ("rule", "is_firm"), [("GATE01", True), ("PRE01", False), ("RTE04", True), ("X", True)]
)
def test_only_what_asks_for_a_review_may_be_overridden(rule, is_firm):
    assert is_firm_rule(rule) is is_firm
