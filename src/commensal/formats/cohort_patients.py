"""Patients of a published study: arm, indication, outcome label, totals of instruments."""

from __future__ import annotations

from collections.abc import Mapping

from commensal.errors import InputError, Problem
from commensal.formats.metadata import Subject, is_baseline, names_no_donor, totals
from commensal.formats.numerals import read_number
from commensal.formats.rows import Rows, subject_problem
from commensal.formats.sheets import Sheet
from commensal.vocabulary import find_indication, instrument
from commensal.vocabulary.codes import plain

# Arms in which something is transplanted.
TREATED = ("fmt", "autologous")

# Only words that say what they mean: "yes", "none" or "relapse" alone could mean several things.
_OUTCOMES = {
    "remission": ("remission", "clinical remission", "complete remission", "缓解"),
    "response": ("response", "responder", "clinical response", "有效"),
    "partial_response": ("partial response", "partial responder", "partial", "部分缓解"),
    "no_response": ("no response", "non response", "nonresponse", "non responder", "nonresponder", "无效"),
    "resolved": ("resolved", "cured", "cure"),
    "failed": ("failed", "failure"),
}
_SEXES = {
    "female": ("f", "female", "woman", "女"),
    "male": ("m", "male", "man", "男"),
    "intersex": ("intersex",),
    "unknown": ("unknown", "u"),
}


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


def add_patient(rows: Rows, person: Subject, sheet: Sheet, *, problems: list[Problem]) -> str | None:
    """Add a patient with indication, outcome and totals; return the arm, None where it cannot be told."""
    said = person.facts["arm"]
    arm = arm_of(said) if "arm" in sheet else "fmt"
    if arm is None:
        message = "expected FMT, placebo, autologous or a control"
        problems.append(subject_problem(sheet, person, "arm", said, "arm_unknown", message))
        return None
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
    donors = [d for r in person.rows if not names_no_donor(d := sheet.get("donor_id")[r - 1])]
    if donors and arm not in TREATED:
        message = f"arm {said!r} receives nothing, but a donor is named"
        problems.append(
            subject_problem(sheet, person, "donor_id", donors[0], "comparator_has_donor", message)
        )
    return arm


def _indication(rows: Rows, sheet: Sheet, person: Subject, problems: list[Problem]) -> str | None:
    text = person.facts["disease"]
    if text is None:
        return None
    try:
        found = find_indication(text).code
    except InputError as error:
        problems.append(
            subject_problem(
                sheet, person, "disease", text, "indication_unknown", f"{error.what}; {error.expected}"
            )
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
        problems.append(subject_problem(sheet, person, column, text, f"{column}_unknown", expected))
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
    value = read_number(text)
    if value is None:
        problems.append(subject_problem(sheet, person, column, text, "not_a_number", "expected a number"))
    elif not item.admits(value):
        limits = f"{item.minimum:g} to {item.maximum:g}"
        message = f"outside the range of {code} ({limits}): not imported, the value is missing"
        problems.append(
            subject_problem(sheet, person, column, text, "out_of_range", message, severity="warning")
        )
        return None
    return value
