"""The vault, consents and withdrawals, files: by actions and in the pages."""

import json
from datetime import date, timedelta

import polars as pl
import pytest
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone
from universe import TODAY

from commensal.errors import InputError, RefusedError
from commensal.registry import files
from commensal.registry.actions import care, consents, people
from commensal.registry.freezing import freeze_rows
from commensal.registry.models import MODELS
from commensal.registry.people_lists import left_in_peace, patients_to_ask
from commensal.registry.rows import all_frames
from commensal.registry.vault import VaultLockedError
from commensal.registry.withheld import withhold
from commensal.study.check import check

pytestmark = pytest.mark.slow
NAME, NUMBER = "Quinn Example-Person", "7700-1234"
PDF = b"%PDF-1.4\nsynthetic\n%%EOF\n"
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def own_folder(settings, tmp_path):
    settings.FOLDER = tmp_path / "registry"
    settings.FOLDER.mkdir()


def enter(universe, patient, *, by=None, **values):
    values = values or {"names": NAME, "national_number": NUMBER}
    return people.enter_identity(by=by or universe.ann, patient=patient.pk, **values)


def everything_stored():
    """Every value of every table, the audit trail with it, as one text."""
    rows = [list(model.objects.values_list()) for model in MODELS.values()]
    from commensal.registry.models import Audit

    return json.dumps([rows, list(Audit.objects.values_list())], default=str)


# --- the vault


def test_an_identity_is_kept_sealed_and_opened_for_a_purpose_that_is_recorded(universe, tmp_path):
    patient = universe.patient()
    assert enter(universe, patient) == []
    stored = everything_stored()
    assert NAME not in stored
    assert NUMBER not in stored
    assert "7700" not in stored
    shown = people.open_identity(by=universe.ann, patient=patient.pk, purpose="contact")
    assert shown == {"names": NAME, "national_number": NUMBER}
    look = MODELS["accesses"].objects.get(kind="vault")
    assert (look.actor, look.patient_id, look.purpose) == ("ann", patient.pk, "contact")
    freeze_rows(tmp_path / "study", on=TODAY)
    frozen = b"".join(p.read_bytes() for p in (tmp_path / "study").rglob("*") if p.is_file())
    assert NAME.encode() not in frozen
    assert "identities" not in [p.stem for p in (tmp_path / "study").iterdir()]


def test_without_a_purpose_another_centre_or_another_role_nobody_opens_it(universe):
    patient = universe.patient()
    enter(universe, patient)
    with pytest.raises(InputError, match="no purpose"):
        people.open_identity(by=universe.ann, patient=patient.pk, purpose=" ")
    with pytest.raises(InputError, match="at your centres"):
        people.open_identity(by=universe.otto, patient=patient.pk, purpose="contact")
    with pytest.raises(PermissionDenied):
        people.open_identity(by=universe.quinn, patient=patient.pk, purpose="contact")
    assert not MODELS["accesses"].objects.filter(kind="vault").exists()


def test_a_lost_key_is_said_clearly_and_no_new_one_reads_or_writes(universe):
    patient = universe.patient()
    enter(universe, patient)
    (settings.FOLDER / "vault_key").unlink()
    with pytest.raises(VaultLockedError, match="not in registry/vault_key"):
        people.open_identity(by=universe.ann, patient=patient.pk, purpose="contact")
    with pytest.raises(VaultLockedError):
        enter(universe, universe.patient())
    assert not (settings.FOLDER / "vault_key").exists()
    settings.VAULT_KEY = "A" * 43 + "="
    with pytest.raises(VaultLockedError, match="not the one that sealed"):
        enter(universe, universe.patient())


def test_the_same_person_is_found_across_cohorts_and_centres_without_being_told(universe):
    first = universe.patient()
    enter(universe, first)
    second = universe.patient()
    found = enter(universe, second, names="EXAMPLE PERSON, quinn")
    assert [(m.other_person, m.agrees) for m in found] == [
        (f"patient {first.pk}", ("name and date of birth",))
    ]
    elsewhere = universe.patient(by=universe.otto, site="S2")
    (match, _) = enter(universe, elsewhere, by=universe.otto, names=NAME, national_number=NUMBER)
    assert match.other_person == ""
    assert first.pk not in repr(match)
    assert len(people.open_pairs(sites=["S1"])) == 3
    assert all(not m.other_person for m in people.open_pairs(sites=["S2"]))


def test_hospital_numbers_of_two_centres_say_nothing(universe):
    enter(universe, universe.patient(), hospital_number="17")
    other = universe.patient(by=universe.otto, site="S2")
    assert enter(universe, other, by=universe.otto, hospital_number="17") == []


def test_a_corrected_date_of_birth_moves_the_marks(universe):
    first, second = universe.patient(), universe.patient()
    enter(universe, first, names=NAME)
    assert enter(universe, second, names=NAME)
    people.correct_patient(by=universe.ann, patient=second.pk, born_on=date(1981, 2, 3), reason="wrong year")
    assert people.open_pairs(sites=["S1"]) == []


