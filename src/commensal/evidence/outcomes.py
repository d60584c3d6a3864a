"""The outcome of every patient at every landmark, by each endpoint of the patient's indication.

Who is due comes from :mod:`landmarks` and is never touched here. An outcome is success, failure, or not
observed with one reason of the closed list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from commensal.evidence.assessed import Assessed, assess, needed_columns
from commensal.evidence.cdi import cdi_facts, cdi_outcomes
from commensal.evidence.landmarks import attended_visits, closest
from commensal.study import Study
from commensal.vocabulary.endpoints import Endpoint, Measure
from commensal.vocabulary.indications import is_within
from commensal.vocabulary.instruments.declaration import instrument

STEROIDS = ("steroid", "topical_steroid")


@dataclass(frozen=True)
class Records:
    """What outcomes are read from: the cohort, who is due, attended visits, scores, and steroids taken.

    ``due`` says beside :func:`landmarks.due_at` whether the patient attended any visit in the window
    (``is_seen``). ``steroids`` has [patient_id, from_day, to_day] in days since index; None where the study
    records no exposures at all, so that "free of steroids" cannot be told. ``cdi`` is :func:`cdi.cdi_facts`.
    """

    cohort: pl.DataFrame
    due: pl.DataFrame
    visits: pl.DataFrame
    assessed: Mapping[str, Assessed]
    steroids: pl.DataFrame | None
    cdi: pl.DataFrame


def records_of(study: Study, cohort: pl.DataFrame, due: pl.DataFrame) -> Records:
    """Read everything that outcomes rest on, once for all endpoints."""
    visits = attended_visits(study, cohort)
    assessed = assess(study, cohort, visits)
    return Records(
        cohort=cohort,
        due=_seen(due, visits),
        visits=visits,
        assessed=assessed,
        steroids=steroid_periods(study, cohort),
        cdi=cdi_facts(study, cohort, visits=visits, assessed=assessed),
    )


def _seen(due: pl.DataFrame, visits: pl.DataFrame) -> pl.DataFrame:
    """Mark the windows in which the patient attended a visit."""
    inside = visits.join(due, on="patient_id").filter(pl.col("day").is_between("open", "close"))
    seen = inside.select("patient_id", "landmark").unique().with_columns(is_seen=True)
    keys = ["patient_id", "landmark"]
    marked = due.join(seen, on=keys, how="left", maintain_order="left")
    return marked.with_columns(pl.col("is_seen").fill_null(False))


def steroid_periods(study: Study, cohort: pl.DataFrame) -> pl.DataFrame | None:
    """Return [patient_id, from_day, to_day] of every steroid, or None where no exposures are recorded."""
    if not study.has("exposures"):
        return None
    rows = study.read("exposures", columns=["patient_id", "exposure", "started_day", "stopped_day"])
    return (
        rows.filter(pl.col("exposure").is_in(STEROIDS))
        .join(cohort.select("patient_id", "index_day"), on="patient_id")
        .select(
            "patient_id",
            from_day=pl.col("started_day") - pl.col("index_day"),
            to_day=pl.col("stopped_day") - pl.col("index_day"),
        )
    )


def outcomes_of(patients: pl.DataFrame, endpoint: Endpoint, records: Records) -> pl.DataFrame:
    """Return one row per patient (of the endpoint's indication): its outcome at the endpoint's landmark.

    Columns: the cohort's, and is_due, is_active (at baseline; null unknown, true where the endpoint does not
    ask), day (of the assessment used), success (null where not observed), reason (why not) and has_event
    (death, colectomy, rescue or retreatment before the assessment, or before the close of the window).
    """
    due = records.due.filter(pl.col("landmark") == endpoint.landmark)
    frame = patients.join(due, on="patient_id")
    if is_within(endpoint.indication, "cdi"):
        found = cdi_outcomes(frame, records.cdi, code=endpoint.code)
        frame = frame.join(found, on="patient_id", how="left").with_columns(is_active=pl.lit(True))
    else:
        judged = steroid_free(verdicts(patients, endpoint, records.assessed), endpoint, records)
        at = closest(judged, due, value="success").select("patient_id", "day", "success")
        frame = (
            frame.join(at, on="patient_id", how="left")
            .join(active_at_baseline(patients, endpoint, records.assessed), on="patient_id", how="left")
            .with_columns(success=_after_colectomy(endpoint))
        )
    return _with_reason(frame, records.visits).with_columns(has_event=_event())


def verdicts(patients: pl.DataFrame, endpoint: Endpoint, assessed: Mapping[str, Assessed]) -> pl.DataFrame:
    """Return [patient_id, day, success] of every assessed visit, by the measure for the patient's age."""
    if endpoint.measure is None:
        return pl.DataFrame(schema={"patient_id": pl.String, "day": pl.Int64, "success": pl.Boolean})
    parts = [_verdicts(_adults(patients, endpoint), endpoint.measure, assessed)]
    if endpoint.child is not None:
        children = _children(patients, endpoint)
        parts.append(_verdicts(children, endpoint.child.measure, assessed))
    return pl.concat(parts)


def _adults(patients: pl.DataFrame, endpoint: Endpoint) -> pl.DataFrame:
    if endpoint.child is None:
        return patients
    return patients.filter(
        pl.col("age_at_index_years").is_null() | (pl.col("age_at_index_years") >= endpoint.child.below_years)
    )


def _children(patients: pl.DataFrame, endpoint: Endpoint) -> pl.DataFrame:
    """Children, and patients of unknown age: which instrument was recorded says who they are."""
    if endpoint.child is None:
        return patients.clear()
    return patients.filter(
        pl.col("age_at_index_years").is_null() | (pl.col("age_at_index_years") < endpoint.child.below_years)
    )


