"""Grouped counts of a study of any size: who is due, seen, lost or dead at each landmark, and person-time.

Everything up to the counts runs on the study's engine (DuckDB here, Spark in a network of hospitals); only the
counts cross back, one row per stratum, day of leaving and event. They are sufficient for Kaplan–Meier curves,
Aalen–Johansen curves, log-rank tests, rates and completeness of follow-up at any size.
"""

from __future__ import annotations

from collections.abc import Sequence

import narwhals as nw
import polars as pl

from commensal import engine as engines
from commensal.evidence.landmarks import UNKNOWN_COHORT
from commensal.study import Study
from commensal.study.calendar import Lazy

# What a patient's record says of follow-up, as small numbers: they are compared millions of times.
CONTACT, VISIT, DEATH, LOSS, WITHDRAWAL = 0, 1, 2, 3, 4
DISPOSITIONS = {"death": DEATH, "lost_to_follow_up": LOSS, "withdrawal": WITHDRAWAL}
STATES = ("due", "seen", "dead", "withdrawn", "lost")
# A slot is a day since index in a cohort: one number that a window is looked up by.
SPAN = 1_000_000
PART = 250_000

Among = tuple[str | None, str | None]


def cohort_counts(
    study: Study,
    *,
    windows: pl.DataFrame,
    at: Sequence[str],
    by: Sequence[str] = ("indication", "cohort"),
) -> pl.DataFrame:
    """Return [*by, time, event, n, n_unknown, and n_<state>_<landmark> for every landmark], sorted.

    Everyone in the study counts. ``time`` is the last day of person-time since index (as ``end_day`` of
    :func:`cohort.cohort_of`; null where it cannot be told), ``event`` 1 for a death by that day, 0 censored.
    ``n_unknown`` are those of whom nobody can say whether they were due. At each landmark a patient who is due
    was seen in the window, or was dead, withdrawn or lost by its close (the first that holds, in this order);
    the others who are due missed it. ``by`` are columns of ``patients``. ``windows`` as made by
    :func:`landmarks.windows_of`.
    """
    parts = [_counted(study, among, windows=windows, at=at, by=by) for among in _parts_of(study)]
    summed = pl.concat(parts).group_by(*by, "time", "event").agg(pl.col("^n.*$").sum())
    return summed.sort(*by, "time", "event", nulls_last=True)


def _parts_of(study: Study) -> list[Among]:
    """Ranges of patients that are counted one after another: small ones stay in the processor's cache.

    Spark does that by itself.
    """
    if study.engine == "spark" or study.folder is None:
        return [(None, None)]
    edges = study.read("patients", columns=["patient_id"])["patient_id"].sort().gather_every(PART)[1:]
    return list(zip([None, *edges], [*edges, None], strict=True))


def _counted(
    study: Study, among: Among, *, windows: pl.DataFrame, at: Sequence[str], by: Sequence[str]
) -> pl.DataFrame:
    spans = _with_states(patient_spans(study, windows=windows, at=at, among=among), windows=windows, at=at)
    names = ["unknown", *(f"{state}_{landmark}" for landmark in at for state in STATES)]
    counted = spans.group_by(*by, "time", "event").agg(
        nw.len().cast(nw.Int64).alias("n"),
        *(nw.col(f"is_{name}").cast(nw.Int64).sum().cast(nw.Int64).alias(f"n_{name}") for name in names),
    )
    return counted.collect("polars").to_native()


def _within(frame: Lazy, among: Among) -> Lazy:
    first, beyond = among
    frame = frame if first is None else frame.filter(nw.col("patient_id") >= first)
    return frame if beyond is None else frame.filter(nw.col("patient_id") < beyond)


def patient_spans(
    study: Study, *, windows: pl.DataFrame, at: Sequence[str], among: Among = (None, None)
) -> Lazy:
    """Return one lazy row per patient: its days of leaving since index, and whether it was seen in each window.

    Columns: those of ``patients``, days_to_death, days_to_loss, days_to_withdrawal, last_known_day, cut_day, and
    for each landmark is_in_ (1, 0, or null without any record).
    """
    patients = _within(study.frame("patients"), among)
    index = nw.col("index_day").cast(nw.Int64)
    cohorts = sorted(windows["cohort"].unique())
    base = patients.select("patient_id", index.alias("index"), (index - _offset(cohorts)).alias("base"))
    records = _records(study, among).join(base, on="patient_id", how="inner")
    since, kind = nw.col("day") - nw.col("index"), nw.col("kind")
    slot = nw.when(kind == VISIT).then(nw.col("day") - nw.col("base"))
    placed = records.with_columns(slot.alias("slot")).join(_slots(study, windows, at), on="slot", how="left")
    ends = {"days_to_death": DEATH, "days_to_loss": LOSS, "days_to_withdrawal": WITHDRAWAL}
    marked = placed.with_columns(
        *(nw.when(kind == code).then(since).alias(name) for name, code in ends.items()),
        nw.when(kind <= DEATH).then(since).alias("last_known_day"),
    )
    followed = marked.group_by("patient_id").agg(
        *(nw.col(name).min().alias(name) for name in ends),
        nw.col("last_known_day").max().alias("last_known_day"),
        *(nw.col(f"is_in_{landmark}").max().alias(f"is_in_{landmark}") for landmark in at),
    )
    cut = nw.lit(study.manifest.data_cut_day).cast(nw.Int64)
    return patients.join(followed, on="patient_id", how="left").with_columns((cut - index).alias("cut_day"))


