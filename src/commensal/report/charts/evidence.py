"""Pictures of evidence: effects, balance, models and how they are calibrated, monitoring, what is missing."""

from __future__ import annotations

import altair as alt
import polars as pl

from commensal.report.charts.theme import CUT_LABEL, INK, PALETTE, SHAPES, SOFT, WIDTH, Chart

ACROSS = 4


def forest(rows: pl.DataFrame, *, series: str | None, x_title: str, is_ratio: bool) -> Chart:
    """Effects with their intervals beside the line of no effect; ratios on a logarithmic axis.

    ``rows`` has y, estimate, lower and upper (ratios, where ``is_ratio``) and the column ``series``.
    """
    scale = alt.Scale(type="log", nice=False) if is_ratio else alt.Scale(zero=True)
    named = rows if series else rows.with_columns(one=pl.lit(""))
    by = f"{series or 'one'}:N"
    names = named[series or "one"].unique(maintain_order=True).to_list()
    legend = alt.Legend() if series else None
    base = alt.Chart(named).encode(
        y=alt.Y("y:N", sort=None, title=None, axis=alt.Axis(**CUT_LABEL)),
        yOffset=alt.YOffset(by, sort=names),
        color=alt.Color(by, sort=names, scale=_colours(names), title=None, legend=legend),
    )
    lines = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("lower:Q", title=x_title, scale=scale, axis=alt.Axis(tickCount=6, format="~g")), x2="upper:Q"
    )
    points = base.mark_point(filled=True, size=50, opacity=1).encode(
        x=alt.X("estimate:Q", scale=scale),
        shape=alt.Shape(by, sort=names, scale=_shapes(names), title=None, legend=legend),
    )
    none = alt.Chart(pl.DataFrame({"x": [1.0 if is_ratio else 0.0]})).mark_rule(color=SOFT, strokeDash=[4, 4])
    height = {"step": 11 * len(names) + 6, "for": "position"}
    return (none.encode(x="x:Q") + lines + points).properties(width=WIDTH - 340, height=height)


def tipping(rows: pl.DataFrame, *, panel: str) -> Chart:
    """Estimates by how much worse or better the unobserved fared, and the figure they are held against.

    ``rows``: delta, estimate, lower, upper, reference (may be null) and ``panel``.
    """
    base = alt.Chart(rows).encode(x=alt.X("delta:Q", title="Log-odds added to the unobserved"))
    y = alt.Y("estimate:Q", title=None, axis=alt.Axis(format="%", tickCount=3), scale=_share())
    band = base.mark_area(opacity=0.2, color=PALETTE[0]).encode(y="lower:Q", y2="upper:Q")
    line = base.mark_line(strokeWidth=2, color=PALETTE[0]).encode(y=y)
    held = base.mark_line(strokeDash=[4, 4], color=PALETTE[1]).encode(y="reference:Q")
    return _panels(band + line + held, panel)


def love(rows: pl.DataFrame) -> Chart:
    """How far apart two groups lie on each covariate, before and after weighting; 0.1 is drawn.

    ``rows``: y (covariate), weighting, standardised_difference.
    """
    names = rows["weighting"].unique(maintain_order=True).to_list()
    points = (
        alt.Chart(rows.with_columns(pl.col("standardised_difference").abs()))
        .mark_point(filled=True, size=55, opacity=1)
        .encode(
            y=alt.Y("y:N", sort=None, title=None, axis=alt.Axis(**CUT_LABEL)),
            x=alt.X("standardised_difference:Q", title="Absolute standardised difference"),
            color=alt.Color("weighting:N", sort=names, scale=_colours(names), title=None),
            shape=alt.Shape("weighting:N", sort=names, scale=_shapes(names), title=None),
        )
    )
    limit = alt.Chart(pl.DataFrame({"x": [0.1]})).mark_rule(color=SOFT, strokeDash=[4, 4]).encode(x="x:Q")
    return (limit + points).properties(width=WIDTH - 340, height={"step": 16})


def calibration(rows: pl.DataFrame, *, panel: str) -> Chart:
    """Observed by predicted probability with its band, beside the line of perfect agreement.

    ``rows``: predicted, observed, lower, upper and ``panel``.
    """
    base = alt.Chart(rows).encode(
        x=alt.X(
            "predicted:Q", title="Predicted", scale=_share(), axis=alt.Axis(format="%", values=[0, 0.5, 1])
        )
    )
    y = alt.Y("observed:Q", title="Observed", scale=_share(), axis=alt.Axis(format="%", values=[0, 0.5, 1]))
    even = base.mark_line(color=SOFT, strokeDash=[4, 4]).encode(y="predicted:Q")
    band = base.mark_area(opacity=0.2, color=PALETTE[0]).encode(y="lower:Q", y2="upper:Q")
    line = base.mark_line(strokeWidth=2, color=PALETTE[0]).encode(y=y)
    return _panels(even + band + line, panel, columns=3, height=150)


