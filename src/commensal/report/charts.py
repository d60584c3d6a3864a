"""Pictures of result tables as SVG whose colours are the page's own variables (light, dark, print)."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl
import vl_convert

PALETTE = [f"var(--data-{i})" for i in range(1, 7)]
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"]
WIDTH = 640


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
    layered = (lines + points).properties(width=WIDTH // n_panels - 30, height={"step": 12 * len(names) + 6})
    if panel is None:
        return _svg(layered)
    return _svg(layered.facet(column=alt.Column(f"{panel}:N", sort=panels, title=None)))


def curves(rows: pl.DataFrame, *, panel: str, series: str) -> str:
    """Step curves with their bands; ``rows`` has time_days, estimate, lower, upper and the two groupings."""
    names = rows[series].unique(maintain_order=True).to_list()
    color = alt.Color(f"{series}:N", sort=names, scale=alt.Scale(domain=names, range=PALETTE), title=None)
    frame = rows.with_columns(years=pl.col("time_days") / 365.25)
    base = alt.Chart(frame).encode(x=alt.X("years:Q", title="Years"), color=color)
    y_axis = alt.Axis(format="%", tickCount=5)
    line = base.mark_line(interpolate="step-after", strokeWidth=2).encode(
        y=alt.Y("estimate:Q", title=None, axis=y_axis, scale=alt.Scale(domain=[0, 1])),
        strokeDash=alt.StrokeDash(f"{series}:N", sort=names, title=None),
    )
    band = base.mark_area(interpolate="step-after", opacity=0.18).encode(y="lower:Q", y2="upper:Q")
    layered = (band + line).properties(width=WIDTH // 3 - 10, height=130)
    return _svg(layered.facet(facet=alt.Facet(f"{panel}:N", title=None, sort=None), columns=3))


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
        chart.configure(background="transparent", font="system-ui, sans-serif")
        .configure_axis(
            **ink, gridColor="var(--line)", domainColor="var(--ink-soft)", tickColor="var(--ink-soft)"
        )
        .configure_legend(labelColor="var(--ink)", orient="top", labelLimit=320)
        .configure_header(labelColor="var(--ink)", labelFontWeight="bold", labelLimit=200)
        .configure_view(stroke="var(--line)")
    )
    return vl_convert.vegalite_to_svg(styled.to_json())
