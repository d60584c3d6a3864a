"""Pages of communities, match runs and plans: what the tables say is on the page, and nothing is hidden."""

import re
from pathlib import Path

import altair as alt
import polars as pl
import pytest

from commensal.errors import InputError
from commensal.report import charts, render
from commensal.study import RESULTS, write_results


def table(name: str, rows: list[dict]) -> pl.DataFrame:
    schema = RESULTS[name].schema
    return pl.DataFrame([{**dict.fromkeys(schema), **row} for row in rows], schema=schema)


def sample(subject: str, day: int) -> dict:
    return {"subject_id": subject, "sample_id": f"{subject}-{day}", "day": day, "timepoint": f"d{day}"}


def engraftment() -> pl.DataFrame:
    own = {"measure": "peds_gained", "donor_id": "D1", "n": 40, "level": 0.95}
    found = {"value": 0.45, "lower": 0.3, "upper": 0.6, "n_events": 18}
    null = {"null_mean": 0.12, "n_null": 9, "p": 0.1, "q": 0.04}
    silent = {"reason": "no sample of donor D1 with a profile"}
    return table(
        "engraftment",
        [
            {**sample("P1", 28), **own, **found, **null},
            {**sample("P1", 84), **own, **found, **null, "q": 0.2},
            {**sample("P2", 28), **own, "n": None, **silent},
        ],
    )


def attributions() -> pl.DataFrame:
    shares = {"donor": 0.5, "baseline": 0.2, "other_donor": 0.1, "unknown": 0.2}
    rows = [
        {
            "sink_id": "P1-28",
            "subject_id": "P1",
            "day": 28,
            "is_before": False,
            "source_id": f"from {role}",
            "source_role": role,
            "proportion": share,
            "lower": share - 0.05,
            "upper": share + 0.05,
        }
        for role, share in shares.items()
    ]
    return table("attributions", rows)


def dysbiosis() -> pl.DataFrame:
    rows = [
        {**sample("P1", day), "measure": m, "value": v, "lower": v - 0.1, "upper": v + 0.1, "threshold": 0.7,
         "is_beyond": v > 0.7, "reference": "healthy cohort 1", "n_reference": 40}
        for day, v in ((-5, 0.9), (28, 0.6)) for m in ("bray_curtis_to_reference", "cloud")
    ]  # fmt: skip
    silent = {
        **sample("P1", 28),
        "measure": "gmhi",
        "reason": "a genus table cannot name the index's species",
    }
    return table("dysbiosis", [*rows, silent])


def deficits() -> pl.DataFrame:
    reference = {"reference_lower": 0.01, "reference_median": 0.05, "reference_upper": 0.2}
    own = {"sample_id": "P1-28", "subject_id": "P1", "reference_prevalence": 0.9, **reference}
    return table(
        "deficits",
        [
            {**own, "kind": "function", "feature": "butyrate_producers", "proportion": 0.0,
             "direction": "deficit"},
            {**own, "kind": "taxon", "feature": "Escherichia", "proportion": 0.4, "direction": "excess"},
            {**own, "kind": "taxon", "feature": "Bacteroides", "proportion": 0.1, "direction": "within"},
        ],
    )  # fmt: skip


def fates() -> pl.DataFrame:
    rows = [
        {**sample("P1", 28), "taxon_id": taxon, "fate": fate}
        for taxon, fate in (("Faecalibacterium", "gained_from_donor"), ("Klebsiella", "lost"))
    ]
    return table("taxon_fates", [{k: v for k, v in r.items() if k != "timepoint"} for r in rows])


def communities() -> dict[str, pl.DataFrame]:
    swap = {"recorded_donor_id": "D1", "likely_donor_id": "D2", "donor_probability": 0.97}
    return {
        "engraftment": engraftment(),
        "attributions": attributions(),
        "dysbiosis": dysbiosis(),
        "deficits": deficits(),
        "taxon_fates": fates(),
        "identity": table("identity", [{**sample("P1", 84), **swap, "verdict": "wrong_donor"}]),
        "ordination": table(
            "ordination",
            [
                {**sample("P1", 28), "distance": "bray_curtis", "axis_1": 0.1, "axis_2": 0.2,
                 "explained_1": 0.3, "explained_2": 0.1, "setting": "16s"},
                {"donor_id": "D1", "sample_id": "S9", "distance": "bray_curtis", "axis_1": -0.1,
                 "axis_2": 0.0, "explained_1": 0.3, "explained_2": 0.1, "setting": "16s"},
            ],
        ),
    }  # fmt: skip


