"""What patients report by link: who may make one, when it is closed, what lands in the registry."""

import dataclasses
import re
from datetime import date, timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from commensal.errors import CommensalError, InputError, RefusedError
from commensal.registry import audit
from commensal.registry.actions import care, consents, reported
from commensal.registry.models import MODELS
from commensal.vocabulary.instruments.declaration import instrument

pytestmark = pytest.mark.slow


def a_link(universe, patient, *, instruments=("pain_nrs", "wexner"), **more):
    more = more or {"due": "M3"}
    made, token = reported.make_link(by=universe.carl, patient=patient.pk, instruments=instruments, **more)
    return made, f"/answers/{token}", token


def answer(client, address, *, page, do="next", **given):
    return client.post(address, {"page": page, "do": do, **given})


def rows_of(patient):
    found = MODELS["assessments"].objects.filter(patient=patient).order_by("instrument", "item")
    return [(r.instrument, r.item, r.occurrence, r.value) for r in found]


def test_answers_are_kept_at_every_page_sent_once_and_land_as_a_visit(universe):
    patient, phone = universe.patient(), Client()
    made, address, token = a_link(universe, patient)
    assert answer(phone, address, page=1, pain="0").url == f"{address}?page=2"
    assert answer(Client(), address, page=2, frequency="3", straining="").url == f"{address}?page=3"
    assert "1 of 8 answered" in phone.get(f"{address}?page=3").content.decode()
    shown = phone.get(f"{address}?page=2").content.decode()
    assert re.findall(r'name="(\w+)" value="(\d+)"[^>]* checked', shown) == [("frequency", "3")]
    assert rows_of(patient) == []
    assert phone.post(address, {"do": "send"}).url == address
    assert rows_of(patient) == [("pain_nrs", "pain", 1, 0.0), ("wexner", "frequency", 1, 3.0)]
    visit = MODELS["visits"].objects.get(patient=patient)
    assert (visit.visit, visit.mode, visit.status) == ("M3", "questionnaire", "attended")
    assert visit.visited_on == timezone.localdate()
    assert "have been sent" in phone.get(f"{address}?page=1").content.decode()
    assert answer(phone, address, page=1, pain="9").status_code == 410
    assert phone.post(address, {"do": "send"}).status_code == 410
    assert len(rows_of(patient)) == 2
    link = MODELS["report_links"].objects.get()
    assert (link.visit_id, link.draft) == (visit.pk, None)
    trail = MODELS["report_links"]._meta.apps.get_model("registry", "Audit").objects
    assert set(trail.filter(tbl="assessments").values_list("actor", flat=True)) == {f"link {made.pk}"}
    with pytest.raises(RefusedError):
        reported.send_answers(token)


def test_nothing_that_names_the_patient_stands_in_the_link_or_its_pages(universe):
    patient = universe.patient()
    made, address, token = a_link(universe, patient)
    phone = Client()
    pages = [phone.get(f"{address}?page={n}") for n in range(4)]
    text = address + "".join(page.content.decode() for page in pages)
    for secret in (patient.pk, made.pk, "1980", "North", "S1"):
        assert not re.search(rf"(?<![\w-]){secret}(?![\w-])", text), secret
    assert all(page.headers["Cache-Control"] == "no-store" for page in pages)
    assert token not in str(MODELS["report_links"].objects.values().get())
    assert len(token) >= 22


def test_a_link_holds_no_session_and_opens_nothing_else(universe):
    _, address, _ = a_link(universe, universe.patient())
    phone = Client()
    phone.get(address)
    assert phone.get("/patients/P0001/").status_code == 302
    assert "sessionid" not in phone.cookies


def test_sending_nothing_is_refused_and_a_wrong_number_comes_back(universe):
    patient, phone = universe.patient(), Client()
    _, address, _ = a_link(universe, patient, instruments=["csbm_diary"])
    assert phone.post(address, {"do": "send"}).status_code == 422
    assert answer(phone, address, page=1, days_recorded="2", csbm_count="3").status_code == 422
    assert answer(phone, address, page=1, days_recorded="7", csbm_count="3", do="back").status_code == 302
    phone.post(address, {"do": "send"})
    assert [(item, value) for _, item, _, value in rows_of(patient)] == [
        ("csbm_count", 3.0),
        ("days_recorded", 7.0),
    ]


def ended(universe, patient, kind, level=None):
    on = timezone.localdate()
    if level:
        consents.withdraw_patient(by=universe.ann, patient=patient.pk, level=level, on=on, reason="wish")
        return
    values = {"kind": kind, "occurred_on": on}
    care.add_record(by=universe.ann, table="dispositions", patient=patient.pk, values=values)


