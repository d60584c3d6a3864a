"""Pictures of a match run, of donors side by side, and of trials of a policy."""

from __future__ import annotations

import altair as alt
import polars as pl

from commensal.report.charts.theme import PALETTE, SHAPES, SOFT, WIDTH, Chart

VERDICTS = {"not_met": "not met", "undetermined": "nobody can tell"}
ROW = 17


def scores(rows: pl.DataFrame) -> Chart:
    """Scores with their intervals, bands told by colour and shape.

    ``rows`` as ``rankings`` with a score, best first, with a column ``label`` for the donor or lot.
    """
    bands = rows["band"].unique(maintain_order=True).to_list()
    base = alt.Chart(rows).encode(y=alt.Y("label:N", sort=None, title=None))
    rule = base.mark_rule(strokeWidth=2, color=SOFT).encode(
        x=alt.X(
            "lower:Q",
            title="Score (0 to 1, higher is preferred)",
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(tickCount=10, format=".1f"),
        ),
        x2="upper:Q",
    )
    point = base.mark_point(filled=True, size=60, opacity=1).encode(
        x="score:Q",
        color=alt.Color("band:N", scale=alt.Scale(domain=bands, range=PALETTE), title="Band"),
        shape=alt.Shape("band:N", scale=alt.Scale(domain=bands, range=SHAPES), title="Band"),
    )
    return (rule + point).properties(width=WIDTH - 160, height={"step": ROW})


def parts(rows: pl.DataFrame) -> Chart:
    """Donors side by side, one panel a part of the score, each with its interval.

    ``rows`` as ``score_parts`` with a value, with a column ``name`` for the donor; one row a donor and part.
    """
    panels = rows["panel"].unique(maintain_order=True).to_list()
    donors = rows["name"].unique(maintain_order=True).to_list()
    base = alt.Chart(rows).encode(y=alt.Y("name:N", sort=donors, title=None))
    axis = alt.Axis(tickCount=3, format=".1f")
    rule = base.mark_rule(strokeWidth=2, color=SOFT).encode(
        x=alt.X("lower:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=axis), x2="upper:Q"
    )
    point = base.mark_point(filled=True, size=45, opacity=1, color=PALETTE[0]).encode(x="value:Q")
    layered = (rule + point).properties(width=WIDTH // 4 - 40, height={"step": ROW})
    return layered.facet(facet=alt.Facet("panel:N", sort=panels, title=None), columns=4)


def refusals(counts: pl.DataFrame) -> Chart:
    """Lots that each rule kept back; ``counts`` has rule, verdict and n."""
    told = counts.with_columns(answer=pl.col("verdict").replace_strict(VERDICTS, return_dtype=pl.String))
    names = list(VERDICTS.values())
    return (
        alt.Chart(told)
        .mark_bar(size=11)
        .encode(
            y=alt.Y("rule:N", sort=None, title=None, axis=alt.Axis(labelLimit=420)),
            x=alt.X("n:Q", title="Lots", axis=alt.Axis(format="d", tickMinStep=1, tickCount=4)),
            color=alt.Color(
                "answer:N", scale=alt.Scale(domain=names, range=[PALETTE[1], PALETTE[5]]), title=None
            ),
        )
        .properties(width=WIDTH - 440, height={"step": ROW})
    )


def policy_trials(rows: pl.DataFrame) -> Chart:
    """Policies under each simulated setting; ``rows`` as ``policy_trials``, one panel a setting."""
    settings = rows["setting"].unique(maintain_order=True).to_list()
    policies = rows["policy"].unique(maintain_order=True).to_list()
    base = alt.Chart(rows).encode(y=alt.Y("policy:N", sort=policies, title=None))
    rule = base.mark_rule(strokeWidth=2, color=SOFT).encode(
        x=alt.X("lower:Q", title=None, scale=alt.Scale(zero=False)), x2="upper:Q"
    )
    point = base.mark_point(filled=True, size=55, opacity=1, color=PALETTE[0]).encode(x="estimate:Q")
    layered = (rule + point).properties(width=WIDTH // max(len(settings), 1) - 60, height={"step": ROW})
    return layered.facet(column=alt.Column("setting:N", sort=settings, title=None)).resolve_scale(
        x="independent"
    )
