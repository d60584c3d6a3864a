"""One small universe: two centres, their people, and the steps of the path from donor to visit."""

from datetime import UTC, date, datetime, timedelta

from django.contrib.auth import get_user_model

from commensal.registry.actions import accounts, care, material
from commensal.registry.audit import acting
from commensal.registry.forms import questions
from commensal.registry.models import MODELS, Membership

PASSWORD = "correct horse battery"
TODAY = date(2026, 6, 1)
DONATED = TODAY - timedelta(days=58)


class Universe:
    """Two centres, their people, and the steps of the path from donor to visit."""

    def __init__(self):
        self.ann = accounts.first_person(username="ann", password=PASSWORD, site="S1", site_name="North")
        with acting("setup", reason="test"):
            MODELS["sites"].objects.create(site_id="S2", name="South")
        self.quinn = self.person("quinn", "S1", "quality")
        self.carl = self.person("carl", "S1", "coordinator")
        self.otto = self.person("otto", "S2", "coordinator", "lab", "physician", "quality")

    def person(self, name, site, *roles):
        with acting("setup", reason="test"):
            user = get_user_model().objects.create_user(name, password=PASSWORD)
            for role in roles:
                Membership.objects.create(user=user, site_id=site, role=role)
        return user

    def donor(self, *, by=None, site="S1"):
        by = by or self.ann
        values = {"kind": "universal", "sex": "male", "born_on": date(2000, 1, 1), "bmi": 22.0}
        row = material.add_donor(by=by, site_id=site, **values)
        material.add_donor_consent(by=by, donor=row.pk, signed_on=DONATED - timedelta(days=10))
        return row

    def screen(self, donor, *, by=None):
        """Everything negative around the donation, and a clean questionnaire."""
        by = by or self.ann
        needs = material.profile_on(TODAY).requirements
        for lag in (-3, -2, -1, 55, 56, 57):
            day = DONATED + timedelta(days=lag)
            asked = needs if lag in (-1, 57) else [n for n in needs if n.n_separate_days > 1]
            material.record_results(
                by=by,
                donor=donor.pk,
                collected_on=day,
                results=[
                    {
                        "analyte": need.analyte,
                        "specimen": need.specimens[0],
                        "result": "negative",
                        "method": "naat" if need.needs_nucleic_acid_test else None,
                    }
                    for need in asked
                ],
            )
        self.question(donor, by=by)

    def question(self, donor, *, by=None):
        material.record_results(
            by=by or self.ann,
            donor=donor.pk,
            collected_on=DONATED,
            results=[
                {
                    "analyte": q["code"],
                    "specimen": "questionnaire",
                    "result": "positive" if q.get("must_be") else "negative",
                    "value": (q["cells"][0].get("low") or q["cells"][0].get("high"))
                    if q["kind"] == "range"
                    else None,
                }
                for q in questions(TODAY)
            ],
        )

    def unit(self, donor, *, by=None, n=1, site="S1"):
        by = by or self.ann
        passed = datetime(DONATED.year, DONATED.month, DONATED.day, 8, tzinfo=UTC)
        given = material.add_donation(
            by=by,
            donor=donor.pk,
            donated_on=DONATED,
            passed_at=passed,
            stool_mass_grams=150.0,
            bristol_type=4,
            is_questionnaire_clean=True,
            is_accepted=True,
        )
        units = material.make_units(
            by=by,
            donation=given.pk,
            site_id=site,
            n_units=n,
            batch={"frozen_at": passed + timedelta(hours=4), "is_quality_passed": True},
            unit={
                "product": "frozen_suspension",
                "release_pathway": "bookend",
                "dose_grams": 50.0,
                "produced_on": DONATED,
                "expires_on": DONATED + timedelta(days=180),
            },
        )
        for row in units:
            material.verify_unit(
                by=by,
                unit=row.pk,
                is_label_verified=True,
                is_cold_chain_unbroken=True,
                has_retention_sample=True,
            )
        return units[0]

    def released_unit(self):
        donor = self.donor()
        self.screen(donor)
        material.set_donor_status(
            by=self.ann, donor=donor.pk, status="eligible", on=TODAY, reason="screening complete"
        )
        unit = self.unit(donor)
        material.release_unit(by=self.ann, unit=unit.pk, signer=self.quinn, on=TODAY)
        return MODELS["units"].objects.get(pk=unit.pk)

    def patient(self, *, by=None, site="S1"):
        return care.add_patient(
            by=by or self.ann,
            site_id=site,
            sex="female",
            born_on=date(1980, 1, 1),
            indication="rcdi",
            arm="fmt",
            cohort="prospective",
        )

    def session(self, patient, unit, *, on=TODAY, by=None, **values):
        values = {"route": "colonoscopy", **values}
        return care.add_session(by=by or self.ann, patient=patient.pk, unit=unit.pk, on=on, **values)
