"""The re-plan: what may follow a transplant, from engrafted and responded, for a clinician to sign.

It proposes nothing and orders nothing: it shows every option of a cell with its reason and its evidence, in
an order that is no preference. A suspected harm comes before both questions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from commensal import __version__
from commensal.errors import InputError, RefusedError, nearest
from commensal.matching.care.axes import Answer, cured, engrafted, responded
from commensal.matching.care.case import Case, case_of, stopping_events
from commensal.matching.care.items import cite
from commensal.microbiome import engraft
from commensal.study import RESULTS, Study
from commensal.vocabulary import indication, is_within
from commensal.vocabulary.replanning import Cell, ReplanRules, replan_rules

STATEMENT = (
    "Research and decision support, for a clinician to sign; nothing happens by itself. The order of the "
    "options is no order of preference. The week and every limit are conventions, not proven cuts."
)
NOT_READ = (
    "Not read: in C. difficile infection retreatment neither waits for sequencing nor depends on engraftment."
)
NO_STUDY = "this disease is treated inside a study, and no study id is recorded"
WITH_CARE = (
    "A suspected harm is on record: the specialist judges it together with this decision, and the donors "
    "given so far are not used."
)
SAME_DONOR = "repeat_same_donor"


@dataclass(frozen=True, eq=False)
class Replan:
    """An immutable re-plan: the rows of ``replans``, the two answers, and what was withheld and why."""

    replan: pl.DataFrame
    engrafted: Answer
    responded: Answer
    withheld: tuple[str, ...] = field(default=())

    @property
    def replan_id(self) -> str:
        """The hash that names the re-plan."""
        return self.replan["replan_id"][0]

    @property
    def options(self) -> tuple[str, ...]:
        """The options shown; no order of preference."""
        return tuple(self.replan["option"])

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """The result table, ready for ``write_results``."""
        return {"replans": self.replan}


def replan(
    study: Study,
    *,
    recipient: str,
    on_day: int,
    week: int | None = None,
    engraftment: pl.DataFrame | None = None,
    study_id: str | None = None,
    seed: int = 0,
    use: ReplanRules | None = None,
) -> Replan:
    """Return the options for one treated patient on one day.

    Parameters
    ----------
    on_day : day of the re-plan on the study's clock; nothing recorded later is looked at.
    week : week after the first session that is looked at; the library's (4) without one. A convention.
    engraftment : the ``engraftment`` result table; made from the study where it is not given. In
        C. difficile infection it is not read at all.
    study_id : study the patient is treated in, where no standing consent names one.
    use : a centre's own library of options.

    Returns
    -------
    One row an option. ``engrafted`` compares the donor's share gained since baseline with donors whom the
    patient did not receive; ``responded`` reads the indication's endpoints, or the clock of cure. Missing
    records make an answer undetermined, never no.

    Refuses: InputError for an unknown patient, a week below 1 or an engraftment table that is none;
    RefusedError for a patient who has died, was not treated by the day, or has no index day or indication.
    """
    rules = use or replan_rules()
    week = rules.week if week is None else week
    if week < 1:
        raise InputError(f"week {week}", expected="a week from 1 on")
    patient = _patient(study, recipient)
    disease = _disease(patient["indication"], recipient)
    case = case_of(study, patient, on_day=on_day, week=week, around=rules.days_around)
    is_cdi = is_within(disease, "cdi")
    if is_cdi:
        settled, answered = Answer("undetermined", NOT_READ), cured(case)
    else:
        table = engraft(study, seed=seed)["engraftment"] if engraftment is None else engraftment
        settled = engrafted(case, table, rule=rules.engrafted)
        answered = responded(case, indication=disease)
    events = stopping_events(case)
    cells = _cells(rules, case, is_cdi=is_cdi, events=events, settled=settled, answered=answered)
    kept, withheld = _withhold(
        cells, rules, case, study_id=study_id or case.facts["study_id"], disease=disease, events=events
    )
    said = {
        "engrafted": settled.verdict,
        "responded": answered.verdict,
        "engrafted_because": settled.because,
        "responded_because": answered.because,
        "patient_id": recipient,
        "week": week,
        "is_signed": False,
        "statement": " ".join([STATEMENT, *(f"Withheld: {word}." for word in withheld)]),
    }
    rows = [_row(n, cell, rules, case, events=events) for n, cell in enumerate(kept, start=1)]
    return Replan(_declared(rows, said, key=[on_day, repr(rules)]), settled, answered, withheld)


def _patient(study: Study, recipient: str) -> dict[str, Any]:
    patients = study.read("patients")
    found = patients.filter(pl.col("patient_id") == recipient)
    if found.is_empty():
        raise InputError(
            f"there is no patient {recipient!r} in the study",
            expected=nearest(recipient, patients["patient_id"].to_list()),
        )
    return found.row(0, named=True)


def _disease(code: str | None, recipient: str) -> str:
    if code is None or indication(code).is_group:
        raise RefusedError(
            f"the indication of {recipient} is {'not recorded' if code is None else f'a group ({code})'}",
            expected="one disease, whose endpoints say what a response is",
        )
    return code


def _cells(
    rules: ReplanRules,
    case: Case,
    *,
    is_cdi: bool,
    events: Sequence[str],
    settled: Answer,
    answered: Answer,
) -> list[Cell]:
    """Return the options of the situation: withdrawal alone, or a suspected harm first and then the cell."""
    answers = {"engrafted": settled.verdict, "responded": answered.verdict}
    if case.has_withdrawn:
        return list(rules.cells_of("withdrawn", **answers))
    first = list(rules.cells_of("safety", **answers)) if events else []
    shown = {cell.option for cell in first}
    then = rules.cells_of("cdi" if is_cdi else "other", **answers)
    return [*first, *(cell for cell in then if cell.option not in shown)]


def _withhold(
    cells: Sequence[Cell],
    rules: ReplanRules,
    case: Case,
    *,
    study_id: str | None,
    disease: str,
    events: Sequence[str],
) -> tuple[list[Cell], tuple[str, ...]]:
    """Take out options that give material again where they may not, and say which and why."""
    again = [cell.option for cell in cells if cell.option in rules.given_again]
    reasons = dict.fromkeys(again, "")
    if not case.donors and SAME_DONOR in reasons:
        reasons[SAME_DONOR] = "the donor is not on record"
    if indication(disease).needs_study and study_id is None:
        reasons = dict.fromkeys(reasons, NO_STUDY)
    if events:
        reasons = dict.fromkeys(reasons, "an event is to be judged first")
    kept = [cell for cell in cells if not reasons.get(cell.option)]
    return kept, tuple(f"{option}, because {why}" for option, why in reasons.items() if why)


def _row(
    position: int, cell: Cell, rules: ReplanRules, case: Case, *, events: Sequence[str]
) -> dict[str, Any]:
    content, because = dict(rules.contents)[cell.option], cell.because
    if cell.option == SAME_DONOR:
        content = f"{content} Given so far: {', '.join(case.donors)}."
    if cell.of == "safety":
        because = f"{because} On record: {'; '.join(events)}."
    elif events and cell.option == "retreat_now":
        because = f"{because} {WITH_CARE}"
    return {
        "position": position,
        "option": cell.option,
        "content": content,
        "because": because,
        "evidence_grade": cell.evidence_grade,
        "source": cite(cell.source, cell.confidence),
    }


def _declared(rows: list[dict[str, Any]], said: dict[str, Any], *, key: Sequence[Any]) -> pl.DataFrame:
    """Return the rows under the hash of everything they say and rest on."""
    text = json.dumps([rows, said, list(key), __version__], sort_keys=True, default=str)
    name = hashlib.sha256(text.encode()).hexdigest()
    return pl.DataFrame(
        [{**row, **said, "replan_id": name} for row in rows], schema=RESULTS["replans"].schema
    )
