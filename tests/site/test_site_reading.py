"""Who opened whose record is recorded with the page, or the page does not go out."""

import statistics
import time

import pytest
from django.test import Client
from django.urls import reverse
from universe import TODAY

from commensal.errors import InputError
from commensal.registry.actions import care
from commensal.registry.actions.reading import record_export, record_reads
from commensal.registry.models import MODELS

pytestmark = pytest.mark.slow


def looks():
    rows = MODELS["accesses"].objects.order_by("seen_at")
    return [(r.actor, r.kind, r.page, r.patient_id or r.donor_id, r.site_id) for r in rows]


def test_opening_a_record_is_recorded(given, client):
    universe, _, patient, _ = given
    donor = MODELS["donors"].objects.get()
    visit = care.add_visit(by=universe.ann, patient=patient.pk, visited_on=TODAY, status="attended")
    client.force_login(universe.carl)
    for address in (
        reverse("patient", args=[patient.pk]),
        reverse("donor", args=[donor.pk]),
        reverse("visit", args=[visit.pk]),
        reverse("trace") + f"?patient={patient.pk}",
        reverse("history", args=["patients", patient.pk]),
    ):
        assert client.get(address).status_code == 200, address
    assert looks() == [
        ("carl", "page", "patient", patient.pk, "S1"),
        ("carl", "page", "donor", donor.pk, "S1"),
        ("carl", "page", "visit", patient.pk, "S1"),
        ("carl", "page", "trace", patient.pk, "S1"),
        ("carl", "page", "history", patient.pk, "S1"),
    ]


def test_what_is_refused_or_shows_nobody_is_not_recorded(given, client):
    universe, _, patient, _ = given
    client.force_login(universe.otto)
    client.get(reverse("patient", args=[patient.pk]))
    client.get(reverse("patients"))
    assert looks() == []


def test_a_page_that_cannot_be_recorded_is_not_shown(given, monkeypatch):
    universe, _, patient, _ = given

    def broken(**_):
        raise OSError("disk full")

    monkeypatch.setattr("commensal.registry.middleware.record_reads", broken)
    client = Client(raise_request_exception=False)
    client.force_login(universe.carl)
    answer = client.get(reverse("patient", args=[patient.pk]))
    assert answer.status_code == 500
    assert patient.pk.encode() not in answer.content


def test_an_export_states_its_purpose(universe):
    with pytest.raises(InputError, match="purpose"):
        record_export(by=universe.ann, page="odm", n_rows=3, purpose=" ")
    record_export(by=universe.ann, page="odm", n_rows=3, purpose="yearly report")
    row = MODELS["accesses"].objects.get()
    assert (row.kind, row.n_rows, row.purpose, row.site_id) == ("export", 3, "yearly report", "S1")


def test_looks_are_searched_by_those_who_oversee(given, client):
    universe, _, patient, _ = given
    other = universe.patient()
    for actor, pk in [("carl", patient.pk)] * 60 + [("quinn", other.pk)]:
        record_reads(actor=actor, page="patient", people={("patient_id", pk): "S1"})
    address = reverse("accesses")
    client.force_login(universe.carl)
    assert client.get(address).status_code == 403
    client.force_login(universe.quinn)
    of_quinn = client.get(address, {"account": "quinn"}).content.decode()
    assert other.pk in of_quinn
    assert patient.pk not in of_quinn
    first = client.get(address, {"person": patient.pk})
    assert first.content.decode().count("<td>carl</td>") == 50
    second = client.get(address, {"person": patient.pk, "before": first.context["next"]})
    assert second.content.decode().count("<td>carl</td>") == 10
    client.force_login(universe.otto)
    assert "carl" not in client.get(address).content.decode()


@pytest.mark.parametrize("place", ["x", "2026-13-01~a", "2026-01-01~a", "~", "2026-01-01T00:00:00Z~a\0b"])
def test_a_place_that_is_none_is_the_beginning(universe, client, place):
    client.force_login(universe.quinn)
    assert client.get(reverse("accesses"), {"before": place}).status_code == 200


def test_recording_costs_little(universe):
    patient = universe.patient()
    spent = []
    for _ in range(60):
        began = time.thread_time()
        record_reads(actor="carl", page="patient", people={("patient_id", patient.pk): "S1"})
        spent.append(time.thread_time() - began)
    assert statistics.median(spent) < 0.005
