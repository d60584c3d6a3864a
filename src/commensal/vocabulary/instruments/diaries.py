"""What a bowel diary counts: complete spontaneous movements, and weeks in which a patient responds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from commensal.errors import InputError

RESCUE_HOURS = 24.0
"""A movement within this time after a laxative, enema or digitation is not spontaneous (Tian 2017)."""


@dataclass(frozen=True)
class BowelMovement:
    """One movement, ``hour`` hours after the diary began; ``is_complete`` None where it was not answered."""

    hour: float
    is_complete: bool | None


def count_csbm(movements: Sequence[BowelMovement], *, rescue_hours: Sequence[float]) -> int | None:
    """Return how many movements were complete and spontaneous.

    ``rescue_hours`` are the times of rescue laxatives, enemas or digitations, in hours after the diary
    began. None when a spontaneous movement does not say whether it was complete.
    """
    spontaneous = [
        m for m in movements if not any(0 <= m.hour - rescue < RESCUE_HOURS for rescue in rescue_hours)
    ]
    if any(movement.is_complete is None for movement in spontaneous):
        return None
    return sum(movement.is_complete is True for movement in spontaneous)


def responder_of_weeks(weeks: Sequence[bool | None], *, needed: int = 6, of: int = 12) -> bool | None:
    """Return whether a patient responded in at least ``needed`` of ``of`` weeks (FDA: 6 or 9 of 12).

    ``weeks`` holds each week's response, None where it cannot be told; None is returned when the unknown
    weeks decide.

    Refuses
        ``InputError`` when there are not exactly ``of`` weeks.
    """
    if len(weeks) != of:
        raise InputError(
            f"{len(weeks)} weeks of diary were given",
            expected=f"{of} weeks, with None for a week that cannot be judged",
            do="give every week of the period",
        )
    sure = sum(week is True for week in weeks)
    if sure >= needed:
        return True
    return None if sure + sum(week is None for week in weeks) >= needed else False
