"""Batches of several donors, places in the freezers, excursions, the thaw clock, parcels and deliveries."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import Error, transaction
from universe import DONATED, TODAY

from commensal.bank.boxes import read_position
from commensal.errors import CommensalError, InputError, RefusedError
from commensal.registry import audit
from commensal.registry.actions import bench, custody, material, storage, supply
from commensal.registry.models import MODELS

pytestmark = pytest.mark.slow
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def fresh(unit):
    return MODELS["units"].objects.get(pk=unit.pk)


def demand_projection_is_fold():
    for unit in MODELS["units"].objects.all():
        state = custody.state_of(unit)
        shown = (unit.custody_state, unit.is_released, unit.fraction_left, unit.reserved_for)
        assert shown == (state.custody, state.is_released, state.fraction_left, state.reserved_for)
        assert state.faults == ()


# --- batches


@pytest.fixture
def pool(universe):
    """A batch of two donors' donations, 60 g and 40 g, of two units."""
    donors = [universe.donor(), universe.donor()]
    given = [universe.donation(donor) for donor in donors]
    batch = universe.batch({given[0].pk: 60.0, given[1].pk: 40.0}, n=2)
    return universe, donors, given, batch


def test_every_unit_of_a_pool_names_every_donor_with_the_share_by_mass(pool):
    _, donors, given, batch = pool
    for unit in MODELS["units"].objects.filter(batch=batch):
        parts = MODELS["unit_donors"].objects.filter(unit=unit).order_by("donor")
        assert [(p.donor_id, p.donation_id, p.share) for p in parts] == [
            (donors[0].pk, given[0].pk, 0.6),
            (donors[1].pk, given[1].pk, 0.4),
        ]
    record = MODELS["processings"].objects.get(batch=batch)
    assert (record.n_donations, record.recorded_by) == (2, "ann")
    demand_projection_is_fold()


def test_the_gates_of_every_donor_of_a_pool_count(pool):
    universe, donors, _, batch = pool
    unit = MODELS["units"].objects.filter(batch=batch).first()
    bench.keep_sample(by=universe.ann, batch=batch.pk, kind="product", taken_on=DONATED)
    material.verify_unit(by=universe.ann, unit=unit.pk, is_label_verified=True, is_cold_chain_unbroken=True)
    for number, donor in enumerate(donors, start=1):
        with pytest.raises(RefusedError, match="not released"):
            material.release_unit(by=universe.ann, unit=unit.pk, signer=universe.quinn, on=TODAY)
        universe.screen(donor)
        universe.decide(donor)
        left = material.decision_on(unit.pk, on=TODAY, released_by="ann", signed_by="quinn").open
        assert bool(left) == (number < len(donors)), [c.code for c in left]
    assert material.release_unit(by=universe.ann, unit=unit.pk, signer=universe.quinn, on=TODAY).may_release


def test_no_more_of_a_donation_is_used_than_there_is(pool):
    universe, _, given, _ = pool
    with pytest.raises(RefusedError, match="40 g is left"):
        universe.batch({given[0].pk: 41.0})
    with pytest.raises(RefusedError, match="150 g of stool"):
        universe.batch({given[0].pk: 40.0, given[1].pk: 60.0}, n=3)


def test_an_expired_lot_is_refused_and_nothing_is_made(universe):
    donation = universe.donation(universe.donor())
    late = bench.add_lot(
        by=universe.ann, site_id="S1", item="glycerol", lot="G1", expires_on=DONATED - timedelta(days=1)
    )
    good = bench.add_lot(by=universe.ann, site_id="S1", item="diluent", lot="S1", expires_on=DONATED)
    with pytest.raises(RefusedError, match="could be used until"):
        universe.batch({donation.pk: 100.0}, lots=[good.pk, late.pk])
    assert not MODELS["batches"].objects.exists()
    batch = universe.batch({donation.pk: 100.0}, lots=[good.pk])
    assert MODELS["batch_lots"].objects.get(batch=batch).lot_id == good.pk


