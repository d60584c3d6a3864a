"""Material is followed both ways, and nobody who was exposed is left out."""

import polars as pl
import pytest

from commensal.bank import exposures, trace, unit_states
from commensal.errors import InputError
from commensal.study import Manifest, study_of

#  D1 ── N1 ── U1 ── S1 ── P1 (fever)      D1 ── N1 ── U2 ── custody only ── P2
#  D1 + D2 (pool) ── U3 ── S3 ── P3        D2 ── U4 not used          S5 ── P1, material unknown
TABLES = {
    "donors": [{"donor_id": d} for d in ("D1", "D2", "D3")],
    "patients": [{"patient_id": p, "arm": "fmt"} for p in ("P1", "P2", "P3", "P4")],
    "donations": [{"donation_id": "N1", "donor_id": "D1"}, {"donation_id": "N9", "donor_id": "D1"}],
    "batches": [{"batch_id": "B1"}],
    "units": [
        {
            "unit_id": u,
            "batch_id": "B1" if u in ("U1", "U2") else None,
            "release_pathway": "bookend",
            "expires_day": 100,
        }
        for u in ("U1", "U2", "U3", "U4")
    ],
    "unit_donors": [
        {"unit_id": "U1", "donor_id": "D1", "donation_id": "N1"},
        {"unit_id": "U2", "donor_id": "D1", "donation_id": "N1"},
        {"unit_id": "U3", "donor_id": "D1", "donation_id": None},
        {"unit_id": "U3", "donor_id": "D2", "donation_id": None},
        {"unit_id": "U4", "donor_id": "D2", "donation_id": None},
    ],
    "sessions": [
        {"session_id": "S1", "patient_id": "P1", "administered_day": 10},
        {"session_id": "S3", "patient_id": "P3", "administered_day": 12},
        {"session_id": "S5", "patient_id": "P1", "administered_day": 30},
    ],
    "session_units": [
        {"session_id": "S1", "unit_id": "U1", "fraction": 1.0},
        {"session_id": "S3", "unit_id": "U3", "fraction": None},
    ],
    "adverse_events": [{"adverse_event_id": "A1", "patient_id": "P1", "session_id": "S1"}],
    "custody": [
        {"event_id": f"{u}-{n}", "unit_id": u, "sequence": n, "event": event, "occurred_day": n, **rest}
        for u, story in {
            "U2": ("collected", "processed", "frozen", "released", "issued", "administered"),
            "U4": ("collected", "processed", "frozen", "released"),
        }.items()
        for n, event in enumerate(story, start=1)
        for rest in [{"patient_id": "P2" if event in ("issued", "administered") else None}]
    ],
    "holds": [],
}


def study(**changed):
    frames = {
        name: pl.DataFrame(rows, infer_schema_length=None)
        for name, rows in {**TABLES, **changed}.items()
        if rows
    }
    return study_of(frames, manifest=Manifest(origin="test", clock="patient"))


def named(frame, column):
    return sorted(set(frame[column].drop_nulls()))


def test_from_a_donor_down_to_the_adverse_event():
    found = trace(study(), donor="D1")
    assert named(found.links, "unit_id") == ["U1", "U2", "U3"]
    assert named(found.patients, "patient_id") == ["P1", "P2", "P3"]
    assert named(found.donations, "donation_id") == ["N1", "N9"]
    assert named(found.adverse_events, "adverse_event_id") == ["A1"]
    assert named(found.links, "donor_id") == ["D1"]


def test_from_a_patient_up_to_the_donor_and_down_to_the_others():
    found = trace(study(), patient="P1")
    assert named(found.donors, "donor_id") == ["D1"]
    assert found.other_units == ["U2", "U3"]
    assert found.other_patients == ["P2", "P3"]
    assert named(found.links, "session_id") == ["S1", "S5"]


def test_a_session_whose_material_is_unknown_stays_in_sight():
    links = trace(study(), patient="P1").links
    assert links.filter(pl.col("session_id") == "S5")["unit_id"].to_list() == [None]


def test_an_exposure_that_only_custody_knows_is_found():
    found = trace(study(), patient="P2")
    assert named(found.units, "unit_id") == ["U2"]
    assert named(found.donors, "donor_id") == ["D1"]


def test_a_pool_leads_to_every_donor():
    found = trace(study(), unit="U3")
    assert named(found.donors, "donor_id") == ["D1", "D2"]
    assert found.other_units == ["U1", "U2", "U4"]
    assert found.other_patients == ["P1", "P2"]


def test_a_patient_without_a_session_has_no_links():
    found = trace(study(), patient="P4")
    assert found.links.height == 0
    assert named(found.patients, "patient_id") == ["P4"]


def test_every_exposure_is_counted_once():
    once = exposures(study())
    assert once.select("unit_id", "patient_id").rows() == [("U1", "P1"), ("U2", "P2"), ("U3", "P3")]
    both = [{"event_id": "U1-1", "unit_id": "U1", "sequence": 1, "event": "administered"}]
    both = [{**both[0], "patient_id": "P1", "session_id": "S1", "fraction": 0.5, "occurred_day": 10}]
    twice = exposures(study(custody=both)).filter(pl.col("unit_id") == "U1")
    assert twice.select("recorded_in", "fraction").rows() == [("both", 0.5)]


@pytest.mark.parametrize("start", [{"unit": "U9"}, {"donor": "U1"}, {}, {"unit": "U1", "donor": "D1"}])
def test_a_start_is_one_known_thing(start):
    with pytest.raises(InputError):
        trace(study(), **start)


@pytest.mark.parametrize(
    ("hold", "expected"),
    [
        ({"unit_id": "U4"}, "quarantine"),
        ({"donor_id": "D2"}, "quarantine"),
        ({"donor_id": "D1"}, "none"),
        ({"unit_id": "U4", "lifted_day": 49}, "none"),
        ({"unit_id": "U4", "placed_day": 51}, "none"),
        ({"unit_id": "U4", "kind": "recall"}, "recall"),
    ],
)
def test_the_state_of_stock_on_a_day(hold, expected):
    row = {"hold_id": "H1", "kind": "quarantine", "placed_day": 40, **hold}
    states = {r["unit_id"]: r for r in unit_states(study(holds=[row]), on_day=50).rows(named=True)}
    assert states["U4"]["hold"] == expected
    assert states["U4"]["is_issuable"] == (expected == "none")
    assert not any(states[u]["is_issuable"] for u in ("U1", "U2", "U3"))
    assert (states["U2"]["custody"], states["U2"]["fraction_left"]) == ("administered", 0)
    assert states["U1"]["reason"]


def test_the_state_of_yesterday_does_not_know_today():
    before = unit_states(study(), on_day=3, units=["U2"])
    assert before.select("custody", "is_released").row(0) == ("stored", False)


def test_a_unit_used_in_a_session_without_custody_is_not_issuable():
    used = [{"session_id": "S1", "unit_id": "U4", "fraction": None}]
    row = unit_states(study(session_units=used), on_day=50, units=["U4"]).row(0, named=True)
    assert (row["is_issuable"], row["reason"], row["fraction_left"]) == (False, "used in session S1", None)
