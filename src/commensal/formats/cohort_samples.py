"""Samples of a published study, and the donations that donors' samples are of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from commensal.errors import Problem
from commensal.formats.metadata import Subject, role_of
from commensal.formats.numerals import read_number
from commensal.formats.rows import Rows
from commensal.formats.sheets import Sheet

MAX_DAY = 40_000


def add_samples(
    rows: Rows,
    sheet: Sheet,
    *,
    people: Mapping[str, Subject],
    pools: Collection[str],
    problems: list[Problem],
) -> None:
    """Add one sample for each row of the metadata: a patient's, a donor's, a pool's or a control."""
    days = _integers(sheet, "day", problems)
    reads = _integers(sheet, "n_reads", problems, minimum=0)
    for index, sample in enumerate(sheet.get("sample_id")):
        if sample is None:
            problems.append(Problem(sheet.name, index + 1, "sample_id", "", "sample_missing", "no sample id"))
            continue
        rows.add(
            "samples",
            sample_id=sample,
            **_origin(rows, sheet, index, people, pools, days[index]),
            timepoint=sheet.get("timepoint")[index],
            collected_day=days[index],
            run_id="run-1",
            n_reads=reads[index],
        )
    for sample, n in Counter(s for s in sheet.get("sample_id") if s).items():
        if n > 1:
            message = f"the sample stands {n} times"
            problems.append(Problem(sheet.name, 0, "sample_id", sample, "sample_twice", message))


def _origin(
    rows: Rows,
    sheet: Sheet,
    index: int,
    people: Mapping[str, Subject],
    pools: Collection[str],
    day: int | None,
) -> dict[str, str | None]:
    """Whose sample it is; none of these where the subject's role could not be read."""
    subject = sheet.get("subject_id")[index]
    person = people.get(subject) if subject else None
    role = person.role if person else role_of(sheet.get("role")[index])
    origin: dict[str, str | None] = dict.fromkeys(
        ("patient_id", "donor_id", "batch_id", "donation_id", "control")
    )
    if role in {"negative", "positive"}:
        origin["control"] = role
    elif subject in pools:
        origin["batch_id"] = subject
    elif role == "recipient":
        origin["patient_id"] = subject
    elif role in {"donor", "healthy_reference"} and subject:
        origin |= {"donor_id": subject, "donation_id": _donation(rows, sheet, index, subject, day)}
    return origin


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
        value = None if text is None else read_number(text)
        is_bad = text is not None and (value is None or value != int(value) or value < minimum)
        if is_bad or (maximum and value is not None and value > maximum):
            message = f"expected a whole number from {minimum}" + (f" to {maximum}" if maximum else " up")
            problems.append(Problem(sheet.name, index + 1, column, text or "", "not_a_whole_number", message))
            value = None
        found.append(None if value is None else int(value))
    return found
