"""What a checklist's item can be answered with from the result tables: one sentence each, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from commensal.report import digits, words

Tables = Mapping[str, pl.DataFrame]


def _facts(tables: Tables) -> dict[str, str]:
    return {item: value for item, value in tables["provenance"].select("item", "value").iter_rows() if value}


def _flow(tables: Tables) -> str:
    rows = tables["flow"].filter(pl.col("reason").is_null()).sort("position")
    told = [f"{r['label']}: {digits.whole(r['n'])}" for r in rows.iter_rows(named=True)]
    return f"{'; '.join(told)} (flow diagram)." if told else ""


def _named(tables: Tables, table: str, column: str, lead: str, *, said: Callable[[str], str] = str) -> str:
    rows = tables[table]
    names = sorted({said(name) for name in rows[column].drop_nulls().unique()}) if rows.height else []
    return f"{lead}: {'; '.join(names)}." if names else ""


def _counted(tables: Tables, table: str, lead: str, where: str) -> str:
    n = tables[table].height
    return f"{lead}: {digits.whole(n)} rows in {where}." if n else ""


def _with_value(tables: Tables, table: str, column: str, what: str) -> str:
    rows = tables[table]
    if rows.is_empty():
        return ""
    known = rows.height - rows[column].null_count()
    refused = digits.whole(rows.height - known)
    return (
        f"{digits.whole(known)} {what}, each with its denominator; {refused} refused with a reason ({table})."
    )


def _cohorts(tables: Tables) -> str:
    rows = tables["baseline"].filter((pl.col("variable") == "cohort") & (pl.col("group_variable") == "all"))
    told = [
        f"{words.plain(level)} {digits.whole(n)}"
        for level, n in rows.select("level", "count").iter_rows()
        if level is not None
    ]
    return f"Observational cohort of one programme: {', '.join(told)}." if told else ""


def _standing(tables: Tables) -> str:
    n = tables["evidence_status"].height
    return f"Standing of FMT in each of {n} indications, with citations (evidence_status)." if n else ""


def _analysis(tables: Tables) -> str:
    facts = _facts(tables)
    if "analysis_hash" not in facts:
        return ""
    name, deviations = facts.get("analysis", ""), facts.get("analysis_deviations", "not recorded")
    return f"Analysis file “{name}”, hash {facts['analysis_hash'][:12]}; deviations: {deviations}."


def _origin(tables: Tables) -> str:
    facts = _facts(tables)
    return f"{facts['origin']}; data hash {facts.get('data_hash', '')[:12]}." if "origin" in facts else ""


def _period(tables: Tables) -> str:
    day = _facts(tables).get("data_cut_day")
    return f"Data cut on day {day} (days since 1970-01-01); places and dates to be added." if day else ""


def _software(tables: Tables) -> str:
    facts = _facts(tables)
    told = [facts[k] for k in ("software", "libraries") if k in facts]
    return f"{'; '.join(told)}; seed {facts.get('seed', 'none')}." if told else ""


def _checks(tables: Tables) -> str:
    n = _facts(tables).get("check_warnings")
    return f"Every table was checked against its declaration: {n} warnings." if n else ""


def _size(tables: Tables) -> str:
    rows = tables["flow"].sort("position")
    return f"All {digits.whole(rows['n'][0])} patients of the record; no size was set." if rows.height else ""


def _baseline(tables: Tables) -> str:
    n = tables["baseline"]["variable"].n_unique() if tables["baseline"].height else 0
    return f"{n} characteristics, with the number missing in each group (baseline)." if n else ""


def _follow_up(tables: Tables) -> str:
    rows = tables["follow_up"].filter(pl.col("group_variable") == "all")
    told = []
    for r in rows.iter_rows(named=True):
        when = words.landmark(r["landmark"]) or "whole follow-up"
        whole = f", completeness {digits.percent(r['completeness'])}" if r["completeness"] is not None else ""
        told.append(f"{when}: seen {digits.fraction(r['n_seen'], r['n_due'])}{whole}")
    return f"{'; '.join(told)}." if told else ""


def _missing(tables: Tables) -> str:
    at_landmark = pl.col("landmark").is_not_null() & pl.col("estimand").is_not_null()
    rows = tables["estimates"].filter(at_landmark & (pl.col("endpoint") != "on_treatment"))
    ways = sorted({e.split(";")[0] for e in rows["estimand"]}) if rows.height else []
    return f"Handled side by side: {'; '.join(ways)}." if ways else ""


def _sensitivity(tables: Tables) -> str:
    told = [
        f"{name.replace('_', ' ')} ({digits.whole(tables[name].height)} rows)"
        for name in ("tipping_points", "imputations", "weight_summaries")
        if tables[name].height
    ]
    return f"Sensitivity: {', '.join(told)}." if told else ""


def _card(section: str) -> Callable[[Tables], str]:
    def told(tables: Tables) -> str:
        rows = tables["model_cards"].filter((pl.col("section") == section) & pl.col("content").is_not_null())
        said = list(dict.fromkeys(rows["content"]))[:3]
        return " ".join(said) + " (model card)" if said else ""

    return told


def _measures(*names: str) -> Callable[[Tables], str]:
    def told(tables: Tables) -> str:
        rows = tables["performance"].filter(
            pl.col("measure").is_in(names)
            & (pl.col("group_variable") == "all")
            & pl.col("estimate").is_not_null()
        )
        said = [
            f"{r['model']}, {words.plain(r['validation']).lower()}: {r['measure']} {r['estimate']:.2f} "
            f"({digits.span(r['lower'], r['upper'], digits=2)})"
            for r in rows.iter_rows(named=True)
        ]
        return "; ".join(said[:6]) + ("; …" if len(said) > 6 else "") + " (performance)." if said else ""

    return told


def _limits(tables: Tables) -> str:
    return "Section “Limits” of the report." if tables["estimates"].height else ""


def _subgroups(tables: Tables) -> str:
    rows = tables["performance"].filter(pl.col("group_variable") != "all")
    return _named(
        {"performance": rows}, "performance", "group_variable", "Performance within", said=words.plain
    )


ANSWERS: dict[str, Callable[[Tables], str]] = {
    "flow": _flow,
    "rules": lambda t: _named(t, "verdicts", "rule_id", "Rules judged for every patient, with reasons"),
    "standing": _standing,
    "analysis": _analysis,
    "cohorts": _cohorts,
    "period": _period,
    "origin": _origin,
    "software": _software,
    "checks": _checks,
    "size": _size,
    "outcomes": lambda t: _named(t, "estimates", "endpoint", "Endpoints", said=words.endpoint),
    "dictionary": lambda _: (
        "The data dictionary and the vocabulary's lists, with sources, go with the software."
    ),
    "weights": lambda t: _counted(t, "weight_summaries", "Weights and what they rest on", "weight_summaries"),
    "balance": lambda t: _counted(t, "balance", "Balance before and after weighting", "balance"),
    "baseline": _baseline,
    "methods": lambda t: _named(t, "estimates", "method", "Methods"),
    "groups": lambda t: _named(t, "estimates", "group_variable", "Estimated by", said=words.plain),
    "missing": _missing,
    "sensitivity": _sensitivity,
    "follow_up": _follow_up,
    "curves": lambda t: _named(t, "curves", "curve", "Curves with numbers at risk", said=words.plain),
    "estimates": lambda t: _with_value(t, "estimates", "estimate", "estimates with intervals"),
    "effects": lambda t: _with_value(t, "effects", "estimate", "adjusted effects"),
    "tests": lambda t: _counted(t, "hypothesis_tests", "Tests", "hypothesis_tests"),
    "limits": _limits,
    "models": lambda t: _named(t, "performance", "model", "Developed and validated"),
    "predicted": lambda t: _named(t, "predictions", "endpoint", "Predicted", said=words.endpoint),
    "validation": lambda t: _named(t, "performance", "validation", "Validation", said=words.plain),
    "subgroups": _subgroups,
    "output": lambda t: _counted(t, "predictions", "Probabilities and conformal sets", "predictions"),
    "parameters": lambda t: _counted(t, "model_parameters", "The full model", "model_parameters"),
    "performance": _measures("auroc"),
    "calibration": _measures("calibration_slope", "calibration_intercept", "ici"),
    "benefit": lambda t: _counted(t, "decision_curves", "Net benefit", "decision_curves"),
    "card_data": _card("data"),
    "card_predictors": _card("predictors"),
    "card_size": _card("sample_size"),
    "card_limits": _card("limits"),
    "card_use": _card("use"),
}