def test_a_retention_sample_is_kept_two_years_past_the_last_unit_and_answers_the_criterion(pool):
    universe, _, _, batch = pool
    sample = bench.keep_sample(by=universe.ann, batch=batch.pk, kind="product", taken_on=DONATED)
    last = DONATED + timedelta(days=180)
    assert sample.keep_until_on == last.replace(year=last.year + 2)
    assert all(u.has_retention_sample for u in MODELS["units"].objects.filter(batch=batch))
    gone = {"by": universe.quinn, "sample": sample.pk, "note": "x", "reason": "x"}
    with pytest.raises(RefusedError, match="to be kept until"):
        bench.use_sample(**gone, fate="thrown_away", on=TODAY)
    bench.use_sample(**gone, fate="tested", on=TODAY)
    with pytest.raises(RefusedError, match="gone since"):
        bench.use_sample(**gone, fate="tested", on=TODAY)


@pytest.mark.parametrize(
    ("last", "until"), [(date(2024, 2, 29), date(2026, 3, 1)), (date(2026, 5, 4), date(2028, 5, 4))]
)
def test_two_years_after_a_leap_day(last, until):
    unit = MODELS["units"](expires_on=last)
    assert bench.earliest_end([unit, MODELS["units"](expires_on=None)]) == until
    assert bench.earliest_end([]) is None


# --- places


@pytest.fixture
def stored(universe):
    """A released unit at A1 of a box."""
    unit = universe.released_unit()
    freezer, box = universe.freezer()
    storage.place(by=universe.ann, box=box.pk, code=unit.pk, at=NOON, on=TODAY)
    return universe, fresh(unit), freezer, box


def test_a_unit_stands_where_it_was_put_and_the_move_is_a_custody_event(stored):
    universe, unit, _, box = stored
    stay = MODELS["placements"].objects.get(unit=unit)
    assert (stay.box_id, stay.box_row, stay.box_column, stay.until_at) == (box.pk, 1, 1, None)
    assert unit.freezer_position == "Freezer 1 / Box 1 A1"
    storage.place(
        by=universe.ann, box=box.pk, code=unit.pk, at=NOON + HOUR, on=TODAY, position=read_position("b2")
    )
    first, second = MODELS["placements"].objects.filter(unit=unit).order_by("since_at")
    assert (first.until_at, second.box_row, second.box_column) == (NOON + HOUR, 2, 2)
    last = MODELS["custody"].objects.filter(unit=unit).order_by("sequence").last()
    assert (last.event, last.occurred_at, first.ended_by_id) == ("stored", NOON + HOUR, last.pk)
    assert fresh(unit).custody_state == "released"
    demand_projection_is_fold()


def test_no_position_holds_two_things_whoever_writes(stored):
    universe, unit, _, box = stored
    other = universe.unit(universe.donor())
    with pytest.raises(RefusedError, match="occupied"):
        storage.place(
            by=universe.ann, box=box.pk, code=other.pk, at=NOON, on=TODAY, position=read_position("A1")
        )
    rows = {"box": box, "box_row": 1, "since_at": NOON}
    for name, values in (
        ("placements_one_at_a_position", {"unit": other, "box_column": 1}),
        ("placements_one_position_of_a_unit", {"unit": unit, "box_column": 2}),
        ("placements_of_one_thing", {"box_column": 2}),
    ):
        with pytest.raises(Error, match="placements"), transaction.atomic():  # noqa: SIM117
            with audit.acting("ann", reason="test"):
                MODELS["placements"].objects.create(placement_id=name, **rows, **values)
    storage.place(by=universe.ann, box=box.pk, code=other.pk, at=NOON, on=TODAY)
    assert MODELS["placements"].objects.get(unit=other).box_column == 2


