"""The whole of safety, from one ground to rows."""

from __future__ import annotations

import polars as pl

from commensal.evidence.ground import Ground
from commensal.evidence.rows import rows_of
from commensal.evidence.safety.comparison import route_comparison
from commensal.evidence.safety.detail import by_material, details
from commensal.evidence.safety.first_event import deaths, hospitalisations, serious_over_time
from commensal.evidence.safety.incidence import incidence, refusal, with_caution
from commensal.evidence.safety.late import late
from commensal.evidence.safety.person_time import mean_counts
from commensal.evidence.safety.records import (
    RESTS_ON,
    SafetyRecords,
    Window,
    cautions,
    kinds_of_event,
    records_of_safety,
    treated_of,
)
from commensal.evidence.safety.settings import Settings
from commensal.study import Study
from commensal.vocabulary.windows import window_of

MEAN_COUNTS_OF = ("adverse_event", "suspected_reaction", "serious_adverse_event")


def adverse_event_incidence(
    study: Study, cohort: pl.DataFrame, *, window: Window | None = None, level: float = 0.95
) -> pl.DataFrame:
    """Return ``estimates`` rows of adverse events among treated patients.

    Units: ``per_procedure`` (procedures followed by at least one event, clustered by patient),
    ``per_patient`` (patients with at least one event, Clopper–Pearson) and ``per_100_person_years`` (events
    over person-time to the last day known, exact Poisson and clustered by patient); each over all, by route
    and by cohort, and in detail by term, grade, causality, relation and criterion of seriousness.
    ``n_due`` are all procedures or patients, ``n`` those ascertained, ``n_missing`` the rest.
    """
    window = window or Window()
    treated = treated_of(cohort)
    if not study.has("adverse_events") or treated.is_empty():
        return refusal(treated, window=window, level=level)
    records = records_of_safety(study, cohort, window=window)
    return pl.concat([incidence(records, level=level), details(records, level=level)])


def safety(
    ground: Ground,
    *,
    settings: Settings | None = None,
    level: float,
    seed: int,  # noqa: ARG001
    processes: int = 1,  # noqa: ARG001
) -> dict[str, pl.DataFrame]:
    """Return everything about harm: ``estimates``, ``effects``, ``curves`` and ``numbers_at_risk`` rows.

    Nothing here is drawn at random and nothing is worth a second process: ``seed`` and ``processes``
    are those of every analysis and change nothing. A study without adverse events ends in a row that says
    so; deaths are still counted.
    """
    chosen = settings or Settings()
    window = Window(procedure_days=chosen.procedure_days, patient_days=chosen.patient_days)
    treated = treated_of(ground.cohort)
    if treated.is_empty():
        return {"estimates": refusal(treated, window=window, level=level)}
    records = records_of_safety(ground.study, ground.cohort, window=window)
    always = [deaths(records, level=level), hospitalisations(ground.study, records, level=level)]
    if not ground.study.has("adverse_events"):
        return {"estimates": pl.concat([refusal(treated, window=window, level=level), *always])}
    timed = serious_over_time(records, targets=targets_of(ground), level=level)
    estimates = [
        incidence(records, level=level),
        details(records, level=level),
        by_material(ground.study, ground.cohort, records, kinds=kinds_of_event(), level=level),
        _mean_counts(ground, records, level=level),
        late(
            ground.study,
            records,
            late_from_day=chosen.late_from_day,
            reference_rates=chosen.reference_rates,
            level=level,
        ),
        timed.pop("estimates", rows_of("estimates", [])),
        *always,
    ]
    effects = route_comparison(records, ground.covariates, adjusted_for=chosen.adjusted_for, level=level)
    return {"estimates": pl.concat(estimates), "effects": effects, **timed}


def targets_of(ground: Ground) -> dict[str, int]:
    """The landmarks of the study with their day since index."""
    return {name: window_of(name, cohort="retrospective").target for name in ground.landmarks}


def _mean_counts(ground: Ground, records: SafetyRecords, *, level: float) -> pl.DataFrame:
    parts = []
    for endpoint in MEAN_COUNTS_OF:
        condition = kinds_of_event()[endpoint]
        said = cautions(records.events.filter(condition.fill_null(True)), rests_on=RESTS_ON.get(endpoint, ()))
        found = mean_counts(records.used.filter(condition), records, targets=targets_of(ground), level=level)
        if found.height:
            parts.append(with_caution(found, said).with_columns(endpoint=pl.lit(endpoint)))
    return rows_of("estimates", parts)
