"""How complete follow-up is: who was due and seen, missed, lost, withdrawn or dead, and the time observed."""

from __future__ import annotations

import polars as pl

from commensal.evidence.counts import STATES, cohort_counts
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
COUNTED_BY = ("indication", "cohort", "arm", "is_treated")
AFTER_DUE = ("n_seen", "n_missed", "n_lost", "n_withdrawn", "n_dead")
NO_VISITS = "no visits are recorded: who was seen cannot be told"


def follow_up(ground: Ground) -> pl.DataFrame:
    """Return the ``follow_up`` table: the treated over all, by indication and by cohort; arms if several.

    Each group has a row for each landmark and one for the whole of follow-up (landmark null). A patient who
    is due is seen (an attended visit in the window), or else dead, withdrawn or lost by the close of the
    window (the first of these that holds), or missed. Due itself depends on index, window and data cut only.

    Reference: Clark, Altman & De Stavola, Lancet 2002;359:1309; Schemper & Smith, Control Clin Trials
    1996;17:343.
    """
    counted = cohort_counts(
        ground.study, windows=ground.windows, at=ground.landmarks, by=COUNTED_BY, with_days=True
    )
    is_comparator = pl.col("arm") != "fmt"
    treated = counted.filter(pl.col("is_treated") & ~is_comparator)
    splits = [(treated, by) for by in GROUPS]
    if counted.select(is_comparator.any()).item():
        splits.append((counted.filter(pl.col("is_treated") | is_comparator), "arm"))
    parts = [part for groups, by in splits for part in _rows(groups, by, ground)]
    return rows_of("follow_up", [pl.concat(parts, how="diagonal_relaxed")] if parts else [])


def _rows(counted: pl.DataFrame, by: str, ground: Ground) -> list[pl.DataFrame]:
    level = pl.lit("all") if by == "all" else pl.col(by).fill_null("unknown").cast(pl.String)
    who = counted.with_columns(group_level=level)
    # A study that records no visits (a published one) missed none: who was seen cannot be told.
    has_visits = not ground.records.visits.is_empty()
    summed = [_summed(who, landmark, has_visits=has_visits) for landmark in (*ground.landmarks, None)]
    made = _person_time(pl.concat(summed, how="diagonal_relaxed"))
    made = made.join(_medians(who), on="group_level", how="left").with_columns(
        median_years=pl.when(pl.col("landmark").is_null()).then("median_years"),
        group_variable=pl.lit(by),
        method=pl.lit(METHOD),
    )
    if not has_visits:
        said = pl.concat_str([pl.lit(NO_VISITS), pl.col("reason")], separator="; ", ignore_nulls=True)
        made = made.with_columns(
            reason=pl.when(pl.col("landmark").is_not_null()).then(said).otherwise("reason")
        )
    order = {name: i for i, name in enumerate(ground.landmarks)}
    rank = pl.col("landmark").replace_strict(order, default=len(order), return_dtype=pl.Int64)
    return [made.sort("group_level", rank)] if made.height else []


def _summed(counted: pl.DataFrame, landmark: str | None, *, has_visits: bool) -> pl.DataFrame:
    """One row per group: patients, person-days and states at a landmark; without one, no states."""
    after = "" if landmark is None else f"_{landmark}"
    sums = counted.group_by("group_level").agg(
        pl.col("n").sum(),
        *(pl.col(f"{which}_days{after}").sum().alias(f"{which}_days") for which in ("observed", "potential")),
        n_no_cut=pl.col("n_unknown").sum(),
        n_no_contact=pl.col("n").filter(pl.col("time").is_null()).sum(),
        n_before=pl.col("n_before").sum(),
        **({} if landmark is None else {f"n_{s}": pl.col(f"n_{s}_{landmark}").sum() for s in STATES}),
    )
    sums = sums.with_columns(landmark=pl.lit(landmark, dtype=pl.String))
    if landmark is None:
        return sums
    reached = pl.sum_horizontal(f"n_{state}" for state in STATES[1:])
    made = sums.with_columns(
        n_unknown="n_no_cut",
        n_not_due=pl.col("n") - pl.col("n_no_cut") - pl.col("n_due"),
        n_missed=pl.col("n_due") - reached,
    )
    return made if has_visits else made.with_columns(pl.lit(None, dtype=pl.Int64).alias(c) for c in AFTER_DUE)


def _person_time(sums: pl.DataFrame) -> pl.DataFrame:
    """Observed and potential person-years of each group and landmark, and what cannot be told."""
    told = [
        pl.when(pl.col(count) > 0).then(pl.format(words, count))
        for count, words in (("n_no_cut", NO_CUT), ("n_no_contact", NO_CONTACT), ("n_before", BEFORE_INDEX))
    ]
    has_any = pl.col("n_no_cut") < pl.col("n")
    years = {
        "person_years": pl.col("observed_days") / DAYS_PER_YEAR,
        "potential_person_years": pl.col("potential_days") / DAYS_PER_YEAR,
    }
    share = years["person_years"] / years["potential_person_years"]
    return sums.with_columns(
        **{name: pl.when(has_any).then(value) for name, value in years.items()},
        completeness=pl.when(has_any & (pl.col("potential_days") > 0)).then(share.clip(0, 1)),
        reason=pl.concat_str(told, separator="; ", ignore_nulls=True).replace("", None),
    ).drop("observed_days", "potential_days", "n_no_cut", "n_no_contact", "n_before")


def _medians(counted: pl.DataFrame) -> pl.DataFrame:
    """[group_level, median_years]: the reverse Kaplan–Meier median; null where the curve stays above half."""
    known = counted.filter(pl.col("time").is_not_null())
    if known.is_empty():
        return pl.DataFrame(schema={"group_level": pl.String, "median_years": pl.Float64})
    curve = kaplan_meier(
        known["time"].to_numpy().astype(float),
        1 - known["event"].to_numpy(),
        n=known["n"].to_numpy(),
        stratum=known["group_level"],
    )
    found = quantile(curve)
    return found.select(
        group_level=pl.col("stratum").cast(pl.String), median_years=pl.col("estimate") / DAYS_PER_YEAR
    )
