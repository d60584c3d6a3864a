"""The safety of the bank: a long random walk over its rules, and races of eight people for one unit.

Run: python benchmarks/trial_bank.py [SHARE]; the share (1 by default) scales steps and races. The races run
on SQLite, or on the database that DATABASE_URL names. Kept in docs/trials.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from commensal.bank import Event, UnitState, advance, fold, not_givable, not_issuable
from commensal.bank.custody import ADMINISTRATIONS, NEXT
from commensal.errors import RefusedError
from commensal.study.inputs import CUSTODY_EVENTS

SEED = 20261122
N_STEPS, N_RACES = 1_000_000, 1_000
N_UNITS, LIFE = 40, 60
"""Units in the bank at once, and the events after which one is accounted for and replaced."""
PATIENTS = ("P1", "P2", "P3")
HOLDS = ("none", "none", "none", "quarantine", "recall")
PLAIN = [e for e in CUSTODY_EVENTS if e not in ("issued", "corrected", *ADMINISTRATIONS)]
USUAL = ("collected", "processed", "frozen", "released")
RACERS = Path(__file__).parents[1] / "tests" / "site" / "racers.py"


class UnsafeError(AssertionError):
    """The bank allowed what must never happen."""


@dataclass
class Told:
    """One unit, and what a bookkeeper who knows nothing of the rules wrote down of it."""

    unit: str
    expires: int
    pathway: str
    hold: str = "none"
    state: UnitState = field(default_factory=UnitState)
    events: list[Event] = field(default_factory=list)
    given: dict[str, str | None] = field(default_factory=dict)


@dataclass
class Tally:
    """What the walk did."""

    n_steps: int = 0
    n_refused: int = 0
    n_issued: int = 0
    n_given: int = 0
    n_taken_back: int = 0
    n_units: int = 0


def walk(*, n_steps: int, seed: int) -> Tally:
    """Try random things with the units of a bank. Raises UnsafeError where a promise is broken."""
    rng, tally, day = random.Random(seed), Tally(), 0
    bank = [_new(rng, n, day) for n in range(N_UNITS)]
    for step in range(n_steps):
        tally.n_steps += 1
        day += rng.random() < 0.01
        at = rng.randrange(N_UNITS)
        told = bank[at]
        is_over = not NEXT[told.state.custody] or told.expires < day
        if len(told.events) > LIFE or (is_over and rng.random() < 0.1):
            account(told)
            tally.n_units += 1
            bank[at] = _new(rng, N_UNITS + step, day)
        else:
            _step(told, rng, day, step, tally)
    for told in bank:
        account(told)
    return tally


def _new(rng: random.Random, n: int, day: int) -> Told:
    pathway = "historical" if rng.random() < 0.02 else "bookend"
    return Told(unit=f"U{n}", expires=day + rng.randrange(1, 12), pathway=pathway)


def _step(told: Told, rng: random.Random, day: int, step: int, tally: Tally) -> None:
    """Do one thing somebody might try."""
    dice, patient = rng.random(), rng.choice(PATIENTS)
    if dice < 0.05:
        told.hold = rng.choice(HOLDS)
    elif dice < 0.40:
        _usual(told, day, step)
    elif dice < 0.50:
        _attempt(told, rng.choice(PLAIN), day, step, tally, patient_id=patient)
    elif dice < 0.70:
        _ask(told, patient, day, step, tally)
    elif dice < 0.90:
        _give(told, rng, patient, day, step, tally)
    elif told.events:
        _take_back(told, rng, day, step, tally)


def _usual(told: Told, day: int, step: int) -> None:
    """The next event on the usual way to release, if one is left."""
    done = {event.event for event in told.events}
    for event in USUAL:
        if event not in done and event in NEXT[told.state.custody]:
            _record(told, Event(f"{told.unit}-{step}", event, day=day))
            return


def _record(told: Told, event: Event) -> bool:
    try:
        told.state = advance(told.state, event, pathway=told.pathway)
    except RefusedError:
        return False
    told.events.append(event)
    return True


def _attempt(told: Told, event: str, day: int, step: int, tally: Tally, **more: object) -> bool:
    is_done = _record(told, Event(f"{told.unit}-{step}", event, day=day, **more))  # type: ignore[arg-type]
    tally.n_refused += not is_done
    return is_done


def _standing(told: Told) -> list[Event]:
    """The events nobody took back: read from the list itself, not from the state."""
    gone = {event.corrects for event in told.events if event.corrects}
    return [event for event in told.events if event.event_id not in gone and event.event != "corrected"]


def _ask(told: Told, patient: str, day: int, step: int, tally: Tally) -> None:
    """Somebody asks for the unit: the bank answers, the bookkeeper checks the answer."""
    if not_issuable(
        told.state,
        pathway=told.pathway,
        hold=told.hold,
        expires_day=told.expires,
        on_day=day,
        patient_id=patient,
    ):
        tally.n_refused += 1
        return
    names = [event.event for event in _standing(told)]
    _demand("released" in names, told, "issued without a release that stands")
    _demand(day <= told.expires, told, "issued after its last day")
    _demand(told.hold == "none", told, "issued while held")
    _demand(told.pathway != "historical", told, "historical material issued")
    _demand("issued" not in names, told, "issued twice")
    _demand(not set(ADMINISTRATIONS) & set(names), told, "issued after it was given")
    _demand(_attempt(told, "issued", day, step, tally, patient_id=patient), told, "issuable, then refused")
    tally.n_issued += 1


def _give(told: Told, rng: random.Random, patient: str, day: int, step: int, tally: Tally) -> None:
    """Somebody gives the unit: after asking the bank, or as a record of what happened unasked."""
    is_asked = rng.random() < 0.7
    if is_asked and not_givable(
        told.state,
        pathway=told.pathway,
        hold=told.hold,
        expires_day=told.expires,
        on_day=day,
        patient_id=patient,
    ):
        tally.n_refused += 1
        return
    if is_asked:
        issued = [event for event in _standing(told) if event.event == "issued"]
        _demand(told.hold == "none" and day <= told.expires, told, "given held or after its last day")
        _demand(len(issued) == 1 and issued[0].patient_id == patient, told, "given to somebody else")
    event = rng.choice(ADMINISTRATIONS)
    fraction = None if event == "administered" else round(rng.uniform(0.05, 0.9), 2)
    if _attempt(told, event, day, step, tally, patient_id=patient, fraction=fraction):
        told.given[told.events[-1].event_id] = patient
        tally.n_given += 1


def _take_back(told: Told, rng: random.Random, day: int, step: int, tally: Tally) -> None:
    last = told.state.last_event_id if rng.random() < 0.8 else rng.choice(told.events).event_id
    if last is not None and _attempt(told, "corrected", day, step, tally, corrects=last):
        tally.n_taken_back += 1


def account(told: Told) -> None:
    """Whatever happened since: every administration ever recorded is an exposure, and nothing else is."""
    folded = fold(told.events, pathway=told.pathway)
    found = {exposure.event_id: exposure.patient_id for exposure in folded.exposures}
    _demand(set(found.items()) <= set(told.given.items()), told, "an exposure nobody recorded")
    _demand(set(told.given.items()) <= set(found.items()), told, "an exposure was lost")
    _demand(folded == told.state, told, "the fold is not the state that was led along")
    _demand(not folded.faults, told, "a fault in a record of legal events")


def _demand(is_so: bool, told: Told, what: str) -> None:
    if not is_so:
        story = ", ".join(f"{event.event}@{event.day}" for event in told.events)
        raise UnsafeError(f"{told.unit}: {what} (hold {told.hold}, last day {told.expires}): {story}")


def main() -> None:
    """Print what was done."""
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    began = time.perf_counter()
    tally = walk(n_steps=int(N_STEPS * share), seed=SEED)
    print(f"walk, seed {SEED}: {tally}; {time.perf_counter() - began:.0f} s", flush=True)
    with tempfile.TemporaryDirectory(prefix="commensal-races-") as folder:
        began = time.perf_counter()
        found = subprocess.run(  # noqa: S603  own program
            [sys.executable, str(RACERS), str(int(N_RACES * share))],
            env={**os.environ, "COMMENSAL_REGISTRY": folder},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        engine = "PostgreSQL" if os.environ.get("DATABASE_URL") else "SQLite"
        print(f"{engine}: {found.strip()}; {time.perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
