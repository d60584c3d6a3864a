"""Patients and what is recorded about them outside the treatment itself."""

from __future__ import annotations

from commensal.study.declaration import Privacy, Table, code, date, flag, identifier, number, text, word
from commensal.study.inputs.lists import RESULTS, SEX

COHORTS = ("prospective", "retrospective", "ambispective")
ARMS = ("fmt", "placebo", "autologous", "antibiotics_only", "other_control")

SITES = Table(
    "sites",
    "one centre",
    ("site_id",),
    (
        identifier("site_id", "The centre.", is_required=True),
        word("name", "Name of the centre."),
        word("country", "Country, ISO 3166-1 alpha-2."),
        word("timezone", "IANA time zone used to turn instants into dates."),
    ),
)


PATIENTS = Table(
    "patients",
    "one recipient, or one comparator patient who received no transplant",
    ("patient_id",),
    (
        identifier("patient_id", "Pseudonym of the patient.", is_required=True),
        identifier("site_id", "Centre that treats the patient.", references="sites"),
        code("sex", SEX, "Sex as recorded.", privacy=Privacy.QUASI),
        date("born_on", "Date of birth; day 15 where only the month is known."),
        code("indication", "indications", "Indication of the first course."),
        code("arm", ARMS, "What the patient received: donor material or a comparator.", is_required=True),
        word("arm_as_recorded", "Arm in the words of the source."),
        code("cohort", COHORTS, "How the patient entered: ambispective is consent after index."),
        date("enrolled_on", "Entered the study or registry."),
        date(
            "index_on",
            "Study time zero: first session at this centre; for a comparator the date it would have been.",
        ),
        flag("has_severe_complication_before_index", "Severe complication with onset before index."),
        flag("is_mucosal_barrier_injured", "Mucosal barrier injury at index."),
        code(
            "immunocompromise",
            ("none", "mild_moderate", "severe"),
            "Grade of immunocompromise at index.",
        ),
        code("cmv_igg", RESULTS, "Cytomegalovirus IgG of the recipient."),
        code("ebv_igg", RESULTS, "Epstein-Barr virus IgG of the recipient."),
        text(
            "anaphylactic_allergens", "Foods with anaphylaxis, separated by ';'; 'none' where asked and none."
        ),
    ),
)


DIAGNOSES = Table(
    "diagnoses",
    "one diagnosis of one patient: indication, comorbidity or new-onset disease",
    ("diagnosis_id",),
    (
        identifier("diagnosis_id", "The record.", is_required=True),
        identifier("patient_id", "Patient.", references="patients", is_required=True),
        code("role", ("indication", "comorbidity", "new_onset"), "Why it is recorded.", is_required=True),
        code("indication", "indications", "The indication, where it is one of the vocabulary's."),
        text("condition", "The condition in words or in an external code."),
        date("diagnosed_on", "Date of diagnosis."),
        number(
            "disease_duration_years",
            "Years from first symptoms to index.",
            unit="years",
            minimum=0,
            maximum=100,
        ),
        text("extent", "Extent or location (Montreal, Paris …)."),
    ),
)


DISPOSITIONS = Table(
    "dispositions",
    "one change of a patient's follow-up status",
    ("disposition_id",),
    (
        identifier("disposition_id", "The record.", is_required=True),
        identifier("patient_id", "Patient.", references="patients", is_required=True),
        code(
            "kind",
            ("last_contact", "lost_to_follow_up", "withdrawal", "death"),
            "What happened.",
            is_required=True,
        ),
        date("occurred_on", "When it happened or was last known."),
        code("withdrawal_level", ("W1", "W2", "W3", "W4"), "Scope of a withdrawal."),
        text("cause", "Cause of death or reason given."),
    ),
)


CONSENTS = Table(
    "consents",
    "one consent of one patient or donor",
    ("consent_id",),
    (
        identifier("consent_id", "The record.", is_required=True),
        identifier("patient_id", "Patient, where the consent is a patient's.", references="patients"),
        identifier("donor_id", "Donor, where the consent is a donor's.", references="donors"),
        code(
            "type",
            (
                "informed_signed",
                "data_use_signed",
                "waiver_irb",
                "guardian_permission",
                "assent",
                "donor_consent",
                "biobank_future",
                "data_sharing",
            ),
            "Kind of consent.",
            is_required=True,
        ),
        word("version", "Version of the text."),
        word("language", "Language of the text, BCP 47."),
        date("signed_on", "Date of signature."),
        date("withdrawn_on", "Date of withdrawal."),
        code("withdrawal_level", ("W1", "W2", "W3", "W4"), "Scope of the withdrawal."),
        word("study_id", "Study or trial the consent belongs to."),
    ),
)


PROCEDURES = Table(
    "procedures",
    "one operation or examination of one patient",
    ("procedure_id",),
    (
        identifier("procedure_id", "The record.", is_required=True),
        identifier("patient_id", "Patient.", references="patients", is_required=True),
        code("kind", ("colectomy", "endoscopy", "other_surgery", "mri", "other"), "Kind.", is_required=True),
        date("performed_on", "Date."),
        text("detail", "Detail in words."),
    ),
)


HOSPITALISATIONS = Table(
    "hospitalisations",
    "one hospital stay of one patient",
    ("hospitalisation_id",),
    (
        identifier("hospitalisation_id", "The record.", is_required=True),
        identifier("patient_id", "Patient.", references="patients", is_required=True),
        date("admitted_on", "Admission."),
        date("discharged_on", "Discharge; null while the patient is in hospital."),
        text("reason", "Reason."),
    ),
)


LAB_RESULTS = Table(
    "lab_results",
    "one laboratory value of one patient, in the analyte's canonical unit",
    ("lab_result_id",),
    (
        identifier("lab_result_id", "The record.", is_required=True),
        identifier("patient_id", "Patient.", references="patients", is_required=True),
        code("analyte", "analytes", "What was measured.", is_required=True),
        number("value", "Measured value."),
        word("unit", "Unit of the value: the analyte's canonical unit."),
        code("bound", ("below", "above"), "The value is a detection limit: the truth lies below or above."),
        date("collected_on", "Sampling date."),
    ),
)


EXPOSURES = Table(
    "exposures",
    "one period of a drug, a diet or other care of one patient",
    ("exposure_id",),
    (
        identifier("exposure_id", "The record.", is_required=True),
        identifier("patient_id", "Patient.", references="patients", is_required=True),
        code("exposure", "exposures", "Class of the exposure.", is_required=True),
        word("agent", "Drug, food or measure."),
        number("dose", "Dose for each administration.", minimum=0),
        word("dose_unit", "Unit of the dose."),
        number("doses_per_day", "Administrations a day.", minimum=0),
        word("route_of_drug", "Route of the drug (not of FMT): oral, intravenous …"),
        date("started_on", "First day."),
        date("stopped_on", "Last day; null while it goes on."),
        flag("is_rescue", "Given because the disease was active after FMT (an intercurrent event)."),
    ),
)
