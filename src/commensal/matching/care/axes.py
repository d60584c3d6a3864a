"""The two questions of a re-plan: did the donor's community settle, and did the patient respond.

Each answer is yes, no or undetermined, with what it rests on. What is missing makes an answer undetermined
and is named; it never makes it no.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from commensal.errors import InputError
from commensal.matching.care.case import RECURRENCE, Case
from commensal.vocabulary import baseline_window, endpoints_for, instrument, rcdi_cure, score_one
from commensal.vocabulary.cure import CURE_DAYS
from commensal.vocabulary.endpoints import Endpoint, Measure
from commensal.vocabulary.instruments import Scored
from commensal.vocabulary.instruments.expressions import BASELINE, names
from commensal.vocabulary.replanning import EngraftedRule

FIGURES = ("value", "lower", "upper", "null_mean", "q")
NEEDED = ("subject_id", "sample_id", "day", "measure", "reason", *FIGURES)
LANDMARKS = ("W8", "M3")
"""Landmarks whose endpoints are read early: their definitions do not change with the day."""

CDI_INSTRUMENT = "rcdi_recurrence"


@dataclass(frozen=True)
class Answer:
    """yes, no or undetermined, and what it rests on."""

    verdict: str
    because: str


def undetermined(because: str) -> Answer:
    """Return that a question cannot be answered, and why."""
    return Answer("undetermined", because)


# ---- engrafted -------------------------------------------------------------------------------------------


def engrafted(case: Case, engraftment: pl.DataFrame, *, rule: EngraftedRule) -> Answer:
    """Answer whether the donor's community settled, from the rows of the ``engraftment`` table.

    The sample closest to the week's day decides, of those within its window and not after the day of the
    re-plan; two of one day must agree. Refuses (InputError) a table without the declared columns.
    """
    if missing := [name for name in NEEDED if name not in engraftment.columns]:
        raise InputError(
            f"the engraftment table has no column {missing[0]!r}",
            expected="the engraftment result table: " + ", ".join(NEEDED),
        )
    if case.is_early:
        return undetermined(f"the window opens on day {case.first}, today is day {case.today}")
    own = engraftment.filter(pl.col("subject_id") == case.patient["patient_id"])
    inside = own.filter(pl.col("day").is_between(case.first, min(case.last, case.today)))
    if inside.is_empty():
        return undetermined(_no_sample(case, own))
    away = (pl.col("day") - case.target).abs()
    nearest = inside.filter(away == away.min()).sort("day", "sample_id", "measure", nulls_last=True)
    answers = [
        _sample(sample, rows, rule=rule)
        for (sample,), rows in nearest.partition_by("sample_id", as_dict=True, maintain_order=True).items()
    ]
    if len({answer.verdict for answer in answers}) > 1:
        return undetermined(f"samples disagree: {'; '.join(answer.because for answer in answers)}")
    return answers[0]


def _no_sample(case: Case, own: pl.DataFrame) -> str:
    """Say why no sample counts: none at all, none inside the window, or none with a day."""
    window = f"days {case.first} to {min(case.last, case.today)}"
    if own["sample_id"].drop_nulls().is_empty():
        why = next(iter(own["reason"].drop_nulls().sort()), "no stool sample is profiled")
        return f"no profiled sample: {why}"
    undated = own.filter(pl.col("day").is_null())["sample_id"].drop_nulls().n_unique()
    return f"no profiled sample within {window}" + (f"; {undated} without a day" if undated else "")


def _sample(sample: Any, rows: pl.DataFrame, *, rule: EngraftedRule) -> Answer:
    """Judge one sample by the first measure that has every figure."""
    missing = []
    for measure in rule.measures:
        found = [row for row in rows.iter_rows(named=True) if row["measure"] == measure]
        for row in found[:1]:
            if not (absent := [name for name in FIGURES if _known(row[name]) is None]):
                return _judge(row, rule=rule)
            note = f" ({row['reason']})" if row["reason"] else ""
            missing.append(f"{measure} without {', '.join(absent)}{note}")
    said = "; ".join(missing) or f"none of {', '.join(rule.measures)} was measured"
    return undetermined(f"sample {sample}: {said}")


def _known(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _judge(row: Mapping[str, Any], *, rule: EngraftedRule) -> Answer:
    above = row["q"] <= rule.q_at_most and row["lower"] > row["null_mean"]
    below = row["upper"] < row["null_mean"] + rule.least_difference
    verdict = "undetermined" if above == below else "yes" if above else "no"
    note = f"; caution: {row['reason']}" if row["reason"] else ""
    n = row.get("n_null")
    if n is not None and rule.q_at_most * (n + 1) < 1:
        note = f", which {n} donors cannot bring to {rule.q_at_most:g}{note}"
    return Answer(
        verdict,
        f"sample {row['sample_id']}, day {row['day']}: {row['measure']} {row['value']:.3g} "
        f"({row['lower']:.3g} to {row['upper']:.3g}), donors not received {row['null_mean']:.3g}, "
        f"q {row['q']:.2g}{note}",
    )


# ---- responded, outside C. difficile infection -----------------------------------------------------------


def responded(case: Case, *, indication: str) -> Answer:
    """Answer whether the patient responded, by the clinical endpoints of the indication.

    A response or a remission is a yes; a response endpoint that is told and not reached is a no; a remission
    not reached is no answer where a response is defined. The visit closest to the week's day decides.
    """
    if case.is_early:
        return undetermined(f"the window opens on day {case.first}, today is day {case.today}")
    rows = early_endpoints(indication)
    if not rows:
        return undetermined(f"no response or remission is defined this early: {_undefined(indication)}")
    judged = [(row, _endpoint(case, row)) for row in rows]
    words = "; ".join(f"{row.code}: {answer.because}" for row, answer in judged)
    if any(answer.verdict == "yes" for _, answer in judged):
        return Answer("yes", words)
    kinds = {row.kind for row in rows}
    deciding = [a for row, a in judged if row.kind == ("response" if "response" in kinds else "remission")]
    return Answer("no" if any(a.verdict == "no" for a in deciding) else "undetermined", words)


def early_endpoints(indication: str) -> list[Endpoint]:
    """Return the clinical endpoints of an indication at the early landmarks, each code once."""
    rows = {
        row.code: row
        for landmark in reversed(LANDMARKS)
        for row in endpoints_for(indication, landmark=landmark)
        if row.tier == "clinical" and row.measure is not None
    }
    return sorted(rows.values(), key=lambda row: (row.kind != "response", row.code))


def _undefined(indication: str) -> str:
    rules = {row.rule for row in endpoints_for(indication) if row.measure is None}
    return " ".join(sorted(rules)) or "its endpoints are read from one year on"


def _endpoint(case: Case, endpoint: Endpoint) -> Answer:
    age = case.facts["age_at_index_years"]
    measure, active = endpoint.measure_at(age), endpoint.active_at(age)
    if measure is None:
        return undetermined("no measure is valid at this age")
    label = instrument(measure.instrument).label
    baseline = _closest(case, measure.instrument, *baseline_window(case.cohort), to=0)
    now = _closest(case, measure.instrument, case.first, min(case.last, case.today), to=case.target)
    if now is None:
        return undetermined(f"{label} was not recorded from day {case.first} to {case.last}")
    if active is not None and (said := _inactive(active, baseline, label=label)):
        return undetermined(said)
    day, answers = now
    scored = score_one(measure.instrument, answers, baseline=baseline[1] if baseline else None)
    if missing := _missing(measure, scored, answers=answers, baseline=baseline[1] if baseline else {}):
        return undetermined(f"{label} on day {day} lacks {', '.join(missing)}")
    reached = scored.criteria[measure.criterion]
    if reached is None:
        return undetermined(f"{label} on day {day} cannot be judged")
    verdict, word = ("yes", "reached") if reached else ("no", "not reached")
    shown = _shown(measure, scored, baseline=baseline[1] if baseline else {})
    return Answer(verdict, f"{word} by {label} on day {day}{shown}")


def _shown(measure: Measure, scored: Scored, *, baseline: Mapping[str, float]) -> str:
    """Return the score now and at baseline, for the reader."""
    now = scored.scores[measure.score]
    before = score_one(measure.instrument, baseline).scores[measure.score]
    parts = [f"{word} {value:g}" for word, value in (("now", now), ("baseline", before)) if value is not None]
    return f" ({measure.score} {', '.join(parts)})" if parts else ""


def _inactive(active: Measure, baseline: tuple[int, Mapping[str, float]] | None, *, label: str) -> str | None:
    """Say why response cannot be asked: disease not active at baseline, or not known to be."""
    if baseline is None:
        return f"{label} was not recorded at baseline"
    is_active = score_one(active.instrument, baseline[1]).criteria[active.criterion]
    if is_active is None:
        return f"{label} at baseline is incomplete"
    return None if is_active else f"disease was not active at baseline by {label}"


def _missing(
    measure: Measure, scored: Scored, *, answers: Mapping[str, float], baseline: Mapping[str, float]
) -> list[str]:
    """Return what the criterion reads and nobody recorded; its scores, or its items where it reads none.

    A failure can often be told from half an instrument and a success cannot: counting it would make the
    answer depend on the outcome.
    """
    read = sorted(names(instrument(measure.instrument).criterion(measure.criterion).tree))
    before = score_one(measure.instrument, baseline).scores
    scores = [name for name in read if name.removeprefix(BASELINE) in scored.scores]
    known = {**answers, **{n: v for n, v in scored.scores.items() if v is not None}}
    known |= {BASELINE + name: value for name, value in baseline.items()}
    known |= {BASELINE + name: value for name, value in before.items() if value is not None}
    return [name.replace(BASELINE, "baseline ") for name in scores or read if name not in known]


def _closest(case: Case, code: str, first: int, last: int, *, to: int) -> tuple[int, dict[str, float]] | None:
    """Return the day and the answers of the attended visit closest to a day, the last occurrence of each."""
    visits = case.days("visits").filter(
        (pl.col("status") == "attended") & pl.col("day").is_between(first, last)
    )
    rows = case.alone.read("assessments").filter(
        (pl.col("instrument") == code) & pl.col("value").is_not_null()
    )
    found = rows.join(visits.select("visit_id", "day"), on="visit_id").with_columns(
        away=(pl.col("day") - to).abs()
    )
    if found.is_empty():
        return None
    at = found.sort("away", "day", "visit_id").row(0, named=True)
    of_visit = found.filter(pl.col("visit_id") == at["visit_id"])
    latest = of_visit.filter(pl.col("occurrence") == pl.col("occurrence").max()).sort("item")
    return at["day"], dict(latest.select("item", "value").iter_rows())


# ---- responded, in C. difficile infection ----------------------------------------------------------------


def cured(case: Case) -> Answer:
    """Answer whether C. difficile infection stayed away after the last session, by the clock of cure.

    A recurrence after the last session given is a no, however late; yes needs a contact 56 days or more
    after it; before that there is no answer, only "none so far".
    """
    sessions = case.days("sessions")["day"]
    if sessions.null_count():
        return undetermined("a session has no day, so the clock has no start")
    last = int(max(sessions.to_list()))
    back, undated = _recurrences(case, after=last)
    if back:
        late = " (late: more than 56 days after it)" if back[0] > last + CURE_DAYS else ""
        return Answer("no", f"recurrence on day {back[0]}, after the last session on day {last}{late}")
    if undated:
        return undetermined("a recurrence is on record without a day")
    rescue = case.facts["days_to_rescue"]
    clock = rcdi_cure(
        last_session_day=last,
        first_recurrence_day=None,
        first_retreatment_day=rescue if rescue is not None and rescue > last else None,
        last_contact_day=_last_contact(case),
        died_day=None,
    )
    verdict = {"cure": "yes", "failure": "no"}.get(clock.status, "undetermined")
    return Answer(verdict, f"{_CURE_WORDS[clock.reason]}; day {case.today - last} after the last session")


_CURE_WORDS = {
    "retreatment": "rescue treatment against C. difficile was given",
    "no_recurrence": "no recurrence, with a contact 56 days or more after the last session",
    "no_contact": "no recurrence on record so far, and no contact yet at 56 days",
    "no_session": "no session",
}


def _recurrences(case: Case, *, after: int) -> tuple[list[int], bool]:
    """Return the days of recurrences after a day, and whether one has no day.

    A positive gene test alone is carriage and does not count.
    """
    events = case.days("adverse_events").filter(pl.col("term") == RECURRENCE)["day"].to_list()
    days = [day for day in [*events, *_confirmed(case)] if day is not None]
    return sorted(day for day in days if day > after), None in events


def _confirmed(case: Case) -> Iterable[int]:
    visits = case.days("visits").filter(pl.col("status") == "attended").select("visit_id", "day")
    rows = case.alone.read("assessments").filter(
        (pl.col("instrument") == CDI_INSTRUMENT) & pl.col("value").is_not_null()
    )
    joined = rows.join(visits, on="visit_id").filter(pl.col("day").is_not_null())
    for (_, _, day), found in joined.partition_by("visit_id", "occurrence", "day", as_dict=True).items():
        scored = score_one(CDI_INSTRUMENT, dict(found.select("item", "value").iter_rows()))
        if (scored.scores["recurrence"] or 0) >= 1:
            yield int(day)


def _last_contact(case: Case) -> int | None:
    days = case.days("visits").filter(pl.col("status") == "attended")["day"].drop_nulls().to_list()
    return max(days, default=None)