def _offset(cohorts: Sequence[str]) -> nw.Expr:
    """A number far apart for each cohort; the unknown cohort has the windows of :data:`UNKNOWN_COHORT`."""
    chosen = nw.lit(cohorts.index(UNKNOWN_COHORT) * SPAN)
    for number, cohort in enumerate(cohorts):
        chosen = nw.when(nw.col("cohort") == cohort).then(nw.lit(number * SPAN)).otherwise(chosen)
    return chosen.cast(nw.Int64)


def _slots(study: Study, windows: pl.DataFrame, at: Sequence[str]) -> Lazy:
    """[slot, is_in_ of each landmark]: every day of every window of every cohort."""
    cohorts = sorted(windows["cohort"].unique())
    days = (
        windows.filter(pl.col("landmark").is_in(list(at)))
        .with_columns(day=pl.int_ranges("open", pl.col("close") + 1))
        .explode("day")
        .with_columns(
            slot=pl.col("day") + SPAN * pl.col("cohort").replace_strict(cohorts, range(len(cohorts)))
        )
    )
    table = (
        days.group_by("slot")
        .agg(
            *(
                (pl.col("landmark") == landmark).any().cast(pl.Int64).alias(f"is_in_{landmark}")
                for landmark in at
            )
        )
        .sort("slot")
        .cast({"slot": pl.Int64})
    )
    return nw.from_native(table.lazy()) if study.folder is None else engines.place(table, engine=study.engine)


def _records(study: Study, among: Among) -> Lazy:
    """[patient_id, kind, day] of everything that proves or ends follow-up."""
    attended = study.frame("visits").filter(nw.col("status") == "attended")
    disposed = nw.lit(CONTACT)
    for name, code in DISPOSITIONS.items():
        disposed = nw.when(nw.col("kind") == name).then(nw.lit(code)).otherwise(disposed)
    known = [*DISPOSITIONS, "last_contact"]
    return nw.concat(
        [
            _kept(_within(attended, among), nw.lit(VISIT), "visited_day"),
            _kept(
                _within(study.frame("dispositions").filter(nw.col("kind").is_in(known)), among),
                disposed,
                "occurred_day",
            ),
            _kept(_within(study.frame("sessions"), among), nw.lit(CONTACT), "administered_day"),
            _kept(_within(study.frame("adverse_events"), among), nw.lit(CONTACT), "began_day"),
            _kept(_within(study.frame("samples"), among), nw.lit(CONTACT), "collected_day"),
        ],
        how="vertical",
    )


def _kept(frame: Lazy, kind: nw.Expr, day: str) -> Lazy:
    return frame.filter(~nw.col(day).is_null()).select(
        "patient_id", kind.cast(nw.Int64).alias("kind"), nw.col(day).cast(nw.Int64).alias("day")
    )


def _with_states(spans: Lazy, *, windows: pl.DataFrame, at: Sequence[str]) -> Lazy:
    """The end of person-time, and whether each state holds at each landmark."""
    exits = ("days_to_death", "days_to_loss", "days_to_withdrawal", "cut_day", "last_known_day")
    end = nw.max_horizontal(nw.min_horizontal(*exits), nw.lit(0).cast(nw.Int64))
    timed = spans.with_columns(nw.when(~nw.col("last_known_day").is_null()).then(end).alias("time"))
    died = (nw.col("days_to_death") <= nw.col("time")).fill_null(False)
    return timed.with_columns(
        died.cast(nw.Int64).alias("event"),
        nw.col("cut_day").is_null().alias("is_unknown"),
        *(state for landmark in at for state in _states(landmark, _close(windows, landmark))),
    )


def _close(windows: pl.DataFrame, landmark: str) -> nw.Expr:
    """The last day of a landmark's window for the patient's cohort, chosen by its name."""
    days = dict(windows.filter(pl.col("landmark") == landmark).select("cohort", "close").iter_rows())
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
