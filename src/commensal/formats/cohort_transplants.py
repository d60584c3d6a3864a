"""What a patient of a published study received: pools, courses, sessions and historical units."""

from __future__ import annotations

import re
from collections.abc import Mapping

from commensal.errors import InputError, Problem
from commensal.formats.metadata import MEMBERSHIP, Subject, names_no_donor
from commensal.formats.rows import Rows
from commensal.formats.sheets import Sheet
from commensal.vocabulary import read_route


def read_pools(sheet: Sheet, *, problems: list[Problem]) -> dict[str, tuple[str, ...]]:
    """Return pool → member donors, from columns named ``<donor>_in_pool``; rows must agree."""
    columns = {m["donor"]: name for name in sheet.columns if (m := MEMBERSHIP.fullmatch(name))}
    pools: dict[str, tuple[str, ...]] = {}
    for index, pool in enumerate(sheet.get("donor_id") if columns else []):
        if names_no_donor(pool) or pool is None:
            continue
        members = []
        for donor, name in columns.items():
            cell = sheet.columns[name][index]
            if cell in {"1", "1.0"}:
                members.append(donor)
            elif cell not in {"0", "0.0", None}:
                problems.append(
                    Problem(sheet.name, index + 1, name, cell or "", "not_zero_or_one", "expected 0 or 1")
                )
        if pools.setdefault(pool, tuple(members)) != tuple(members):
            message = f"{pool} has other donors in another row"
            problems.append(Problem(sheet.name, index + 1, "donor_id", pool, "pool_contradicts", message))
    return {pool: members for pool, members in pools.items() if members}


def add_course(
    rows: Rows,
    person: Subject,
    sheet: Sheet,
    *,
    arm: str,
    pools: Mapping[str, tuple[str, ...]],
    problems: list[Problem],
) -> None:
    """Add the course at day 0 and, where another donor maintains it, a second one whose day is unknown."""
    donors = _donors_of(sheet, person, "donor_id", arm, problems)
    session = _session(rows, person, number=1, day=0, n_planned=_planned(person.facts["arm"]))
    for donor in donors:
        _unit(rows, person.subject_id, session, donor, pools.get(donor, ()))
    later = _donors_of(sheet, person, "maintenance_donor_id", arm, problems)
    if later:
        session = _session(rows, person, number=2, day=None, n_planned=None)
    for donor in later:
        _unit(rows, person.subject_id, session, donor, pools.get(donor, ()))


def _planned(arm: str | None) -> int | None:
    """Sessions planned, where the arm says so ("FMT x5")."""
    found = re.search(r"\bx\s*(\d{1,3})\b", arm or "")
    return int(found[1]) or None if found else None


def _session(rows: Rows, person: Subject, *, number: int, day: int | None, n_planned: int | None) -> str:
    course_id, session_id = f"{person.subject_id}-course-{number}", f"{person.subject_id}-session-{number}"
    rows.add(
        "courses",
        course_id=course_id,
        patient_id=person.subject_id,
        number=number,
        purpose="induction" if number == 1 else "maintenance",
        n_sessions_planned=n_planned,
        started_day=day,
    )
    rows.add(
        "sessions",
        session_id=session_id,
        course_id=course_id,
        patient_id=person.subject_id,
        number=number,
        administered_day=day,
        route=_route(person.facts["route"]),
        route_as_recorded=person.facts["route"],
    )
    return session_id


def _route(text: str | None) -> str | None:
    """The single route a text names. A fault in it was found before and stops the import."""
    try:
        code = read_route(text).code
    except InputError:
        return None
    return code.value if code else None


def _donors_of(
    sheet: Sheet, person: Subject, column: str, arm: str, problems: list[Problem]
) -> tuple[str, ...]:
    named = dict.fromkeys((r, sheet.get(column)[r - 1]) for r in person.rows)
    donors: list[str] = []
    for row, donor in named:
        if donor is None or donor in donors:
            continue
        if names_no_donor(donor):
            message = f"names no donor, but the arm is {person.facts['arm']!r}"
            problems.append(Problem(sheet.name, row, column, donor, "donor_missing", message))
        elif donor == person.subject_id and arm != "autologous":
            message = "the donor is the recipient, but the arm is not autologous"
            problems.append(Problem(sheet.name, row, column, donor, "donor_is_recipient", message))
        else:
            donors.append(donor)
    return tuple(donors) or ((person.subject_id,) if arm == "autologous" and column == "donor_id" else ())


def _unit(rows: Rows, patient: str, session: str, donor: str, members: tuple[str, ...]) -> None:
    unit = f"{session}-{donor}"
    rows.add("units", unit_id=unit, batch_id=donor if members else None, release_pathway="historical")
    rows.add("session_units", session_id=session, unit_id=unit)
    for member in members or (donor,):
        own = member == patient
        rows.add("unit_donors", unit_id=unit, donor_id=member)
        rows.add(
            "donors",
            donor_id=member,
            kind="autologous" if own else None,
            patient_id=patient if own else None,
        )
