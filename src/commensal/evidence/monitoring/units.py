"""The units of one dimension and one outcome: funnel rows, charts and alarms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from commensal.evidence.monitoring.charts import (
    cusum,
    cusum_alarm_probability,
    cusum_limit,
    times_odds,
)
from commensal.evidence.monitoring.funnels import Funnel, funnel, mixed_masses, poisson_binomial
from commensal.evidence.monitoring.sequential import sequential_alarm_probability, sequential_test
from commensal.evidence.monitoring.settings import Settings

Array = np.ndarray

CUSUM, SEQUENTIAL = "cusum", "sequential"
RULES = {CUSUM: "cusum", SEQUENTIAL: "sequential_serious"}
SOURCES = {
    CUSUM: "risk-adjusted CUSUM (Steiner et al. 2000)",
    SEQUENTIAL: "maximised sequential probability ratio test (Kulldorff et al. 2011)",
    "funnel": "exact funnel with Holm's control (Spiegelhalter 2005)",
}
ASKED = (
    "check records, case mix, material and handling; hold its use if nothing explains it; a person decides"
)
SHOWN = 20


@dataclass(frozen=True, eq=False)
class Stream:
    """The mature courses of one unit in order of treatment: patients, days, outcomes, expected probabilities.

    ``day`` is None where the study has no calendar, so that there is no order. ``uncertainty`` is the
    standard deviation of the error that the expected log-odds share; 0 for a fixed baseline.
    """

    unit_id: str
    patient_id: Sequence[str]
    day: Sequence[int] | None
    observed: Array
    expected: Array
    uncertainty: float = 0.0

    def __len__(self) -> int:
        return len(self.observed)


@dataclass(frozen=True, eq=False)
class Chart:
    """A finished chart of one stream; ``power`` is its probability of an alarm at the stated odds ratio."""

    kind: str
    statistic: Array
    limit: float
    alarm_at: int | None
    power: float


def charted(stream: Stream, *, kind: str, false_alarm: float, settings: Settings) -> Chart:
    """Run the chart of a stream with a limit of its own length and case mix."""
    worse = times_odds(stream.expected, settings.odds_ratio)
    if kind == CUSUM:
        limit = cusum_limit(
            stream.expected,
            odds_ratio=settings.odds_ratio,
            false_alarm=false_alarm,
            uncertainty=stream.uncertainty,
        )
        run = cusum(stream.observed, stream.expected, odds_ratio=settings.odds_ratio, limit=limit)
        power = cusum_alarm_probability(
            stream.expected, limit=limit, odds_ratio=settings.odds_ratio, true=worse
        )
        return Chart(kind, run.statistic, limit, run.alarm_at, power)
    test = sequential_test(
        stream.observed,
        stream.expected,
        false_alarm=false_alarm,
        min_events=settings.min_serious,
        uncertainty=stream.uncertainty,
    )
    power = sequential_alarm_probability(
        stream.expected, limit=test.limit, min_events=settings.min_serious, true=worse
    )
    return Chart(kind, test.statistic, test.limit, test.alarm_at, power)


def funnel_power(expected: Array, *, threshold: float, odds_ratio: float, uncertainty: float = 0.0) -> float:
    """Probability that the upper tail of a unit's count is ``threshold`` / 2 or less at this odds ratio."""
    tails = np.cumsum(mixed_masses(expected, uncertainty)[::-1])[::-1]
    reached = tails <= threshold / 2
    return float(poisson_binomial(times_odds(expected, odds_ratio))[reached].sum())


@dataclass(frozen=True, eq=False)
class Watched:
    """What became of the streams of one dimension: frames of funnels, monitors and alarms."""

    funnels: pl.DataFrame
    monitors: pl.DataFrame
    alarms: pl.DataFrame


def watched(
    streams: Sequence[Stream], *, dimension: str, outcome: str, kind: str, settings: Settings, level: float
) -> Watched:
    """Judge every unit that has ``min_courses``; the rest get their counts and a reason.

    One half of ``false_alarm`` is shared equally by the charts (Bonferroni), the other is the upper side of
    the funnel's two-sided p values under Holm. Without a calendar there are no charts.
    """
    if not streams:
        return Watched(pl.DataFrame(FUNNEL_CELLS), pl.DataFrame(MONITOR_CELLS), pl.DataFrame(ALARM_CELLS))
    large = [s for s in streams if len(s) >= settings.min_courses]
    share = settings.false_alarm / 2 / max(len(large), 1)
    charts = {
        s.unit_id: charted(s, kind=kind, false_alarm=share, settings=settings)
        for s in large
        if s.day is not None
    }
    figures = _figures(large, level=level)
    judged = [
        _judged(s, figures.get(s.unit_id, {}), charts.get(s.unit_id), settings=settings, n_units=len(large))
        for s in streams
    ]
    common = (pl.lit(dimension).alias("dimension"), pl.lit(outcome).alias("outcome"))
    alarms = [
        row
        for s, judgement in zip(streams, judged, strict=True)
        for row in _alarms(s, charts.get(s.unit_id), judgement, settings)
    ]
    return Watched(
        pl.DataFrame(judged, schema=FUNNEL_CELLS).with_columns(*common),
        _monitor_rows(large, charts).with_columns(*common),
        pl.DataFrame(alarms, schema=ALARM_CELLS).with_columns(*common),
    )


