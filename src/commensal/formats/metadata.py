"""Sample metadata: which column means what, and what one subject's rows say together."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from commensal.errors import InputError, Problem, SafetyError, nearest
from commensal.formats.sheets import Sheet
from commensal.vocabulary import instruments, read_route
from commensal.vocabulary.codes import plain

# What a column may be called; compared without case, accents and signs.
COLUMNS: dict[str, tuple[str, ...]] = {
    "sample_id": ("sample id", "sampleid", "sample", "sample name", "id", "样本编号"),
    "subject_id": (
        "subject id",
        "subjectid",
        "subject",
        "patient id",
        "patient",
        "participant id",
        "individual",
    ),
    "role": ("role", "fmt role", "sample type role"),
    "timepoint": ("timepoint", "time point", "visit"),
    "day": ("day", "days", "day relative to fmt", "days since fmt", "days post fmt"),
    "donor_id": ("donor id", "donorid", "donor"),
    "maintenance_donor_id": ("maintenance donor id",),
    "arm": ("arm", "treatment arm", "treatment group", "treatment"),
    "disease": ("disease", "indication", "diagnosis"),
    "route": (
        "route",
        "route of administration",
        "administration route",
        "administration",
        "delivery",
        "delivery route",
        "delivery method",
        "mode of delivery",
        "fmt route",
        "fmt delivery",
        "给药途径",
        "移植途径",
    ),
    "outcome": ("outcome", "clinical outcome", "response"),
    "n_reads": ("n reads", "reads", "read count", "number of reads"),
    "recipient_of_donation": ("recipient of donation",),
    "sex": ("sex", "gender"),
}
REQUIRED = ("sample_id", "subject_id", "role")
# Columns that say the same of a subject in every row.
CONSTANT = ("role", "arm", "disease", "route", "outcome", "sex")
MEMBERSHIP = re.compile(r"(?P<donor>.+)_in_pool")

_ROLES: dict[str, tuple[str, ...]] = {
    "recipient": ("recipient", "patient", "fmt recipient", "受者", "患者"),
    "donor": ("donor", "fmt donor", "donor pool", "pool", "供者", "供体"),
    "negative": ("negative control", "blank", "extraction blank", "ntc"),
    "positive": ("positive control", "mock", "mock community"),
}
_REFERENCE = ("healthy", "neurotypical", "reference")
_NO_DONOR = (
    "control", "controls", "none", "no", "no donor", "placebo", "sham", "na", "n a", "not applicable",
    "unknown", "antibiotics only",
)  # fmt: skip


@dataclass(frozen=True)
class Total:
    """An instrument's total kept in a column of its own (``PUCAI_baseline``)."""

    column: str
    instrument: str
    when: str


@dataclass(frozen=True)
class Subject:
    """One subject of the metadata: what all its rows say, and the rows themselves (from 1)."""

    subject_id: str
    role: str
    facts: dict[str, str | None]
    rows: tuple[int, ...]


@functools.cache
def _meanings() -> dict[str, str]:
    return {plain(name): known for known, names in COLUMNS.items() for name in (known, *names)}


def column_meaning(name: str) -> str | None:
    """Return what a metadata column is known to hold, None where its name says nothing."""
    return _meanings().get(plain(name))


def recognise(sheet: Sheet, *, problems: list[Problem], notes: list[str]) -> Sheet:
    """Return the sheet with its columns under their known names.

    A required column that is missing is a problem; a column without a known meaning is noted (the file
    is kept in ``sources/``). A column ``<donor>_in_pool`` or ``<instrument>_<when>`` keeps its name. The
    row of types that QIIME 2 writes under its header is no sample.
    """
    columns: dict[str, list[str | None]] = {}
    strange = []
    for name, cells in sheet.columns.items():
        known = column_meaning(name)
        if known and known != name and known in sheet.columns:
            strange.append(name)  # the column with the plain name says it
        elif known and known in columns:
            problems.append(
                Problem(sheet.name, 0, name, "", "column_twice", f"a second column that means {known}")
            )
        elif known or MEMBERSHIP.fullmatch(name) or _total(name):
            columns[known or name] = cells
        else:
            strange.append(name)
    for name in REQUIRED:
        if name not in columns:
            problems.append(_missing_column(sheet, name, strange))
    if strange:
        notes.append(f"{sheet.name}: columns without a table, kept in sources/: " + ", ".join(strange))
    samples = [i for i, s in enumerate(columns.get("sample_id", [])) if not (s or "").startswith("#q2:")]
    if "sample_id" in columns and len(samples) < sheet.n_rows:
        columns = {name: [cells[i] for i in samples] for name, cells in columns.items()}
        return Sheet(sheet.name, columns, len(samples))
    return Sheet(sheet.name, columns, sheet.n_rows)


def _missing_column(sheet: Sheet, name: str, strange: list[str]) -> Problem:
    hint = f" (found {', '.join(strange[:8])})" if strange else ""
    message = f"the column {name} is missing{hint}; it may be called " + ", ".join(COLUMNS[name][:3])
    return Problem(sheet.name, 0, name, "", "column_missing", message)


