"""Pictures of result tables as SVG whose colours are the page's own variables (light, dark, print)."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl
import vl_convert

PALETTE = [f"var(--data-{i})" for i in range(1, 7)]
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"]
WIDTH = 760


def intervals(
    rows: pl.DataFrame,
    *,
    y: str,
    series: str,
    panel: str | None,
    x_title: str,
    panels: list[str] | None = None,
    percent: bool = True,
) -> str:
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
        return _svg(layered)
    return _svg(layered.facet(column=alt.Column(f"{panel}:N", sort=panels, title=None)))


def curves(rows: pl.DataFrame, *, panel: str, color: int) -> str:
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
    return _svg(layered.facet(facet=alt.Facet(f"{panel}:N", title=None, sort=None), columns=4))


def trajectories(rows: pl.DataFrame, *, title: str) -> str:
    """One line per subject over days; ``rows`` has day, value and subject_id; index is marked."""
    base = alt.Chart(rows).encode(
        x=alt.X("day:Q", title="Day relative to the first session"),
        y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=True)),
        detail="subject_id:N",
    )
    line = base.mark_line(color=PALETTE[0], opacity=0.45, strokeWidth=1.5)
    points = base.mark_point(color=PALETTE[0], filled=True, size=28, opacity=0.8)
    index = (
        alt.Chart(pl.DataFrame({"day": [0]}))
        .mark_rule(strokeDash=[4, 4], color="var(--ink-soft)")
        .encode(x="day:Q")
    )
    return _svg((index + line + points).properties(width=WIDTH, height=240))


def _svg(chart: Any) -> str:
    ink = {"labelColor": "var(--ink)", "titleColor": "var(--ink)"}
    styled = (
        chart.configure(
            background="transparent",
            font="system-ui, sans-serif",
            padding={"left": 45, "right": 25, "top": 5, "bottom": 5},
        )
        .configure_axis(
            **ink, gridColor="var(--line)", domainColor="var(--ink-soft)", tickColor="var(--ink-soft)"
        )
        .configure_legend(labelColor="var(--ink)", orient="top", labelLimit=320)
        .configure_header(labelColor="var(--ink)", labelFontWeight="bold", labelLimit=200)
        .configure_view(stroke="var(--line)")
    )
    return vl_convert.vegalite_to_svg(styled.to_json())
