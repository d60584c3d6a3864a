"""Every page, for every role, at both centres; and the paths through the forms."""

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import get_resolver, reverse
from django.utils import timezone
from universe import PASSWORD, TODAY

from commensal.registry.actions import care, custody
from commensal.registry.actions.accounts import close_account
from commensal.registry.forms import make_form
from commensal.registry.models import MODELS
from commensal.registry.worklists import Followed, closed_patients, due_visits
from commensal.study.inputs import INPUTS

pytestmark = pytest.mark.slow


@pytest.fixture
def rows(given):
    """One row of each kind, and the id each address asks for."""
    universe, unit, patient, _ = given
    visit = care.add_visit(by=universe.ann, patient=patient.pk, visited_on=TODAY, status="attended")
    donor = MODELS["donors"].objects.get()
    hold = custody.place_hold(
        by=universe.ann,
        kind="quarantine",
        donor=donor.pk,
        on=TODAY,
        at=datetime(2026, 6, 1, tzinfo=UTC),
        reason="cough",
    )
    keys = {
        "donors": donor.pk,
        "donations": MODELS["donations"].objects.get().pk,
        "units": unit.pk,
        "holds": hold.pk,
        "custody": MODELS["custody"].objects.order_by("sequence").last().pk,
        "patients": patient.pk,
        "visits": visit.pk,
        "results": MODELS["screenings"].objects.first().pk,
    }
    return universe, keys


def addresses(keys):
    """Every address of the site, filled with the rows' ids."""
    found = {}
    for pattern in get_resolver().url_patterns:
        room = str(pattern.pattern).split("/")[0]
        arguments = {}
        for name in pattern.pattern.converters:
            arguments[name] = {"pk": keys.get(room), "table": "diagnoses", "code": "pain_nrs"}[name]
        if room == "history":
            arguments = {"table": "units", "pk": keys["units"]}
        found[pattern.name] = reverse(pattern.name, kwargs=arguments)
    found["choose-instrument"] += "?instrument=pain_nrs"
    return found


def test_nothing_is_shown_without_signing_in(rows, client):
    for name, address in addresses(rows[1]).items():
        answer = client.get(address)
        if name == "sign-in":
            assert answer.status_code == 200
        else:
            assert answer.status_code in (302, 405), name
            assert answer.status_code == 405 or answer.url.startswith("/sign-in"), name


def test_every_page_opens_for_a_person_of_the_centre(rows, client):
    universe, keys = rows
    client.force_login(universe.ann)
    for name, address in addresses(keys).items():
        if name in ("sign-out", "sign-in"):
            continue
        answer = client.get(address, follow=True)
        assert answer.status_code == 200, name
        assert b"<h1>" in answer.content, name
        assert "no-store" in answer["Cache-Control"], name
        assert "default-src 'self'" in answer["Content-Security-Policy"], name


def test_no_page_shows_a_row_of_another_centre(rows, client):
    universe, keys = rows
    client.force_login(universe.otto)
    for name, address in addresses(keys).items():
        if name in ("sign-out", "sign-in", "choose-instrument"):
            continue
        answer = client.get(address)
        if any(key in address for key in keys.values()):
            assert answer.status_code == 404, name
        else:
            assert answer.status_code == 200, name
            assert keys["patients"].encode() not in answer.content, name
            assert keys["donors"].encode() not in answer.content, name
    for start, table in (("unit", "units"), ("donor", "donors"), ("patient", "patients")):
        assert client.get(f"/trace?{start}={keys[table]}").status_code == 404


def test_signing_in_with_a_wrong_password_fails(universe, client):
    address = reverse("sign-in")
    assert client.post(address, {"username": "ann", "password": "wrong"}).status_code == 200
    assert client.post(address, {"username": "ann", "password": PASSWORD}).status_code == 302


def test_a_closed_account_cannot_sign_in(universe, client):
    close_account(by=universe.quinn, username="carl", reason="left")
    client.post(reverse("sign-in"), {"username": "carl", "password": PASSWORD})
    assert client.get("/").status_code == 302


def test_a_coordinator_who_decides_on_a_donor_is_told_no(universe, client):
    donor = universe.donor()
    client.force_login(universe.carl)
    answer = client.post(
        reverse("decide-donor", args=[donor.pk]), {"status": "excluded", "reason": "because"}
    )
    assert answer.status_code == 403


def test_a_parenteral_route_posted_by_hand_is_refused(universe, client, monkeypatch):
    monkeypatch.setattr(timezone, "localdate", lambda: TODAY)
    unit, patient = universe.released_unit(), universe.patient()
    client.force_login(universe.ann)
    answer = client.post(
        reverse("add-session", args=[patient.pk]),
        {
            "unit": unit.pk,
            "route": "intravenous",
            "administered_on": TODAY,
            "fraction": 1,
            "purpose": "induction",
        },
    )
    assert answer.status_code == 422
    assert not MODELS["sessions"].objects.exists()


def test_a_signature_with_a_wrong_password_releases_nothing(universe, client):
    unit = universe.unit(universe.donor())
    client.force_login(universe.ann)
    answer = client.post(
        reverse("release", args=[unit.pk]), {"signer": "quinn", "password": "not the password"}
    )
    assert answer.status_code == 422
    assert b"signature was not accepted" in answer.content


def test_lists_go_on_page_by_page(universe, client):
    for _ in range(60):
        universe.patient()
    client.force_login(universe.ann)
    first = client.get(reverse("patients")).content.decode()
    second = client.get(reverse("patients") + "?before=P0011").content.decode()
    assert first.count("/patients/P") == 50
    assert second.count("/patients/P") == 10
    assert "?before=P0011" in first


@pytest.mark.parametrize("table", ["patients", "donors", "donations", "units", "sessions", "visits"])
def test_every_form_field_has_a_label_and_starts_unanswered(table):
    form = make_form(table, [c.name for c in INPUTS[table].declared if not c.references])()
    for field in form:
        assert field.label
        assert field.value() is None


def test_what_is_recorded_has_happened():
    tomorrow = timezone.localdate() + timedelta(days=1)
    form = make_form("sessions", ["administered_on"])({"administered_on": tomorrow})
    assert "future" in str(form.errors)
    assert make_form("units", ["expires_on"])({"expires_on": tomorrow}).is_valid()


def followed(days, **more):
    return Followed("P1", TODAY - timedelta(days=days), "prospective", **more)


@pytest.mark.parametrize(
    ("patient", "expected"),
    [
        (followed(0), []),
        (followed(60), ["W4", "W8", "W1"]),
        (followed(60, recorded=frozenset({"W1", "W4"})), ["W8"]),
        (followed(60, is_closed=True), []),
        (followed(365), ["Y1"]),
        (followed(1826), ["Y5"]),
        (Followed("P1", None, "prospective"), []),
    ],
)
def test_what_is_due_depends_on_dates_and_records(patient, expected):
    assert sorted(d.visit for d in due_visits([patient], on=TODAY)) == sorted(expected)


def test_the_dead_the_lost_and_the_withdrawn_are_left_in_peace():
    row = {"patient_id": "P1", "withdrawal_level": None}
    assert closed_patients([{**row, "kind": "death"}])
    assert closed_patients([{**row, "kind": "withdrawal", "withdrawal_level": "W2"}])
    assert not closed_patients([{**row, "kind": "withdrawal", "withdrawal_level": "W1"}])
    assert not closed_patients([{**row, "kind": "last_contact"}])