def by_person(sheet: Sheet) -> Sheet:
    """Return the sheet with each donor's row under the donor.

    On a donor's row some sources write the case in subject_id and the person in donor_id: the person is
    then the subject, and the case is who the donation was for.
    """
    persons, cases = list(sheet.get("subject_id")), list(sheet.get("recipient_of_donation"))
    for index, (role, donor) in enumerate(zip(sheet.get("role"), sheet.get("donor_id"), strict=True)):
        if role_of(role) == "donor" and not names_no_donor(donor) and donor != persons[index]:
            cases[index] = cases[index] or persons[index]
            persons[index] = donor
    return Sheet(
        sheet.name, {**sheet.columns, "subject_id": persons, "recipient_of_donation": cases}, sheet.n_rows
    )


def totals(sheet: Sheet) -> list[Total]:
    """Return the columns that hold an instrument's total at some visit."""
    return [found for name in sheet.columns if (found := _total(name))]


def _total(column: str) -> Total | None:
    code, _, when = column.casefold().partition("_")
    return Total(column, code, when) if when and code in instruments() else None


def is_baseline(when: str) -> bool:
    """Whether a time is named as the one before the transplant."""
    return plain(when) in {"baseline", "base", "pre", "prefmt", "pre fmt", "day 0", "week 0", "v0"}


def role_of(text: str | None) -> str | None:
    """Return recipient, donor, healthy_reference, negative or positive; None where the text names none."""
    words = plain(text or "")
    if any(word in words for word in _REFERENCE):
        return "healthy_reference"
    return next((role for role, names in _ROLES.items() if words in names), None)


def names_no_donor(text: str | None) -> bool:
    """Whether a donor column says that there is no donor (blank, "Control", "none", "placebo")."""
    return text is None or plain(text) in _NO_DONOR


def subjects(sheet: Sheet, *, problems: list[Problem]) -> list[Subject]:
    """Gather the rows of each subject; a subject whose rows contradict each other is a problem."""
    grouped: dict[str, list[int]] = {}
    for index, subject in enumerate(sheet.get("subject_id")):
        if subject is None:
            role = role_of(sheet.get("role")[index])
            if role not in {"negative", "positive"}:
                problems.append(
                    Problem(sheet.name, index + 1, "subject_id", "", "subject_missing", "whose sample is it?")
                )
            continue
        grouped.setdefault(subject, []).append(index)
    found = [_subject(sheet, subject, rows, problems) for subject, rows in grouped.items()]
    return [s for s in found if s is not None]


def _subject(sheet: Sheet, subject: str, rows: list[int], problems: list[Problem]) -> Subject | None:
    facts = {}
    columns = [*CONSTANT, *(t.column for t in totals(sheet))]
    for column in columns:
        facts[column] = _agreed(sheet, subject, column, rows, problems)
    role = role_of(facts["role"])
    if role is None:
        problems.append(_role_problem(sheet, rows[0], facts["role"]))
        return None
    return Subject(subject, role, facts, tuple(r + 1 for r in rows))


def _role_problem(sheet: Sheet, row: int, value: str | None) -> Problem:
    expected = nearest(value or "", [n for names in _ROLES.values() for n in names])
    return Problem(
        table=sheet.name,
        row=row + 1,
        column="role",
        value=value or "",
        rule="role_unknown",
        message=f"no known role; expected recipient, donor, healthy or a laboratory control ({expected})",
    )


def _agreed(sheet: Sheet, subject: str, column: str, rows: list[int], problems: list[Problem]) -> str | None:
    cells = sheet.get(column)
    values = list(dict.fromkeys(cells[r] for r in rows if cells[r] is not None))
    for other in values[1:]:
        row = next(r for r in rows if cells[r] == other)
        is_self = column == "role" and {role_of(values[0]), role_of(other)} == {"donor", "recipient"}
        message = (
            f"{subject} is a donor in one row and a recipient in another"
            if is_self
            else f"{subject} has {values[0]!r} in another row"
        )
        rule = "donor_is_recipient" if is_self else "subject_contradicts"
        problems.append(Problem(sheet.name, row + 1, column, other or "", rule, message))
    return values[0] if values else None


def check_routes(sheet: Sheet, *, column: str, problems: list[Problem]) -> None:
    """Read every route of a column: a parenteral one is a safety problem, an unknown one an error.

    In a column that is called something else only the safety problems count.
    """
    is_route = column_meaning(column) == "route"
    judged: dict[str, Problem | None] = {}
    for index, text in enumerate(sheet.get(column)):
        if text is None:
            continue
        if text not in judged:
            judged[text] = route_problem(sheet.name, index + 1, column, text)
        fault = judged[text]
        if fault is not None and (is_route or fault.severity == "safety"):
            problems.append(
                Problem(
                    fault.table, index + 1, column, text, fault.rule, fault.message, severity=fault.severity
                )
            )


def names_routes(cells: Iterable[str | None]) -> bool:
    """Whether a column speaks of FMT's route whatever it is called: some cell names a way into the gut."""
    for text in {cell for cell in cells if cell}:
        try:
            if read_route(text).codes:
                return True
        except InputError:
            continue
    return False


def route_problem(table: str, row: int, column: str, text: str) -> Problem | None:
    """Return what is wrong with a route of administration, None where it is enteral or a control's."""
    try:
        read_route(text)
    except SafetyError as error:
        return Problem(table, row, column, text, "parenteral_route", error.what, severity="safety")
    except InputError as error:
        message = f"{error.what}; {error.expected}"
        return Problem(table, row, column, text, "route_unknown", message)
    return None
