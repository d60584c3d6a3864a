"""A unit leaves quarantine only where every criterion is met, and each one can stop it."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal.bank import release_decision
from commensal.errors import InputError
from commensal.study import Manifest, study_of
from commensal.vocabulary.screening import screening_profile

DONATED = date(2026, 3, 2)
TODAY = DONATED + timedelta(days=58)
STRICT = screening_profile("STRICT", on=DONATED)


def panel(*, blood_lag=57, stool_lag=57, donated=DONATED):
    """Negative results before the donation and after it, for every analyte STRICT asks."""
    rows = []
    for need in STRICT.requirements:
        lag = blood_lag if need.specimens[0] == "blood" else stool_lag
        opening = [donated - timedelta(days=1 + n) for n in range(need.n_separate_days)]
        closing = [donated + timedelta(days=lag - n) for n in range(need.n_separate_days)]
        for number, collected in enumerate(opening + closing):
            rows.append(
                {
                    "result_id": f"{need.analyte}-{number}",
                    "donor_id": "D1",
                    "analyte": need.analyte,
                    "specimen": need.specimens[0],
                    "method": "NAAT" if need.needs_nucleic_acid_test else None,
                    "result": "negative",
                    "collected_on": collected,
                }
            )
    return rows


def bank(**changed):
    """One frozen unit of one donation of one donor, ready for release on TODAY."""
    passed = datetime(2026, 3, 2, 8, tzinfo=UTC)
    tables = {
        "donors": [{"donor_id": "D1", "kind": "universal", "sex": "male", "status": "eligible"}],
        "consents": [
            {"consent_id": "C1", "donor_id": "D1", "type": "donor_consent", "signed_on": date(2026, 1, 1)}
        ],
        "screenings": panel(),
        "donations": [
            {
                "donation_id": "N1",
                "donor_id": "D1",
                "donated_on": DONATED,
                "passed_at": passed,
                "stool_mass_grams": 120.0,
                "bristol_type": 4,
                "is_questionnaire_clean": True,
                "is_accepted": True,
            }
        ],
        "batches": [
            {
                "batch_id": "B1",
                "frozen_at": passed + timedelta(hours=5),
                "is_quality_passed": True,
                "operator": "lab1",
            }
        ],
        "units": [
            {
                "unit_id": "U1",
                "batch_id": "B1",
                "product": "frozen_suspension",
                "release_pathway": "bookend",
                "produced_on": DONATED,
                "expires_on": DONATED + timedelta(days=180),
                "has_retention_sample": True,
                "is_cold_chain_unbroken": True,
                "is_label_verified": True,
            }
        ],
        "unit_donors": [{"unit_id": "U1", "donor_id": "D1", "donation_id": "N1"}],
        "custody": [
            {
                "event_id": f"E{n}",
                "unit_id": "U1",
                "sequence": n,
                "event": event,
                "occurred_on": DONATED,
            }
            for n, event in enumerate(("collected", "processed", "frozen"), start=1)
        ],
    }
    for name, rows in changed.items():
        tables[name] = rows if isinstance(rows, list) else [{**tables[name][0], **rows}]
    frames = {name: pl.DataFrame(rows, infer_schema_length=None) for name, rows in tables.items() if rows}
    return study_of(frames, manifest=Manifest(origin="test"))


def decide(study, *, on=TODAY, released_by="lab1", signed_by="qa1", profile=STRICT):
    return release_decision(
        study, unit="U1", profile=profile, on=on, released_by=released_by, signed_by=signed_by
    )


def open_codes(decision):
    return {criterion.code for criterion in decision.open}


def test_everything_in_order_is_released():
    decision = decide(bank())
    assert decision.may_release, decision.open
    assert all(criterion.source for criterion in decision.criteria)
    assert len(decision.criteria) > 50


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"units": {"expires_on": TODAY - timedelta(days=1)}}, "release.expiry"),
        ({"units": {"expires_on": None}}, "release.expiry"),
        ({"units": {"expires_on": DONATED + timedelta(days=182)}}, "release.shelf_life"),
        ({"units": {"has_retention_sample": False}}, "release.retention_sample"),
        ({"units": {"is_cold_chain_unbroken": None}}, "release.cold_chain"),
        ({"units": {"is_label_verified": False}}, "release.label"),
        ({"batches": {"is_quality_passed": None}}, "release.quality"),
        ({"batches": {"frozen_at": datetime(2026, 3, 2, 14, 1, tzinfo=UTC)}}, "release.time_to_freezer"),
        ({"batches": {"frozen_at": datetime(2026, 3, 2, 7, tzinfo=UTC)}}, "release.time_to_freezer"),
        ({"batches": {"operator": "qa1"}}, "release.second_person"),
        ({"donors": {"status": "deferred"}}, "release.donor"),
        ({"donors": {"status": None}}, "release.donor"),
        ({"donors": {"sex": "female"}}, "STRICT.menstruation"),
        ({"consents": {"signed_on": DONATED + timedelta(days=1)}}, "release.donor_consent"),
        ({"consents": {"withdrawn_on": TODAY}}, "release.donor_consent"),
        ({"consents": []}, "release.donor_consent"),
        ({"donations": {"is_questionnaire_clean": None}}, "STRICT.same_day_questionnaire"),
        ({"donations": {"bristol_type": 6}}, "STRICT.bristol"),
        ({"donations": {"bristol_type": 5}}, "STRICT.bristol_review"),
        ({"donations": {"stool_mass_grams": 99.0}}, "STRICT.donation_mass"),
        ({"donations": {"is_accepted": None}}, "release.accepted"),
        ({"unit_donors": {"donation_id": None}}, "release.donors_known"),
        ({"unit_donors": []}, "release.donors_known"),
        ({"custody": []}, "release.custody"),
        (
            {"holds": [{"hold_id": "H1", "kind": "quarantine", "donor_id": "D1", "placed_on": DONATED}]},
            "release.hold",
        ),
    ],
)
def test_each_criterion_stops_the_release(changed, code):
    decision = decide(bank(**changed))
    assert not decision.may_release
    assert code in open_codes(decision)


@pytest.mark.parametrize("signed_by", [None, "", "lab1"])
def test_one_person_alone_cannot_release(signed_by):
    assert open_codes(decide(bank(), signed_by=signed_by)) == {"release.second_person"}


@pytest.mark.parametrize("result", ["positive", "pending", "equivocal", "invalid", None])
def test_a_result_that_is_not_negative_blocks(result):
    rows = [{**row, "result": result} if row["result_id"] == "hiv-1" else row for row in panel()]
    assert open_codes(decide(bank(screenings=rows))) == {"screen.hiv"}


def test_a_later_negative_does_not_overwrite_a_positive():
    extra = {**panel()[0], "result_id": "late", "result": "positive", "collected_on": TODAY}
    again = {**panel()[0], "result_id": "later", "supersedes": "late", "collected_on": TODAY}
    assert "screen.hiv" in open_codes(decide(bank(screenings=[*panel(), extra, again])))


def test_an_incomplete_profile_never_clears():
    profile = screening_profile("CN2020", on=DONATED)
    assert not decide(bank(), profile=profile).may_release


def test_historical_material_is_never_released():
    decision = decide(bank(units={"release_pathway": "historical"}))
    assert decision.outcome == "not_met"


def test_an_external_product_rests_on_its_certificate():
    external = {"release_pathway": "external_product", "supplier_lot": "L7", "product": "frozen_suspension"}
    arrived = [{"event_id": "E1", "unit_id": "U1", "sequence": 1, "event": "received"}]
    without = bank(units=external, unit_donors=[], custody=arrived)
    assert open_codes(decide(without)) == {"release.supplier_certificate"}
    certified = bank(units={**external, "has_supplier_certificate": True}, unit_donors=[], custody=arrived)
    assert decide(certified).may_release


def test_a_donation_of_somebody_else_is_an_error():
    donors = [
        {"donor_id": "D1", "status": "eligible"},
        {"donor_id": "D2", "status": "eligible"},
    ]
    study = bank(donors=donors, unit_donors={"donor_id": "D2"})
    with pytest.raises(InputError, match="not of donor D2"):
        decide(study)


def test_an_unknown_unit_is_an_error():
    with pytest.raises(InputError, match="U9"):
        release_decision(bank(), unit="U9", profile=STRICT, on=TODAY, released_by="lab1", signed_by="qa1")


@pytest.mark.slow
@given(blood_lag=st.integers(-10, 120), waited=st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_blood_releases_only_inside_its_own_window(blood_lag, waited):
    """R1: a unit donated on day 59 of a period is not released by blood drawn on day 60."""
    study = bank(screenings=panel(blood_lag=blood_lag))
    on = DONATED + timedelta(days=max(58, blood_lag) + waited)
    assert decide(study, on=on).may_release == (56 <= blood_lag <= 84)


def test_blood_of_day_60_does_not_release_a_unit_of_day_59():
    decision = decide(bank(screenings=panel(blood_lag=1)))
    assert "screen.hiv" in open_codes(decision)
    assert not decision.may_release
