"""Pictures of communities. Each takes a declared result table, or the rows of it that are to be drawn."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import polars as pl

from commensal.report.charts.theme import INK, PALETTE, SHAPES, SOFT, WIDTH, Chart

ROLES = {
    "donor": "Donor",
    "baseline": "Own baseline",
    "other_donor": "Other donors",
    "unknown": "Unknown source",
}
FATES = {"gained_from_donor": "Gained, as in the donor", "lost": "Lost since baseline"}
ARROWS = ["triangle-down", "circle", "triangle-up"]
ROW = 15


def trajectories(rows: pl.DataFrame, *, title: str) -> Chart:
    """One line per subject over days; ``rows`` has subject_id, day and value; index is marked."""
    base = alt.Chart(rows).encode(
        x=alt.X("day:Q", title="Day relative to the first session"),
        y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=True)),
        detail="subject_id:N",
    )
    line = base.mark_line(color=PALETTE[0], opacity=0.45, strokeWidth=1.5)
    points = base.mark_point(color=PALETTE[0], filled=True, size=28, opacity=0.8)
    return (_day_zero() + line + points).properties(width=WIDTH, height=240)


def spread(rows: pl.DataFrame, *, title: str, width: int = WIDTH, height: int = 220) -> Chart:
    """Box and whiskers at each time point, for more subjects than lines can be told apart.

    ``rows`` has timepoint, day and value; time points stand in the order of their first day.
    """
    order = (
        rows.group_by("timepoint").agg(pl.col("day").median()).sort("day", "timepoint")["timepoint"].to_list()
    )
    return (
        alt.Chart(rows.select("timepoint", "value"))
        .mark_boxplot(
            color=PALETTE[0],
            size=26,
            extent="min-max",
            box={"opacity": 0.45},
            median={"color": INK, "thickness": 2},
        )
        .encode(
            x=alt.X("timepoint:N", sort=order, title=None, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("value:Q", title=title, axis=alt.Axis(tickCount=5)),
        )
        .properties(width=width, height=height)
    )


def against_null(rows: pl.DataFrame, *, title: str, level: float = 0.05) -> Chart:
    """Each sample's value beside the mean over mismatched donors.

    ``rows``: label, value, lower, upper, null_mean and q of one measure. Colour and shape say whether q lies
    below ``level``.
    """
    told = rows.with_columns(
        found=pl.when(pl.col("q").is_null())
        .then(pl.lit("not tested"))
        .when(pl.col("q") < level)
        .then(pl.lit(f"above mismatched donors (q < {level:g})"))
        .otherwise(pl.lit("not told from mismatched donors"))
    )
    names = [
        f"above mismatched donors (q < {level:g})",
        "not told from mismatched donors",
        "not tested",
    ]
    base = alt.Chart(told).encode(y=alt.Y("label:N", sort=None, title=None))
    x = alt.X("value:Q", title=title, scale=alt.Scale(zero=True))
    rule = base.mark_rule(color=SOFT).encode(x="lower:Q", x2="upper:Q")
    null = base.mark_tick(color=SOFT, thickness=3, size=11).encode(x="null_mean:Q")
    point = base.mark_point(filled=True, size=50, opacity=1).encode(
        x=x,
        color=alt.Color("found:N", scale=alt.Scale(domain=names, range=PALETTE), title=None),
        shape=alt.Shape("found:N", scale=alt.Scale(domain=names, range=SHAPES), title=None),
    )
    return (rule + null + point).properties(width=WIDTH - 140, height={"step": ROW})


def attribution_stacks(attributions: pl.DataFrame) -> Chart:
    """One bar a sample: shares of donor, own baseline, other donors and the unknown, from the left.

    ``attributions`` as declared, with a column ``label`` for the sample.
    """
    names = list(ROLES.values())
    drawn = attributions.filter(pl.col("proportion").is_not_null()).with_columns(
        role=pl.col("source_role").replace_strict(ROLES, return_dtype=pl.String),
        place=pl.col("source_role").cast(pl.Enum(list(ROLES))).to_physical(),
    )
    y = alt.Y("label:N", sort=None, title=None)
    bars = (
        alt.Chart(drawn)
        .mark_bar(size=11)
        .encode(
            y=y,
            x=alt.X(
                "sum(proportion):Q",
                title="Share of the community",
                axis=alt.Axis(format="%"),
                scale=alt.Scale(domain=[0, 1]),
            ),
            color=alt.Color(
                "role:N",
                scale=alt.Scale(domain=names, range=[PALETTE[0], PALETTE[4], PALETTE[5], SOFT]),
                title=None,
            ),
            order="place:Q",
        )
    )
    single = drawn.filter(pl.col("source_role") == "donor").filter(~pl.col("label").is_duplicated())
    interval = alt.Chart(single).mark_rule(strokeWidth=2.5).encode(y=y, x="lower:Q", x2="upper:Q")
    return (bars + interval).properties(width=WIDTH - 140, height={"step": ROW})


def taxa_changes(counts: pl.DataFrame) -> Chart:
    """Taxa gained and taxa lost, by the number of samples.

    ``counts`` has label, fate (gained_from_donor or lost) and n; losses are drawn to the left.
    """
    names = list(FATES.values())
    told = counts.with_columns(
        change=pl.col("fate").replace_strict(FATES, return_dtype=pl.String),
        signed=pl.when(pl.col("fate") == "lost").then(-pl.col("n").cast(pl.Int64)).otherwise("n"),
    )
    return (
        alt.Chart(told)
        .mark_bar(size=10)
        .encode(
            y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelLimit=280)),
            x=alt.X("signed:Q", title="Samples: lost | gained", axis=alt.Axis(format="d", tickMinStep=1)),
            color=alt.Color(
                "change:N", scale=alt.Scale(domain=names, range=[PALETTE[2], PALETTE[1]]), title=None
            ),
        )
        .properties(width=WIDTH - 240, height={"step": ROW})
    )


def measures_over_time(rows: pl.DataFrame, *, titles: Mapping[str, str], most: int = 200) -> Chart:
    """Several measures side by side, each on its own axis with its reference's threshold.

    ``rows`` as ``dysbiosis`` with values; ``titles`` names the measures, in the order of the panels. A
    measure of more than ``most`` samples is drawn as box and whiskers at each time point.
    """
    panels = [(titles[m], rows.filter(pl.col("measure") == m)) for m in titles]
    charts = [
        _measure(part, title=title) if part.height <= most else _measure_spread(part, title=title)
        for title, part in panels
        if not part.is_empty()
    ]
    return alt.concat(*charts, columns=3)


def _measure_spread(rows: pl.DataFrame, *, title: str) -> Chart:
    boxes = spread(rows, title="", width=WIDTH // 3 - 60, height=130)
    return (boxes + _threshold(rows)).properties(title=title)


def _threshold(rows: pl.DataFrame) -> Chart:
    bound = alt.Chart(rows.select("threshold").drop_nulls().unique(maintain_order=True))
    return bound.mark_rule(strokeDash=[5, 4], color=PALETTE[1], strokeWidth=2).encode(y="threshold:Q")


def _measure(rows: pl.DataFrame, *, title: str) -> Chart:
    base = alt.Chart(rows.select(pl.col("day").fill_null(0), "value", "lower", "upper")).encode(
        x=alt.X("day:Q", title="Day", axis=alt.Axis(tickCount=4))
    )
    y = alt.Y("value:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=4))
    interval = base.mark_rule(color=SOFT).encode(y="lower:Q", y2="upper:Q")
    point = base.mark_point(filled=True, size=45, opacity=0.9, color=PALETTE[0]).encode(y=y)
    return (_threshold(rows) + interval + point).properties(title=title, width=WIDTH // 3 - 60, height=110)


def against_reference(rows: pl.DataFrame) -> Chart:
    """Taxa or functions of one sample (points) over the reference's 5th to 95th centile (bars).

    ``rows`` as ``deficits`` of one sample, with a column ``label``. The axis is a root scale, so that rare
    and common stand on one picture and zero has its place.
    """
    names = ["deficit", "within", "excess"]
    x = alt.X(
        "proportion:Q",
        title="Share of the community (root scale)",
        scale=alt.Scale(type="sqrt", zero=True),
        axis=alt.Axis(format="%", tickCount=6),
    )
    base = alt.Chart(rows).encode(y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelLimit=260)))
    bar = base.mark_bar(size=8, color=SOFT, opacity=0.35)
    bar = bar.encode(x="reference_lower:Q", x2="reference_upper:Q")
    median = base.mark_tick(color=SOFT, thickness=2, size=10).encode(x="reference_median:Q")
    point = base.mark_point(filled=True, size=55, opacity=1).encode(
        x=x,
        color=alt.Color(
            "direction:N", scale=alt.Scale(domain=names, range=[PALETTE[1], SOFT, PALETTE[3]]), title=None
        ),
        shape=alt.Shape("direction:N", scale=alt.Scale(domain=names, range=ARROWS), title=None),
    )
    return (bar + median + point).properties(width=WIDTH - 220, height={"step": ROW})


def ordination(rows: pl.DataFrame, *, who: str) -> Chart:
    """The plane of the two main axes; ``rows`` as ``ordination``, ``who`` the column that colours."""
    first = rows.row(0, named=True)
    names = rows[who].unique().sort().to_list()
    return (
        alt.Chart(rows.select("axis_1", "axis_2", who))
        .mark_point(filled=True, size=35, opacity=0.75)
        .encode(
            x=alt.X("axis_1:Q", title=_axis(1, first["explained_1"]), axis=alt.Axis(tickCount=8)),
            y=alt.Y("axis_2:Q", title=_axis(2, first["explained_2"]), axis=alt.Axis(tickCount=8)),
            color=alt.Color(f"{who}:N", scale=alt.Scale(domain=names, range=PALETTE), title=None),
            shape=alt.Shape(f"{who}:N", scale=alt.Scale(domain=names, range=SHAPES), title=None),
        )
        .properties(width=WIDTH - 60, height=380)
    )


def _axis(number: int, explained: float | None) -> str:
    return f"Axis {number}" + ("" if explained is None else f" ({100 * explained:.0f} % of the variation)")


def _day_zero() -> Chart:
    zero = alt.Chart(pl.DataFrame({"day": [0]}))
    return zero.mark_rule(strokeDash=[4, 4], color=SOFT).encode(x="day:Q")