def matches() -> dict[str, pl.DataFrame]:
    run = {"match_run_id": "m1"}
    lot = {**run, "unit_id": "U1", "donor_id": "D1"}
    return {
        "match_runs": table("match_runs", [{**run, "patient_id": "P1", "policy": "exploratory 1",
                                            "n_candidates": 2, "n_eligible": 1, "statement": "A rank."}]),
        "rankings": table("rankings", [{**lot, "is_eligible": True, "rank": 1, "score": 0.6, "lower": 0.4,
                                        "upper": 0.8, "band": "1"},
                                       {**run, "unit_id": "U2", "donor_id": "D2", "is_eligible": False}]),
        "score_parts": table("score_parts", [{**lot, "part": "complementarity", "label": "taxa lacked",
                                              "value": 0.5, "lower": 0.3, "upper": 0.7, "weight": 0.4}]),
        "refusals": table("refusals", [{**run, "unit_id": "U2", "donor_id": "D2", "rule_id": "GATE01",
                                        "verdict": "undetermined", "explanation": "Not recorded: released.",
                                        "source": "CAM19"}]),
        "match_watch": table("match_watch", [{**run, "input": "screenings", "n_rows": 7,
                                              "invalidated_by": "a new result of a donor"}]),
    }  # fmt: skip


def plans() -> dict[str, pl.DataFrame]:
    plan = {"care_plan_id": "c1", "patient_id": "P1", "protocol": "uc 1"}
    return {
        "care_plans": table("care_plans", [
            {**plan, "position": 1, "section": "route", "item": "Route", "content": "Colonoscopy."},
            {**plan, "position": 2, "section": "dose", "item": "Dose", "verdict": "undetermined",
             "content": "The weight is not recorded: no dose."}]),
        "replans": table("replans", [{"replan_id": "r1", "patient_id": "P1", "week": 4, "engrafted": "no",
                                      "responded": "undetermined", "position": 1, "option": "observe",
                                      "content": "Wait.", "evidence_grade": "very low"}]),
    }  # fmt: skip


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return write_results({**communities(), **matches(), **plans()}, tmp_path / "results")


@pytest.mark.slow
def test_every_table_has_its_place_on_the_page(results: Path, tmp_path: Path):
    html = render(results, tmp_path / "page.html").read_text(encoding="utf-8")
    for anchor in ("engraftment", "attribution", "taxa", "identity", "dysbiosis", "deficits", "ordination",
                   "match", "care-plan", "replan"):  # fmt: skip
        assert f'id="{anchor}"' in html, anchor
    for words in ("a genus table cannot name", "no sample of donor D1", "GATE01", "nobody can tell",
                  "Not known: The weight is not recorded", "in no order of preference"):  # fmt: skip
        assert words in html, words
    assert "NaN" not in html
    assert not re.search(r">None<|\bnull\b", html)


@pytest.mark.slow
def test_a_page_of_one_recipient_says_nothing_of_others(results: Path, tmp_path: Path):
    html = render(results, tmp_path / "page.html", patient="P1").read_text(encoding="utf-8")
    assert "<h1" in html
    assert "Recipient P1" in html
    assert "P2" not in html
    assert "What is lacking" in html


def test_a_recipient_nobody_knows_is_refused_with_the_nearest(results: Path, tmp_path: Path):
    with pytest.raises(InputError, match="P9"):
        render(results, tmp_path / "page.html", patient="P9")
    assert not (tmp_path / "page.html").exists()


def test_charts_are_altair_charts_that_anyone_can_draw():
    stacks = charts.attribution_stacks(attributions().with_columns(label=pl.lit("P1")))
    assert isinstance(stacks, alt.TopLevelMixin)
    assert "Own baseline" in stacks.to_json()


@pytest.mark.slow
def test_a_picture_in_a_page_takes_the_colours_of_the_page():
    svg = charts.svg_of(charts.attribution_stacks(attributions().with_columns(label=pl.lit("P1"))))
    assert "var(--data-1)" in svg
    assert "#0072b2" not in svg
