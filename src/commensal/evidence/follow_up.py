"""How complete follow-up is: who was due and seen, missed, lost, withdrawn or dead, and the time observed."""

from __future__ import annotations

import numpy as np
import polars as pl

from commensal.evidence.ground import Ground
from commensal.evidence.rows import rows_of
from commensal.evidence.survival import kaplan_meier, quantile

DAYS_PER_YEAR = 365.25
METHOD = (
    "Clark's C: person-time observed over person-time to the landmark's day, data cut or death; median by "
    "reverse Kaplan–Meier (death ends observation, the end of follow-up is the event)"
)
NO_CUT = "the data cut or the index day is unknown of {} patients: who is due cannot be told of them"
NO_CONTACT = "nothing is known of {} patients after index: they count with no time observed"
BEFORE_INDEX = "the last record of {} patients is before index"
GROUPS = ("all", "indication", "cohort")
AFTER_DUE = ("seen", "missed", "lost", "withdrawn", "dead")
NO_VISITS = "no visits are recorded: who was seen cannot be told"
STATES = ("due", "not_due", "unknown", *AFTER_DUE)


def follow_up(ground: Ground) -> pl.DataFrame:
    """Return the ``follow_up`` table: the treated over all, by indication and by cohort; arms if several.

    Each group has a row for each landmark and one for the whole of follow-up (landmark null). A patient who
    is due is seen (an attended visit in the window), or else dead, withdrawn or lost by the close of the
    window (the first of these that holds), or missed. Due itself depends on index, window and data cut only.

    Reference: Clark, Altman & De Stavola, Lancet 2002;359:1309; Schemper & Smith, Control Clin Trials
    1996;17:343.
    """
    cohort = ground.cohort
    treated = cohort.filter(pl.col("is_treated") & ~pl.col("is_comparator"))
    splits = [(treated, by) for by in GROUPS]
    if cohort["is_comparator"].any():
        splits.append((cohort.filter(pl.col("is_treated") | pl.col("is_comparator")), "arm"))
    states = _states(ground)
    if ground.records.visits.is_empty():
        # A study that records no visits (a published one) missed none: who was seen cannot be told.
        states = states.with_columns(pl.lit(None, dtype=pl.Boolean).alias(s) for s in AFTER_DUE)
    parts = [part for patients, by in splits for part in _rows(patients, by, states, ground)]
    return rows_of("follow_up", [pl.concat(parts, how="diagonal_relaxed")] if parts else [])


def _states(ground: Ground) -> pl.DataFrame:
    """[patient_id, landmark, target, and a flag for each state] of every patient and landmark."""
    ends = ground.cohort.select("patient_id", "days_to_death", "days_to_withdrawal", "days_to_loss")
    spans = ground.records.due.join(ends, on="patient_id")
    seen = (
        ground.records.visits.join(spans, on="patient_id")
        .filter(pl.col("day").is_between("open", "close"))
        .select("patient_id", "landmark")
        .unique()
        .with_columns(was_seen=True)
    )
    marked = spans.join(seen, on=["patient_id", "landmark"], how="left")
    due, was_seen = pl.col("is_due").fill_null(False), pl.col("was_seen").fill_null(False)
    left = due & ~was_seen
    dead, withdrawn, lost = (
        (pl.col(f"days_to_{kind}") <= pl.col("close")).fill_null(False)
        for kind in ("death", "withdrawal", "loss")
    )
    return marked.select(
        "patient_id",
        "landmark",
        "target",
        due=due,
        not_due=(~pl.col("is_due")).fill_null(False),
        unknown=pl.col("is_due").is_null(),
        seen=due & was_seen,
        dead=left & dead,
        withdrawn=left & ~dead & withdrawn,
        lost=left & ~dead & ~withdrawn & lost,
        missed=left & ~dead & ~withdrawn & ~lost,
    )


