"""Rows of ``curves`` and ``numbers_at_risk`` from the courses of a study."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from commensal.evidence.incidence import CAUSES
from commensal.evidence.outcomes import Records
from commensal.evidence.rows import reason_row, rows_of
from commensal.evidence.survival.courses import Course, consent_entry, courses_of
from commensal.evidence.survival.curves import aalen_johansen, kaplan_meier
from commensal.evidence.survival.reading import at_times

METHOD = (
    "Aalen–Johansen, log(−log) limits; status known at visits only (interval-censored), a change is shown "
    "at the visit that found it; death and colectomy compete"
)
LATE_ENTRY = "; entry at consent (left truncation)"
SURVIVAL = (
    "Kaplan–Meier from index, Greenwood, log(−log) limits; all causes of death; the living are censored when "
    "last known alive, so late in follow-up deaths come to light more readily than lives"
)
AT_RISK_DAYS = (0, 91, 183, 365, 730, 1096, 1461, 1826)
TOO_FEW = 5

Rows = tuple[pl.DataFrame, pl.DataFrame]


def time_courses(records: Records, *, level: float = 0.95) -> Rows:
    """Return ``curves`` and ``numbers_at_risk`` rows, one curve per indication, none pooled."""
    found = courses_of(records)
    return joined([curves_by_indication(found, level=level)])


def curves_by_indication(
    courses: Sequence[Course], *, least: int = TOO_FEW, level: float = 0.95, method: str = METHOD
) -> Rows:
    """Curves of every course, one per indication."""
    labelled = [(c, c.patients.select("patient_id", group_level=pl.lit(c.indication))) for c in courses]
    groups = {id(c): [c.indication] for c in courses}
    return _drawn(labelled, groups, by="indication", least=least, level=level, method=method)


def curves_within(
    courses: Sequence[Course], *, by: str, least: int, level: float = 0.95, method: str = METHOD
) -> Rows:
    """Curves by route or cohort inside each indication; levels read "indication: route".

    An indication with a single level has no split; a level with fewer than ``least`` gets a reason row.
    """
    labelled, groups = [], {}
    for course in courses:
        known = course.patients.filter(pl.col(by).is_not_null())
        if known[by].n_unique() > 1:
            label = pl.lit(course.indication + ": ") + pl.col(by)
            labelled.append((course, known.select("patient_id", group_level=label)))
            groups[id(course)] = labelled[-1][1]["group_level"].unique().sort().to_list()
    return _drawn(labelled, groups, by=by, least=least, level=level, method=method)


def _drawn(
    labelled: Sequence[tuple[Course, pl.DataFrame]],
    groups: dict[int, list[str]],
    *,
    by: str,
    least: int,
    level: float,
    method: str,
) -> Rows:
    """One call for each curve over all its groups: many small calls cost more than the work."""
    parts = []
    for curve in sorted({course.curve for course, _ in labelled}):
        here = [(course, labels) for course, labels in labelled if course.curve == curve]
        rows = [course.times.join(labels, on="patient_id") for course, labels in here]
        said = {g: c.reason for c, _ in here for g in groups[id(c)] if c.reason}
        asked = [g for course, _ in here for g in groups[id(course)]]
        made = curves(
            pl.concat(rows),
            curve=curve,
            by=by,
            groups=asked,
            least=least,
            level=level,
            method=method,
            reasons=said,
        )
        parts.append(made)
    return joined(parts)


def curves(
    times: pl.DataFrame,
    *,
    curve: str,
    by: str,
    groups: Sequence[str],
    least: int = TOO_FEW,
    level: float = 0.95,
    method: str = METHOD,
    reasons: dict[str, str] | None = None,
) -> Rows:
    """Return ``curves`` and ``numbers_at_risk`` rows of [patient_id, time, event, entry, group_level].

    ``groups`` are the levels asked for: one with fewer than ``least`` patients under observation gets a row
    with a reason and no curve. A curve without any event is drawn, and says so.
    """
    counts = dict(times.group_by("group_level").len().iter_rows())
    drawn = [g for g in groups if counts.get(g, 0) >= least]
    few = {g: counts.get(g, 0) for g in groups if g not in drawn}
    refused = [_too_few(curve, by, few, least, method)] if few else []
    if not drawn:
        return rows_of("curves", refused), rows_of("numbers_at_risk", [])
    rows = times.filter(pl.col("group_level").is_in(drawn)).rename({"group_level": "stratum"})
    steps = aalen_johansen(rows, causes=[1, 2, 3], level=level)
    names = {"curve": pl.lit(curve), "group_variable": pl.lit(by), "group_level": pl.col("stratum")}
    words = pl.col("event").replace_strict(CAUSES | {1: curve.removeprefix("cumulative_incidence_of_")})
    happened = pl.col("n_events").sum().over("stratum", "event") > 0
    last = pl.col("time") == pl.col("time").max().over("stratum")
    kept = steps.filter(((pl.col("event") == 1) | happened) & ((pl.col("n_events") > 0) | last))
    happens = pl.col("n_events").sum().over("stratum", "event") > 0
    said = pl.col("stratum").replace_strict(reasons or {}, default=None, return_dtype=pl.String)
    none = pl.when(~happens).then(pl.lit("no event was observed: all are censored or had a competing event"))
    made = kept.with_columns(
        **names,
        event=words,
        time_days=pl.col("time").cast(pl.Int64),
        method=pl.lit(method),
        reason=pl.concat_str(none, said, separator="; ", ignore_nulls=True).replace("", None),
    )
    return rows_of("curves", [made, *refused]), _at_risk(steps, names)


def _too_few(curve: str, by: str, few: dict[str, int], least: int, method: str) -> pl.DataFrame:
    cells = {"curve": curve, "group_variable": by, "method": method}
    words = "{} patients with an evaluable visit: fewer than {}, no curve is drawn"
    rows = [
        {**cells, "group_level": group, "n_at_risk": n, "reason": words.format(n, least)}
        for group, n in few.items()
    ]
    return rows_of("curves", [pl.DataFrame(rows)])


def _at_risk(steps: pl.DataFrame, names: dict[str, pl.Expr]) -> pl.DataFrame:
    one = steps.filter(pl.col("event") == 1)
    read = at_times(one, AT_RISK_DAYS, start=0).with_columns(**names, time_days=pl.col("at").cast(pl.Int64))
    return rows_of("numbers_at_risk", [read])


def overall_survival(
    patients: pl.DataFrame, *, least: int, is_truncated_at_consent: bool, level: float = 0.95
) -> Rows:
    """Survival of the treated by indication: until death, else the end of follow-up.

    Patients without any follow-up are in no risk set; how many is in the reason.
    """
    dated = patients.filter(pl.col("indication").is_not_null()).select(
        pl.col("indication").alias("group_level"),
        time=pl.min_horizontal("end_day", "days_to_death"),
        event=(pl.col("days_to_death") <= pl.col("end_day")).fill_null(False).cast(pl.Int64),
        entry=consent_entry().cast(pl.Float64) if is_truncated_at_consent else pl.lit(None, dtype=pl.Float64),
    )
    is_seen = (pl.col("time") > pl.col("entry").fill_null(0)).fill_null(False)
    rows = dated.filter(is_seen)
    groups = sorted(dated["group_level"].unique())
    unseen = dict(dated.filter(~is_seen).group_by("group_level").len().iter_rows())
    counts = dict(rows.group_by("group_level").len().iter_rows())
    method = SURVIVAL + (LATE_ENTRY if is_truncated_at_consent else "")
    keys = {"curve": "overall_survival", "group_variable": "indication"}
    drawn = [g for g in groups if counts.get(g, 0) >= least]
    parts = [
        reason_row(
            "curves",
            reason=f"{counts.get(g, 0)} patients with follow-up: fewer than {least}, no curve is drawn",
            group_level=g,
            n_at_risk=counts.get(g, 0),
            method=method,
            **keys,
        )
        for g in groups
        if g not in drawn
    ]
    if not drawn:
        return rows_of("curves", parts), rows_of("numbers_at_risk", [])
    steps = kaplan_meier(
        rows.filter(pl.col("group_level").is_in(drawn)).rename({"group_level": "stratum"}), level=level
    )
    names = {**{k: pl.lit(v) for k, v in keys.items()}, "group_level": pl.col("stratum")}
    last = pl.col("time") == pl.col("time").max().over("stratum")
    said = pl.concat_str(
        pl.when(pl.col("n_events").sum().over("stratum") == 0).then(pl.lit("no death was observed")),
        pl.col("stratum").replace_strict(
            {g: f"{n} without follow-up are not in it" for g, n in unseen.items()},
            default=None,
            return_dtype=pl.String,
        ),
        separator="; ",
        ignore_nulls=True,
    ).replace("", None)
    made = (
        steps.with_columns(reason=said)
        .filter((pl.col("n_events") > 0) | last)
        .with_columns(
            **names, event=pl.lit("alive"), time_days=pl.col("time").cast(pl.Int64), method=pl.lit(method)
        )
    )
    at_risk = at_times(steps, AT_RISK_DAYS, start=1)
    at_risk = at_risk.with_columns(**names, time_days=pl.col("at").cast(pl.Int64))
    return rows_of("curves", [made, *parts]), rows_of("numbers_at_risk", [at_risk])


def joined(parts: Sequence[Rows]) -> Rows:
    """Several parts as one."""
    return (
        rows_of("curves", [drawn for drawn, _ in parts]),
        rows_of("numbers_at_risk", [at_risk for _, at_risk in parts]),
    )