def test_a_unit_that_leaves_frees_its_position_and_is_back_when_that_is_taken_back(stored):
    universe, unit, _, box = stored
    event = custody.handle_unit(by=universe.ann, unit=unit.pk, event="wasted", on=TODAY)
    assert not MODELS["placements"].objects.filter(unit=unit, until_at__isnull=True).exists()
    custody.correct_event(by=universe.quinn, event=event.pk, on=TODAY, reason="another unit")
    assert MODELS["placements"].objects.get(unit=unit, until_at__isnull=True).box_id == box.pk
    assert fresh(unit).custody_state == "released"


def test_what_must_be_frozen_does_not_go_into_a_refrigerator(universe):
    unit = universe.unit(universe.donor())
    _, box = universe.freezer(kind="refrigerator", name="Refrigerator")
    with pytest.raises(RefusedError, match="kept in a freezer"):
        storage.place(by=universe.ann, box=box.pk, code=unit.pk, at=NOON, on=TODAY)


@pytest.mark.parametrize("position", ["C1", "A3"])
def test_a_position_outside_the_box_is_refused(stored, position):
    universe, unit, _, box = stored
    with pytest.raises(InputError, match="A1 to B2"):
        storage.place(
            by=universe.ann, box=box.pk, code=unit.pk, at=NOON, on=TODAY, position=read_position(position)
        )


def test_a_full_box_and_an_unknown_code_are_refused(stored):
    universe, _, _, box = stored
    for unit in (universe.unit(universe.donor()) for _ in range(3)):
        storage.place(by=universe.ann, box=box.pk, code=unit.pk, at=NOON, on=TODAY)
    with pytest.raises(RefusedError, match="is full"):
        storage.place(by=universe.ann, box=box.pk, code="U0001", at=NOON, on=TODAY)
    with pytest.raises(InputError, match="neither a unit nor"):
        storage.place(
            by=universe.ann, box=universe.freezer(name="F2")[1].pk, code="nothing", at=NOON, on=TODAY
        )


# --- temperature


def warm(stored, **more):
    universe, _, freezer, _ = stored
    asked = {"began_at": NOON + HOUR, "ended_at": NOON + 2 * HOUR, "at": NOON + 3 * HOUR, "on": TODAY}
    return storage.record_excursion(
        by=universe.ann, equipment=freezer.pk, account="door", **{**asked, **more}
    )


def test_an_excursion_holds_at_once_what_was_inside_then(stored):
    universe, unit, _, _ = stored
    elsewhere = universe.released_unit()
    found = warm(stored)
    assert [e.unit_id for e in MODELS["excursion_units"].objects.filter(excursion=found)] == [unit.pk]
    with pytest.raises(RefusedError, match="on hold: quarantine"):
        universe.session(universe.patient(), fresh(unit))
    assert fresh(unit).is_cold_chain_unbroken is None
    universe.session(universe.patient(), fresh(elsewhere))


def test_a_unit_that_left_in_the_meantime_is_held_and_its_exposure_stays(stored):
    universe, unit, _, _ = stored
    universe.session(universe.patient(), unit, at=NOON + 5 * HOUR)
    found = warm(stored)
    assert MODELS["excursion_units"].objects.get(excursion=found).unit_id == unit.pk
    assert fresh(unit).custody_state == "administered"


@pytest.mark.parametrize(
    ("began", "ended", "is_inside"),
    [(-3, -1, False), (-3, 0, True), (3, 4, False), (1, None, True), (2, 3, True)],
)
def test_only_what_was_inside_between_start_and_end_is_held(stored, began, ended, is_inside):
    universe, unit, freezer, _ = stored
    other = universe.freezer(name="Freezer 2")[1]
    storage.place(by=universe.ann, box=other.pk, code=unit.pk, at=NOON + 2 * HOUR, on=TODAY)
    end = None if ended is None else NOON + ended * HOUR
    inside = storage.units_inside(freezer, began_at=NOON + began * HOUR, ended_at=end)
    assert inside.exists() == is_inside