def test_a_ruling_is_recorded_counts_and_stands_in_the_freeze(universe, tmp_path):
    first, second = universe.patient(), universe.patient()
    enter(universe, first)
    (match,) = enter(universe, second)
    rule = {"by": universe.ann, "identity": match.identity_id, "other": match.other}
    people.rule_pair(**rule, ruling="different_people", reason="twins")
    assert people.open_pairs(sites=["S1"]) == []
    people.rule_pair(**rule, ruling="same_person", reason="not twins after all")
    assert people.people_twice() == [(f"patient {first.pk}", f"patient {second.pk}")]
    notes = freeze_rows(tmp_path / "study", on=TODAY).manifest.notes
    assert any(first.pk in note and second.pk in note for note in notes)
    with pytest.raises(InputError, match="do not agree"):
        people.rule_pair(**{**rule, "other": "nobody"}, ruling="same_person", reason="guess")


# --- consents and withdrawals


def consent_text(universe, kind="informed_signed", **values):
    given = {"version": "1.0", "language": "en", "valid_from_on": TODAY - 400 * DAY, **values}
    return consents.add_consent_text(by=universe.ann, site_id="S1", type=kind, **given)


def test_a_signature_is_taken_on_a_text_in_use_with_its_scopes_and_scan(universe):
    patient, text = universe.patient(), consent_text(universe)
    signed = consents.sign_consent(
        by=universe.ann,
        patient=patient.pk,
        text=text.pk,
        signed_on=TODAY,
        scopes={"biobank": False, "data_sharing": True, "treatment": None},
        scan=PDF,
    )
    assert (signed.type, signed.version, signed.language) == ("informed_signed", "1.0", "en")
    scopes = MODELS["consent_scopes"].objects.filter(consent=signed).values_list("scope", "is_granted")
    assert dict(scopes) == {"biobank": False, "data_sharing": True}
    assert MODELS["attachments"].objects.get().consent_id == signed.pk
    consents.end_consent_text(by=universe.ann, text=text.pk, on=TODAY, reason="new version")
    with pytest.raises(RefusedError, match="not in use"):
        consents.sign_consent(by=universe.ann, patient=patient.pk, text=text.pk, signed_on=TODAY + DAY)
    with pytest.raises(RefusedError, match="not for this person"):
        consents.sign_consent(by=universe.ann, donor=universe.donor().pk, text=text.pk, signed_on=TODAY)


@pytest.fixture
def withdrawn(given):
    """A treated patient with a visit before and one after the day of a withdrawal."""
    universe, _, patient, _ = given
    for days in (3, 30):
        visit = care.add_visit(
            by=universe.ann, patient=patient.pk, visited_on=TODAY + days * DAY, status="attended"
        )
        care.assess(by=universe.ann, visit=visit.pk, code="pain_nrs", answers={"pain": 3})

    def withdraw(level):
        consents.withdraw_patient(
            by=universe.ann, patient=patient.pk, level=level, on=TODAY + 10 * DAY, reason="own wish"
        )
        return universe, patient

    return withdraw


@pytest.mark.parametrize(("level", "n_visits", "n_patients"), [("W1", 2, 1), ("W2", 2, 1), ("W3", 1, 1)])
def test_a_freeze_leaves_out_what_a_withdrawal_forbids_and_says_how_much(
    withdrawn, tmp_path, level, n_visits, n_patients
):
    withdrawn(level)
    study = freeze_rows(tmp_path / "study", on=TODAY + 60 * DAY)
    assert study.read("visits").height == study.read("assessments").height == n_visits
    assert study.read("patients").height == n_patients
    assert study.read("sessions").height == 1
    notes = " ".join(study.manifest.notes)
    assert ("2 rows left out" in notes) == (level == "W3")
    assert check(study).filter(pl.col("severity") != "warning").is_empty()


def test_after_w4_nothing_of_the_patient_is_frozen_but_the_units_story_is_whole(withdrawn, tmp_path):
    _, patient = withdrawn("W4")
    study = freeze_rows(tmp_path / "study", on=TODAY + 60 * DAY)
    for table in ("sessions", "session_units", "visits", "assessments", "dispositions"):
        assert study.read(table).height == 0, table
    stand_in = study.read("patients")
    assert stand_in.drop("patient_id", "arm").null_count().sum_horizontal().sum() == stand_in.width - 2
    text = b"".join(p.read_bytes() for p in (tmp_path / "study").rglob("*.parquet"))
    assert patient.pk.encode() not in text
    problems = check(study).filter(pl.col("severity") != "warning")
    assert problems.is_empty(), problems
    assert "1 patients left out who asked for deletion (W4)" in study.manifest.notes
    # The registry itself keeps the trace.
    assert MODELS["sessions"].objects.filter(patient=patient).exists()


def test_a_copy_of_nobody_who_withdrew_is_everything(given):
    frames = all_frames()
    kept, withheld = withhold(frames, on=TODAY)
    assert withheld.notes == ()
    assert all(kept[table].equals(frames[table]) for table in frames)


