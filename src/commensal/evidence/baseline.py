"""The baseline table: who was studied, group by group, with everything missing counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from commensal.evidence.assessed import Assessed
from commensal.evidence.covariates import disease_durations
from commensal.evidence.rows import rows_of
from commensal.study import Study
from commensal.vocabulary.instruments.declaration import instrument

CONTINUOUS = {"age_at_index_years": "years", "disease_duration_years": "years"}
CATEGORICAL = ("indication", "sex", "cohort", "route", "immunocompromise", "is_mucosal_barrier_injured")
DISJOINT = "the groups share no level: the difference is infinite on this scale"


def baseline(study: Study, cohort: pl.DataFrame, assessed: Mapping[str, Assessed]) -> pl.DataFrame:
    """Return the ``baseline`` table: treated patients together and by indication, and every arm.

    The primary score of every instrument recorded at baseline is one characteristic, over those it was
    recorded for; its missing ones are counted within the group.
    """
    patients = cohort.join(disease_durations(study), on="patient_id", how="left")
    units = dict(CONTINUOUS)
    for code, found in assessed.items():
        primary = instrument(code).primary
        name = f"baseline_{code}"
        scores = found.baseline.select("patient_id", pl.col(primary).alias(name))
        patients = patients.join(scores, on="patient_id", how="left")
        units[name] = instrument(code).score(primary).unit or "points"
    treated = patients.filter(pl.col("is_treated") & ~pl.col("is_comparator"))
    tables = [describe(treated, by="all", continuous=units, categorical=CATEGORICAL)]
    if treated["indication"].n_unique() > 1:
        tables.append(describe(treated, by="indication", continuous=units, categorical=CATEGORICAL))
    if cohort["is_comparator"].any():
        arms = patients.filter(pl.col("is_treated") | pl.col("is_comparator"))
        tables.append(describe(arms, by="arm", continuous=units, categorical=CATEGORICAL))
    return pl.concat(tables)


def describe(
    patients: pl.DataFrame,
    *,
    by: str,
    continuous: Mapping[str, str],
    categorical: Sequence[str],
) -> pl.DataFrame:
    """Return ``baseline`` rows of the patients, split by the column ``by`` ("all" for one column).

    ``continuous`` maps a numeric column to its unit. Patients whose ``by`` is null form the level "unknown".
    Standardised differences are given where there are exactly two groups: second less first, over the root of
    the mean variance; where that is infinite a reason stands instead.
    Reference: Austin, Stat Med 2009;28:3083.
    """
    key = pl.lit("all") if by == "all" else pl.col(by).fill_null("unknown").cast(pl.String)
    frame = patients.with_columns(group_level=key)
    parts = [_continuous(frame, name, unit) for name, unit in continuous.items() if name in frame.columns]
    parts += [_categorical(frame, name) for name in categorical if name in frame.columns and name != by]
    if frame["group_level"].n_unique() == 2:
        parts = [_with_difference(part) for part in parts]
    named = {"version": pl.lit("observed"), "group_variable": pl.lit(by)}
    return rows_of("baseline", [part.with_columns(**named) for part in parts])


def _continuous(frame: pl.DataFrame, name: str, unit: str) -> pl.DataFrame:
    value = pl.col(name).cast(pl.Float64)
    cells = frame.group_by("group_level").agg(
        pl.len().alias("n"),
        value.is_null().sum().alias("n_missing"),
        value.mean().alias("mean"),
        value.std().alias("standard_deviation"),
        value.median().alias("median"),
        value.quantile(0.25, interpolation="linear").alias("lower_quartile"),
        value.quantile(0.75, interpolation="linear").alias("upper_quartile"),
    )
    nobody = pl.when(pl.col("n") == pl.col("n_missing")).then(pl.lit("not recorded for any patient"))
    return cells.sort("group_level").with_columns(variable=pl.lit(name), unit=pl.lit(unit), reason=nobody)


def _categorical(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Every level of the whole table in every group, so that an absent level is a count of 0."""
    levels = frame.select(level=pl.col(name).cast(pl.String)).drop_nulls().unique()
    levels = levels if levels.height else pl.DataFrame({"level": [None]}, schema={"level": pl.String})
    groups = frame.group_by("group_level").agg(
        pl.len().alias("n"), pl.col(name).is_null().sum().alias("n_missing")
    )
    counted = frame.group_by("group_level", pl.col(name).cast(pl.String).alias("level")).agg(count=pl.len())
    known = pl.col("n") - pl.col("n_missing")
    return (
        groups.join(levels, how="cross")
        .join(counted.filter(pl.col("level").is_not_null()), on=["group_level", "level"], how="left")
        .with_columns(count=pl.when(known > 0).then(pl.col("count").fill_null(0)))
        .with_columns(
            variable=pl.lit(name),
            proportion=pl.when(known > 0).then(pl.col("count") / known),
            reason=pl.when(known == 0).then(pl.lit("not recorded for any patient")),
        )
        .sort("level", "group_level")
    )


def _with_difference(part: pl.DataFrame) -> pl.DataFrame:
    """Add the standardised difference to both rows of each characteristic or level."""
    if "mean" in part.columns:
        centre, variance = pl.col("mean"), pl.col("standard_deviation") ** 2
        keys = ["variable"]
    else:
        centre, variance = pl.col("proportion"), pl.col("proportion") * (1 - pl.col("proportion"))
        keys = ["variable", "level"]
    gap = centre.last() - centre.first()
    spread = (variance.mean()).sqrt()
    complete = centre.count() == 2
    found = (
        part.sort("group_level")
        .group_by(keys)
        .agg(difference=pl.when(complete).then(gap), spread=pl.when(complete).then(spread))
    )
    infinite = (pl.col("spread") == 0) & (pl.col("difference") != 0)
    return (
        part.join(found, on=keys, how="left", nulls_equal=True)
        .with_columns(
            standardised_difference=pl.when(pl.col("spread") > 0)
            .then(pl.col("difference") / pl.col("spread"))
            .when(pl.col("difference") == 0)
            .then(0.0),
            reason=pl.when(infinite).then(pl.lit(DISJOINT)).otherwise("reason"),
        )
        .drop("difference", "spread")
    )
