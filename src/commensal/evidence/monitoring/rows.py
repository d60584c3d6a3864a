"""The monitoring of a study: what the tables monitors, funnels and alarms hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.stats import chi2

from commensal.errors import RefusedError
from commensal.evidence.ground import Ground
from commensal.evidence.material import session_material
from commensal.evidence.monitoring import courses as told
from commensal.evidence.monitoring.clusters import cluster_alarms
from commensal.evidence.monitoring.expected import RiskModel, risk_design, risk_model
from commensal.evidence.monitoring.sequential import sequential_alarm_probability, sequential_limit
from commensal.evidence.monitoring.settings import Settings
from commensal.evidence.monitoring.units import CUSUM, SEQUENTIAL, Stream, Watched, watched
from commensal.evidence.rows import reason_row, rows_of

TABLES = ("funnels", "monitors", "alarms")
NO_CALENDAR = "no calendar, so no order of treatment: no chart, the funnel alone"
ROUTES_ARE_CHOSEN = "routes are chosen for patients: a difference is no effect of the route"
NOT_RECORDED = "the study records no adverse events: that is no evidence that there were none"
NOBODY = "nobody was given donor material"
RATES = (0.014, 0.03, 0.04, 0.06)


@dataclass(frozen=True, eq=False)
class Question:
    """One outcome to be watched in one dimension.

    ``courses`` [patient_id, event, status] beside the covariates and day of every treated patient, in order
    of treatment; ``members`` [patient_id, unit_id]; ``baseline`` a fixed expected probability instead of a
    model.
    """

    dimension: str
    outcome: str
    kind: str
    courses: pl.DataFrame
    members: pl.DataFrame
    covariates: Sequence[str]
    baseline: float | None = None


def monitoring(
    ground: Ground, *, settings: Settings | None = None, level: float, seed: int, processes: int = 1
) -> dict[str, pl.DataFrame]:
    """Return rows of ``funnels``, ``monitors`` and ``alarms`` for every monitored dimension.

    Failures of the primary endpoint by donor, lot, operator, route and site; suspected serious events by
    donor, lot and site; hard stops by donor and lot. What cannot be judged is a funnel row with a reason.
    Everything is exact: ``seed`` and ``processes`` change nothing.
    """
    del seed, processes
    settings = settings or Settings()
    treated = told.treated_courses(ground)
    if treated.is_empty():
        nobody = [_refused(d, "failure", reason=NOBODY) for d in settings.dimensions]
        return {"funnels": rows_of("funnels", nobody), **{t: rows_of(t, []) for t in TABLES[1:]}}
    material = session_material(ground.study, ground.cohort).join(
        treated.select("patient_id"), on="patient_id"
    )
    answers = [
        _answered(question, settings=settings, level=level)
        for question in _questions(ground, treated, material, settings)
    ]
    refused = [] if ground.study.has("adverse_events") else [_no_adverse_events(settings)]
    alarms = [a.alarms for a in answers] + [cluster_alarms(ground, material, settings=settings)]
    return {
        "funnels": rows_of("funnels", [*(a.funnels for a in answers), *refused]),
        "monitors": rows_of("monitors", [a.monitors for a in answers]),
        "alarms": rows_of("alarms", alarms).sort("rule", "dimension", "unit_id", "outcome", "day"),
    }


def _questions(
    ground: Ground, treated: pl.DataFrame, material: pl.DataFrame, settings: Settings
) -> list[Question]:
    shared = {
        d: told.shared_units(material, dimension=d, min_share=settings.min_share) for d in settings.dimensions
    }
    outcomes = {"failure": told.failures(ground, settings=settings)}
    reported = told.reported_failures(ground)
    if reported is not None:
        outcomes["reported_failure"] = reported
    found = [
        Question(d, name, CUSUM, _beside(treated, rows), shared[d], _without_route(d, settings.covariates))
        for name, rows in outcomes.items()
        for d in settings.dimensions
    ]
    if not ground.study.has("adverse_events"):
        return found
    material_events = _beside(treated, told.serious_courses(ground, settings=settings, is_of_material=True))
    for d in ("donor", "lot"):
        if d in settings.dimensions:
            touched = told.touched_units(material, dimension=d)
            found.append(
                Question(
                    d,
                    "serious_microbiota_event",
                    SEQUENTIAL,
                    material_events,
                    touched,
                    settings.safety_covariates,
                )
            )
    if "site" in settings.dimensions:
        all_events = _beside(treated, told.serious_courses(ground, settings=settings, is_of_material=False))
        found.append(
            Question(
                "site", "serious_event", SEQUENTIAL, all_events, shared["site"], (), settings.serious_baseline
            )
        )
    return found


def _beside(treated: pl.DataFrame, outcome: pl.DataFrame) -> pl.DataFrame:
    """The treated with an outcome to ask of, in their order."""
    return treated.join(outcome, on="patient_id", how="inner", maintain_order="left")


def _without_route(dimension: str, covariates: Sequence[str]) -> Sequence[str]:
    return [c for c in covariates if not (dimension == "route" and c == "index_route")]


def _answered(question: Question, *, settings: Settings, level: float) -> Watched:
    counts = _counts(question)
    units = counts.filter(pl.col("unit_id").is_not_null())
    mature = question.courses.filter(pl.col("status") == told.OBSERVED)
    if units.is_empty():
        return _nothing(question, reason=f"no course has a known {question.dimension}")
    if units.height == 1 and question.baseline is None:
        reason = f"one {question.dimension} only: there are no other courses to expect from"
        return _nothing(question, reason=reason, counts=units)
    try:
        streams, basis = _streams(question, mature, units, settings)
    except RefusedError as refusal:
        return _nothing(question, reason=f"no expected probability: {refusal.what}", counts=units)
    made = watched(
        streams,
        dimension=question.dimension,
        outcome=question.outcome,
        kind=question.kind,
        settings=settings,
        level=level,
    )
    return Watched(_worded(made.funnels, question, units, basis, settings), made.monitors, made.alarms)


def _counts(question: Question) -> pl.DataFrame:
    """[unit_id, n, n_immature, n_missing, n_observed] of every unit, sorted."""
    status, events = pl.col("status"), pl.col("event").fill_null(False)
    return (
        question.courses.join(question.members, on="patient_id")
        .group_by("unit_id")
        .agg(
            n=(status == told.OBSERVED).sum().cast(pl.Int64),
            n_immature=(status == told.IMMATURE).sum().cast(pl.Int64),
            n_missing=(status == told.MISSING).sum().cast(pl.Int64),
            n_observed=((status == told.OBSERVED) & events).sum().cast(pl.Int64),
        )
        .sort("unit_id")
    )


def _streams(
    question: Question, mature: pl.DataFrame, units: pl.DataFrame, settings: Settings
) -> tuple[list[Stream], str]:
    """The streams of all units in order, and the words of what their expectation rests on."""
    rows = _positions(question.members, mature)
    names = units["unit_id"].to_list()
    members = [rows.get(name, np.empty(0, dtype=np.int64)) for name in names]
    outcome = mature["event"].cast(pl.Float64).to_numpy()
    if question.baseline is not None:
        expected, errors = [np.full(len(m), question.baseline) for m in members], [0.0] * len(members)
        basis = f"a fixed baseline of {100 * question.baseline:.2g} % a course (Marcella et al. 2021)"
    else:
        model, said = _model(mature, outcome, question.covariates, settings)
        expected = [model.without(m) for m in members]
        errors = [model.uncertainty(m) if len(m) >= settings.min_courses else 0.0 for m in members]
        basis = f"ridge logistic regression ({settings.ridge:g}) without the unit on {said}"
    days = mature["day"].to_list() if mature["day"].null_count() == 0 else None
    patients = mature["patient_id"].to_list()
    streams = [
        Stream(
            name,
            [patients[i] for i in m],
            None if days is None else [days[i] for i in m],
            outcome[m],
            p,
            error,
        )
        for name, m, p, error in zip(names, members, expected, errors, strict=True)
    ]
    return streams, basis


def _positions(members: pl.DataFrame, mature: pl.DataFrame) -> dict[str, np.ndarray]:
    """Unit → positions of its mature courses, in order."""
    where = mature.select("patient_id", row=pl.int_range(pl.len(), dtype=pl.Int64))
    grouped = members.join(where, on="patient_id").sort("row").group_by("unit_id").agg("row")
    return {unit: np.array(rows, dtype=np.int64) for unit, rows in grouped.iter_rows()}


def _model(
    mature: pl.DataFrame, outcome: np.ndarray, covariates: Sequence[str], settings: Settings
) -> tuple[RiskModel, str]:
    if mature.is_empty():
        raise RefusedError("no course with a mature outcome")
    design, said = risk_design(mature, covariates)
    return risk_model(design, outcome, ridge=settings.ridge), said


def _worded(
    funnels: pl.DataFrame, question: Question, units: pl.DataFrame, basis: str, settings: Settings
) -> pl.DataFrame:
    judged = pl.col("power").is_not_null()
    chart = "one-sided" if question.kind == CUSUM else "maximised sequential ratio,"
    name = "CUSUM" if question.kind == CUSUM else f"{settings.min_serious} events at least"
    method = (
        f"expected from {basis}; exact Poisson–binomial limits, over the error of the expectation; "
        f"{chart} {name}, limit by length and case mix; "
        f"false alarms {100 * settings.false_alarm:g} % over {int(funnels['power'].count())} units of the "
        f"dimension, half by charts, half by the funnel (Holm); power at odds ratio {settings.odds_ratio:g}"
    )
    cautions = pl.concat_str(
        [pl.col("reason"), *(pl.lit(c) for c in _cautions(funnels, question))],
        separator="; ",
        ignore_nulls=True,
    ).replace("", None)
    operating = _operating(question, units, settings)
    return (
        funnels.join(units.select("unit_id", "n_immature", "n_missing"), on="unit_id", how="left")
        .join(operating, on="unit_id", how="left", maintain_order="left")
        .with_columns(
            method=pl.concat_str([pl.lit(method), pl.col("operating")], separator="; ", ignore_nulls=True),
            reason=pl.when(judged).then(cautions).otherwise("reason"),
        )
    )


def _cautions(funnels: pl.DataFrame, question: Question) -> list[str]:
    found = []
    if funnels["power"].count() and question.courses["day"].null_count():
        found.append(NO_CALENDAR)
    if question.dimension == "route":
        found.append(ROUTES_ARE_CHOSEN)
    n, dispersion = funnels["dispersion"].count(), funnels["dispersion"].drop_nulls()
    if n > 1 and chi2.sf(float(dispersion[0]) * n, n) < 0.05:
        found.append(
            f"units differ more than by chance (dispersion {dispersion[0]:.2f}): limits are not widened"
        )
    return found


def _operating(question: Question, units: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """[unit_id, operating]: alarm probabilities of the sites' sequential test at several true rates."""
    schema = {"unit_id": pl.String, "operating": pl.String}
    if question.baseline is None:
        return pl.DataFrame(schema=schema)
    large = units.filter(pl.col("n") >= settings.min_courses)
    share = settings.false_alarm / 2 / max(large.height, 1)
    rows = []
    for unit, n in large.select("unit_id", "n").iter_rows():
        p = np.full(n, question.baseline)
        limit = sequential_limit(p, false_alarm=share, min_events=settings.min_serious)
        at = {rate: _chance(p, limit, rate, settings) for rate in RATES}
        said = [f"{100 * rate:g} %: {chance:.2f}" for rate, chance in at.items()]
        rows.append(
            (unit, f"probability of an alarm over these {n} courses at a true rate of " + ", ".join(said))
        )
    return pl.DataFrame(rows, schema=schema, orient="row")


