"""What is known of every patient at index: the covariates that models may rest on.

Nothing here looks past the index day. A covariate measured later is refused by name in the rooms that
predict or adjust; :data:`AFTER_INDEX` lists the ones that people ask for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import narwhals as nw
import polars as pl

from commensal.errors import InputError, nearest
from commensal.evidence.assessed import Assessed
from commensal.study import Study
from commensal.study.calendar import Lazy
from commensal.vocabulary.endpoints import endpoints, endpoints_for, primary_endpoint
from commensal.vocabulary.instruments.declaration import instrument
from commensal.vocabulary.windows import landmarks

KINDS = ("continuous", "binary", "ordered", "nominal")
DAYS_PER_YEAR = 365.25
COURSES = ("first", "second", "third or later")


@dataclass(frozen=True)
class Covariate:
    """One covariate: its name, kind, label and unit; ``levels`` in order where it is ordered."""

    name: str
    kind: str
    label: str
    unit: str = ""
    levels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"covariate {self.name}: unknown kind {self.kind!r}", expected=", ".join(KINDS))


COVARIATES = (
    Covariate("age_at_index_years", "continuous", "Age at index", "years"),
    Covariate("sex", "nominal", "Sex"),
    Covariate("indication", "nominal", "Indication"),
    Covariate("cohort", "nominal", "Cohort"),
    Covariate("index_route", "nominal", "Route of the first session"),
    Covariate("index_year", "continuous", "Year of index", "years"),
    Covariate("disease_duration_years", "continuous", "Disease duration", "years"),
    Covariate("baseline_severity", "continuous", "Severity at baseline", "SD within the instrument"),
    Covariate("had_recipient_antibiotic", "binary", "Antibiotic recorded before index"),
    Covariate("immunocompromise", "ordered", "Immunocompromise", levels=("none", "mild", "severe")),
    Covariate("is_mucosal_barrier_injured", "binary", "Mucosal barrier injured"),
    Covariate("prednisone_milligrams_per_day", "continuous", "Prednisolone equivalents", "mg/day"),
    Covariate("albumin_grams_per_litre", "continuous", "Albumin", "g/L"),
    Covariate("bmi", "continuous", "Body mass index", "kg/m²"),
    Covariate("n_sessions_planned", "continuous", "Sessions planned at index", "sessions"),
    Covariate("course_number", "ordered", "Course of the first session", levels=COURSES),
)

AFTER_INDEX = (
    "n_sessions",
    "n_courses",
    "route",
    "days_to_retreatment",
    "days_to_rescue",
    "days_to_colectomy",
    "days_to_death",
    "days_to_loss",
    "days_to_withdrawal",
    "days_followed",
    "end_day",
    "n_contacts_after_index",
    "engraftment",
)


def known_covariates(names: Sequence[str]) -> tuple[Covariate, ...]:
    """Return the covariates of these names.

    Refuses (InputError) a name measured after index, by that name, and an unknown one.
    """
    by_name = {c.name: c for c in COVARIATES}
    for name in names:
        if name in AFTER_INDEX:
            raise InputError(
                f"covariate {name!r} is measured after index: it cannot predict or adjust from the start",
                expected="what is known on the index day: " + ", ".join(by_name),
                do="take it out, or report it as an outcome",
            )
        if name not in by_name:
            raise InputError(f"there is no covariate {name!r}", expected=nearest(name, by_name))
    return tuple(by_name[name] for name in names)


def covariates_of(study: Study, cohort: pl.DataFrame, assessed: Mapping[str, Assessed]) -> pl.DataFrame:
    """Return one row per patient, sorted: patient_id and every covariate of :data:`COVARIATES`; null unknown.

    ``baseline_severity`` is the primary score of the instrument of the indication's primary endpoint (of its
    measure of active disease where it has one), higher is worse, in standard deviations of the patients with
    that instrument at baseline.
    """
    frame = (
        cohort.join(index_sessions(study, cohort), on="patient_id", how="left")
        .join(disease_durations(study), on="patient_id", how="left")
        .join(_severity(cohort, assessed), on="patient_id", how="left")
        .with_columns(index_year=_year(study))
    )
    return frame.select("patient_id", *(_stored(c) for c in COVARIATES)).sort("patient_id")


def index_sessions(study: Study, cohort: pl.DataFrame) -> pl.DataFrame:
    """Return [patient_id, index_route, index_operator, n_sessions_planned, course_number] as of the first
    session.

    ``course_number`` is that of the course the first session belongs to: beyond the first where the patient
    was treated before, at another centre or before the study; null where no course is recorded. Later courses
    of the same patient do not change it: how many there will be is not known at index.
    """
    first, planned = _first_sessions(study), _planned_sessions(study)
    found = study.frame("patients").select("patient_id").join(first, on="patient_id", how="left")
    found = found.join(planned, on="patient_id", how="left").collect("polars").to_native()
    return cohort.select("patient_id").join(found, on="patient_id", how="left")


def _first_sessions(study: Study) -> Lazy:
    """[patient_id, index_route, index_operator, course_number]; a session without a day comes last."""
    undated = nw.col("administered_day").is_null().cast(nw.Int64)
    ordered = ["undated", "administered_day", "session_id"]
    place = nw.col("session_id").cum_count().over("patient_id", order_by=ordered)
    sessions = study.frame("sessions").with_columns(undated.alias("undated"))
    first = sessions.with_columns(place.alias("place")).filter(nw.col("place") == 1)
    words = _course_words(nw.col("number")).alias("course_number")
    return first.join(study.frame("courses").select("course_id", words), on="course_id", how="left").select(
        "patient_id",
        nw.col("route").alias("index_route"),
        nw.col("operator").alias("index_operator"),
        "course_number",
    )


def _planned_sessions(study: Study) -> Lazy:
    """[patient_id, n_sessions_planned] at index; null where one course does not say how many."""
    number = nw.col("n_sessions_planned")
    courses = study.frame("courses").filter(nw.col("is_planned_at_index"))
    summed = (
        courses.with_columns(number.is_null().cast(nw.Int64).alias("is_untold"))
        .group_by("patient_id")
        .agg(number.sum().cast(nw.Int64).alias("n"), nw.col("is_untold").max().alias("is_untold"))
    )
    told = nw.when(nw.col("is_untold") == 0).then(nw.col("n"))
    return summed.select("patient_id", told.alias("n_sessions_planned"))


def _course_words(number: nw.Expr) -> nw.Expr:
    later = nw.when(number > 2).then(nw.lit(COURSES[2]))
    return (
        nw.when(number == 1)
        .then(nw.lit(COURSES[0]))
        .otherwise(nw.when(number == 2).then(nw.lit(COURSES[1])).otherwise(later))
    )


def _stored(covariate: Covariate) -> pl.Expr:
    kinds = {"continuous": pl.Float64, "binary": pl.Boolean}
    return pl.col(covariate.name).cast(kinds.get(covariate.kind, pl.String))


def _year(study: Study) -> pl.Expr:
    """Calendar year with its fraction; null where the study has no calendar."""
    if study.manifest.clock != "calendar":
        return pl.lit(None, dtype=pl.Float64)
    return 1970 + pl.col("index_day") / DAYS_PER_YEAR


def disease_durations(study: Study) -> pl.DataFrame:
    """Return [patient_id, disease_duration_years]: years with the indication, the longest recorded."""
    of_indication = study.frame("diagnoses").filter(nw.col("role") == "indication")
    longest = of_indication.group_by("patient_id").agg(nw.col("disease_duration_years").max())
    return longest.collect("polars").to_native()


def _severity(cohort: pl.DataFrame, assessed: Mapping[str, Assessed]) -> pl.DataFrame:
    parts = [
        _standardised(cohort.filter(pl.col("indication") == code), name, assessed)
        for code in cohort["indication"].drop_nulls().unique().sort()
        for name in severity_instruments(code)
    ]
    empty = pl.DataFrame(schema={"patient_id": pl.String, "baseline_severity": pl.Float64})
    found = pl.concat([empty, *parts])
    return found.unique("patient_id", keep="first", maintain_order=True)


def severity_instruments(indication_code: str) -> list[str]:
    """The instruments that tell how severe an indication is at baseline, the adults' first."""
    if indication_code not in {e.indication for e in endpoints()}:
        return []
    found = [
        primary_endpoint(indication_code, landmark=at) or endpoints_for(indication_code)[0]
        for at in landmarks()
    ]
    names: list[str] = []
    for endpoint in found:
        measures = [endpoint.active or endpoint.measure]
        if endpoint.child is not None:
            measures.append(endpoint.child.active)
        names += [m.instrument for m in measures if m is not None]
    return list(dict.fromkeys(names))


def _standardised(patients: pl.DataFrame, code: str, assessed: Mapping[str, Assessed]) -> pl.DataFrame:
    found = assessed.get(code)
    if found is None:
        return pl.DataFrame(schema={"patient_id": pl.String, "baseline_severity": pl.Float64})
    declared = instrument(code)
    score = pl.col(declared.primary).cast(pl.Float64)
    worse = -score if declared.direction == "higher_better" else score
    spread = worse.std()
    return (
        found.baseline.filter(score.is_not_null())
        .join(patients.select("patient_id"), on="patient_id", how="semi")
        .select("patient_id", baseline_severity=pl.when(spread > 0).then((worse - worse.mean()) / spread))
        .drop_nulls()
    )