FUNNEL_CELLS = {
    "unit_id": pl.String,
    **dict.fromkeys(("n", "n_observed"), pl.Int64),
    **dict.fromkeys(("n_expected", "ratio", "lower", "upper", "level"), pl.Float64),
    **dict.fromkeys(("inner_lower", "inner_upper", "outer_lower", "outer_upper"), pl.Float64),
    **dict.fromkeys(("p_value", "power", "dispersion"), pl.Float64),
    **dict.fromkeys(("verdict", "reason"), pl.String),
}
MONITOR_CELLS = {
    **dict.fromkeys(("chart", "unit_id"), pl.String),
    **dict.fromkeys(("position", "day"), pl.Int64),
    "expected": pl.Float64,
    "is_event": pl.Boolean,
    **dict.fromkeys(("statistic", "limit"), pl.Float64),
    "is_alarm": pl.Boolean,
}
ALARM_CELLS = {
    **dict.fromkeys(("rule", "unit_id"), pl.String),
    **dict.fromkeys(("day", "n", "n_observed"), pl.Int64),
    **dict.fromkeys(("n_expected", "statistic", "limit", "false_alarm_rate", "power"), pl.Float64),
    **dict.fromkeys(("because", "proposed", "source"), pl.String),
}


def _figures(streams: Sequence[Stream], *, level: float) -> dict[str, dict[str, float]]:
    if not streams:
        return {}
    units = np.repeat([s.unit_id for s in streams], [len(s) for s in streams])
    made = funnel(
        np.concatenate([s.observed for s in streams]),
        np.concatenate([s.expected for s in streams]),
        unit=units,
        uncertainty={s.unit_id: s.uncertainty for s in streams},
        level=level,
    )
    return {unit: _cells(made, i) for i, unit in enumerate(made.units)}


def _cells(made: Funnel, i: int) -> dict[str, float]:
    cells = {name: float(getattr(made, name)[i]) for name in ("ratio", "lower", "upper")}
    for name in ("inner", "outer"):
        low, high = getattr(made, name)[i]
        cells |= {f"{name}_lower": float(low), f"{name}_upper": float(high)}
    return cells | {
        "level": made.level,
        "p_value": float(made.p_controlled[i]),
        "dispersion": made.dispersion,
    }


def _judged(
    stream: Stream, cells: dict[str, float], chart: Chart | None, *, settings: Settings, n_units: int
) -> dict[str, object]:
    row: dict[str, object] = {
        **cells,
        "unit_id": stream.unit_id,
        "n": len(stream),
        "n_observed": int(stream.observed.sum()),
        "n_expected": float(stream.expected.sum()) if len(stream) else None,
        "reason": None,
    }
    if len(stream) < settings.min_courses:
        few = f"{len(stream)} mature courses, fewer than {settings.min_courses}: counts alone"
        return row | {"verdict": "cannot_tell", "reason": few}
    power = (
        chart.power
        if chart is not None
        else funnel_power(
            stream.expected,
            threshold=settings.false_alarm / n_units,
            odds_ratio=settings.odds_ratio,
            uncertainty=stream.uncertainty,
        )
    )
    is_alarm = (chart is not None and chart.alarm_at is not None) or _is_high(row, settings)
    quiet = "as_expected" if power >= settings.min_power else "cannot_tell"
    return row | {"power": power, "verdict": "alarm" if is_alarm else quiet}


def _is_high(row: dict[str, object], settings: Settings) -> bool:
    return float(str(row["p_value"])) <= settings.false_alarm and float(str(row["ratio"])) > 1


def _monitor_rows(streams: Sequence[Stream], charts: dict[str, Chart]) -> pl.DataFrame:
    parts = [pl.DataFrame(schema=MONITOR_CELLS)]
    for stream in streams:
        chart = charts.get(stream.unit_id)
        if chart is None:
            continue
        n = len(stream)
        parts.append(
            pl.DataFrame(
                {
                    "chart": [chart.kind] * n,
                    "unit_id": [stream.unit_id] * n,
                    "position": range(1, n + 1),
                    "day": list(stream.day or []),
                    "expected": stream.expected,
                    "is_event": stream.observed > 0,
                    "statistic": chart.statistic,
                    "limit": [chart.limit] * n,
                    "is_alarm": np.arange(n) == (-1 if chart.alarm_at is None else chart.alarm_at),
                },
                schema=MONITOR_CELLS,
            )
        )
    return pl.concat(parts)


def _alarms(
    stream: Stream, chart: Chart | None, judged: dict[str, object], settings: Settings
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    common = {
        "unit_id": stream.unit_id,
        "false_alarm_rate": settings.false_alarm,
        "power": judged.get("power"),
        "proposed": ASKED,
    }
    if chart is not None and chart.alarm_at is not None:
        upto = chart.alarm_at + 1
        rows.append(
            common
            | _counted(stream, upto)
            | {
                "rule": RULES[chart.kind],
                "statistic": float(chart.statistic[chart.alarm_at]),
                "limit": chart.limit,
                "source": SOURCES[chart.kind],
            }
        )
    if len(stream) >= settings.min_courses and _is_high(judged, settings):
        found = {"rule": "funnel", "statistic": judged["ratio"], "limit": None, "source": SOURCES["funnel"]}
        rows.append(common | _counted(stream, len(stream)) | found)
    return rows


def _counted(stream: Stream, upto: int) -> dict[str, object]:
    events = [stream.patient_id[i] for i in np.flatnonzero(stream.observed[:upto]).tolist()]
    more = f" and {len(events) - SHOWN} earlier" if len(events) > SHOWN else ""
    return {
        "day": stream.day[upto - 1] if stream.day is not None else None,
        "n": upto,
        "n_observed": len(events),
        "n_expected": float(stream.expected[:upto].sum()),
        "because": "events in the courses of " + ", ".join(events[-SHOWN:]) + more,
    }
