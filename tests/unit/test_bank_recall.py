"""A recall reaches what it must and no more, and closes only when nothing is open."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from commensal.bank.recall import (
    CLUSTER_DAYS,
    CLUSTER_PATIENTS,
    INFECTION_TERMS,
    STEPS,
    asks_look_back,
    clocks,
    clustered,
    fates,
    open_points,
    reach,
)
from commensal.errors import InputError
from commensal.study import Manifest, study_of

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)

#  batch B1: U1 U2 of D1 · batch B2: U3 of D1 + D2 (pool) · B3: U4 U5 of D2 · B4: U6 of D3
PARTS = (("U1", "D1"), ("U2", "D1"), ("U3", "D1"), ("U3", "D2"), ("U4", "D2"), ("U5", "D2"), ("U6", "D3"))
BATCH = {"U1": "B1", "U2": "B1", "U3": "B2", "U4": "B3", "U5": "B3", "U6": "B4"}
DONATION = {("U1", "D1"): "N1", ("U2", "D1"): "N1", ("U3", "D1"): "N2"}
STOCK = ("collected", "processed", "frozen", "released")
STORY = {
    "U1": (*STOCK, "issued", "administered"),
    "U2": STOCK,
    "U3": (*STOCK, "issued"),
    "U4": (*STOCK, "destroyed"),
    "U5": (*STOCK, "issued", "partly_administered"),
    "U6": STOCK,
}
PATIENT = {"U1": "P1", "U3": "P3", "U5": "P5"}


def study(*, holds=()):
    custody = [
        {
            "event_id": f"{unit}-{n}",
            "unit_id": unit,
            "sequence": n,
            "event": event,
            "occurred_day": n,
            "fraction": 0.5 if event == "partly_administered" else None,
            "patient_id": PATIENT.get(unit)
            if event in ("issued", "administered", "partly_administered")
            else None,
        }
        for unit, story in STORY.items()
        for n, event in enumerate(story, start=1)
    ]
    frames = {
        "units": [{"unit_id": u, "batch_id": b, "release_pathway": "bookend"} for u, b in BATCH.items()],
        "unit_donors": [{"unit_id": u, "donor_id": d, "donation_id": DONATION.get((u, d))} for u, d in PARTS],
        "donations": [{"donation_id": "N1", "donor_id": "D1"}, {"donation_id": "N2", "donor_id": "D1"}],
        "custody": custody,
        "holds": [{"hold_id": f"H{n}", "kind": "recall", **hold} for n, hold in enumerate(holds)],
    }
    made = {name: pl.DataFrame(rows, infer_schema_length=None) for name, rows in frames.items() if rows}
    return study_of(made, manifest=Manifest(origin="test", data_cut_day=100))


@pytest.mark.parametrize(
    ("kind", "start", "units", "batches", "donors", "patients"),
    [
        ("infection_suspected", {"unit": "U1"}, "U1 U2 U3", "B1 B2", "D1", "P1 P3"),
        ("infection_suspected", {"unit": "U3"}, "U1 U2 U3 U4 U5", "B1 B2 B3", "D1 D2", "P1 P3 P5"),
        ("late_positive", {"donation": "N2"}, "U1 U2 U3", "B1 B2", "D1", "P1 P3"),
        ("donor_illness", {"donor": "D3"}, "U6", "B4", "D3", ""),
        ("defect", {"unit": "U1"}, "U1", "", "", "P1"),
        ("defect", {"batch": "B3"}, "U4 U5", "B3", "", "P5"),
        ("defect", {"donation": "N1"}, "U1 U2", "B1", "", "P1"),
        ("other", {"donor": "D2"}, "U3 U4 U5", "B2 B3", "D2", "P3 P5"),
        ("defect", {"batch": "B9"}, "", "B9", "", ""),
    ],
)
def test_what_a_recall_reaches(kind, start, units, batches, donors, patients):
    found = reach(study(), kind=kind, **start)
    assert (found.units, found.batches, found.donors, found.patients) == tuple(
        tuple(words.split()) for words in (units, batches, donors, patients)
    )


@pytest.mark.parametrize(("kind", "start"), [("infection_suspected", {}), ("whim", {"unit": "U1"})])
def test_a_recall_needs_one_start_and_a_known_reason(kind, start):
    with pytest.raises(InputError, match="one unit, batch, donor or donation"):
        reach(study(), kind=kind, **start)


def told(found):
    return {fate.unit_id: (fate.fate, fate.is_known) for fate in found}


def test_the_fate_of_every_unit():
    found = told(fates(study(holds=[{"unit_id": "U2"}]), units=[*BATCH, "U9"], on_day=50))
    assert found == {
        "U1": ("given", True),
        "U2": ("held", True),
        "U3": ("not_back", False),
        "U4": ("destroyed", True),
        "U5": ("given_in_part", False),
        "U6": ("not_held", False),
        "U9": ("unknown", False),
    }


def test_what_quality_states_counts_where_custody_cannot_tell_and_nowhere_else():
    stated = dict.fromkeys(("U1", "U3", "U9"), "lost")
    found = told(fates(study(), units=["U1", "U3", "U9"], on_day=50, stated=stated))
    assert found == {"U1": ("given", True), "U3": ("lost", True), "U9": ("lost", True)}


def test_a_drill_counts_stock_as_found():
    assert told(fates(study(), units=["U2"], on_day=50, is_drill=True)) == {"U2": ("in_stock", True)}


def test_open_while_a_unit_or_a_patient_is():
    found = fates(study(), units=["U1", "U3"], on_day=50)
    said = open_points(found, patients={"P1": "no_answer", "P3": None, "P5": "well"})
    assert [line.split(":")[0] for line in said] == ["unit U3", "patient P1", "patient P3"]
    assert open_points(fates(study(), units=["U1"], on_day=50), patients={"P1": "well"}) == []


def test_clocks_run_from_detection_and_say_what_is_late():
    done = {"held": NOW + timedelta(minutes=10), "listed": NOW + timedelta(hours=3)}
    found = clocks(severity="critical", detected_at=NOW, done=done, now=NOW + timedelta(hours=25))
    assert [c.step for c in found] == list(STEPS)
    assert [c.is_late for c in found] == [False, True, True, False, False]


@pytest.mark.parametrize(
    ("term", "causality", "asks"),
    [
        ("ae16", None, True),
        ("ae16", "unlikely", True),
        ("ae15", None, True),
        ("ae15", "possible", True),
        ("ae15", "unlikely", False),
        ("ae01", "certain", False),
        (None, None, False),
    ],
)
def test_which_events_ask_to_look_back(term, causality, asks):
    assert asks_look_back(term, causality=causality) is asks


def test_a_cluster_is_what_the_alarms_of_a_study_call_one():
    from commensal.evidence.monitoring.settings import Settings

    settings = Settings()
    assert (tuple(settings.infection_terms), settings.cluster_days, settings.cluster_patients) == (
        INFECTION_TERMS,
        CLUSTER_DAYS,
        CLUSTER_PATIENTS,
    )
    assert clustered([(0, "P1"), (30, "P2")]) == [{"P1", "P2"}]
    assert clustered([(0, "P1"), (31, "P2")]) == []
    assert clustered([(0, "P1"), (1, "P1")]) == []
    assert clustered([(0, "P1"), (20, "P2"), (45, "P3")]) == [{"P1", "P2", "P3"}]
