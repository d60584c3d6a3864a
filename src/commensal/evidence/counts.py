"""Grouped counts of a study of any size: who is due, seen, lost or dead at each landmark, and person-time.

Everything up to the counts runs on the study's engine (DuckDB here, Spark in a network of hospitals); only
the counts cross back, one row per stratum, day of leaving and event. They are sufficient for Kaplan–Meier
and Aalen–Johansen curves, log-rank tests, rates and completeness of follow-up at any size.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence

import narwhals as nw
import polars as pl

from commensal.evidence.landmarks import UNKNOWN_COHORT
from commensal.study import Study
from commensal.study.calendar import Lazy
from commensal.study.facts_course import is_treated

# What ends person-time by name, and what proves that somebody was alive and in touch.
EXITS = {"days_to_death": "death", "days_to_loss": "lost_to_follow_up", "days_to_withdrawal": "withdrawal"}
IN_TOUCH = ("death", "last_contact")
CONTACTS = (
    ("sessions", "administered_day"),
    ("adverse_events", "began_day"),
    ("samples", "collected_day"),
)
STATES = ("due", "seen", "dead", "withdrawn", "lost")
# A slot is a day since index, moved by a number of its own for each set of windows: one number says both.
SPAN = 1_000_000
# Patients counted at once, which bounds the memory; each part reads anew what is not sorted by patient.
PART = 500_000
SAMPLED = 100

Among = tuple[str | None, str | None]


def cohort_counts(
    study: Study,
    *,
    windows: pl.DataFrame,
    at: Sequence[str],
    by: Sequence[str] = ("indication", "cohort"),
    with_days: bool = False,
) -> pl.DataFrame:
    """Return [*by, time, event, n, n_unknown, and n_<state>_<landmark> for every landmark], sorted.

    Everyone in the study counts. ``time`` is the last day of person-time since index (as ``end_day`` of
    :func:`cohort.cohort_of`; null where it cannot be told), ``event`` 1 for a death by that day, 0 censored.
    ``n_unknown`` are those of whom nobody can say whether they were due. At each landmark a patient who is
    due was seen in the window, or was dead, withdrawn or lost by its close (the first that holds, in this
    order); the others who are due missed it. ``by`` are columns of ``patients``, or ``is_treated`` as the
    facts have it. ``windows`` as made by :func:`landmarks.windows_of`.

    ``with_days`` adds person-days of those whose data cut is known: ``potential_days_<landmark>`` to the
    target day, data cut or death, ``observed_days_<landmark>`` of these, both without a landmark over the
    whole of follow-up, and ``n_before``, those whose last record is before index.
    """
    parts = [
        _counted(study, among, windows=windows, at=at, by=by, with_days=with_days)
        for among in _parts_of(study)
    ]
    summed = pl.concat(parts).group_by(*by, "time", "event").agg(pl.all().sum())
    return summed.sort(*by, "time", "event", nulls_last=True)


def _parts_of(study: Study) -> list[Among]:
    """Ranges of patients that are counted one after another. Spark divides the work by itself."""
    if study.engine == "spark" or study.folder is None:
        return [(None, None)]
    sampled = study.read("patients", columns=["patient_id"])["patient_id"].gather_every(SAMPLED)
    edges = sampled.sort().gather_every(PART // SAMPLED)[1:]
    return list(zip([None, *edges], [*edges, None], strict=True))


def _counted(
    study: Study,
    among: Among,
    *,
    windows: pl.DataFrame,
    at: Sequence[str],
    by: Sequence[str],
    with_days: bool,
) -> pl.DataFrame:
    spans = _with_states(patient_spans(study, windows=windows, at=at, among=among), windows=windows, at=at)
    names = ["unknown", *(f"{state}_{landmark}" for landmark in at for state in STATES)]
    days: list[str] = []
    if with_days:
        made = _days(windows, at)
        spans, days = spans.with_columns(**made), list(made)
        names.append("before")
    counted = spans.group_by(*by, "time", "event").agg(
        nw.len().cast(nw.Int64).alias("n"),
        *(nw.col(f"is_{name}").cast(nw.Int32).sum().cast(nw.Int64).alias(f"n_{name}") for name in names),
        *(nw.col(name).sum().cast(nw.Int64).alias(name) for name in days),
    )
    return counted.collect("polars").to_native()


def _within(frame: Lazy, among: Among) -> Lazy:
    first, beyond = among
    frame = frame if first is None else frame.filter(nw.col("patient_id") >= first)
    return frame if beyond is None else frame.filter(nw.col("patient_id") < beyond)


def patient_spans(
    study: Study, *, windows: pl.DataFrame, at: Sequence[str], among: Among = (None, None)
) -> Lazy:
    """Return one lazy row per patient: days of leaving since index, and whether seen in each window.

    Columns: those of ``patients``, is_treated, days_to_death, days_to_loss, days_to_withdrawal,
    last_known_day, cut_day, and for each landmark is_in_ (1, or null where no attended visit lies in its
    window).
    """
    patients = _within(study.frame("patients"), among)
    index = nw.col("index_day").cast(nw.Int64)
    days = [*EXITS, "last_contact_day", "last_visit_day"]
    joined = patients.join(_contacts(study, among), on="patient_id", how="left").join(
        _visits(study, patients, among, windows=windows, at=at), on="patient_id", how="left"
    )
    since = joined.with_columns(*((nw.col(name).cast(nw.Int64) - index).alias(name) for name in days))
    cut = nw.lit(study.manifest.data_cut_day).cast(nw.Int64)
    return since.with_columns(
        nw.max_horizontal("last_contact_day", "last_visit_day").alias("last_known_day"),
        (cut - index).alias("cut_day"),
        is_treated().alias("is_treated"),
    ).drop("last_contact_day", "last_visit_day", "n_sessions")


def _contacts(study: Study, among: Among) -> Lazy:
    """[patient_id, last_contact_day, first day of each exit, n_sessions], as recorded: all but visits."""
    none, zero, one = (nw.lit(value).cast(nw.Int32) for value in (None, 0, 1))
    parts = [
        _within(study.frame(table), among).select(
            "patient_id",
            nw.col(day).alias("last_contact_day"),
            *(none.alias(name) for name in EXITS),
            (one if table == "sessions" else zero).alias("n_sessions"),
        )
        for table, day in CONTACTS
    ]
    kind, day = nw.col("kind"), nw.col("occurred_day")
    disposed = _within(study.frame("dispositions"), among).select(
        "patient_id",
        nw.when(kind.is_in(list(IN_TOUCH))).then(day).alias("last_contact_day"),
        *(nw.when(kind == code).then(day).alias(name) for name, code in EXITS.items()),
        zero.alias("n_sessions"),
    )
    return (
        nw.concat([*parts, disposed], how="vertical")
        .group_by("patient_id")
        .agg(
            nw.col("last_contact_day").max(),
            *(nw.col(name).min() for name in EXITS),
            nw.col("n_sessions").sum().cast(nw.Int64),
        )
    )


def _visits(study: Study, patients: Lazy, among: Among, *, windows: pl.DataFrame, at: Sequence[str]) -> Lazy:
    """[patient_id, last_visit_day as recorded, is_in_ of each landmark] of attended visits."""
    sets = _window_sets(windows, at)
    bases = patients.select("patient_id", (nw.col("index_day") - _offset(sets)).alias("base"))
    # Not a filter: an engine that guesses how many rows pass it may take the visits for the smaller table.
    attended = nw.when(nw.col("status") == "attended").then(nw.col("visited_day"))
    days = _within(study.frame("visits"), among).select("patient_id", attended.alias("last_visit_day"))
    placed = days.join(bases, on="patient_id", how="inner").with_columns(
        (nw.col("last_visit_day") - nw.col("base")).alias("slot")
    )
    flagged = placed.with_columns(
        *(
            nw.when(_is_in(sets, n)).then(nw.lit(1).cast(nw.Int32)).alias(f"is_in_{landmark}")
            for n, landmark in enumerate(at)
        )
    )
    return flagged.group_by("patient_id").agg(
        nw.col("last_visit_day").max(), *(nw.col(f"is_in_{landmark}").max() for landmark in at)
    )


Span = tuple[int, int]


def _window_sets(windows: pl.DataFrame, at: Sequence[str]) -> dict[tuple[Span, ...], list[str]]:
    """The windows in order of ``at`` -> the cohorts that have them; those of an unknown cohort first."""
    columns = ("cohort", "landmark", "open", "close")
    spans = {(cohort, at): span for cohort, at, *span in windows.select(columns).iter_rows()}
    others = sorted(set(windows["cohort"]) - {UNKNOWN_COHORT})
    sets: dict[tuple[Span, ...], list[str]] = {}
    for cohort in [UNKNOWN_COHORT, *others]:
        sets.setdefault(tuple(tuple(spans[cohort, landmark]) for landmark in at), []).append(cohort)
    return sets


def _offset(sets: dict[tuple[Span, ...], list[str]]) -> nw.Expr:
    """How far the slots of the patient's cohort are moved; an unknown cohort is not moved."""
    offset = nw.lit(0)
    for number, cohorts in enumerate(sets.values()):
        if number:
            offset = nw.when(nw.col("cohort").is_in(cohorts)).then(nw.lit(number * SPAN)).otherwise(offset)
    return offset.cast(nw.Int32)


