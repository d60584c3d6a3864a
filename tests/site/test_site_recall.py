"""From the alarm to the signed end of a recall; a drill; what proposes one by itself."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from universe import PASSWORD, TODAY

from commensal.errors import InputError, RefusedError
from commensal.registry.actions import care, custody, material, recall
from commensal.registry.audit import acting
from commensal.registry.models import MODELS
from commensal.registry.recalling import clusters_of_donors, proposals

pytestmark = pytest.mark.slow
NOW = datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=UTC)


@pytest.fixture
def alarm(given):
    """A patient with a suspected infection; the donor has three further units in stock."""
    universe, unit, patient, _ = given
    donor = MODELS["unit_donors"].objects.get(unit=unit).donor
    universe.unit(donor, n=3)
    event = care.add_record(
        by=universe.ann,
        table="adverse_events",
        patient=patient.pk,
        values={"term": "ae16", "began_on": TODAY},
    )
    return universe, unit, patient, donor, event


def opened(universe, donor, *, by=None, **more):
    values = {
        "kind": "infection_suspected",
        "severity": "critical",
        "account": "culture grew",
        "detected_at": NOW - timedelta(hours=1),
        "at": NOW,
        "on": TODAY,
        **more,
    }
    return recall.open_recall(by=by or universe.ann, start="donor", pk=donor.pk, **values)


def test_an_event_proposes_a_recall_by_itself_until_somebody_decides(alarm):
    universe, _, _, donor, event = alarm
    found = proposals(sites=["S1"])
    assert [(p["event"].pk, p["donors"]) for p in found] == [(event.pk, [donor.pk])]
    assert proposals(sites=["S2"]) == []
    client = Client()
    client.force_login(universe.carl)
    assert f"adverse_event={event.pk}" in client.get("/").content.decode()
    opened(universe, donor, adverse_event=event.pk, mode="drill")
    assert len(proposals(sites=["S1"])) == 1, "a drill decides nothing"
    with pytest.raises(InputError, match="no reason"):
        recall.rule_no_recall(by=universe.quinn, adverse_event=event.pk, note="x", at=NOW)
    recall.rule_no_recall(
        by=universe.quinn, adverse_event=event.pk, note="another source", reason="another source", at=NOW
    )
    assert proposals(sites=["S1"]) == []


def test_two_recipients_of_one_donor_are_a_cluster(alarm):
    universe, _, _, donor, _ = alarm
    assert clusters_of_donors(sites=["S1"]) == []
    other = universe.patient()
    second = universe.unit(donor)
    material.release_unit(by=universe.ann, unit=second.pk, signer=universe.quinn, on=TODAY)
    universe.session(other, second)
    care.add_record(
        by=universe.ann,
        table="adverse_events",
        patient=other.pk,
        values={"term": "ae15", "began_on": TODAY},
    )
    (found,) = clusters_of_donors(sites=["S1"])
    assert (found["donor"], len(found["patients"])) == (donor.pk, 2)


def test_a_recall_holds_at_once_lists_and_is_closed_only_when_nothing_is_open(alarm):
    universe, unit, patient, donor, event = alarm
    row = opened(universe, donor, adverse_event=event.pk)
    row.refresh_from_db()
    assert (row.n_units, row.n_accounted, row.n_patients) == (4, 4, 1)
    in_stock = MODELS["units"].objects.exclude(pk=unit.pk)
    assert {custody.hold_of(u, on=TODAY) for u in in_stock} == {"recall"}
    assert MODELS["holds"].objects.filter(donor=donor, kind="recall").exists()
    closing = {
        "recall": row.pk,
        "signer": universe.quinn,
        "finding": "strain differs",
        "at": NOW,
        "on": TODAY,
    }
    with pytest.raises(RefusedError, match="1 open"):
        recall.close_recall(by=universe.quinn, **closing)
    entry = MODELS["recall_patients"].objects.get(patient=patient)
    for outcome in ("no_answer", "well"):
        recall.record_contact(
            by=universe.carl,
            recall_patient=entry.pk,
            contacted_at=NOW + timedelta(hours=1 + (outcome == "well")),
            way="telephone",
            outcome=outcome,
        )
        if outcome == "no_answer":
            with pytest.raises(RefusedError, match="1 open"):
                recall.close_recall(by=universe.quinn, **closing)
    with pytest.raises(PermissionDenied):
        recall.close_recall(by=universe.carl, **closing | {"signer": universe.carl})
    closed = recall.close_recall(by=universe.quinn, **closing)
    assert (closed.closed_by, closed.finding) == ("quinn", "strain differs")
    with pytest.raises(RefusedError, match="was closed"):
        recall.look_again(by=universe.quinn, recall=row.pk, at=NOW, on=TODAY)
    assert {custody.hold_of(u, on=TODAY) for u in in_stock} == {"recall"}, "quality lifts holds, nobody else"


def test_what_is_recorded_after_the_opening_is_found_before_the_end(alarm):
    universe, _, patient, donor, _ = alarm
    row = opened(universe, donor)
    late = universe.unit(donor)
    entry = MODELS["recall_patients"].objects.get(patient=patient)
    recall.record_contact(
        by=universe.carl, recall_patient=entry.pk, contacted_at=NOW, way="visit", outcome="well"
    )
    with pytest.raises(RefusedError, match="1 more"):
        recall.close_recall(
            by=universe.quinn, recall=row.pk, signer=universe.quinn, finding="x", at=NOW, on=TODAY
        )
    assert recall.look_again(by=universe.quinn, recall=row.pk, at=NOW, on=TODAY) == 1
    assert MODELS["holds"].objects.filter(unit=late, kind="recall").exists()


def test_a_drill_holds_nothing_and_keeps_its_result(alarm):
    universe, _, _, donor, _ = alarm
    row = opened(universe, donor, mode="drill")
    row.refresh_from_db()
    assert not MODELS["holds"].objects.exists()
    assert (row.n_units, row.n_accounted, row.held_at) == (4, 4, None)
    assert row.seconds_to_list > 0
    entry = MODELS["recall_patients"].objects.get()
    with pytest.raises(RefusedError, match="in a drill"):
        recall.record_contact(
            by=universe.carl, recall_patient=entry.pk, contacted_at=NOW, way="visit", outcome="well"
        )
    recall.close_recall(
        by=universe.quinn, recall=row.pk, signer=universe.quinn, finding="works", at=NOW, on=TODAY
    )


def test_each_centre_closes_its_own_part(alarm):
    universe, _, _, donor, _ = alarm
    away = universe.unit(universe.donor(by=universe.otto, site="S2"), by=universe.otto, site="S2")
    with acting("setup", reason="pooled"):
        MODELS["unit_donors"].objects.create(unit=away, donor_id=donor.pk)
    row = opened(universe, donor)
    sister = MODELS["recalls"].objects.get(origin=row)
    assert (sister.site_id, sister.donor_id, sister.n_units) == ("S2", None, 1)
    assert custody.hold_of(away, on=TODAY) == "recall"
    assert not MODELS["recall_units"].objects.filter(recall=row, unit=away).exists()
    client = Client()
    client.force_login(universe.otto)
    assert away.pk in client.get(f"/recalls/{sister.pk}/").content.decode()
    assert client.get(f"/recalls/{row.pk}/").status_code == 404


def test_a_recall_is_opened_followed_and_closed_on_its_pages(alarm):
    universe, _, patient, donor, event = alarm
    client, quality = Client(), Client()
    client.force_login(universe.ann)
    quality.force_login(universe.quinn)
    typed = {
        "start": "donor",
        "pk": donor.pk,
        "kind": "infection_suspected",
        "severity": "critical",
        "detected_at": NOW.strftime("%Y-%m-%dT%H:%M"),
        "account": "culture grew",
        "mode": "recall",
    }
    answer = client.post(f"/recalls/new?adverse_event={event.pk}", typed)
    page = client.get(answer["Location"]).content.decode()
    assert patient.pk in page
    assert "held" in page
    refused = quality.post(f"{answer['Location']}close", {"finding": "none", "password": PASSWORD})
    assert (refused.status_code, b"not contacted to an end" in refused.content) == (422, True)
    entry = MODELS["recall_patients"].objects.get()
    tried = {"contacted_at": typed["detected_at"], "way": "telephone", "outcome": "well"}
    assert client.post(f"/recall_patients/{entry.pk}/contact", tried).status_code == 302
    wrong = quality.post(f"{answer['Location']}close", {"finding": "none", "password": "guess"})
    assert wrong.status_code == 422
    assert (
        quality.post(f"{answer['Location']}close", {"finding": "n", "password": PASSWORD}).status_code == 302
    )
    assert MODELS["recalls"].objects.get().closed_by == "quinn"
