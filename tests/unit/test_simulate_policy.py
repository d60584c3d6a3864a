"""The world of a policy trial: pure, seeded, outcomes after their delay."""

from __future__ import annotations

import polars as pl
import pytest

from commensal.errors import InputError
from commensal.simulate import Centre, open_centre


def run(centre: Centre, steps: int, donor: str) -> tuple[Centre, pl.DataFrame]:
    seen = []
    for _ in range(steps):
        ids = centre.waiting["recipient_id"].to_list()[:2]
        centre, outcomes = centre.step(dict.fromkeys(ids, donor))
        seen.append(outcomes)
    return centre, pl.concat(seen)


def test_step_is_pure() -> None:
    centre = open_centre(seed=3)
    ids, donors = centre.waiting["recipient_id"].to_list(), centre.donors["donor_id"].to_list()
    forward = dict(zip(ids[:6], donors[:6], strict=True))
    backward = dict(reversed(forward.items()))
    one, other = centre.step(forward), centre.step(backward)
    assert one[0].pending.equals(other[0].pending)
    assert one[0].waiting.equals(other[0].waiting)
    assert centre.day == 0
    assert centre.pending.is_empty()


def test_outcomes_come_after_the_delay_and_once() -> None:
    centre, outcomes = run(open_centre(seed=3, outcome_after_days=84), 11, "D001")
    assert outcomes.is_empty()
    centre, outcomes = run(centre, 8, "D001")
    assert (outcomes["observed_day"] - outcomes["treated_day"]).unique().to_list() == [84]
    assert outcomes["recipient_id"].is_unique().all()
    assert outcomes.height + centre.pending.height == 2 * 19


def test_a_planted_effect_shows_and_no_effect_does_not() -> None:
    effects = {"D001": -2.0, "D002": 0.0, "D003": 0.0}
    centre = open_centre(seed=9, donor_log_odds=effects, units_per_step=2, outcome_after_days=7)
    rate = {donor: run(centre, 150, donor)[1]["is_success"].mean() for donor in effects}
    assert rate["D001"] < rate["D002"] - 0.15  # type: ignore[operator]
    assert rate["D002"] == rate["D003"]  # exactly 0: the same seed gives the same outcomes


@pytest.mark.parametrize(
    ("assignments", "words"),
    [({"W999999": "D001"}, "does not wait"), ({"W000001": "D999"}, "no donor")],
)
def test_unknown_names_are_refused(assignments: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        open_centre(seed=3).step(assignments)


def test_more_recipients_than_units_are_refused() -> None:
    centre = open_centre(seed=3, units_per_step=1)
    ids = centre.waiting["recipient_id"].to_list()[:2]
    with pytest.raises(InputError, match="no unit left"):
        centre.step(dict.fromkeys(ids, "D001"))
