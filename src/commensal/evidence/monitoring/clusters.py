"""Hard stops: infections that share a donor or lot, donor-derived infection, death possibly related."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from commensal.evidence.ground import Ground
from commensal.evidence.monitoring.courses import UNIT_COLUMNS, UNKNOWN, serious_events
from commensal.evidence.monitoring.settings import Settings
from commensal.evidence.rows import rows_of
from commensal.vocabulary.adverse_events import adverse_events

QUARANTINE = "quarantine the {dimension}'s remaining material, trace the other recipients; a person decides"
SOURCE = (
    "centre hard stops of the protocol; FDA safety communication of June 2019 (two infections, one donor)"
)
DONOR_DERIVED = "ae16"
DEATH, FATAL_GRADE = "ae22", 5


def cluster_alarms(ground: Ground, material: pl.DataFrame, *, settings: Settings) -> pl.DataFrame:
    """Return ``alarms`` rows of the hard stops, by donor and by lot.

    - ``infection_cluster``: suspected serious infections of ``cluster_patients`` patients who received the
      same donor or lot before onset, onsets within ``cluster_days``;
    - ``donor_derived_infection``: one of certain causality (matching genotype), at once;
    - ``possibly_related_death``: a suspected event that ended in death and was not expected.

    An infection is laid to every donor and lot given in the usual window of its term before onset. Clusters
    need a calendar; the other two do not, and stand without a day where there is none. Deliberately blunt:
    no rate is estimated, every alarm asks for a person.
    """
    if not ground.study.has("adverse_events"):
        return rows_of("alarms", [])
    exposed = _exposed(serious_events(ground), material, is_dated=ground.study.manifest.clock == "calendar")
    parts = [_rows_of_dimension(exposed, dimension, settings) for dimension in ("donor", "lot")]
    return rows_of("alarms", parts)


def _exposed(events: pl.DataFrame, material: pl.DataFrame, *, is_dated: bool) -> pl.DataFrame:
    """Each event beside everything given before it: within its term's window, or in the session named."""
    ends = {e.code: e.window_to_day for e in adverse_events() if e.window_to_day is not None}
    given = material.select("patient_id", given_in="session_id", given_day="day", **_units())
    longest = pl.col("term").replace_strict(ends, default=None, return_dtype=pl.Int64)
    lag = pl.col("onset") - pl.col("given_day")
    inside = (lag >= 0) & (longest.is_null() | (lag <= longest))
    named = pl.col("given_in") == pl.col("session_id")
    return (
        events.join(given, on="patient_id")
        .filter(inside.fill_null(False) | named.fill_null(False))
        .with_columns(day=pl.col("began_day").cast(pl.Int64) if is_dated else pl.lit(None, dtype=pl.Int64))
    )


def _units() -> Mapping[str, pl.Expr]:
    return {d: pl.col(UNIT_COLUMNS[d]).fill_null(UNKNOWN) for d in ("donor", "lot")}


def _rows_of_dimension(exposed: pl.DataFrame, dimension: str, settings: Settings) -> pl.DataFrame:
    mine = (
        exposed.filter(pl.col(dimension) != UNKNOWN)
        .select(
            *("adverse_event_id", "patient_id", "term", "causality", "grade", "is_expected", "day"),
            unit_id=dimension,
        )
        .unique()
        .sort("unit_id", "day", "adverse_event_id", nulls_last=True)
    )
    infections = mine.filter(pl.col("term").is_in(list(settings.infection_terms)))
    certain = mine.filter((pl.col("term") == DONOR_DERIVED) & (pl.col("causality") == "certain"))
    fatal = mine.filter(
        ((pl.col("term") == DEATH) | (pl.col("grade") == FATAL_GRADE)).fill_null(False)
        & ~pl.col("is_expected").fill_null(False)
    )
    rows = [*_clusters(infections, settings)]
    rows += _singles(certain, "donor_derived_infection", "confirmed donor-derived infection")
    rows += _singles(fatal, "possibly_related_death", "death possibly related")
    return pl.DataFrame(
        [row | {"dimension": dimension, "proposed": QUARANTINE.format(dimension=dimension)} for row in rows],
        schema={**ALARM, "dimension": pl.String, "proposed": pl.String},
    ).with_columns(source=pl.lit(SOURCE))


ALARM = {
    **dict.fromkeys(("rule", "unit_id", "outcome"), pl.String),
    **dict.fromkeys(("day", "n", "n_observed"), pl.Int64),
    "because": pl.String,
}


def _clusters(infections: pl.DataFrame, settings: Settings) -> list[dict[str, object]]:
    dated = infections.filter(pl.col("day").is_not_null())
    return [
        _row("infection_cluster", "serious suspected infection", run, day=day)
        for unit in dated.partition_by("unit_id", maintain_order=True)
        for run, day in clusters(unit, settings)
    ]


def clusters(unit: pl.DataFrame, settings: Settings) -> list[tuple[pl.DataFrame, int]]:
    """Return the clusters of one unit's infections (sorted by day), each with the day it became one.

    A cluster opens with the first window of ``cluster_days`` that holds ``cluster_patients`` patients and
    goes on while each further infection lies within ``cluster_days`` of the one before; it alarms once.
    """
    days, patients = unit["day"].to_list(), unit["patient_id"].to_list()
    found: list[tuple[list[int], int]] = []
    for i, day in enumerate(days):
        window = [j for j in range(i + 1) if day - days[j] <= settings.cluster_days]
        if found and day - days[found[-1][0][-1]] <= settings.cluster_days:
            found[-1][0].append(i)
        elif len({patients[j] for j in window}) >= settings.cluster_patients:
            found.append((window, day))
    return [(unit[rows], day) for rows, day in found]


def _singles(events: pl.DataFrame, rule: str, outcome: str) -> list[dict[str, object]]:
    groups = events.partition_by("unit_id", "day", maintain_order=True)
    return [_row(rule, outcome, group, day=group["day"][0]) for group in groups]


def _row(rule: str, outcome: str, events: pl.DataFrame, *, day: int | None) -> dict[str, object]:
    return {
        "rule": rule,
        "unit_id": events["unit_id"][0],
        "outcome": outcome,
        "day": day,
        "n": events["patient_id"].n_unique(),
        "n_observed": events.height,
        "because": "adverse events " + _listed(events["adverse_event_id"].to_list()),
    }


def _listed(names: Sequence[str], *, shown: int = 20) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
