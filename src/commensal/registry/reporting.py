"""When a report of an adverse event is due, to whom, and what an open question does to it; pure.

What is not known is taken as the graver answer: a clock that may run is shown as running.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from commensal.vocabulary.adverse_events import causality_categories
from commensal.vocabulary.governance import ReportingClock, reporting_clocks

LAWS = ("us_ind", "eu_ctr", "cn_gcp")
DEATH = "ae22"
GRAVEST = ("death", "life_threatening")


@dataclass(frozen=True)
class Duty:
    """One report that is, or may be, due; ``open`` names what must be answered to be sure of it."""

    event_id: str
    patient_id: str
    clock: ReportingClock
    due_at: datetime | None
    open: tuple[str, ...]
    is_reported: bool = False

    @property
    def code(self) -> str:
        """The duty's name, by which its report is recorded."""
        return f"{self.clock.jurisdiction}:{self.clock.event}:{self.clock.to}"

    def is_late(self, now: datetime) -> bool:
        """Whether the report is late; a clock whose start nobody recorded is."""
        return not self.is_reported and (self.due_at is None or now > self.due_at)


def clocks_of(jurisdiction: str | None) -> tuple[ReportingClock, ...]:
    """Return the clocks a centre keeps: its own law's, or every law's where none was chosen."""
    laws = LAWS if jurisdiction in (None, "any") else (jurisdiction,)
    return tuple(clock for law in ("site", *laws) for clock in reporting_clocks(law))


def duties(
    event: Mapping[str, Any],
    suspicions: Iterable[str | None],
    *,
    jurisdiction: str | None,
    reported: Iterable[str] = (),
) -> list[Duty]:
    """Return every report one event asks for, the first due on top.

    ``suspicions`` are the causalities given so far: one that suspects is enough. Of two clocks of one law
    for the same report the shorter is kept.
    """
    answers = {
        "is it serious": event["is_serious"],
        "is it expected": None if event["is_expected"] is None else not event["is_expected"],
        "is it suspected of FMT": is_suspected([event["causality"], *suspicions]),
    }
    sent, found = set(reported), []
    for clock in clocks_of(jurisdiction):
        asked = dict(answers) if "susar" in clock.event else {"is it serious": answers["is it serious"]}
        if clock.event.startswith("fatal"):
            asked["was it fatal or life-threatening"] = is_gravest(event)
        if False in asked.values():
            continue
        due = clock.due_at(event["aware_at"]) if event["aware_at"] else None
        open_ = tuple(question for question, said in asked.items() if said is None)
        duty = Duty(event["adverse_event_id"], event["patient_id"], clock, due, open_)
        found.append(Duty(**{**vars(duty), "is_reported": duty.code in sent}))
    return sorted(_shortest(found), key=lambda d: (d.due_at is not None, d.due_at, d.code))


def _shortest(found: list[Duty]) -> list[Duty]:
    """Drop the longer clock of a law where the shorter one runs for certain."""
    sure = {d.clock.jurisdiction for d in found if d.clock.event.startswith("fatal") and not d.open}
    return [d for d in found if d.clock.event != "susar" or d.clock.jurisdiction not in sure]


def is_suspected(causalities: Iterable[str | None]) -> bool | None:
    """Return whether any judgement suspects FMT; None where nobody has judged."""
    given = [causality_categories().get(c).is_suspected for c in causalities if c is not None]
    return any(given) if given else None


def is_gravest(event: Mapping[str, Any]) -> bool | None:
    """Return whether an event was fatal or life-threatening; None where neither grade nor criteria tell."""
    criteria = event["seriousness_criteria"]
    if (
        event["term"] == DEATH
        or event["grade"] in (4, 5)
        or any(c in GRAVEST for c in (criteria or "").split(";"))
    ):
        return True
    return None if event["grade"] is None and criteria is None else False


def agreement(judged: Iterable[tuple[str, str | None, str | None]]) -> tuple[str, str | None]:
    """Return where a blinded adjudication stands, from (physician, causality, main attribution) in order.

    "open" until two have judged; "agreed" where both say suspected or both not, and name one attribution;
    else "third" until a third has judged, whose word counts ("settled"). With it comes the causality that
    holds, once one does: of two that agree the one that suspects more.
    """
    order = causality_categories().codes
    said = list(judged)
    if len(said) < 2:
        return "open", None
    (_, first, one), (_, second, other) = said[:2]
    known = [c for c in (first, second) if c is not None]
    same_side = len(known) == 2 and len({is_suspected([c]) for c in known}) == 1
    if same_side and one == other and one is not None:
        return "agreed", min(known, key=order.index)
    return ("third", None) if len(said) == 2 else ("settled", said[2][1])
