"""A summary for patients: natural frequencies, what is not known, no advice and no promise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from commensal.report import words
from commensal.report.page import render
from commensal.report.views import Section, TableView
from commensal.study import read_results
from commensal.vocabulary.endpoints import endpoints
from commensal.vocabulary.indications import indications

Tables = Mapping[str, pl.DataFrame]
Row = dict[str, Any]

FEWEST = 20  # seen patients below which no "of 100" is said; a choice of this project

INTRODUCTION = (
    "This page tells what happened to people in one programme. They were given stool from healthy donors. "
    "The treatment is called fecal microbiota transplantation (FMT)."
)
NO_ADVICE = (
    "This page gives no advice. It is no reason to start, change or stop any treatment. "
    "Please talk with the people who treat you."
)
STANDING = {
    "guideline_supported": "Guidelines support FMT for this disease in some patients.",
    "trial_only": "Guidelines do not support FMT for this disease outside of trials. "
    "It is still being studied.",
    "investigational": "It is not known whether FMT helps in this disease. It is still being studied.",
}
UNSURE_STANDING = "What guidelines say of this disease is not recorded here."
OUTCOMES = {
    "cdi_recurrence_free": "had no return of the infection",
    "cdi_cure": "were cured of the infection",
    "ms_neda3": "had no sign of active disease",
}
NOT_KNOWN = (
    "It is not known how these people would have fared without FMT. Many people get better by themselves.",
    "Some people did not come back. How they fared is not known.",
    "It is not known what FMT does over many years.",
    "What happened to others does not tell what will happen to you.",
)


def patients_sections(tables: Tables) -> list[Section]:
    """Return the summary for patients, a section for each disease of the study.

    Of each primary endpoint it says how many of 100 people like these reached it, between which numbers the
    truth may lie, and how many would have if nobody who was not seen had. Below 20 people seen it says that
    they are too few. Nothing is promised or advised.
    """
    rows = _primary(tables["estimates"])
    diseases = rows["group_level"].unique(maintain_order=True).to_list() if rows.height else []
    standing = dict(tables["evidence_status"].select("indication", "status").iter_rows())
    return [
        Section("top", "What happened to people in this programme", INTRODUCTION, cautions=(NO_ADVICE,)),
        *(_disease(rows.filter(group_level=d), d, standing.get(d)) for d in diseases),
        *_harms(tables["estimates"]),
        Section("not-known", "What is not known", cautions=NOT_KNOWN),
    ]


def render_patients(results: Path | str, page: Path | str, *, lang: str = "en") -> Path:
    """Draw the summary for patients of a results folder into a new HTML file and return its path.

    Raises :class:`~commensal.errors.InputError` where the folder holds no result tables or the language is
    not known, and :class:`~commensal.errors.OutputExistsError` where ``page`` exists.
    """
    return render(results, page, lang=lang, sections=patients_sections(read_results(results)))


_PRIMARY = frozenset((e.indication, e.landmark, e.code) for e in endpoints() if e.is_primary)
_ORDER = {code: i for i, code in enumerate(words.LANDMARKS)}


def _primary(estimates: pl.DataFrame) -> pl.DataFrame:
    """Primary endpoints by disease, among those with active disease at baseline, seen or not."""
    active = ~pl.col("population").fill_null("").str.contains("maintenance")
    way = pl.col("estimand").fill_null("").str.split(";").list.first()
    rows = estimates.filter(
        (pl.col("group_variable") == "indication") & active & pl.col("landmark").is_not_null()
    )
    rows = rows.with_columns(way=way).filter(way.is_in(["observed cases", "unobserved count as failures"]))
    keys = zip(rows["group_level"], rows["landmark"], rows["endpoint"], strict=True)
    rows = rows.filter(pl.Series([key in _PRIMARY for key in keys], dtype=pl.Boolean))
    return rows.sort("group_level", pl.col("landmark").replace_strict(_ORDER, default=9), maintain_order=True)


def _disease(rows: pl.DataFrame, disease: str, status: str | None) -> Section:
    seen = rows.filter(way="observed cases").rows(named=True)
    worst = {(r["landmark"], r["endpoint"]): r for r in rows.rows(named=True) if r["way"] != "observed cases"}
    cells = tuple(_line(r, worst.get((r["landmark"], r["endpoint"]))) for r in seen)
    head = ("When", "Of 100 people like these", "Who was seen")
    return Section(
        f"disease-{disease}",
        words.level("indication", disease),
        STANDING.get(status or "", UNSURE_STANDING),
        cautions=_without(disease),
        tables=(TableView("What was seen", head, cells),),
    )


def _without(disease: str) -> tuple[str, ...]:
    """How many got better in published control arms, where the vocabulary knows it."""
    known = {i.code: (i.control_response_low, i.control_response_high) for i in indications()}
    low, high = known.get(disease, (None, None))
    if low is None or high is None:
        return ()
    first, last = _of_100(low), _of_100(high)
    people = f"{first} to {last}" if last > first else f"{first}"
    goal = "reached the goal of the trial in the group without donor stool"
    return (f"In published trials about {people} of 100 people {goal}.",)


def _line(row: Row, worst: Row | None) -> tuple[str, str, str]:
    return words.landmark(row["landmark"]), _told(row, worst), _seen(row)


def _seen(row: Row) -> str:
    if row["n"] is None or row["n_due"] is None:
        return "Not recorded."
    told = f"{row['n']:,} of {row['n_due']:,} people were seen."
    return f"{told} The number may be far off." if row["n"] < row["n_due"] / 2 else told


def _told(row: Row, worst: Row | None) -> str:
    if row["estimate"] is None or row["n"] is None or row["n"] < FEWEST:
        return "Too few people were seen to say."
    what = OUTCOMES.get(row["endpoint"]) or (
        "were better (response)"
        if row["endpoint"].endswith("_response")
        else "had few or no signs of disease"
    )
    told = f"About {_of_100(row['estimate'])} {what}. {_between(row)}"
    if worst is None or worst["estimate"] is None:
        return told
    return f"{told} If nobody who was not seen did: about {_of_100(worst['estimate'])}."


def _between(row: Row) -> str:
    if row["lower"] is None or row["upper"] is None:
        return "How sure this is cannot be said."
    lower, upper = math.floor(100 * row["lower"]), math.ceil(100 * row["upper"])
    return f"The true number may be between {lower} and {upper}."


def _of_100(share: float) -> int:
    return math.floor(100 * share + 0.5 + 1e-9)  # 56.5 is 57


def _harms(estimates: pl.DataFrame) -> list[Section]:
    rows = estimates.filter((pl.col("group_variable") == "all") & (pl.col("unit") == "per_patient"))
    told = {r["endpoint"]: r for r in rows.rows(named=True)}
    cells = tuple(
        (name, _harm(told[code]), f"{told[code]['n']:,} people were followed")
        for code, name in (
            ("adverse_event", "Any unwanted event"),
            ("serious_adverse_event", "Serious unwanted event"),
        )
        if code in told and told[code]["n"] is not None
    )
    if not cells:
        return []
    lead = (
        "An unwanted event after FMT need not come from FMT. "
        "Some harms are rare or late and may not show here."
    )
    head = ("What", "Of 1,000 people like these", "Who was followed")
    return [Section("harms", "Unwanted events", lead, tables=(TableView("What was recorded", head, cells),))]


def _harm(row: Row) -> str:
    if row["estimate"] is None or row["n"] < FEWEST or row["lower"] is None or row["upper"] is None:
        return "Too few people were followed to say."
    lower, upper = math.floor(1000 * row["lower"]), math.ceil(1000 * row["upper"])
    about = math.floor(1000 * row["estimate"] + 0.5)
    return f"About {about:,} had one. The true number may be between {lower:,} and {upper:,}."