def decisions(rows: pl.DataFrame, *, panel: str) -> Chart:
    """Net benefit by threshold: the model, treating all, treating none.

    ``rows``: threshold, net_benefit, strategy and ``panel``; benefits far below zero are cut.
    """
    names = rows["strategy"].unique(maintain_order=True).to_list()
    lines = (
        alt.Chart(rows.filter(pl.col("net_benefit") > -0.05))
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("threshold:Q", title="Threshold", axis=alt.Axis(format="%", tickCount=4)),
            y=alt.Y("net_benefit:Q", title=None, axis=alt.Axis(tickCount=3)),
            color=alt.Color("strategy:N", sort=names, scale=_colours(names), title=None),
            strokeDash=alt.StrokeDash("strategy:N", sort=names, legend=None),
        )
    )
    return _panels(lines, panel, columns=3)


def funnel(rows: pl.DataFrame, *, panel: str) -> Chart:
    """Observed over expected by the number expected, with the limits chance would keep to.

    ``rows``: n_expected, ratio, inner_lower, inner_upper, outer_lower, outer_upper, verdict, ``panel``.
    """
    names = [v for v in ("as expected", "cannot tell", "alarm") if v in set(rows["verdict"])]
    base = alt.Chart(rows.sort("n_expected")).encode(
        x=alt.X("n_expected:Q", title="Expected", axis=alt.Axis(tickCount=5))
    )
    layers = [
        base.mark_line(color=SOFT, strokeDash=dash).encode(y=alt.Y(f"{name}:Q", title="Observed / expected"))
        for which, dash in (("inner", [2, 3]), ("outer", [6, 3]))
        for name in (f"{which}_lower", f"{which}_upper")
    ]
    even = base.mark_line(color=INK, strokeWidth=1).encode(y=alt.datum(1))
    points = base.mark_point(filled=True, size=55, opacity=1).encode(
        y="ratio:Q",
        color=alt.Color("verdict:N", scale=_colours(names), title=None),
        shape=alt.Shape("verdict:N", scale=_shapes(names), title=None),
    )
    drawn = _panels(alt.layer(*layers, even, points), panel, columns=2, height=220)
    return drawn.resolve_scale(x="independent", y="independent")


def paths(rows: pl.DataFrame, *, panel: str) -> Chart:
    """Charts of monitored units over the courses given, and the value at which each alarms.

    ``rows``: position, statistic, limit and ``panel``.
    """
    base = alt.Chart(rows).encode(x=alt.X("position:Q", title="Course", axis=alt.Axis(tickCount=4)))
    line = base.mark_line(interpolate="step-after", strokeWidth=2, color=PALETTE[0]).encode(
        y=alt.Y("statistic:Q", title=None, axis=alt.Axis(tickCount=3))
    )
    limit = base.mark_line(color=PALETTE[1], strokeDash=[4, 4]).encode(y="limit:Q")
    return _panels(line + limit, panel).resolve_scale(x="independent", y="independent")


def changes(rows: pl.DataFrame, *, panel: str, landmarks: list[str]) -> Chart:
    """Mean change since baseline at each landmark with its interval, a panel each, zero drawn.

    ``rows``: landmark, estimate, lower, upper, series and ``panel``; every panel has its own scale.
    """
    names = rows["series"].unique(maintain_order=True).to_list()
    base = alt.Chart(rows).encode(
        x=alt.X("landmark:N", sort=landmarks, title=None, axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("series:N", sort=names),
        color=alt.Color("series:N", sort=names, scale=_colours(names), title=None),
    )
    y = alt.Y("lower:Q", title=None, axis=alt.Axis(tickCount=4))
    lines = base.mark_rule(strokeWidth=2).encode(y=y, y2="upper:Q")
    points = base.mark_point(filled=True, size=45, opacity=1).encode(
        y="estimate:Q", shape=alt.Shape("series:N", sort=names, scale=_shapes(names), title=None)
    )
    zero = base.mark_rule(color=SOFT, strokeDash=[4, 4]).encode(y=alt.datum(0))
    drawn = (zero + lines + points).properties(width=WIDTH // 3 - 45, height=110)
    facet = alt.Facet(f"{panel}:N", title=None, sort=None)
    return drawn.facet(facet=facet, columns=3).resolve_scale(y="independent")


def _panels(chart: Chart, panel: str, *, columns: int = ACROSS, height: int = 110) -> Chart:
    sized = chart.properties(width=WIDTH // columns - (20 if columns == ACROSS else 45), height=height)
    facet = alt.Facet(f"{panel}:N", title=None, sort=None)
    return sized.facet(facet=facet, columns=columns)


def _share() -> alt.Scale:
    return alt.Scale(domain=[0, 1])


def _colours(names: list[str]) -> alt.Scale:
    return alt.Scale(domain=names, range=PALETTE)


def _shapes(names: list[str]) -> alt.Scale:
    return alt.Scale(domain=names, range=SHAPES)