def _verdicts(patients: pl.DataFrame, measure: Measure, assessed: Mapping[str, Assessed]) -> pl.DataFrame:
    found = assessed.get(measure.instrument)
    if found is None:
        return pl.DataFrame(schema={"patient_id": pl.String, "day": pl.Int64, "success": pl.Boolean})
    rows = found.visits.join(_of_age(patients, measure).select("patient_id"), on="patient_id", how="semi")
    told = pl.when(_is_complete(measure)).then(measure.criterion)
    return rows.select("patient_id", pl.col("day").cast(pl.Int64), success=told)


def _is_complete(measure: Measure) -> pl.Expr:
    """Whether everything the criterion needs was recorded: its scores, now and at baseline, else its items.

    A failure can often be told from half an instrument, a success cannot (Mayo without endoscopy). Counting
    such failures alone as observed would make who is observed depend on the outcome.
    """
    columns = needed_columns(instrument(measure.instrument), measure.criterion)
    return pl.all_horizontal(pl.col(column).is_not_null() for column in columns)


def _of_age(patients: pl.DataFrame, measure: Measure) -> pl.DataFrame:
    """Patients of an age the instrument is valid at; an unknown age leaves it to what was recorded."""
    used, age = instrument(measure.instrument), pl.col("age_at_index_years")
    too_young = age < used.age_from if used.age_from is not None else pl.lit(False)
    too_old = age >= used.age_below if used.age_below is not None else pl.lit(False)
    return patients.filter(~(too_young | too_old).fill_null(False))


def active_at_baseline(
    patients: pl.DataFrame, endpoint: Endpoint, assessed: Mapping[str, Assessed]
) -> pl.DataFrame:
    """Return [patient_id, is_active]: whether the baseline score is above the threshold of active disease.

    Null where there is no baseline score; true for everybody where the endpoint does not ask.
    """
    if endpoint.active is None:
        return patients.select("patient_id", is_active=pl.lit(True))
    parts = [_active(_adults(patients, endpoint), endpoint.active, assessed)]
    if endpoint.child is not None:
        parts.append(_active(_children(patients, endpoint), endpoint.child.active, assessed))
    found = pl.concat(parts).group_by("patient_id").agg(pl.col("is_active").drop_nulls().first())
    return found.sort("patient_id")


def _active(patients: pl.DataFrame, measure: Measure, assessed: Mapping[str, Assessed]) -> pl.DataFrame:
    found = assessed.get(measure.instrument)
    if found is None:
        return patients.select("patient_id", is_active=pl.lit(None, dtype=pl.Boolean))
    valid = found.baseline.join(_of_age(patients, measure), on="patient_id", how="semi")
    scores = valid.select("patient_id", is_active=pl.col(measure.criterion))
    return patients.select("patient_id").join(scores, on="patient_id", how="left")


def steroid_free(judged: pl.DataFrame, endpoint: Endpoint, records: Records) -> pl.DataFrame:
    """Make a remission reached on steroids no success; nothing is told where no exposures are recorded."""
    if not endpoint.is_steroid_free:
        return judged
    if records.steroids is None:
        return judged.with_columns(success=pl.lit(None, dtype=pl.Boolean))
    running = pl.col("from_day").is_null() | (pl.col("from_day") <= pl.col("day"))
    running = running & (pl.col("to_day").is_null() | (pl.col("to_day") >= pl.col("day")))
    taken = (
        judged.join(records.steroids, on="patient_id").filter(running).select("patient_id", "day").unique()
    )
    marked = judged.join(taken.with_columns(on_steroid=True), on=["patient_id", "day"], how="left")
    return marked.with_columns(success=pl.col("success") & pl.col("on_steroid").is_null()).drop("on_steroid")


def _after_colectomy(endpoint: Endpoint) -> pl.Expr:
    """Without a colon there is no remission of colitis: known, not missing."""
    if not is_within(endpoint.indication, "ibd"):
        return pl.col("success")
    gone = pl.col("days_to_colectomy") <= pl.coalesce("day", "close")
    return pl.when(gone).then(False).otherwise("success")


def _with_reason(frame: pl.DataFrame, visits: pl.DataFrame) -> pl.DataFrame:
    """Say why an outcome is not observed: the gravest reason first, one reason each."""
    # A study without any visit (a published one) missed none: it did not collect them.
    nothing = pl.lit("missed_visit" if visits.height else "data_not_collected")
    reason = (
        pl.when(pl.col("is_due").is_null())
        .then(pl.lit("due_unknown"))
        .when(~pl.col("is_due"))
        .then(pl.lit("not_yet_due"))
        .when(pl.col("success").is_not_null())
        .then(pl.lit(None, dtype=pl.String))
        .when(pl.col("days_to_death") <= pl.col("close"))
        .then(pl.lit("died"))
        .when(pl.col("is_seen"))
        .then(pl.lit("data_not_collected"))
        .when(pl.col("days_to_withdrawal") <= pl.col("close"))
        .then(pl.lit("withdrew"))
        .when(pl.col("days_to_loss") <= pl.col("close"))
        .then(pl.lit("lost"))
        .otherwise(nothing)
    )
    return frame.with_columns(reason=reason).drop("is_seen")


EVENTS = ("days_to_death", "days_to_colectomy", "days_to_rescue", "days_to_retreatment")


def _event() -> pl.Expr:
    until = pl.coalesce("day", "close")
    return pl.any_horizontal((pl.col(name) <= until).fill_null(False) for name in EVENTS)


def population(endpoint: Endpoint, *, which: str) -> str:
    """The words of a population: those with active disease at baseline, or those without (maintenance)."""
    if not endpoint.requires_active_at_baseline:
        return "everyone, whatever the baseline"
    return {"active": "active at baseline", "maintenance": "in remission at baseline (maintenance)"}[which]