def _is_in(sets: dict[tuple[Span, ...], list[str]], landmark: int) -> nw.Expr:
    slot = nw.col("slot")
    inside = [
        (slot >= number * SPAN + spans[landmark][0]) & (slot <= number * SPAN + spans[landmark][1])
        for number, spans in enumerate(sets)
    ]
    return functools.reduce(operator.or_, inside)


def _with_states(spans: Lazy, *, windows: pl.DataFrame, at: Sequence[str]) -> Lazy:
    """The end of person-time, and whether each state holds at each landmark."""
    exits = ("days_to_death", "days_to_loss", "days_to_withdrawal", "cut_day", "last_known_day")
    end = nw.max_horizontal(nw.min_horizontal(*exits), nw.lit(0).cast(nw.Int64))
    timed = spans.with_columns(nw.when(~nw.col("last_known_day").is_null()).then(end).alias("time"))
    died = (nw.col("days_to_death") <= nw.col("time")).fill_null(False)
    return timed.with_columns(
        died.cast(nw.Int64).alias("event"),
        nw.col("cut_day").is_null().alias("is_unknown"),
        (nw.col("last_known_day") < 0).fill_null(False).alias("is_before"),
        *(state for landmark in at for state in _states(landmark, _of_window(windows, landmark, "close"))),
    )