def _rows(patients: pl.DataFrame, by: str, states: pl.DataFrame, ground: Ground) -> list[pl.DataFrame]:
    level = pl.lit("all") if by == "all" else pl.col(by).fill_null("unknown").cast(pl.String)
    who = patients.with_columns(group_level=level)
    at = who.join(states, on="patient_id")
    whole = who.with_columns(landmark=pl.lit(None, dtype=pl.String), target=pl.lit(None, dtype=pl.Int64))
    keys = ["landmark", "group_level"]
    counted = at.group_by(keys).agg(
        *(
            pl.when(pl.col(state).count() > 0).then(pl.col(state).sum().cast(pl.Int64)).alias(f"n_{state}")
            for state in STATES
        )
    )
    columns = [*keys, "target", "days_to_death", "cut_day", "end_day", "last_known_day"]
    timed = pl.concat([at.select(columns), whole.select(columns)], how="vertical_relaxed")
    made = _person_time(timed, keys).join(counted, on=keys, how="left", nulls_equal=True)
    made = made.join(_medians(who), on="group_level", how="left").with_columns(
        median_years=pl.when(pl.col("landmark").is_null()).then("median_years"),
        group_variable=pl.lit(by),
        method=pl.lit(METHOD),
    )
    if ground.records.visits.is_empty():
        said = pl.concat_str([pl.lit(NO_VISITS), pl.col("reason")], separator="; ", ignore_nulls=True)
        made = made.with_columns(
            reason=pl.when(pl.col("landmark").is_not_null()).then(said).otherwise("reason")
        )
    order = {name: i for i, name in enumerate(ground.landmarks)}
    rank = pl.col("landmark").replace_strict(order, default=len(order), return_dtype=pl.Int64)
    return [made.sort("group_level", rank)] if made.height else []


def _person_time(timed: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Observed and potential person-years of each group and landmark, and what cannot be told."""
    potential = pl.min_horizontal("target", "cut_day", "days_to_death").clip(lower_bound=0)
    is_known = pl.col("cut_day").is_not_null()
    observed = pl.min_horizontal(pl.col("end_day").fill_null(0), potential)
    sums = timed.group_by(keys).agg(
        n=pl.len(),
        person_years=pl.when(is_known).then(observed).sum() / DAYS_PER_YEAR,
        potential_person_years=pl.when(is_known).then(potential).sum() / DAYS_PER_YEAR,
        n_no_cut=(~is_known).sum(),
        n_no_contact=pl.col("last_known_day").is_null().sum(),
        n_before=(pl.col("last_known_day") < 0).sum(),
    )
    told = [
        pl.when(pl.col(count) > 0).then(pl.format(words, count))
        for count, words in (("n_no_cut", NO_CUT), ("n_no_contact", NO_CONTACT), ("n_before", BEFORE_INDEX))
    ]
    share = pl.col("person_years") / pl.col("potential_person_years")
    has_any = pl.col("n_no_cut") < pl.col("n")
    return sums.with_columns(
        *(pl.when(has_any).then(c).alias(c) for c in ("person_years", "potential_person_years")),
        completeness=pl.when(has_any & (pl.col("potential_person_years") > 0)).then(share.clip(0, 1)),
        reason=pl.concat_str(told, separator="; ", ignore_nulls=True).replace("", None),
    ).drop("n_no_cut", "n_no_contact", "n_before")


def _medians(patients: pl.DataFrame) -> pl.DataFrame:
    """[group_level, median_years]: the reverse Kaplan–Meier median; null where the curve stays above half."""
    known = patients.filter(pl.col("end_day").is_not_null())
    if known.is_empty():
        return pl.DataFrame(schema={"group_level": pl.String, "median_years": pl.Float64})
    died = known.select((pl.col("days_to_death") <= pl.col("end_day")).fill_null(False)).to_series()
    curve = kaplan_meier(
        known["end_day"].to_numpy().astype(float),
        np.where(died.to_numpy(), 0, 1),
        stratum=known["group_level"],
    )
    found = quantile(curve)
    return found.select(
        group_level=pl.col("stratum").cast(pl.String), median_years=pl.col("estimate") / DAYS_PER_YEAR
    )
