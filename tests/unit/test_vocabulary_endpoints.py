"""Endpoints per indication and landmark, and the clock of C. difficile cure."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal.errors import InputError
from commensal.vocabulary.conditions import OPERATORS
from commensal.vocabulary.cure import Cure, rcdi_cure, with_rcdi_cure
from commensal.vocabulary.endpoints import endpoints, endpoints_for, primary_endpoint
from commensal.vocabulary.instruments.declaration import instrument
from commensal.vocabulary.sources import find_source
from commensal.vocabulary.windows import landmarks

INDICATIONS = sorted({endpoint.indication for endpoint in endpoints()})
SIGNS = {"below": "<", "at_most": "<=", "equals": "==", "at_least": ">=", "above": ">"}
MEASURES = {
    measure: endpoint.is_change and measure is not endpoint.active
    for endpoint in endpoints()
    for measure in (
        endpoint.measure,
        endpoint.active,
        *((endpoint.child.measure, endpoint.child.active) if endpoint.child else ()),
    )
    if measure is not None
}


@pytest.mark.parametrize("endpoint", endpoints(), ids=lambda e: f"{e.indication}-{e.landmark}-{e.code}")
def test_an_endpoint_is_cited_and_says_its_rule(endpoint):
    assert find_source(endpoint.source)
    assert endpoint.rule.endswith(".")


@pytest.mark.parametrize("measure", MEASURES, ids=str)
def test_a_bound_is_what_the_instruments_criterion_computes(measure):
    formula = instrument(measure.instrument).criterion(measure.criterion).formula
    number = f"{measure.threshold:g}"
    plain = f"{measure.score} {SIGNS[measure.direction]} {number}"
    change = f"({measure.score}) {SIGNS[measure.direction]} {number}"
    assert plain in formula or change in formula
    assert measure.direction in OPERATORS


@pytest.mark.parametrize("indication", INDICATIONS)
@pytest.mark.parametrize("landmark", landmarks())
def test_at_most_one_primary_endpoint_stands_at_a_landmark(indication, landmark):
    primary = [e for e in endpoints_for(indication, landmark=landmark) if e.is_primary]
    assert len(primary) <= 1
    if indication not in {"ms", "pouchitis"}:
        assert len(primary) == 1


def test_remission_is_not_invented():
    undefined = {endpoint.indication for endpoint in endpoints() if endpoint.kind == "not_defined"}
    assert undefined == {"parkinson", "autism", "ms", "psa", "pouchitis"}
    for indication in ("parkinson", "autism", "ms"):
        kinds = {endpoint.kind for endpoint in endpoints_for(indication)}
        assert "remission" not in kinds
    assert all(e.measure is None and "not defined" in e.rule for e in endpoints() if e.kind == "not_defined")


def test_response_is_primary_in_fibromyalgia():
    assert {primary_endpoint("fibromyalgia", landmark=t).kind for t in landmarks()} == {"response"}


def test_ibd_remission_is_steroid_free_from_three_months():
    for indication in ("uc", "crohns"):
        flags = {t: primary_endpoint(indication, landmark=t).is_steroid_free for t in landmarks()}
        assert flags == {"W8": False, "M3": True, "Y1": True, "Y5": True}
    tiers = {endpoint.tier for endpoint in endpoints_for("crohns", landmark="Y1")}
    assert tiers == {"clinical", "endoscopic", "biomarker"}


def test_remission_needs_active_disease_at_baseline_except_in_cdi():
    for endpoint in endpoints():
        if endpoint.kind == "remission":
            assert endpoint.requires_active_at_baseline is not endpoint.indication.endswith("cdi")


def test_children_are_measured_with_their_own_instruments():
    remission = primary_endpoint("uc", landmark="M3")
    assert remission.measure_at(17.9).instrument == remission.active_at(17.9).instrument == "pucai"
    assert remission.measure_at(18).instrument == remission.measure_at(None).instrument == "mayo"
    assert primary_endpoint("crohns", landmark="Y1").measure_at(10).instrument == "wpcdai"
    assert primary_endpoint("ibs", landmark="M3").measure_at(12) is None
    assert primary_endpoint("autism", landmark="M3").measure_at(6) is None


def test_unknown_words_are_refused():
    with pytest.raises(InputError, match="crohns"):
        endpoints_for("chrons")
    with pytest.raises(InputError, match="M3"):
        endpoints_for("uc", landmark="M30")


# --- cure of C. difficile infection; the last planned session is on day 100


def cure(*, recurrence=None, retreatment=None, contact=None, died=None, last=100):
    return rcdi_cure(
        last_session_day=last,
        first_recurrence_day=recurrence,
        first_retreatment_day=retreatment,
        last_contact_day=contact,
        died_day=died,
    )


@pytest.mark.parametrize(
    ("facts", "status", "reason"),
    [
        ({"recurrence": 120}, "failure", "recurrence"),
        ({"recurrence": 120, "contact": 400}, "failure", "recurrence"),
        ({"recurrence": 156, "contact": 156}, "failure", "recurrence"),
        ({"recurrence": 157, "contact": 157}, "cure", "no_recurrence"),
        ({"contact": 155}, "undetermined", "no_contact"),
        ({"contact": 156}, "cure", "no_recurrence"),
        ({"retreatment": 130, "contact": 200}, "failure", "retreatment"),
        ({"retreatment": 200, "contact": 200}, "cure", "no_recurrence"),
        ({"died": 130}, "undetermined", "died"),
        ({"died": 130, "recurrence": 110}, "failure", "recurrence"),
        ({"died": 300}, "undetermined", "no_contact"),
        ({"last": None, "contact": 300}, "undetermined", "no_session"),
        ({}, "undetermined", "no_contact"),
    ],
)
def test_the_clock_of_cure(facts, status, reason):
    assert cure(**facts) == Cure(status, reason)


days = st.none() | st.integers(60, 220)
COLUMNS = (
    "last_session_day",
    "first_recurrence_day",
    "first_retreatment_day",
    "last_contact_day",
    "died_day",
)


@pytest.mark.slow
@given(st.lists(st.tuples(*[days] * 5), min_size=1, max_size=8))
@settings(deadline=None, max_examples=50)
def test_one_patient_and_all_patients_agree(rows):
    frame = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.Int64), orient="row")
    judged = with_rcdi_cure(frame).select("cure_status", "cure_reason").rows()
    expected = [rcdi_cure(**dict(zip(COLUMNS, row, strict=True))) for row in rows]
    assert judged == [(one.status, one.reason) for one in expected]


@given(st.tuples(*[days] * 5), st.integers(60, 156))
@settings(deadline=None, max_examples=50)
def test_failure_is_final(row, later):
    facts = dict(zip(COLUMNS, row, strict=True)) | {"last_session_day": 100}
    if rcdi_cure(**facts).status == "failure":
        assert rcdi_cure(**{**facts, "last_contact_day": later + 400}).status == "failure"
        assert rcdi_cure(**{**facts, "died_day": later}).status == "failure"
