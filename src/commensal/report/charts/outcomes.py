"""Pictures of outcomes: estimates with their intervals, and curves over time."""

from __future__ import annotations

import altair as alt
import polars as pl

from commensal.report.charts.theme import PALETTE, SHAPES, WIDTH, Chart


def intervals(
    rows: pl.DataFrame,
    *,
    y: str,
    series: str,
    panel: str | None,
    x_title: str,
    panels: list[str] | None = None,
    percent: bool = True,
) -> Chart:
    """Estimates as points with their intervals; one line per ``y``, one colour and shape per ``series``.

    ``rows`` has the columns ``y``, ``series``, ``panel``, ``estimate``, ``lower``, ``upper``.
    """
    names = rows[series].unique(maintain_order=True).to_list()
    x_axis = alt.Axis(format="%" if percent else "", tickCount=5)
    scale = alt.Scale(domain=[0, 1]) if percent else alt.Scale(zero=True)
    base = alt.Chart(rows).encode(
        y=alt.Y(f"{y}:N", sort=None, title=None, axis=alt.Axis(labelLimit=280)),
        yOffset=alt.YOffset(f"{series}:N", sort=names),
        color=alt.Color(f"{series}:N", sort=names, scale=alt.Scale(domain=names, range=PALETTE), title=None),
    )
    lines = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("lower:Q", title=x_title, axis=x_axis, scale=scale), x2="upper:Q"
    )
    points = base.mark_point(filled=True, size=55, opacity=1).encode(
        x=alt.X("estimate:Q", scale=scale),
        shape=alt.Shape(f"{series}:N", sort=names, scale=alt.Scale(domain=names, range=SHAPES), title=None),
    )
    n_panels = rows[panel].n_unique() if panel else 1
    layered = (lines + points).properties(
        width=WIDTH // n_panels - 30, height={"step": 11 * len(names) + 6, "for": "position"}
    )
    if panel is None:
        return layered
    return layered.facet(column=alt.Column(f"{panel}:N", sort=panels, title=None))


def curves(rows: pl.DataFrame, *, panel: str, color: int) -> Chart:
    """Step curves with their bands, a panel each; ``rows``: time_days, estimate, lower, upper, panel."""
    frame = rows.with_columns(years=pl.col("time_days") / 365.25)
    base = alt.Chart(frame).encode(x=alt.X("years:Q", title="Years", axis=alt.Axis(tickCount=6)))
    y = alt.Y(
        "estimate:Q", title=None, axis=alt.Axis(format="%", tickCount=3), scale=alt.Scale(domain=[0, 1])
    )
    line = base.mark_line(interpolate="step-after", strokeWidth=2, color=PALETTE[color]).encode(y=y)
    band = base.mark_area(interpolate="step-after", opacity=0.2, color=PALETTE[color]).encode(
        y="lower:Q", y2="upper:Q"
    )
    layered = (band + line).properties(width=WIDTH // 4, height=110)
    return layered.facet(facet=alt.Facet(f"{panel}:N", title=None, sort=None), columns=4)
