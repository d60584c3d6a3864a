"""Donors for a recipient: the match run, trials of a policy, and how well communities are predicted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from commensal.report import charts, digits, words
from commensal.report.views import Figure, Section, TableView

Tables = Mapping[str, pl.DataFrame]
Row = dict[str, Any]
MOST_LOTS = 40
MOST_DONORS = 24
SETTINGS = ("remission", "regret")


def match_run(tables: Tables) -> Section | None:
    """Each lot: every rule it failed, or a rank with its parts and interval."""
    runs = tables["match_runs"]
    if runs.is_empty():
        return None
    run = runs.row(0, named=True)
    rankings = tables["rankings"].filter(match_run_id=run["match_run_id"])
    figures = [_scores(rankings), _parts(tables["score_parts"], rankings), _refused(tables["refusals"])]
    tiles = (
        (digits.whole(run["n_eligible"]), "lots pass every gate"),
        (digits.whole(run["n_candidates"]), "lots looked at"),
        (run["policy"] or digits.DASH, "policy"),
        (run["profile"] or digits.DASH, "screening profile"),
    )
    return Section(
        "match",
        f"Match run for {run['patient_id']}" + (f" on {run['matched_on']}" if run["matched_on"] else ""),
        run["statement"] or "",
        tiles=tiles,
        figures=tuple(f for f in figures if f),
        tables=(*_ranked(rankings), *_refusals(tables["refusals"]), *_watch(tables["match_watch"])),
    )


def _scores(rankings: pl.DataFrame) -> Figure | None:
    ranked = rankings.filter(pl.col("score").is_not_null()).sort("score", "unit_id", descending=[True, False])
    if ranked.is_empty():
        return None
    best = ranked.unique("donor_id", keep="first", maintain_order=True).head(MOST_LOTS)
    chart = charts.scores(best.with_columns(label=pl.col("donor_id").fill_null("unknown donor")))
    n = ranked["donor_id"].n_unique()
    cut = "" if n <= MOST_LOTS else f" The first {MOST_LOTS} of {n:,} donors."
    caption = (
        f"Score of each donor's best lot with its interval; donors of one band do not differ credibly.{cut}"
    )
    return Figure(chart, caption)


def _parts(parts: pl.DataFrame, rankings: pl.DataFrame) -> Figure | None:
    scores = rankings.select("unit_id", "score")
    known = parts.filter(pl.col("value").is_not_null()).join(scores, on="unit_id", how="left")
    if known.is_empty():
        return None
    first = known.sort(-pl.col("score"), "unit_id", nulls_last=True, maintain_order=True).unique(
        ["donor_id", "part"], keep="first", maintain_order=True
    )
    donors = first["donor_id"].unique(maintain_order=True).head(MOST_DONORS)
    shown = first.filter(pl.col("donor_id").is_in(donors.implode())).with_columns(
        name=pl.col("donor_id"), panel=pl.col("part").map_elements(words.plain, return_dtype=pl.String)
    )
    caption = "Donors side by side, part by part (0 to 1, higher is preferred), each with its interval."
    return Figure(charts.parts(shown), caption, _part_table(parts))


def _part_table(parts: pl.DataFrame) -> TableView:
    kinds = parts.group_by("part", maintain_order=True).agg(
        pl.col("label", "weight").first(), pl.col("value").count().alias("n"), pl.len(),
        pl.col("reason").drop_nulls().first(),
    )  # fmt: skip
    cells = tuple(
        (
            words.plain(r["part"]),
            r["label"] or "",
            digits.number(r["weight"], digits=2),
            digits.fraction(r["n"], r["len"]),
            r["reason"] or "",
        )
        for r in kinds.iter_rows(named=True)
    )
    return TableView("The parts of the score", ("Part", "What it is", "Weight", "Known for", "Note"), cells,
                     frozenset({2, 3}))  # fmt: skip


def _refused(refusals: pl.DataFrame) -> Figure | None:
    if refusals.is_empty():
        return None
    counts = (
        refusals.group_by("rule_id", "verdict").agg(n=pl.col("unit_id").n_unique()).sort("rule_id", "verdict")
    )
    named = counts.with_columns(rule=pl.col("rule_id").map_elements(words.rule, return_dtype=pl.String))
    chart = charts.refusals(named)
    return Figure(
        chart, "Lots kept back, by rule. A lot is kept back by every rule it fails or cannot answer."
    )


def _ranked(rankings: pl.DataFrame) -> list[TableView]:
    ranked = rankings.filter(pl.col("is_eligible")).sort("rank", "unit_id", nulls_last=True)
    if ranked.is_empty():
        return []
    cells = tuple(
        (
            r["unit_id"],
            r["donor_id"] or digits.DASH,
            digits.whole(r["rank"]),
            digits.number(r["score"], digits=2),
            digits.span(r["lower"], r["upper"]),
            r["band"] or digits.DASH,
            r["explanation"] or "",
            r["reason"] or "",
        )
        for r in ranked.head(MOST_LOTS).iter_rows(named=True)
    )
    cut = "" if ranked.height <= MOST_LOTS else f", the first {MOST_LOTS} of {ranked.height:,}"
    head = ("Lot", "Donor", "Rank", "Score", "Interval", "Band", "In words", "Note")
    caption = f"Lots that pass every gate{cut}"
    return [TableView(caption, head, cells, frozenset({2, 3, 4}), is_folded=ranked.height > 12)]


def _refusals(refusals: pl.DataFrame) -> list[TableView]:
    if refusals.is_empty():
        return []
    grouped = refusals.group_by("rule_id", "verdict", "explanation", "source", maintain_order=True).agg(
        n=pl.col("unit_id").n_unique(), lots=pl.col("unit_id").first()
    ).sort("n", "rule_id", descending=[True, False])  # fmt: skip
    cells = tuple(
        (
            r["rule_id"],
            charts.VERDICTS[r["verdict"]],
            digits.whole(r["n"]),
            r["lots"],
            r["explanation"] or "",
            r["source"] or "",
        )
        for r in grouped.head(MOST_LOTS).iter_rows(named=True)
    )
    head = ("Rule", "Answer", "Lots", "For example", "In words", "Source")
    cut = "" if grouped.height <= MOST_LOTS else f", the {MOST_LOTS} most frequent of {grouped.height:,}"
    return [TableView(f"Why lots were kept back{cut}", head, cells, frozenset({2}), is_folded=True)]


def _watch(watch: pl.DataFrame) -> list[TableView]:
    if watch.is_empty():
        return []
    cells = tuple(
        (words.plain(r["input"]), digits.whole(r["n_rows"]), r["invalidated_by"] or "")
        for r in watch.iter_rows(named=True)
    )
    return [TableView("What would call for a new run", ("Input", "Rows", "Change"), cells, frozenset({1}),
                      is_folded=True)]  # fmt: skip


def policy_trials(tables: Tables) -> Section | None:
    """How policies of allocation fared on the simulated centre."""
    rows = tables["policy_trials"]
    if rows.is_empty():
        return None
    figures = []
    for measure in SETTINGS:
        drawn = rows.filter((pl.col("measure") == measure) & pl.col("estimate").is_not_null())
        if not drawn.is_empty():
            caption = f"{words.plain(measure)} under each simulated setting, with Monte-Carlo intervals."
            figures.append(Figure(charts.policy_trials(drawn), caption))
    cells = tuple(
        (
            r["setting"],
            r["policy"],
            words.plain(r["measure"]),
            digits.number(r["estimate"], digits=3),
            digits.span(r["lower"], r["upper"]),
            digits.whole(r["n_replicates"]),
            r["verdict"] or "",
        )
        for r in rows.iter_rows(named=True)
    )
    head = ("Setting", "Policy", "Measure", "Mean", "Interval", "Replicates", "Verdict")
    return Section(
        "policy-trials",
        "Trials of allocation policies",
        "On a simulated centre only. A policy allocates nobody unless an approved study protocol switches "
        "it on.",
        figures=tuple(figures),
        tables=(TableView("Every measure", head, cells, frozenset({3, 4, 5})),),
    )


def prediction(tables: Tables) -> Section | None:
    """How well presence after FMT was predicted in studies the model had not seen."""
    rows = tables["community_validation"]
    if rows.is_empty():
        return None
    known = rows.filter(pl.col("auroc").is_not_null())
    figures = ()
    if not known.is_empty():
        frame = known.select(
            "lower", "upper", estimate="auroc", y=pl.col("held_out"), series="model", panel="universe"
        )
        chart = charts.intervals(frame, y="y", series="series", panel="panel", x_title="AUROC", percent=False)
        figures = (
            Figure(chart, "AUROC in the study left out, beside the prevalence baseline, by universe."),
        )
    cells = tuple(
        (
            r["held_out"],
            r["universe"],
            r["model"],
            digits.number(r["auroc"], digits=3),
            digits.number(r["difference"], digits=3),
            digits.span(r["difference_lower"], r["difference_upper"]),
            digits.fraction(r["n_present"], r["n"]),
            r["reason"] or "",
        )
        for r in rows.iter_rows(named=True)
    )
    head = ("Left out", "Universe", "Model", "AUROC", "Over prevalence", "Interval", "Present", "Note")
    return Section(
        "prediction",
        "Can presence after FMT be predicted?",
        "An AUROC means nothing without its universe and the prevalence baseline beside it.",
        figures=figures,
        tables=(TableView("Study by study", head, cells, frozenset({3, 4, 5, 6})),),
    )