@pytest.mark.parametrize(
    ("kind", "level", "status"),
    [
        ("death", None, 410),
        ("withdrawal", "W2", 410),
        ("withdrawal", "W3", 410),
        ("withdrawal", "W4", 410),
        ("withdrawal", "W1", 302),
        ("lost_to_follow_up", None, 302),
    ],
)
def test_a_link_dies_with_withdrawal_and_death(universe, kind, level, status):
    patient, phone = universe.patient(), Client()
    _, address, token = a_link(universe, patient)
    answer(phone, address, page=1, pain="5")
    ended(universe, patient, kind, level)
    assert answer(phone, address, page=1, pain="6").status_code == status
    assert phone.post(address, {"do": "send"}).status_code == status
    assert bool(rows_of(patient)) == (status == 302)
    if status == 410:
        with pytest.raises(RefusedError, match="closed"):
            reported.send_answers(token)
        with pytest.raises(CommensalError):
            a_link(universe, patient, due="Y1")


def test_a_link_that_expired_or_was_taken_back_is_closed(universe):
    patient, phone = universe.patient(), Client()
    made, address, _ = a_link(universe, patient)
    answer(phone, address, page=1, pain="5")
    with pytest.raises(RefusedError, match="open link asks it"):
        a_link(universe, patient)
    reported.revoke_link(by=universe.carl, report_link=made.pk)
    assert phone.get(address).status_code == 410
    assert MODELS["report_links"].objects.get().draft is None
    second, address, _ = a_link(universe, patient)
    with audit.acting("test", reason="time passes"):
        late = timezone.now() - timedelta(seconds=1)
        MODELS["report_links"].objects.filter(pk=second.pk).update(expires_at=late)
    assert phone.get(address).status_code == 410


def test_what_is_not_for_patients_is_refused(universe):
    patient = universe.patient()
    for code in ("ibs_sss", "eq_5d_5l", "mayo", "crp"):
        with pytest.raises(RefusedError, match="not shown to patients"):
            a_link(universe, patient, instruments=[code])
    with pytest.raises(InputError, match="at your centres"):
        reported.make_link(by=universe.otto, patient=patient.pk, instruments=["pgic"], due="M3")


def test_answers_of_a_visit_that_took_place_do_not_overwrite_what_staff_recorded(universe):
    patient, phone = universe.patient(), Client()
    visit = care.add_visit(
        by=universe.ann, patient=patient.pk, visit="M3", visited_on=date(2026, 5, 1), status="attended"
    )
    _, address, _ = a_link(universe, patient, instruments=["pain_nrs"], visit=visit.pk)
    answer(phone, address, page=1, pain="5")
    care.assess(by=universe.ann, visit=visit.pk, code="pain_nrs", answers={"pain": 2.0})
    phone.post(address, {"do": "send"})
    assert rows_of(patient) == [("pain_nrs", "pain", 1, 2.0), ("pain_nrs", "pain", 2, 5.0)]
    assert MODELS["visits"].objects.count() == 1
    with pytest.raises(RefusedError, match="recorded for this visit"):
        a_link(universe, patient, instruments=["pain_nrs"], visit=visit.pk)


def test_who_guesses_is_slowed_and_who_holds_a_link_is_not(universe):
    cache.clear()
    _, address, _ = a_link(universe, universe.patient())
    phone = Client()
    codes = [phone.get("/answers/not-a-link").status_code for _ in range(35)]
    assert codes[0] == 404
    assert codes[-1] == 429
    assert phone.get(address).status_code == 200
    assert 429 in [phone.get(address).status_code for _ in range(65)]
    cache.clear()


def test_a_coordinator_makes_a_link_in_the_browser_and_takes_it_back(universe):
    patient, desk = universe.patient(), Client()
    desk.force_login(universe.carl)
    form = {"visit": "due:M3", "instruments": ["pgic"], "days": 7}
    made = desk.post(f"/patients/{patient.pk}/links/new", form).content.decode()
    address = re.search(r"<code>http://testserver(/answers/[\w-]+)</code>", made).group(1)
    assert Client().get(address).status_code == 200
    listed = desk.get(f"/patients/{patient.pk}/links").content.decode()
    assert "not begun" in listed
    assert address.split("/")[-1] not in listed
    link = MODELS["report_links"].objects.get()
    assert desk.post(f"/report-links/{link.pk}/revoke").status_code == 302
    assert Client().get(address).status_code == 410


def test_an_adults_instrument_is_not_sent_to_a_child(universe, monkeypatch):
    adult = dataclasses.replace(instrument("pgic"), age_from=18)
    monkeypatch.setattr(reported, "instrument", lambda code: adult)
    values = {"site_id": "S1", "arm": "fmt", "indication": "rcdi"}
    child = care.add_patient(by=universe.ann, born_on=date(2020, 1, 1), **values)
    with pytest.raises(InputError, match="age"):
        a_link(universe, child, instruments=["pgic"])
    assert a_link(universe, universe.patient(), instruments=["pgic"])
