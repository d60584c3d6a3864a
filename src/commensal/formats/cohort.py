"""From sample metadata to people: patients, donors, pools, sessions, units and outcomes.

A published study without dates runs on the patient's clock: day 0 is the index, the first transplant.
One session at day 0 stands for what the patient received; its unit links patient and donor.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from commensal.errors import InputError, Problem
from commensal.formats.metadata import (
    MEMBERSHIP,
    Subject,
    is_baseline,
    names_no_donor,
    role_of,
    subjects,
    totals,
)
from commensal.formats.sheets import Sheet
from commensal.study import INPUTS
from commensal.vocabulary import find_indication, instrument, read_route
from commensal.vocabulary.codes import plain

MAX_DAY = 40_000

_OUTCOMES = {
    "remission": ("remission", "clinical remission", "complete remission", "缓解"),
    "response": ("response", "responder", "clinical response", "yes", "有效"),
    "partial_response": ("partial response", "partial responder", "partial", "部分缓解"),
    "no_response": (
        "no response", "none", "non response", "nonresponse", "non responder", "nonresponder", "no", "无效",
    ),
    "resolved": ("resolved", "cured", "cure"),
    "failed": ("failed", "failure", "recurrence", "relapse"),
}  # fmt: skip
_SEXES = {
    "female": ("f", "female", "woman", "女"),
    "male": ("m", "male", "man", "男"),
    "intersex": ("intersex",),
    "unknown": ("unknown", "u"),
}


@dataclass
class Rows:
    """Rows of study tables as they are gathered."""

    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, table: str, **cells: Any) -> None:
        """Add a row; columns not given are null."""
        self.tables.setdefault(table, []).append(cells)

    def frames(self) -> dict[str, pl.DataFrame]:
        """The gathered rows as frames of the declared types, each row once."""
        return {
            name: pl.DataFrame(rows, schema=_schema(name, rows)).unique(maintain_order=True)
            for name, rows in self.tables.items()
        }


def _schema(name: str, rows: list[dict[str, Any]]) -> dict[str, pl.DataType]:
    used = {c for row in rows for c in row}
    return {c.name: c.storage for c in INPUTS[name] if c.name in used}


def cohort_frames(
    sheet: Sheet, *, problems: list[Problem], notes: list[str], has_samples: bool = True
) -> dict[str, pl.DataFrame]:
    """Return the tables of people, material and care that sample metadata speak of."""
    people = subjects(sheet, problems=problems)
    pools = _pools(sheet, problems)
    rows = Rows()
    for person in people:
        if person.role == "recipient":
            _patient(rows, person, sheet, pools, problems)
        elif person.role in {"donor", "healthy_reference"} and person.subject_id not in pools:
            kind = "healthy_reference" if person.role == "healthy_reference" else None
            rows.add("donors", donor_id=person.subject_id, kind=kind)
    for pool, members in pools.items():
        rows.add("batches", batch_id=pool)
        for donor in members:
            rows.add("donors", donor_id=donor, kind=None)
    if has_samples:
        _samples(rows, sheet, {p.subject_id: p for p in people}, pools, problems)
    _note_assumptions(rows, sheet, notes)
    return _one_row_per_donor(rows.frames())


def _one_row_per_donor(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """A donor is named by samples, by recipients and by pools; the row that says its kind wins."""
    if "donors" in frames:
        donors = frames["donors"].sort("donor_id", "kind", nulls_last=True)
        frames["donors"] = donors.unique("donor_id", keep="first", maintain_order=True)
    return frames


def _note_assumptions(rows: Rows, sheet: Sheet, notes: list[str]) -> None:
    if "arm" not in sheet and rows.tables.get("patients"):
        notes.append(f"{sheet.name} has no arm: every recipient is taken as treated with FMT")
    if rows.tables.get("donations"):
        notes.append("days of donations count from the index of the patient they were made for")
    if rows.tables.get("sessions"):
        notes.append("the source gives no date of each session: one session at day 0 stands for the course")


# -- patients ---------------------------------------------------------------------------------------


def arm_of(text: str | None) -> str | None:
    """Return the arm that a text names, None where it names none of those known."""
    words = plain(text or "")
    for arm, parts in (
        ("placebo", ("placebo", "sham", "安慰剂")),
        ("other_control", ("no fmt", "without fmt", "standard of care", "standard care", "usual care")),
        ("autologous", ("autologous", "auto fmt", "own stool", "自体")),
        ("fmt", ("fmt", "transplant", "transplantation", "microbiota transfer", "粪菌移植", "donor stool")),
        ("antibiotics_only", ("antibiotic", "antibiotics", "vancomycin", "fidaxomicin")),
        ("other_control", ("control",)),
    ):
        if any(f" {part} " in f" {words} " or (not part.isascii() and part in words) for part in parts):
            return arm
    return None


def _patient(
    rows: Rows, person: Subject, sheet: Sheet, pools: Mapping[str, tuple[str, ...]], problems: list[Problem]
) -> None:
    said = person.facts["arm"]
    arm = arm_of(said) if "arm" in sheet else "fmt"
    if arm is None:
        problems.append(
            _problem(
                sheet, person, "arm", said, "arm_unknown", "expected FMT, placebo, autologous or a control"
            )
        )
        return
    rows.add(
        "patients",
        patient_id=person.subject_id,
        arm=arm,
        arm_as_recorded=said,
        sex=_listed(sheet, person, "sex", _SEXES, problems),
        indication=_indication(rows, sheet, person, problems),
        index_day=0,
    )
    _outcome(rows, sheet, person, problems)
    _totals(rows, sheet, person, problems)
    if arm in {"fmt", "autologous"}:
        _course(rows, sheet, person, arm, pools, problems)
    elif any(not names_no_donor(sheet.get("donor_id")[r - 1]) for r in person.rows):
        problems.append(
            _problem(
                sheet, person, "donor_id", None, "comparator_has_donor", f"arm {said!r} but a donor is named"
            )
        )


def _indication(rows: Rows, sheet: Sheet, person: Subject, problems: list[Problem]) -> str | None:
    text = person.facts["disease"]
    if text is None:
        return None
    try:
        found = find_indication(text).code
    except InputError as error:
        problems.append(
            _problem(sheet, person, "disease", text, "indication_unknown", f"{error.what}; {error.expected}")
        )
        return None
    rows.add(
        "diagnoses",
        diagnosis_id=f"{person.subject_id}-indication",
        patient_id=person.subject_id,
        role="indication",
        indication=found,
        condition=text,
    )
    return found


def _outcome(rows: Rows, sheet: Sheet, person: Subject, problems: list[Problem]) -> None:
    label = _listed(sheet, person, "outcome", _OUTCOMES, problems)
    if label:
        rows.add(
            "reported_outcomes",
            outcome_id=f"{person.subject_id}-outcome",
            patient_id=person.subject_id,
            label=label,
            label_as_recorded=person.facts["outcome"],
        )


def _listed(
    sheet: Sheet,
    person: Subject,
    column: str,
    codes: Mapping[str, tuple[str, ...]],
    problems: list[Problem],
) -> str | None:
    text = person.facts[column]
    if text is None:
        return None
    found = next((code for code, names in codes.items() if plain(text) in names), None)
    if found is None:
        expected = "expected one of " + ", ".join(codes)
        problems.append(_problem(sheet, person, column, text, f"{column}_unknown", expected))
    return found


def _totals(rows: Rows, sheet: Sheet, person: Subject, problems: list[Problem]) -> None:
    """Totals of instruments that stand in columns of their own; a value out of range is not imported."""
    for total in totals(sheet):
        text = person.facts[total.column]
        if text is None:
            continue
        visit = f"{person.subject_id}-{total.when}"
        code = "V0" if is_baseline(total.when) else None
        rows.add("visits", visit_id=visit, patient_id=person.subject_id, visit=code, status="attended")
        rows.add(
            "assessments",
            visit_id=visit,
            patient_id=person.subject_id,
            instrument=total.instrument,
            item=instrument(total.instrument).primary,
            occurrence=1,
            value=_total(sheet, person, total.column, total.instrument, text, problems),
        )


def _total(
    sheet: Sheet, person: Subject, column: str, code: str, text: str, problems: list[Problem]
) -> float | None:
    item = instrument(code).inputs[instrument(code).primary]
    value = whole_or_decimal(text)
    if value is None:
        problems.append(_problem(sheet, person, column, text, "not_a_number", "expected a number"))
    elif not item.admits(value):
        limits = f"{item.minimum:g} to {item.maximum:g}"
        message = f"outside the range of {code} ({limits}): not imported, the value is missing"
        problems.append(_problem(sheet, person, column, text, "out_of_range", message, severity="warning"))
        return None
    return value


def whole_or_decimal(text: str) -> float | None:
    """Return the finite number that ``text`` is, None where it is none."""
    return (
        float(text)
        if re.fullmatch(r"[+-]?\d{1,15}(\.\d{1,40})?([eE][+-]?\d{1,2})?", text, re.ASCII)
        else None
    )


# -- donors, pools, sessions ------------------------------------------------------------------------


def _pools(sheet: Sheet, problems: list[Problem]) -> dict[str, tuple[str, ...]]:
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


def _course(
    rows: Rows,
    sheet: Sheet,
    person: Subject,
    arm: str,
    pools: Mapping[str, tuple[str, ...]],
    problems: list[Problem],
) -> None:
    """The course at day 0 and, where another donor is named for maintenance, a second one without a day."""
    planned = re.search(r"\bx\s*(\d{1,3})\b", person.facts["arm"] or "")
    number = int(planned[1]) if planned and int(planned[1]) else None
    for course, column in enumerate(("donor_id", "maintenance_donor_id"), start=1):
        if course == 2 and column not in sheet:
            continue
        donors = _donors_of(sheet, person, column, arm, problems)
        if course == 2 and not donors:
            continue
        course_id, session_id = (
            f"{person.subject_id}-course-{course}",
            f"{person.subject_id}-session-{course}",
        )
        rows.add(
            "courses",
            course_id=course_id,
            patient_id=person.subject_id,
            number=course,
            purpose="induction" if course == 1 else "maintenance",
            n_sessions_planned=number if course == 1 else None,
            started_day=0 if course == 1 else None,
        )
        rows.add(
            "sessions",
            session_id=session_id,
            course_id=course_id,
            patient_id=person.subject_id,
            number=course,
            administered_day=0 if course == 1 else None,
            route=_route(person.facts["route"]),
            route_as_recorded=person.facts["route"],
        )
        for donor in donors:
            _unit(rows, person.subject_id, session_id, donor, pools.get(donor, ()))


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


# -- samples ----------------------------------------------------------------------------------------


def _samples(
    rows: Rows,
    sheet: Sheet,
    people: Mapping[str, Subject],
    pools: Mapping[str, tuple[str, ...]],
    problems: list[Problem],
) -> None:
    days = _integers(sheet, "day", problems)
    reads = _integers(sheet, "n_reads", problems, minimum=0)
    for index, sample in enumerate(sheet.get("sample_id")):
        subject = sheet.get("subject_id")[index]
        person = people.get(subject) if subject else None
        if sample is None:
            problems.append(Problem(sheet.name, index + 1, "sample_id", "", "sample_missing", "no sample id"))
            continue
        role = person.role if person else role_control(sheet, index)
        is_pool = subject in pools
        is_donor = role in {"donor", "healthy_reference"} and not is_pool
        rows.add(
            "samples",
            sample_id=sample,
            patient_id=subject if role == "recipient" else None,
            donor_id=subject if is_donor else None,
            batch_id=subject if is_pool else None,
            donation_id=_donation(rows, sheet, index, subject, days[index]) if is_donor and subject else None,
            control=role if role in {"negative", "positive"} else None,
            timepoint=sheet.get("timepoint")[index],
            collected_day=days[index],
            run_id="run-1",
            n_reads=reads[index],
        )
    for sample, n in Counter(s for s in sheet.get("sample_id") if s).items():
        if n == 1:
            continue
        problems.append(
            Problem(sheet.name, 0, "sample_id", sample, "sample_twice", f"the sample stands {n} times")
        )


def role_control(sheet: Sheet, index: int) -> str | None:
    """The kind of laboratory control a row without a subject is."""
    role = role_of(sheet.get("role")[index])
    return role if role in {"negative", "positive"} else None


def _donation(rows: Rows, sheet: Sheet, index: int, donor: str, day: int | None) -> str | None:
    """A donor's sample with a recipient and a day is of a donation; its day is on that recipient's clock."""
    recipient = sheet.get("recipient_of_donation")[index]
    if recipient is None or day is None:
        return None
    donation = f"{donor}-for-{recipient}-day-{day}"
    rows.add("donations", donation_id=donation, donor_id=donor, donated_day=day)
    return donation


def _integers(
    sheet: Sheet, column: str, problems: list[Problem], *, minimum: int = -MAX_DAY
) -> list[int | None]:
    found: list[int | None] = []
    maximum = MAX_DAY if minimum else None
    for index, text in enumerate(sheet.get(column)):
        value = None if text is None else whole_or_decimal(text)
        is_bad = text is not None and (value is None or value != int(value) or value < minimum)
        if is_bad or (maximum and value is not None and value > maximum):
            message = f"expected a whole number from {minimum}" + (f" to {maximum}" if maximum else " up")
            problems.append(Problem(sheet.name, index + 1, column, text or "", "not_a_whole_number", message))
            value = None
        found.append(None if value is None else int(value))
    return found


def _problem(
    sheet: Sheet,
    person: Subject,
    column: str,
    value: str | None,
    rule: str,
    message: str,
    *,
    severity: str = "error",
) -> Problem:
    return Problem(
        table=sheet.name,
        row=person.rows[0],
        column=column,
        value=value or "",
        rule=rule,
        message=f"{person.subject_id}: {message}",
        severity=severity,
    )
