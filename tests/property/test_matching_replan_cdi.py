"""In C. difficile infection no engraftment result of any kind changes a re-plan."""

from __future__ import annotations

import importlib
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal.matching.care.axes import engrafted
from commensal.matching.care.case import Case
from commensal.matching.care.replan import Replan, replan
from commensal.study import RESULTS, Manifest, Study, study_of
from commensal.vocabulary.replanning import replan_rules

INDEX = date(2026, 1, 5)
ON_DAY = (INDEX - date(1970, 1, 1)).days + 30
share = st.one_of(st.none(), st.floats(0, 1))
rows = st.lists(
    st.fixed_dictionaries(
        {
            "subject_id": st.sampled_from(["P", "Q"]),
            "sample_id": st.sampled_from(["X", "Y", "Z"]),
            "day": st.one_of(st.none(), st.integers(-5, 60)),
            "measure": st.sampled_from(["peds_gained", "strain_engraftment", "peds"]),
            "value": share,
            "lower": share,
            "upper": share,
            "null_mean": share,
            "q": share,
        }
    ),
    max_size=6,
)


def study(*, code: str, back: bool) -> Study:
    frames: dict[str, list[dict[str, Any]]] = {
        "patients": [{"patient_id": "P", "arm": "fmt", "indication": code, "index_on": INDEX}],
        "sessions": [{"session_id": "S", "patient_id": "P", "administered_on": INDEX}],
    }
    if back:
        came = INDEX + timedelta(days=20)
        frames["adverse_events"] = [
            {"adverse_event_id": "E", "patient_id": "P", "term": "ae18", "began_on": came}
        ]
    made = {name: pl.DataFrame(value) for name, value in frames.items()}
    return study_of(made, manifest=Manifest(origin="test"))


STUDIES = {
    (code, back): study(code=code, back=back)
    for code in ("rcdi", "severe_cdi", "fulminant_cdi")
    for back in (True, False)
}


def table(found: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(found, schema=RESULTS["engraftment"].schema)


def made(key: tuple[str, bool], found: list[dict[str, Any]]) -> Replan:
    return replan(STUDIES[key], recipient="P", on_day=ON_DAY, engraftment=table(found))


@pytest.mark.slow
@settings(deadline=None, max_examples=8)
@given(found=rows, key=st.sampled_from(sorted(STUDIES)))
def test_engraftment_changes_nothing_in_cdi(found: list[dict[str, Any]], key: tuple[str, bool]):
    with_it, without = made(key, found), made(key, [])
    assert with_it.replan.write_csv() == without.replan.write_csv()
    assert ("retreat_now" in with_it.options) is True


def test_in_cdi_the_engraftment_is_not_even_made(monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("engraftment was read")

    monkeypatch.setattr(importlib.import_module("commensal.matching.care.replan"), "engraft", fail)
    found = replan(STUDIES["rcdi", True], recipient="P", on_day=ON_DAY)
    assert found.responded.verdict == "no"


CASE = Case(
    patient={"patient_id": "P", "cohort": None},
    alone=STUDIES["rcdi", True],
    facts={},
    index_day=0,
    today=40,
    target=28,
    first=21,
    last=45,
)


@settings(deadline=None, max_examples=40)
@given(found=rows, data=st.data())
def test_the_order_of_rows_and_other_patients_do_not_matter(found: list[dict[str, Any]], data: st.DataObject):
    unique = list({(r["sample_id"], r["measure"], r["subject_id"]): r for r in found}.values())
    shuffled = data.draw(st.permutations(unique))
    rule = replan_rules().engrafted
    first = engrafted(CASE, table(unique), rule=rule)
    assert engrafted(CASE, table(list(shuffled)), rule=rule) == first
    own = [row for row in unique if row["subject_id"] == "P"]
    assert engrafted(CASE, table(own), rule=rule) == first


@settings(deadline=None, max_examples=80)
@given(found=rows)
def test_a_missing_figure_is_never_an_answer(found: list[dict[str, Any]]):
    bare = [{**row, "q": None} for row in found]
    assert engrafted(CASE, table(bare), rule=replan_rules().engrafted).verdict == "undetermined"
