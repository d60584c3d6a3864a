"""The report shows what the tables say, and nothing else."""

import re
from pathlib import Path

import polars as pl
import pytest

from commensal.errors import InputError, OutputExistsError
from commensal.report import digits, render
from commensal.study import write_results


def flow(label: str = "Registered") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "step_id": ["registered", "treated", "untreated"],
            "parent_id": [None, "registered", "registered"],
            "position": [1, 2, 3],
            "label": [label, "Received FMT", "No transplant"],
            "n": [23, 13, 10],
            "reason": [None, None, "comparator"],
        }
    )


def estimates() -> pl.DataFrame:
    remission = {"endpoint": "remission", "group_variable": "indication", "group_level": "uc"}
    remission |= {"unit": "proportion", "estimand": "observed cases", "population": "active at baseline"}
    seen = {"estimate": 0.25, "lower": 0.1, "upper": 0.5, "n": 12, "n_events": 3, "n_due": 15, "n_missing": 3}
    nobody = {"n": 0, "n_events": 0, "n_due": 0, "n_missing": 0, "reason": "nobody is due yet"}
    serious = {"endpoint": "serious_adverse_event", "group_variable": "all", "group_level": "all"}
    zero = {"estimate": 0.0, "lower": 0.0, "upper": 0.03, "n": 100, "n_events": 0, "n_due": 120}
    return pl.DataFrame(
        [
            {**remission, **seen, "landmark": "M3", "reference": "control arms 5–9 %"},
            {**remission, **nobody, "landmark": "Y5"},
            {**serious, **zero, "unit": "per_procedure", "n_missing": 20},
        ],
        infer_schema_length=None,
    )


@pytest.fixture
def page(tmp_path: Path) -> str:
    results = write_results({"flow": flow(), "estimates": estimates()}, tmp_path / "results")
    return render(results, tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_counts_denominators_and_zero_are_printed(page: str):
    for text in ("n = 13", "3/12", "25.0 %", "0/100", "100/120", "control arms 5–9 %", "nobody is due yet"):
        assert text in page, text


@pytest.mark.slow
def test_the_page_is_self_contained(page: str):
    addresses = list(re.findall(r"""(?:src|href)=["']([^"'#]+)""", page))
    assert addresses == []
    assert not re.search(r"<script|@import|url\(", page)


@pytest.mark.slow
def test_an_estimate_that_could_not_be_made_is_a_dash_with_its_reason(page: str):
    row = re.search(r"<tr>(?:(?!</tr>).)*nobody is due yet.*?</tr>", page, re.S)
    assert row is not None
    assert digits.DASH in row[0]
    assert "NaN" not in page
    assert "None" not in page


@pytest.mark.slow
def test_text_from_the_data_cannot_become_markup(tmp_path: Path):
    results = write_results({"flow": flow("<script>alert(1)</script>")}, tmp_path / "results")
    html = render(results, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.slow
def test_the_same_results_give_the_same_bytes(tmp_path: Path):
    results = write_results({"flow": flow(), "estimates": estimates()}, tmp_path / "results")
    first = render(results, tmp_path / "a.html").read_bytes()
    assert first == render(results, tmp_path / "b.html").read_bytes()


def test_a_folder_without_results_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="no result tables"):
        render(tmp_path, tmp_path / "report.html")


def test_an_existing_page_is_not_overwritten(tmp_path: Path):
    results = write_results({"flow": flow()}, tmp_path / "results")
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(OutputExistsError):
        render(results, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == "mine"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.254, "proportion", "25.4 %"), (None, "proportion", "–"), (0.0, "proportion", "0.0 %"),
     (0.19, "per_procedure", "19"), (7.5, "per_100_person_years", "7.5")],
)  # fmt: skip
def test_quantities(value: float | None, unit: str, text: str):
    assert digits.quantity(value, unit) == text
