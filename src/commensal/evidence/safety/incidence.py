"""Adverse events: per procedure, per patient and per 100 person-years, over those ascertained.

No record is not zero. A procedure or patient counts only where something is known of the patient at or
after the end of the window (or the patient died before); the rest is unascertained and said to be so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from commensal.evidence.proportion import clopper_pearson, clustered_proportion
from commensal.evidence.rates import incidence_rate
from commensal.evidence.rows import reason_row, rows_of
from commensal.study import Study
from commensal.vocabulary.adverse_events import causality_categories

NOT_RECORDED = "the study records no adverse events: that is no evidence that there were none"
NOBODY = "nobody was followed through the window"
DAYS_PER_YEAR = 365.25


@dataclass(frozen=True)
class Window:
    """Days after a procedure, and after index, within which an onset counts (both ends included)."""

    procedure_days: int = 7
    patient_days: int = 91

    @property
    def per_procedure(self) -> str:
        """The procedures in the denominator."""
        return f"procedures followed for {self.procedure_days} days"

    @property
    def per_patient(self) -> str:
        """The patients in the denominator."""
        return f"treated patients followed for {self.patient_days} days"


def kinds_of_event() -> dict[str, pl.Expr]:
    """Endpoint → which adverse events count. What is not recorded of an event does not make it count."""
    suspected = [entry.code for entry in causality_categories() if entry.is_suspected]
    return {
        "adverse_event": pl.lit(True),
        "suspected_reaction": pl.col("causality").is_in(suspected),
        "delivery_related_event": pl.col("related_to") == "delivery",
        "microbiota_related_event": pl.col("related_to") == "microbiota",
        "grade_3_event": pl.col("grade") >= 3,
        "serious_adverse_event": pl.col("is_serious"),
    }


_RESTS_ON = {
    "suspected_reaction": "causality",
    "delivery_related_event": "related_to",
    "microbiota_related_event": "related_to",
    "grade_3_event": "grade",
    "serious_adverse_event": "is_serious",
}


def adverse_event_incidence(
    study: Study, cohort: pl.DataFrame, *, window: Window | None = None, level: float = 0.95
) -> pl.DataFrame:
    """Return ``estimates`` rows of adverse events among treated patients.

    Units: ``per_procedure`` (procedures followed by at least one event, clustered by patient; all, by route,
    by term), ``per_patient`` (patients with at least one event, Clopper–Pearson; all, by route) and
    ``per_100_person_years`` (events over person-time to the last day known, exact Poisson). ``n_due`` are
    all procedures or patients, ``n`` those ascertained, ``n_missing`` the rest.
    """
    window = window or Window()
    treated = cohort.filter(pl.col("is_treated") & ~pl.col("is_comparator"))
    if not study.has("adverse_events") or treated.is_empty():
        reason = NOT_RECORDED if treated.height else "nobody received a transplant"
        return _refusal(treated, window=window, reason=reason, level=level)
    procedures = _procedures(study, treated, window=window)
    events = _events(study, treated, procedures, window=window)
    parts = [
        part
        for endpoint, condition in kinds_of_event().items()
        for part in _of_kind(endpoint, events.filter(condition), events, procedures, treated, window, level)
    ]
    return rows_of("estimates", [*parts, *_by_term(events, procedures, window=window, level=level)])


def _refusal(treated: pl.DataFrame, *, window: Window, reason: str, level: float) -> pl.DataFrame:
    return reason_row(
        "estimates",
        endpoint="adverse_event",
        population=window.per_patient,
        group_variable="all",
        group_level="all",
        n=0,
        n_due=treated.height,
        n_missing=treated.height,
        level=level,
        unit="per_patient",
        reason=reason,
    )


def _procedures(study: Study, treated: pl.DataFrame, *, window: Window) -> pl.DataFrame:
    """One row per session of the treated: its day since index and whether it was followed long enough."""
    sessions = study.read("sessions", columns=["session_id", "patient_id", "administered_day", "route"])
    patients = treated.select("patient_id", "index_day", "last_known_day", "days_to_death")
    end = pl.col("day") + window.procedure_days
    return (
        sessions.join(patients, on="patient_id")
        .with_columns(
            day=(pl.col("administered_day") - pl.col("index_day")).cast(pl.Int64),
            route=pl.col("route").fill_null("unknown"),
        )
        .with_columns(is_ascertained=_followed_to(end))
        .select("session_id", "patient_id", "day", "route", "is_ascertained")
        .sort("patient_id", "day", "session_id")
    )


def _followed_to(end: pl.Expr) -> pl.Expr:
    """Whether anything is known of the patient at ``end`` or later; death before it ends the question."""
    known = (pl.col("last_known_day") >= end) | (pl.col("days_to_death") <= end)
    return known.fill_null(False)


def _events(study: Study, treated: pl.DataFrame, procedures: pl.DataFrame, *, window: Window) -> pl.DataFrame:
    """Adverse events of the treated, each with its day since index and the session it follows, if any."""
    rows = study.read("adverse_events").join(
        treated.select("patient_id", "index_day", "end_day", "last_known_day", "days_to_death"),
        on="patient_id",
    )
    rows = rows.with_columns(day=(pl.col("began_day") - pl.col("index_day")).cast(pl.Int64))
    sessions = procedures.filter(pl.col("day").is_not_null()).select(
        "patient_id", pl.col("session_id").alias("preceding"), "day", pl.col("day").alias("session_day")
    )
    # Where nobody named the session, an onset within the window is taken to follow the latest one before.
    dated = rows.filter(pl.col("day").is_not_null()).sort("day")
    matched = dated.join_asof(
        sessions.sort("day"), on="day", by="patient_id", strategy="backward", check_sortedness=False
    )
    near = pl.col("day") - pl.col("session_day") <= window.procedure_days
    named = pl.coalesce("session_id", pl.when(near).then("preceding"))
    undated = rows.filter(pl.col("day").is_null()).with_columns(after=pl.col("session_id"))
    return pl.concat([matched.with_columns(after=named), undated], how="diagonal")


def _of_kind(
    endpoint: str,
    kind: pl.DataFrame,
    events: pl.DataFrame,
    procedures: pl.DataFrame,
    treated: pl.DataFrame,
    window: Window,
    level: float,
) -> list[pl.DataFrame]:
    caution = _unknown(events, _RESTS_ON.get(endpoint))
    groups = ("all", "route")
    made = [_per_procedure(kind, procedures, by=by, window=window, level=level) for by in groups]
    made += [_per_patient(kind, treated, by=by, window=window, level=level) for by in groups]
    made.append(_per_person_time(kind, treated, level=level))
    return [
        part.with_columns(
            endpoint=pl.lit(endpoint),
            reason=pl.concat_str(
                [pl.col("reason"), pl.lit(caution)], separator="; ", ignore_nulls=True
            ).replace("", None),
        )
        for part in made
    ]


def _unknown(events: pl.DataFrame, column: str | None) -> str | None:
    n = events[column].null_count() if column else 0
    return f"{n} events without a recorded {column} are not counted" if n else None


def _per_procedure(
    kind: pl.DataFrame, procedures: pl.DataFrame, *, by: str, window: Window, level: float
) -> pl.DataFrame:
    hit = kind.select(session_id="after").drop_nulls().unique().with_columns(is_hit=True)
    marked = procedures.join(hit, on="session_id", how="left").with_columns(
        group_level=pl.lit("all") if by == "all" else pl.col(by), is_hit=pl.col("is_hit").fill_null(False)
    )
    clusters = marked.group_by("group_level", "patient_id").agg(
        n_due=pl.len(),
        n=pl.col("is_ascertained").sum(),
        n_events=(pl.col("is_hit") & pl.col("is_ascertained")).sum(),
    )
    parts = [_ratio(part, level=level) for part in clusters.sort("group_level").partition_by("group_level")]
    return pl.concat(parts).with_columns(
        unit=pl.lit("per_procedure"),
        population=pl.lit(window.per_procedure),
        estimand=pl.lit("at least one event within the window; every session counts"),
        group_variable=pl.lit(by),
        level=pl.lit(level),
    )


def _ratio(clusters: pl.DataFrame, *, level: float) -> pl.DataFrame:
    """Events over procedures with the variance of a ratio of patient totals."""
    hits, sizes = (clusters[c].cast(pl.Float64).to_numpy() for c in ("n_events", "n"))
    n, n_due = int(sizes.sum()), int(clusters["n_due"].sum())
    found = clustered_proportion(hits, sizes=sizes, level=level) if n else None
    cells = ("estimate", "se", "lower", "upper")
    return pl.DataFrame(
        [
            {
                **{cell: getattr(found, cell, None) for cell in cells},
                "group_level": clusters["group_level"][0],
                "n": n,
                "n_events": int(hits.sum()),
                "n_due": n_due,
                "n_missing": n_due - n,
                "method": getattr(found, "method", None),
                "reason": None if n else NOBODY,
            }
        ],
        schema_overrides=dict.fromkeys(cells, pl.Float64) | {"reason": pl.String, "method": pl.String},
    )


def _per_patient(
    kind: pl.DataFrame, treated: pl.DataFrame, *, by: str, window: Window, level: float
) -> pl.DataFrame:
    inside = kind.filter(pl.col("day").is_between(0, window.patient_days))
    hit = inside.select("patient_id").unique().with_columns(is_hit=True)
    followed = _followed_to(pl.lit(window.patient_days))
    patients = treated.join(hit, on="patient_id", how="left").with_columns(
        group_level=pl.lit("all") if by == "all" else pl.col(by).fill_null("unknown"),
        is_hit=pl.col("is_hit").fill_null(False),
        is_ascertained=followed,
    )
    counts = patients.group_by("group_level").agg(
        n_due=pl.len(),
        n=pl.col("is_ascertained").sum(),
        n_events=(pl.col("is_hit") & pl.col("is_ascertained")).sum(),
        n_outside=(pl.col("is_hit") & ~pl.col("is_ascertained")).sum(),
    )
    rows = [_exact_row(row, level=level) for row in counts.sort("group_level").to_dicts()]
    return pl.DataFrame(
        rows, schema_overrides={"reason": pl.String, **dict.fromkeys(_CELLS, pl.Float64)}
    ).with_columns(
        unit=pl.lit("per_patient"),
        population=pl.lit(window.per_patient),
        estimand=pl.lit("at least one event within the window"),
        group_variable=pl.lit(by),
        level=pl.lit(level),
        method=pl.lit("Clopper–Pearson"),
    )


_CELLS = ("estimate", "lower", "upper")


def _exact_row(counts: dict[str, int], *, level: float) -> dict[str, object]:
    n, n_events, outside = counts["n"], counts["n_events"], counts["n_outside"]
    exact = clopper_pearson(n_events, n=n, level=level) if n else None
    caution = f"{outside} patients with an event were not followed through the window" if outside else None
    return {
        **counts,
        "estimate": n_events / n if n else None,
        "lower": exact.lower if exact else None,
        "upper": exact.upper if exact else None,
        "n_missing": counts["n_due"] - n,
        "reason": caution if n else NOBODY,
    }


def _per_person_time(kind: pl.DataFrame, treated: pl.DataFrame, *, level: float) -> pl.DataFrame:
    followed = treated.filter(pl.col("end_day") > 0)
    years = float(followed["end_day"].sum()) / DAYS_PER_YEAR
    counted = kind.filter(pl.col("day").is_between(0, pl.col("end_day")))
    row: dict[str, object] = {
        "n": followed.height,
        "n_due": treated.height,
        "n_missing": treated.height - followed.height,
        "n_events": counted.height,
        "group_level": "all",
        "estimate": None,
        "lower": None,
        "upper": None,
        "reason": "no person-time is known",
    }
    if years > 0:
        exact = incidence_rate(counted.height, years, level=level)
        row |= {"estimate": exact.estimate, "lower": exact.lower, "upper": exact.upper}
        row["reason"] = f"{years:.1f} person-years; several events of one patient are taken as independent"
    return pl.DataFrame([row], schema_overrides=dict.fromkeys(_CELLS, pl.Float64)).with_columns(
        unit=pl.lit("per_100_person_years"),
        population=pl.lit("treated patients with follow-up"),
        estimand=pl.lit("every event from index to the last day known, death, withdrawal or data cut"),
        group_variable=pl.lit("all"),
        level=pl.lit(level),
        method=pl.lit("exact Poisson"),
    )


def _by_term(
    events: pl.DataFrame, procedures: pl.DataFrame, *, window: Window, level: float
) -> Sequence[pl.DataFrame]:
    terms = events["term"].drop_nulls().unique().sort()
    return [
        _per_procedure(
            events.filter(pl.col("term") == term), procedures, by="all", window=window, level=level
        ).with_columns(
            endpoint=pl.lit("adverse_event"), group_variable=pl.lit("term"), group_level=pl.lit(term)
        )
        for term in terms
    ]