def test_quality_decides_and_the_hold_is_lifted_by_that_alone(stored):
    universe, unit, _, _ = stored
    found = warm(stored)
    entry = MODELS["excursion_units"].objects.get(excursion=found)
    at = {"at": NOON + 4 * HOUR, "on": TODAY}
    with pytest.raises(RefusedError, match="is of the excursion"):
        custody.lift_hold(by=universe.quinn, hold=entry.hold_id, reason="looks fine", **at)
    asked = {"excursion": found.pk, "units": [unit.pk], "rationale": "within validated limits"}
    storage.decide_excursion(by=universe.quinn, disposition="usable", reason="within", **asked, **at)
    assert (custody.hold_of(unit, on=TODAY), fresh(unit).is_cold_chain_unbroken) == ("none", True)
    with pytest.raises(RefusedError, match="was decided on"):
        storage.decide_excursion(by=universe.quinn, disposition="discard", reason="no", **asked, **at)


def test_a_discarded_unit_stays_held(stored):
    universe, unit, _, _ = stored
    found = warm(stored)
    at = {"at": NOON + 4 * HOUR, "on": TODAY}
    asked = {"excursion": found.pk, "units": [unit.pk], "rationale": "too warm", "reason": "too warm"}
    storage.decide_excursion(by=universe.quinn, disposition="discard", **asked, **at)
    entry = MODELS["excursion_units"].objects.get(excursion=found)
    with pytest.raises(RefusedError, match="is of the excursion"):
        custody.lift_hold(by=universe.quinn, hold=entry.hold_id, reason="mistake", **at)
    assert (custody.hold_of(unit, on=TODAY), fresh(unit).is_cold_chain_unbroken) == ("quarantine", False)


def test_nothing_is_usable_while_it_is_too_warm_and_nothing_is_put_there(stored):
    universe, unit, _, box = stored
    found = warm(stored, ended_at=None)
    asked = {"excursion": found.pk, "units": [unit.pk], "rationale": "x", "reason": "x"}
    with pytest.raises(RefusedError, match="still lasts"):
        storage.decide_excursion(by=universe.quinn, disposition="usable", at=NOON, on=TODAY, **asked)
    other = universe.unit(universe.donor())
    with pytest.raises(RefusedError, match="too warm at present"):
        storage.place(by=universe.ann, box=box.pk, code=other.pk, at=NOON, on=TODAY)


def test_a_warm_reading_opens_an_excursion_since_the_last_good_one_and_a_cold_one_ends_it(stored):
    universe, unit, freezer, _ = stored

    def read(celsius, hours):
        return storage.record_temperature(
            by=universe.ann, equipment=freezer.pk, celsius=celsius, at=NOON + hours * HOUR, on=TODAY
        )

    assert read(-79.5, 0) is None
    found = read(-41.0, 8)
    assert (found.began_at, found.ended_at, found.peak_celsius) == (NOON, None, -41.0)
    assert custody.hold_of(unit, on=TODAY) == "quarantine"
    assert read(-30.0, 9).pk == found.pk
    assert read(-78.0, 10).ended_at == NOON + 10 * HOUR
    found.refresh_from_db()
    assert (found.peak_celsius, MODELS["excursions"].objects.count()) == (-30.0, 1)
    assert read(-60.0, 11) is None


def test_stock_without_a_position_is_held_when_somebody_says_so(universe):
    unit = universe.released_unit()
    freezer, _ = universe.freezer()
    rest = {"began_at": NOON, "at": NOON, "on": TODAY, "account": "power cut"}
    storage.record_excursion(by=universe.ann, equipment=freezer.pk, **rest)
    assert custody.hold_of(unit, on=TODAY) == "none"
    storage.record_excursion(by=universe.ann, equipment=freezer.pk, is_unplaced_held=True, **rest)
    assert custody.hold_of(unit, on=TODAY) == "quarantine"


# --- the life of a unit


