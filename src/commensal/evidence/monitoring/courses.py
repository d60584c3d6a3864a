"""One outcome per index course, in order of treatment, and whom each course belongs to."""

from __future__ import annotations

import polars as pl

from commensal.evidence.ground import Ground
from commensal.evidence.monitoring.settings import Settings
from commensal.vocabulary.adverse_events import causality_categories
from commensal.vocabulary.indications import is_within

OBSERVED, IMMATURE, MISSING, OUTSIDE = "observed", "immature", "missing", "outside"
UNIT_COLUMNS = {
    "donor": "donor_id",
    "lot": "batch_id",
    "operator": "operator",
    "route": "route",
    "site": "site_id",
}
UNKNOWN = "unknown"
WELL = ("remission", "response", "resolved")
NOT_A_REACTION = ("ae18",)
ROUNDING = 1e-9


def treated_courses(ground: Ground) -> pl.DataFrame:
    """Return one row per patient given donor material, in order of treatment: covariates and [day].

    ``day`` is the first session since 1970-01-01, null where the study has no calendar. Sorted by day,
    patient.
    """
    is_dated = ground.study.manifest.clock == "calendar"
    day = (pl.col("index_day") + pl.col("days_to_first_session")).cast(pl.Int64)
    return (
        ground.treated.filter(pl.col("arm") == "fmt")
        .select(
            "patient_id",
            "last_planned_day",
            "last_known_day",
            "cut_day",
            "days_to_death",
            "days_to_first_session",
            "index_day",
            day=day if is_dated else pl.lit(None, dtype=pl.Int64),
        )
        .join(ground.covariates, on="patient_id", how="left")
        .sort("day", "patient_id", nulls_last=True)
    )


def failures(ground: Ground, *, settings: Settings) -> pl.DataFrame:
    """Return [patient_id, event, status]: failure of the primary endpoint, of those it can be asked of.

    ``status`` is observed, immature (not due at the data cut, whatever is known already), missing (due, or
    due unknown, without an outcome) or outside (not active at baseline: nothing to remit). Patients of
    indications without a primary endpoint are absent.
    """
    rows = ground.outcomes.filter("is_primary")
    cdi = pl.col("indication").is_in([code for code in rows["indication"].unique() if is_within(code, "cdi")])
    early = settings.cdi_landmark if settings.cdi_landmark in ground.landmarks else settings.landmark
    at = pl.when(cdi).then(pl.lit(early)).otherwise(pl.lit(settings.landmark))
    status = (
        pl.when(~pl.col("is_active"))
        .then(pl.lit(OUTSIDE))
        .when(~pl.col("is_due"))
        .then(pl.lit(IMMATURE))
        .when(pl.col("success").is_null() | pl.col("is_active").is_null())
        .then(pl.lit(MISSING))
        .otherwise(pl.lit(OBSERVED))
    )
    return rows.filter(pl.col("landmark") == at).select("patient_id", event=~pl.col("success"), status=status)


def reported_failures(ground: Ground) -> pl.DataFrame | None:
    """Return [patient_id, event, status] of labels that the source assigned; None where there are none.

    Remission, response and resolved are no failure; the rest, partial response too, is. A patient with labels
    that disagree counts as missing.
    """
    if not ground.study.has("reported_outcomes"):
        return None
    labels = ground.study.read("reported_outcomes", columns=["patient_id", "label"])
    told = labels.group_by("patient_id").agg(
        is_well=pl.col("label").is_in(WELL).first(), n_said=pl.col("label").n_unique()
    )
    event = pl.when(pl.col("n_said") == 1).then(~pl.col("is_well"))
    status = pl.when(event.is_null()).then(pl.lit(MISSING)).otherwise(pl.lit(OBSERVED))
    return (
        treated_courses(ground)
        .select("patient_id")
        .join(told, on="patient_id", how="left")
        .select("patient_id", event=event, status=status)
    )


def serious_events(ground: Ground) -> pl.DataFrame:
    """Return the suspected serious events of the treated: the table's columns and ``onset`` in days since
    index.

    Suspected: a WHO-UMC category that is not "unlikely"; an event whose causality nobody judged counts, for
    what is not known is not unrelated. Recurrence of C. difficile infection is an outcome, not a reaction.
    """
    suspected = [entry.code for entry in causality_categories() if entry.is_suspected]
    return (
        ground.study.read("adverse_events")
        .filter(
            pl.col("is_serious"),
            pl.col("causality").is_null() | pl.col("causality").is_in(suspected),
            ~pl.col("term").is_in(NOT_A_REACTION).fill_null(False),
        )
        .join(treated_courses(ground).select("patient_id", "index_day"), on="patient_id")
        .with_columns(onset=(pl.col("began_day") - pl.col("index_day")).cast(pl.Int64))
    )


def serious_courses(ground: Ground, *, settings: Settings, is_of_material: bool) -> pl.DataFrame:
    """Return [patient_id, event, status]: a suspected serious event from the first session until
    ``serious_days`` after the last one planned.

    ``is_of_material`` leaves out events related to delivery: no donor perforates a bowel. Observed are
    courses of whom something is known at the end of the window, or who died before; an event seen counts
    only there.
    """
    events = serious_events(ground)
    if is_of_material:
        events = events.filter(pl.col("related_to").is_null() | (pl.col("related_to") != "delivery"))
    courses = treated_courses(ground).with_columns(
        until=pl.coalesce("last_planned_day", "days_to_first_session") + settings.serious_days
    )
    hit = (
        events.join(courses.select("patient_id", "until"), on="patient_id")
        .filter(pl.col("onset").is_between(0, "until"))
        .select("patient_id")
        .unique()
        .with_columns(event=True)
    )
    followed = (pl.col("last_known_day") >= pl.col("until")) | (pl.col("days_to_death") <= pl.col("until"))
    status = (
        pl.when(pl.col("cut_day") < pl.col("until"))
        .then(pl.lit(IMMATURE))
        .when(followed.fill_null(False))
        .then(pl.lit(OBSERVED))
        .otherwise(pl.lit(MISSING))
    )
    return courses.join(hit, on="patient_id", how="left").select(
        "patient_id", event=pl.col("event").fill_null(False), status=status
    )


def shared_units(material: pl.DataFrame, *, dimension: str, min_share: float) -> pl.DataFrame:
    """Return [patient_id, unit_id]: units that gave at least ``min_share`` of the sessions planned at index.

    Every session weighs the same, pools by their shares. Halves count for both; a course that no unit gave
    half of counts for none. ``material`` is :func:`material.session_material`. Unknown units are left out.
    Sorted.
    """
    unit = UNIT_COLUMNS[dimension]
    planned = material.filter("is_planned")
    return (
        planned.group_by("patient_id", pl.col(unit).fill_null(UNKNOWN).alias("unit_id"))
        .agg(pl.col("share").sum())
        .with_columns(part=pl.col("share") / pl.col("share").sum().over("patient_id"))
        .filter((pl.col("part") >= min_share - ROUNDING) & (pl.col("unit_id") != UNKNOWN))
        .select("patient_id", "unit_id")
        .sort("unit_id", "patient_id")
    )


def touched_units(material: pl.DataFrame, *, dimension: str) -> pl.DataFrame:
    """Return [patient_id, unit_id]: every unit that the planned sessions drew on, however little. Sorted."""
    unit = UNIT_COLUMNS[dimension]
    return (
        material.filter(pl.col("is_planned") & pl.col(unit).is_not_null() & (pl.col(unit) != UNKNOWN))
        .select("patient_id", unit_id=unit)
        .unique()
        .sort("unit_id", "patient_id")
    )