def _days(windows: pl.DataFrame, at: Sequence[str]) -> dict[str, nw.Expr]:
    """Person-days that could be and that were observed, to each landmark and over all; 0 without a cut."""
    zero = nw.lit(0).cast(nw.Int64)
    is_known = ~nw.col("cut_day").is_null()
    until = {"": [], **{f"_{landmark}": [_of_window(windows, landmark, "target")] for landmark in at}}
    made: dict[str, nw.Expr] = {}
    for name, targets in until.items():
        potential = nw.max_horizontal(nw.min_horizontal(*targets, "cut_day", "days_to_death"), zero)
        observed = nw.min_horizontal(nw.col("time").fill_null(0), potential)
        made[f"potential_days{name}"] = nw.when(is_known).then(potential).otherwise(zero)
        made[f"observed_days{name}"] = nw.when(is_known).then(observed).otherwise(zero)
    return made


def _of_window(windows: pl.DataFrame, landmark: str, edge: str) -> nw.Expr:
    """The last (``close``) or ``target`` day of a landmark's window, chosen by the patient's cohort."""
    days = dict(windows.filter(pl.col("landmark") == landmark).select("cohort", edge).iter_rows())
    chosen = nw.lit(days[UNKNOWN_COHORT])
    for cohort, day in sorted(days.items()):
        if day != days[UNKNOWN_COHORT]:
            chosen = nw.when(nw.col("cohort") == cohort).then(nw.lit(day)).otherwise(chosen)
    return chosen.cast(nw.Int64)


def _states(landmark: str, close: nw.Expr) -> list[nw.Expr]:
    is_due = (close <= nw.col("cut_day")).fill_null(False)
    is_in = (nw.col(f"is_in_{landmark}") == 1).fill_null(False)
    dead, withdrawn, lost = (
        (nw.col(name) <= close).fill_null(False)
        for name in ("days_to_death", "days_to_withdrawal", "days_to_loss")
    )
    left = is_due & ~is_in
    states = {
        "due": is_due,
        "seen": is_due & is_in,
        "dead": left & dead,
        "withdrawn": left & ~dead & withdrawn,
        "lost": left & ~dead & ~withdrawn & lost,
    }
    return [states[name].alias(f"is_{name}_{landmark}") for name in STATES]