def test_the_thaw_clock_refuses_the_issue_once_it_has_run_out(stored):
    universe, unit, _, _ = stored
    patient = universe.patient()
    custody.thaw_unit(by=universe.ann, unit=unit.pk, at=NOON + HOUR, on=TODAY)
    assert not MODELS["placements"].objects.filter(unit=unit, until_at__isnull=True).exists()
    late = {"unit": unit.pk, "patient": patient.pk, "on": TODAY}
    with pytest.raises(RefusedError, match="to be used by 19:00"):
        custody.issue_unit(by=universe.ann, at=NOON + 8 * HOUR, **late)
    with pytest.raises(RefusedError, match="its clock runs"):
        universe.session(patient, fresh(unit))
    custody.issue_unit(by=universe.ann, at=NOON + 3 * HOUR, **late)
    with pytest.raises(RefusedError, match="to be used by 19:00"):
        universe.session(patient, fresh(unit), at=NOON + 8 * HOUR)
    universe.session(patient, fresh(unit), at=NOON + 6 * HOUR)
    assert fresh(unit).custody_state == "administered"
    demand_projection_is_fold()


def test_an_unreleased_unit_is_not_thawed(universe):
    unit = universe.unit(universe.donor())
    with pytest.raises(RefusedError, match="custody is stored"):
        custody.thaw_unit(by=universe.ann, unit=unit.pk, at=NOON, on=TODAY)


def test_an_issued_unit_goes_to_that_patient_in_parts_and_to_nobody_else(universe):
    unit, patient = universe.released_unit(), universe.patient()
    custody.issue_unit(by=universe.ann, unit=unit.pk, patient=patient.pk, at=NOON, on=TODAY)
    with pytest.raises(RefusedError, match=f"issued to {patient.pk}"):
        universe.session(universe.patient(), fresh(unit))
    first = universe.session(patient, fresh(unit), fraction=0.4)
    second = universe.session(patient, fresh(unit), fraction=1)
    parts = [MODELS["session_units"].objects.get(session=s).fraction for s in (first, second)]
    assert parts == [0.4, pytest.approx(0.6)]
    assert second.dose_grams == pytest.approx(30)
    assert (fresh(unit).custody_state, fresh(unit).fraction_left) == ("administered", 0)
    demand_projection_is_fold()


def test_a_unit_recalled_after_its_issue_is_not_given(universe):
    unit, patient = universe.released_unit(), universe.patient()
    custody.issue_unit(by=universe.ann, unit=unit.pk, patient=patient.pk, at=NOON, on=TODAY)
    custody.place_hold(by=universe.quinn, kind="recall", unit=unit.pk, on=TODAY, at=NOON, reason="donor ill")
    with pytest.raises(RefusedError, match="on hold: recall"):
        universe.session(patient, fresh(unit))


def test_a_reservation_is_given_up_with_a_reason(universe):
    unit, patient = universe.released_unit(), universe.patient()
    custody.reserve_unit(by=universe.carl, unit=unit.pk, patient=patient.pk, on=TODAY)
    custody.end_reservation(by=universe.carl, unit=unit.pk, on=TODAY, reason="patient better")
    assert (fresh(unit).custody_state, fresh(unit).reserved_for) == ("released", None)
    universe.session(universe.patient(), fresh(unit))


def test_units_past_their_last_day_are_recorded_as_expired(universe):
    unit = universe.released_unit()
    assert custody.expire_units(by=universe.ann, on=unit.expires_on) == 0
    assert custody.expire_units(by=universe.otto, on=unit.expires_on + timedelta(days=1)) == 0
    assert custody.expire_units(by=universe.ann, on=unit.expires_on + timedelta(days=1)) == 1
    assert fresh(unit).custody_state == "expired"


# --- parcels, deliveries, history