def _chance(expected: np.ndarray, limit: float, rate: float, settings: Settings) -> float:
    return sequential_alarm_probability(expected, limit=limit, min_events=settings.min_serious, true=rate)


def _nothing(question: Question, *, reason: str, counts: pl.DataFrame | None = None) -> Watched:
    if counts is None:
        row = _refused(question.dimension, question.outcome, reason=reason)
    else:
        row = rows_of(
            "funnels",
            [
                counts.with_columns(
                    dimension=pl.lit(question.dimension),
                    outcome=pl.lit(question.outcome),
                    verdict=pl.lit("cannot_tell"),
                    reason=pl.lit(reason),
                )
            ],
        )
    return Watched(row, rows_of("monitors", []), rows_of("alarms", []))


def _refused(dimension: str, outcome: str, *, reason: str) -> pl.DataFrame:
    return reason_row(
        "funnels",
        dimension=dimension,
        unit_id="all",
        outcome=outcome,
        n=0,
        verdict="cannot_tell",
        reason=reason,
    )


def _no_adverse_events(settings: Settings) -> pl.DataFrame:
    asked = [d for d in ("donor", "lot", "site") if d in settings.dimensions]
    return rows_of("funnels", [_refused(d, "serious_event", reason=NOT_RECORDED) for d in asked])
