"""The donor funnel: how far each donor came, and why donors left; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

STAGES = ("contacted", "questionnaire", "tests", "eligible", "donating")
LEFT = ("deferred", "excluded", "retired")


@dataclass(frozen=True)
class Stage:
    """One stage: how many reached it, how many are there now, and what share of those contacted."""

    name: str
    n_reached: int
    n_here: int
    share: float | None


@dataclass(frozen=True)
class Funnel:
    """All stages, and how many left by status and reason."""

    stages: tuple[Stage, ...]
    left: tuple[tuple[str, str, int], ...]


def stage_of(donor: Mapping[str, Any]) -> str:
    """Return the furthest stage a donor reached.

    ``donor`` has has_answers, has_tests, was_eligible and has_donated. A later stage stands for those
    before it: a donor who gave was eligible, whatever was recorded of the way there.
    """
    if donor["has_donated"]:
        return "donating"
    if donor["was_eligible"]:
        return "eligible"
    return "tests" if donor["has_tests"] else "questionnaire" if donor["has_answers"] else "contacted"


def funnel_of(donors: Iterable[Mapping[str, Any]]) -> Funnel:
    """Count the donors of some centres by stage; ``status`` and ``reason_code`` say who left and why."""
    donors = list(donors)
    furthest = Counter(stage_of(donor) for donor in donors)
    here = Counter(stage_of(donor) for donor in donors if donor["status"] not in LEFT)
    stages, reached = [], len(donors)
    for name in STAGES:
        share = reached / len(donors) if donors else None
        stages.append(Stage(name, reached, here[name], share))
        reached -= furthest[name]
    left = Counter(
        (donor["status"], donor["reason_code"] or "not recorded")
        for donor in donors
        if donor["status"] in LEFT
    )
    ordered = sorted(left.items(), key=lambda item: (LEFT.index(item[0][0]), -item[1], item[0][1]))
    return Funnel(tuple(stages), tuple((status, reason, n) for (status, reason), n in ordered))
