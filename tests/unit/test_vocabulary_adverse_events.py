"""Adverse events: grade is not seriousness, and what is not known is not told."""

import itertools
import re

import pytest

from commensal.errors import InputError
from commensal.vocabulary import (
    adverse_events,
    causality_categories,
    grade_diarrhoea,
    grade_fever,
    grade_vomiting,
    grades,
    is_expected,
    is_serious,
    naranjo,
    seriousness_criteria,
)


def test_the_list_is_complete():
    assert adverse_events().codes == tuple(f"ae{n:02}" for n in range(1, 23))
    assert [grade.grade for grade in grades()] == [1, 2, 3, 4, 5]
    assert len(seriousness_criteria()) == 6
    assert len(causality_categories()) == 6


@pytest.mark.parametrize(
    ("stools", "baseline", "grade"),
    [
        (5, 2, 1),
        (6, 2, 2),
        (8, 2, 2),
        (9, 2, 3),
        (6, 6, 0),
        (3, 6, 0),
        (7, 0, 3),
        (None, 2, None),
        (9, None, None),
    ],
)
def test_diarrhoea_is_graded_over_baseline(stools: int | None, baseline: int | None, grade: int | None):
    assert grade_diarrhoea(stools, baseline_per_day=baseline) == grade


@pytest.mark.parametrize(
    ("celsius", "hours", "grade"),
    [
        (37.9, None, 0),
        (38.0, None, 1),
        (39.0, None, 1),
        (39.1, None, 2),
        (40.0, None, 2),
        (40.1, 24, 3),
        (40.1, 25, 4),
        (40.1, None, None),
        (None, 3, None),
    ],
)
def test_fever(celsius: float | None, hours: float | None, grade: int | None):
    assert grade_fever(celsius, hours=hours) == grade


@pytest.mark.parametrize("celsius", [101.3, 3.8, float("nan")])
def test_a_temperature_in_fahrenheit_is_refused(celsius: float):
    with pytest.raises(InputError, match="plausible"):
        grade_fever(celsius)


@pytest.mark.parametrize(
    ("answers", "grade"),
    [
        ((False, False, False, False), 1),
        ((True, False, False, False), 2),
        ((None, True, False, False), 2),
        ((None, None, True, False), 3),
        ((None, None, True, None), None),
        ((False, False, None, False), None),
        ((None, None, None, True), 4),
        ((None, False, False, False), None),
    ],
)
def test_vomiting(answers: tuple[bool | None, ...], grade: int | None):
    names = ("needs_intervention", "needs_outpatient_fluids", "needs_admission", "is_life_threatening")
    assert grade_vomiting(**dict(zip(names, answers, strict=True))) == grade


@pytest.mark.parametrize(
    ("event", "grade", "expected"),
    [
        ("ae01", 2, True),
        ("ae01", 3, False),
        ("ae01", None, None),
        ("ae07", 1, True),
        ("ae07", 2, False),
        ("ae15", 1, False),
        ("ae15", None, False),
        (None, 1, False),
    ],
)
def test_expectedness(event: str | None, grade: int | None, expected: bool | None):
    assert is_expected(event, grade=grade) is expected


def test_unknown_codes_are_refused():
    for call in (
        lambda: is_expected("ae99", grade=1),
        lambda: is_expected("ae01", grade=6),
        lambda: is_serious("ae01", criteria=["nasty"]),
        lambda: grade_diarrhoea(-1, baseline_per_day=0),
    ):
        with pytest.raises(InputError):
            call()


def test_seriousness_is_not_grade():
    assert is_serious("ae01", criteria=["hospitalisation"]) is True
    assert is_serious("ae01", criteria=[]) is False
    assert is_serious("ae01", criteria=None) is None
    assert is_serious("ae12", criteria=None) is True
    assert is_serious(None, criteria=[]) is False


def test_window():
    event = adverse_events().get("ae16")
    assert [event.is_in_window(day) for day in (-1, 0, 90, 91)] == [False, True, True, False]
    assert adverse_events().get("ae20").is_in_window(4000) is True
    assert adverse_events().get("ae22").is_in_window(4000) is None


def test_naranjo_range_and_categories():
    most = ["yes"] * 10
    most[4] = most[5] = "no"
    least = ["no", "no", "no", "no", "yes", "yes", "no", "no", "no", "no"]
    assert naranjo(most) == (13, "definite")
    assert naranjo(least) == (-4, "doubtful")
    assert naranjo(["unknown"] * 10) == (0, "doubtful")
    assert naranjo(["yes", "yes", "yes", "yes", "no", *["unknown"] * 5]) == (8, "probable")
    assert naranjo(["yes", "yes", "yes", "yes", "no", "no", *["unknown"] * 4]) == (9, "definite")
    with pytest.raises(InputError, match="ten answers"):
        naranjo(["yes"])


def test_terms_are_our_own_short_words():
    for event, other in itertools.combinations(adverse_events(), 2):
        assert event.label != other.label
    assert not any(re.search(r"\b\d{8}\b", event.label) for event in adverse_events())