def test_a_unit_sent_to_another_centre_belongs_there_once_it_is_taken_in(stored):
    universe, unit, _, _ = stored
    parcel = supply.ship_unit(by=universe.ann, unit=unit.pk, at=NOON + HOUR, on=TODAY, to_site_id="S2")
    assert not MODELS["placements"].objects.filter(unit=unit, until_at__isnull=True).exists()
    arrival = {"shipment": parcel.pk, "at": NOON + 5 * HOUR, "on": TODAY}
    with pytest.raises(RefusedError, match="goes to S2"):
        supply.receive_shipment(by=universe.ann, is_cold_chain_unbroken=True, **arrival)
    supply.receive_shipment(by=universe.otto, is_cold_chain_unbroken=True, **arrival)
    assert (fresh(unit).site_id, fresh(unit).custody_state) == ("S2", "released")
    with pytest.raises(RefusedError, match="was received"):
        supply.receive_shipment(by=universe.otto, is_cold_chain_unbroken=True, **arrival)
    universe.session(universe.patient(by=universe.otto, site="S2"), fresh(unit), by=universe.otto)
    demand_projection_is_fold()


@pytest.mark.parametrize("kept", [None, False])
def test_a_unit_whose_temperature_was_not_kept_is_held_on_arrival(stored, kept):
    universe, unit, _, _ = stored
    parcel = supply.ship_unit(by=universe.ann, unit=unit.pk, at=NOON + HOUR, on=TODAY, to_site_id="S2")
    supply.receive_shipment(
        by=universe.otto, shipment=parcel.pk, at=NOON + 5 * HOUR, on=TODAY, is_cold_chain_unbroken=kept
    )
    assert custody.hold_of(fresh(unit), on=TODAY) == "quarantine"


@pytest.mark.parametrize("to", [{}, {"to_site_id": "S2", "to_place": "elsewhere"}, {"to_site_id": "S1"}])
def test_a_parcel_goes_to_one_other_place(stored, to):
    universe, unit, _, _ = stored
    with pytest.raises(CommensalError):
        supply.ship_unit(by=universe.ann, unit=unit.pk, at=NOON, on=TODAY, **to)
    assert fresh(unit).custody_state == "released"


def delivery(universe, **more):
    known = {
        "site_id": "S1",
        "product": "live_biotherapeutic_oral",
        "supplier": "a supplier",
        "supplier_lot": "L7",
        "certificate": "C-7",
        "n_units": 2,
        "n_capsules": 12,
        "received_on": TODAY,
        "expires_on": TODAY + timedelta(days=300),
        "is_accepted": True,
    }
    return supply.receive_delivery(by=universe.ann, **{**known, **more})


def test_a_suppliers_product_is_released_by_its_certificate_and_a_second_person(universe):
    delivery(universe)
    first, second = MODELS["units"].objects.filter(supplier_lot="L7").order_by("pk")
    checks = {"is_label_verified": True, "is_cold_chain_unbroken": True}
    material.verify_unit(by=universe.ann, unit=first.pk, **checks)
    material.release_unit(by=universe.ann, unit=first.pk, signer=universe.quinn, on=TODAY)
    universe.session(universe.patient(), fresh(first), route="oral_capsule_lyophilised")
    material.verify_unit(by=universe.ann, unit=second.pk, has_supplier_certificate=None, **checks)
    with pytest.raises(RefusedError, match="not released"):
        material.release_unit(by=universe.ann, unit=second.pk, signer=universe.quinn, on=TODAY)


@pytest.mark.parametrize("accepted", [False, None])
def test_a_delivery_that_is_not_accepted_makes_no_units(universe, accepted):
    delivery(universe, is_accepted=accepted)
    assert (MODELS["receipts"].objects.count(), MODELS["units"].objects.count()) == (1, 0)


def test_historical_material_is_traced_and_never_issued(universe):
    patient, donor = universe.patient(), universe.donor()
    unit = supply.add_historical_unit(
        by=universe.ann,
        site_id="S1",
        patient=patient.pk,
        donor=donor.pk,
        on=DONATED,
        product="frozen_suspension",
    )
    assert (unit.custody_state, unit.release_pathway) == ("administered", "historical")
    with pytest.raises(RefusedError, match="historical"):
        universe.session(patient, fresh(unit))
    demand_projection_is_fold()