def test_a_withdrawn_patient_is_not_treated_nor_asked_nor_recorded(withdrawn, monkeypatch):
    monkeypatch.setattr(timezone, "localdate", lambda *_: TODAY + 20 * DAY)
    universe, patient = withdrawn("W3")
    after = TODAY + 15 * DAY
    with pytest.raises(RefusedError, match="may not be treated"):
        universe.session(patient, universe.released_unit(), on=after)
    with pytest.raises(RefusedError, match="nothing new is recorded"):
        care.add_visit(by=universe.ann, patient=patient.pk, visited_on=after, status="attended")
    care.add_visit(by=universe.ann, patient=patient.pk, visited_on=TODAY + 5 * DAY, status="attended")
    event = {"term": "ae01", "began_on": after, "is_serious": True}
    care.add_record(by=universe.ann, table="adverse_events", patient=patient.pk, values=event)
    assert left_in_peace(["S1"], on=after) == {patient.pk}
    assert patients_to_ask(["S1"], on=after) == []
    assert left_in_peace(["S2"], on=after) == frozenset()


def test_a_donor_who_withdraws_gives_no_more_and_the_material_is_held(universe):
    donor = universe.donor()
    unit = universe.unit(donor)
    consents.withdraw_donor(by=universe.ann, donor=donor.pk, level="W4", on=TODAY, reason="own wish")
    donor.refresh_from_db()
    assert donor.status == "retired"
    hold = MODELS["holds"].objects.get(donor=donor)
    assert (hold.kind, hold.lifted_on) == ("quarantine", None)
    kept, withheld = withhold(all_frames(), on=TODAY)
    row = kept["donors"].row(0, named=True)
    assert (row["donor_id"], row["born_on"], row["bmi"]) == (donor.pk, None, None)
    assert kept["screenings"].is_empty()
    assert kept["units"]["unit_id"].to_list() == [unit.pk]
    assert withheld.n_donors_bared == 1


# --- files


def test_a_file_is_given_out_to_be_saved_and_never_shown(universe, client):
    patient = universe.patient()
    client.force_login(universe.ann)
    page = reverse("attach-patient", args=[patient.pk])
    answer = client.post(
        page, {"kind": "laboratory_report", "title": "stool", "file": SimpleUploadedFile("q.html", PDF)}
    )
    assert answer.status_code == 302, answer.content
    row = MODELS["attachments"].objects.get()
    assert "q.html" not in everything_stored()
    answer = client.get(reverse("attachment", args=[row.pk]))
    assert answer.content == PDF
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"].startswith("attachment;")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in answer["Cache-Control"]
    files.path_of(row.sha256, settings.FOLDER).unlink()
    assert client.get(reverse("attachment", args=[row.pk])).status_code == 409


def test_a_page_that_calls_itself_a_picture_is_refused_on_the_form(universe, client):
    patient = universe.patient()
    client.force_login(universe.ann)
    bad = SimpleUploadedFile("scan.png", b"<html><script>", content_type="image/png")
    page = reverse("attach-patient", args=[patient.pk])
    answer = client.post(page, {"kind": "letter", "title": "letter", "file": bad})
    assert answer.status_code == 422
    assert b"no PDF, PNG or JPEG" in answer.content
    assert not MODELS["attachments"].objects.exists()
    assert not (settings.FOLDER / "attachments").exists()


def test_a_scan_with_a_name_is_not_given_to_the_laboratory(universe):
    row = consents.attach(
        by=universe.ann, file=PDF, kind="signed_consent", title="scan", patient=universe.patient().pk
    )
    leo = universe.person("leo", "S1", "lab")
    with pytest.raises(RefusedError, match="who the person is"):
        consents.open_plain_file(by=leo, attachment=row.pk)
    with pytest.raises(InputError, match="at your centres"):
        consents.open_file(by=universe.otto, attachment=row.pk)
    assert consents.open_file(by=universe.ann, attachment=row.pk)[1] == PDF
    assert MODELS["accesses"].objects.filter(kind="vault", page="attachment").count() == 1


# --- pages


def test_an_identity_shows_on_its_page_alone_and_after_a_purpose(universe, client):
    patient = universe.patient()
    enter(universe, patient)
    client.force_login(universe.ann)
    page = reverse("patient-identity", args=[patient.pk])
    assert NAME not in client.get(page).content.decode()
    assert client.post(page, {"purpose": ""}).status_code == 422
    shown = client.post(page, {"purpose": "contact", "note": ""})
    assert NAME in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    for name in ("patient", "patient-consents", "enter-patient-identity", "medication"):
        assert NAME not in client.get(reverse(name, args=[patient.pk])).content.decode(), name


def test_the_pages_of_consents_show_what_holds(withdrawn, client):
    universe, patient = withdrawn("W2")
    client.force_login(universe.ann)
    page = client.get(reverse("patient-consents", args=[patient.pk])).content.decode()
    assert "level" not in page.split("<h1>")[0]
    assert reverse("withdraw-patient", args=[patient.pk]) in page
    for name in ("consents-due", "consent-texts", "pairs"):
        assert client.get(reverse(name)).status_code == 200
