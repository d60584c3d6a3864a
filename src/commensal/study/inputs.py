"""The input tables of a study: what a centre records, one declaration each.

Unknown is null, everywhere; a code for "unknown" exists only where somebody recorded just that.
"""

from __future__ import annotations

from commensal.study.declaration import (
    Privacy,
    Table,
    code,
    date,
    flag,
    identifier,
    instant,
    integer,
    number,
    text,
)

SEX = ("female", "male", "intersex", "unknown")
COHORTS = ("prospective", "retrospective", "ambispective")
ARMS = ("fmt", "placebo", "autologous", "antibiotics_only", "other_control")
RESULTS = ("negative", "positive", "equivocal", "invalid", "pending")
SPECIMENS = ("blood", "stool", "swab", "questionnaire", "examination", "same_day_questionnaire", "other")
RELEASE_PATHWAYS = ("bookend", "direct_testing", "external_product", "historical")
CUSTODY_EVENTS = (
    "collected",
    "accepted",
    "rejected",
    "processed",
    "frozen",
    "stored",
    "released",
    "reserved",
    "reservation_ended",
    "thawed",
    "issued",
    "returned",
    "partly_administered",
    "administered",
    "wasted",
    "destroyed",
    "expired",
    "shipped",
    "received",
    "corrected",
)

SITES = Table(
    "sites",
    "one centre",
    ("site_id",),
    (
        identifier("site_id", "The centre.", is_required=True),
        text("name", "Name of the centre.", privacy=Privacy.NONE),
        text("country", "Country, ISO 3166-1 alpha-2.", privacy=Privacy.NONE),
        text("timezone", "IANA time zone used to turn instants into dates.", privacy=Privacy.NONE),
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
        text("arm_as_recorded", "Arm in the words of the source.", privacy=Privacy.NONE),
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
        text("version", "Version of the text.", privacy=Privacy.NONE),
        text("language", "Language of the text, BCP 47.", privacy=Privacy.NONE),
        date("signed_on", "Date of signature."),
        date("withdrawn_on", "Date of withdrawal."),
        code("withdrawal_level", ("W1", "W2", "W3", "W4"), "Scope of the withdrawal."),
        text("study_id", "Study or trial the consent belongs to.", privacy=Privacy.NONE),
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
        text("unit", "Unit of the value: the analyte's canonical unit.", privacy=Privacy.NONE),
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
        text("agent", "Drug, food or measure.", privacy=Privacy.NONE),
        number("dose", "Dose for each administration.", minimum=0),
        text("dose_unit", "Unit of the dose.", privacy=Privacy.NONE),
        number("doses_per_day", "Administrations a day.", minimum=0),
        text("route_of_drug", "Route of the drug (not of FMT): oral, intravenous …", privacy=Privacy.NONE),
        date("started_on", "First day."),
        date("stopped_on", "Last day; null while it goes on."),
        flag("is_rescue", "Given because the disease was active after FMT (an intercurrent event)."),
    ),
)

DONORS = Table(
    "donors",
    "one donor",
    ("donor_id",),
    (
        identifier("donor_id", "Pseudonym of the donor.", is_required=True),
        identifier("site_id", "Bank or centre.", references="sites"),
        code(
            "kind",
            ("universal", "directed", "autologous", "external", "healthy_reference"),
            "Universal, directed (a relative), autologous, a supplier's, or a healthy reference subject.",
        ),
        identifier(
            "patient_id", "The patient, where the donor is the recipient (autologous).", references="patients"
        ),
        code("sex", SEX, "Sex as recorded.", privacy=Privacy.QUASI),
        date("born_on", "Date of birth; day 15 where only the month is known."),
        number("bmi", "Body-mass index at screening.", unit="kg/m2", minimum=10, maximum=80),
        code(
            "status", ("candidate", "eligible", "deferred", "excluded", "retired"), "Status at the data cut."
        ),
        date("enrolled_on", "First contact."),
        date("deferred_until_on", "End of a temporary deferral."),
        code("cmv_igg", RESULTS, "Cytomegalovirus IgG."),
        code("ebv_igg", RESULTS, "Epstein-Barr virus IgG."),
        text("recent_foods", "Allergenic foods eaten in the five days before donation, separated by ';'."),
    ),
)

SCREENINGS = Table(
    "screenings",
    "one result of one donor: a test, a question answered or a measurement",
    ("result_id",),
    (
        identifier("result_id", "The result.", is_required=True),
        identifier("donor_id", "Donor.", references="donors", is_required=True),
        identifier("donation_id", "Donation, where the specimen was taken from it.", references="donations"),
        identifier("specimen_id", "Specimen."),
        code("analyte", "screening_analytes", "What was tested or asked.", is_required=True),
        code("specimen", SPECIMENS, "What was tested.", is_required=True),
        text("method", "Method (NAAT, culture, serology …).", privacy=Privacy.NONE),
        code("result", RESULTS, "Result; null where only a value is given."),
        number("value", "Numeric value where the analyte is measured."),
        text("unit", "Unit of the value.", privacy=Privacy.NONE),
        date("event_on", "Date of the event a questionnaire answer reports (last antibiotic, tattoo …)."),
        date("collected_on", "Specimen taken or question answered."),
        date("reported_on", "Result reported."),
        identifier("supersedes", "Result this one corrects.", references="screenings"),
        flag("is_resolved", "A positive that a physician has resolved (cleared with a reason)."),
        text("verified_by", "Who verified it, as a pseudonym.", privacy=Privacy.PSEUDONYM),
    ),
)

DONATIONS = Table(
    "donations",
    "one stool donation",
    ("donation_id",),
    (
        identifier("donation_id", "The donation.", is_required=True),
        identifier("donor_id", "Donor.", references="donors", is_required=True),
        date("donated_on", "Date of donation."),
        instant("passed_at", "When the stool was passed."),
        instant("received_at", "When the laboratory received it."),
        number("stool_mass_grams", "Mass of the stool.", unit="g", minimum=0, maximum=2000),
        integer("bristol_type", "Bristol stool form.", minimum=1, maximum=7),
        flag("is_questionnaire_clean", "The same-day questionnaire raised nothing."),
        flag("is_accepted", "Accepted for processing."),
        text("rejection_reason", "Why it was rejected."),
    ),
)

BATCHES = Table(
    "batches",
    "one preparation: donations processed together",
    ("batch_id",),
    (
        identifier("batch_id", "The batch.", is_required=True),
        code("product", "products", "Product made."),
        date("produced_on", "Date of production."),
        instant("processed_at", "End of processing."),
        instant("frozen_at", "Put into the freezer."),
        text("diluent", "Diluent.", privacy=Privacy.NONE),
        number("glycerol_percent", "Final glycerol by volume.", unit="%", minimum=0, maximum=100),
        code("atmosphere", ("aerobic", "anaerobic"), "Atmosphere of processing."),
        number("cfu_per_unit", "Viable colony-forming units in each unit.", minimum=0),
        flag("is_quality_passed", "Mass, volume and viable count are within specification."),
        text("operator", "Who processed it, as a pseudonym.", privacy=Privacy.PSEUDONYM),
    ),
)

UNITS = Table(
    "units",
    "one unit of material: what is released, issued and given",
    ("unit_id",),
    (
        identifier("unit_id", "The unit.", is_required=True),
        identifier("batch_id", "Batch it comes from.", references="batches"),
        identifier("site_id", "Where it is kept.", references="sites"),
        code("product", "products", "Product type."),
        code("release_pathway", RELEASE_PATHWAYS, "How it may be, or was, released.", is_required=True),
        number("dose_grams", "Stool the unit stands for.", unit="g", minimum=0, maximum=1000),
        number("volume_millilitres", "Volume.", unit="mL", minimum=0, maximum=5000),
        integer("n_capsules", "Capsules in the unit.", minimum=0, maximum=500),
        date("produced_on", "Date of production."),
        date("expires_on", "Last day it may be given."),
        flag("has_retention_sample", "A retention sample is stored."),
        flag("is_cold_chain_unbroken", "No temperature excursion beyond the centre's limit."),
        flag("is_label_verified", "Two persons verified the label."),
        text("supplier_lot", "Supplier's lot of an external product.", privacy=Privacy.NONE),
        flag("has_supplier_certificate", "The supplier's certificate is on file."),
        text("freezer_position", "Freezer, shelf, box and position.", privacy=Privacy.NONE),
    ),
)

UNIT_DONORS = Table(
    "unit_donors",
    "one donor's part in one unit; a pool has several rows",
    ("unit_id", "donor_id", "donation_id"),
    (
        identifier("unit_id", "The unit.", references="units", is_required=True),
        identifier("donor_id", "Donor.", references="donors", is_required=True),
        identifier("donation_id", "Donation, where it is known.", references="donations"),
        number("share", "Share of the unit's mass.", minimum=0, maximum=1),
    ),
)

CUSTODY = Table(
    "custody",
    "one custody event of one unit; append-only, in the order of sequence",
    ("event_id",),
    (
        identifier("event_id", "The event.", is_required=True),
        identifier("unit_id", "The unit.", references="units", is_required=True),
        integer("sequence", "Order within the unit, from 1.", minimum=1, is_required=True),
        code("event", CUSTODY_EVENTS, "What happened.", is_required=True),
        date("occurred_on", "Date of the event."),
        instant("occurred_at", "Moment of the event."),
        identifier("session_id", "Session, for an administration.", references="sessions"),
        identifier(
            "patient_id", "Patient it was reserved for, issued to or given to.", references="patients"
        ),
        number("fraction", "Part of the unit given.", minimum=0, maximum=1),
        identifier("corrects", "Event that this one takes back.", references="custody"),
        text("recorded_by", "Who recorded it, as a pseudonym.", privacy=Privacy.PSEUDONYM),
        text("signed_by", "Second person's signature, as a pseudonym.", privacy=Privacy.PSEUDONYM),
        text("reason", "Reason."),
    ),
)

HOLDS = Table(
    "holds",
    "one hold on a unit, a batch or all material of a donor",
    ("hold_id",),
    (
        identifier("hold_id", "The hold.", is_required=True),
        code("kind", ("quarantine", "recall"), "Kind of hold.", is_required=True),
        identifier("unit_id", "Unit held.", references="units"),
        identifier("batch_id", "Batch held.", references="batches"),
        identifier("donor_id", "Donor whose material is held.", references="donors"),
        date("placed_on", "From this day."),
        instant("placed_at", "From this moment."),
        date("lifted_on", "Until this day; null while it stands."),
        instant("lifted_at", "Until this moment."),
        text("placed_by", "Who placed it, as a pseudonym.", privacy=Privacy.PSEUDONYM),
        text("lifted_by", "Who lifted it, as a pseudonym.", privacy=Privacy.PSEUDONYM),
        text("reason", "Reason."),
    ),
)

COURSES = Table(
    "courses",
    "one course of treatment of one patient: sessions planned together",
    ("course_id",),
    (
        identifier("course_id", "The course.", is_required=True),
        identifier("patient_id", "Patient.", references="patients", is_required=True),
        integer("number", "Course number of the patient, from 1.", minimum=1),
        code(
            "purpose",
            ("induction", "consolidation", "maintenance", "retreatment"),
            "Why the course is given; retreatment follows a failure.",
        ),
        flag("is_planned_at_index", "Part of the plan made at index."),
        integer("n_sessions_planned", "Sessions planned.", minimum=1, maximum=400),
        date("started_on", "First session."),
        date("ended_on", "Last session."),
    ),
)

SESSIONS = Table(
    "sessions",
    "one administration of donor material into the gut; a control has none",
    ("session_id",),
    (
        identifier("session_id", "The session.", is_required=True),
        identifier("course_id", "Course.", references="courses"),
        identifier("patient_id", "Patient.", references="patients", is_required=True),
        identifier("site_id", "Centre.", references="sites"),
        integer("number", "Session number of the patient, from 1.", minimum=1),
        date("administered_on", "Date."),
        instant("administered_at", "Moment."),
        code("route", "routes", "Enteral route of administration; null where unknown or several."),
        text("route_as_recorded", "Route in the words of the source.", privacy=Privacy.NONE),
        code("product", "products", "Product given."),
        number("dose_grams", "Stool given.", unit="g", minimum=0, maximum=1000),
        number("volume_millilitres", "Volume given.", unit="mL", minimum=0, maximum=5000),
        integer("n_capsules", "Capsules given.", minimum=0, maximum=500),
        text(
            "preparation",
            "Preparation items given, as vocabulary codes separated by ';'.",
            privacy=Privacy.HEALTH,
        ),
        text("operator", "Operator, as a pseudonym.", privacy=Privacy.PSEUDONYM),
        code("tolerance", ("complete", "partial", "not_tolerated"), "How the session was tolerated."),
    ),
)

SESSION_UNITS = Table(
    "session_units",
    "one unit used in one session",
    ("session_id", "unit_id"),
    (
        identifier("session_id", "Session.", references="sessions", is_required=True),
        identifier("unit_id", "Unit.", references="units", is_required=True),
        number("fraction", "Part of the unit given.", minimum=0, maximum=1),
    ),
)

VISITS = Table(
    "visits",
    "one visit or contact of one patient, attended or known to be missed",
    ("visit_id",),
    (
        identifier("visit_id", "The visit.", is_required=True),
        identifier("patient_id", "Patient.", references="patients", is_required=True),
        code("visit", "visits", "Scheduled visit it was meant as; null for an unscheduled contact."),
        date("visited_on", "Date."),
        code("status", ("attended", "missed", "cancelled"), "What became of it.", is_required=True),
        code("mode", ("in_person", "telephone", "questionnaire", "records"), "How it took place."),
        flag("is_symptom_driven", "The patient came because of symptoms."),
    ),
)

ASSESSMENTS = Table(
    "assessments",
    "one item of one instrument at one visit",
    ("visit_id", "instrument", "item", "occurrence"),
    (
        identifier("visit_id", "Visit.", references="visits", is_required=True),
        identifier("patient_id", "Patient.", references="patients", is_required=True),
        code("instrument", "instruments", "Instrument.", is_required=True),
        text(
            "item",
            "Item code of the instrument, or 'total' where only the total was recorded.",
            privacy=Privacy.NONE,
        ),
        integer("occurrence", "Repetition within the visit, from 1.", minimum=1, is_required=True),
        number("value", "Answer or measurement in the item's unit; null is missing, never zero."),
    ),
)

DIARIES = Table(
    "diaries",
    "one diary entry of one patient on one day",
    ("patient_id", "recorded_day", "item"),
    (
        identifier("patient_id", "Patient.", references="patients", is_required=True),
        date("recorded_on", "Day the entry is about.", is_required=True),
        text("item", "What was counted or rated (csbm, unformed_stools, pain …).", privacy=Privacy.NONE),
        number("value", "Count or rating."),
    ),
)

REPORTED_OUTCOMES = Table(
    "reported_outcomes",
    "one outcome label that someone else assigned (a published study, a retrospective record)",
    ("outcome_id",),
    (
        identifier("outcome_id", "The record.", is_required=True),
        identifier("patient_id", "Patient.", references="patients", is_required=True),
        code(
            "label",
            ("remission", "response", "partial_response", "no_response", "resolved", "failed"),
            "The label, in a closed list.",
            is_required=True,
        ),
        text("label_as_recorded", "The label in the words of the source.", privacy=Privacy.NONE),
        text("definition", "How the source defined it.", privacy=Privacy.NONE),
        date("assessed_on", "When it was assessed; null where the source does not say."),
    ),
)

ADVERSE_EVENTS = Table(
    "adverse_events",
    "one adverse event of one patient",
    ("adverse_event_id",),
    (
        identifier("adverse_event_id", "The event.", is_required=True),
        identifier("patient_id", "Patient.", references="patients", is_required=True),
        identifier("session_id", "Session it is attributed to, where there is one.", references="sessions"),
        code("term", "adverse_event_terms", "Term of the vocabulary."),
        text("term_as_recorded", "Term in the words of the source."),
        date("began_on", "Onset."),
        date("resolved_on", "Resolution; null while it goes on."),
        integer("grade", "Highest CTCAE grade.", minimum=1, maximum=5),
        flag("is_serious", "Meets a seriousness criterion."),
        text(
            "seriousness_criteria",
            "Criteria met, as vocabulary codes separated by ';'.",
            privacy=Privacy.HEALTH,
        ),
        code("causality", "causalities", "WHO-UMC category for FMT."),
        code(
            "related_to", ("delivery", "microbiota", "disease", "concomitant", "other"), "Main attribution."
        ),
        flag("is_expected", "Expected by the reference safety information."),
        text("outcome", "Outcome."),
        instant("aware_at", "First awareness by any staff: the clocks start."),
        instant("reported_at", "Reported."),
    ),
)

SAMPLES = Table(
    "samples",
    "one stool sample: a patient's, a donor's, a batch's or a control",
    ("sample_id",),
    (
        identifier("sample_id", "The sample.", is_required=True),
        identifier("patient_id", "Patient it comes from.", references="patients"),
        identifier("donor_id", "Donor it comes from.", references="donors"),
        identifier("batch_id", "Batch or pool it comes from.", references="batches"),
        identifier("donation_id", "Donation it comes from.", references="donations"),
        code("control", ("negative", "positive"), "Laboratory control; null for a sample of a person."),
        text("timepoint", "Time point in the words of the source.", privacy=Privacy.NONE),
        date("collected_on", "Sampling date."),
        flag("is_on_antibiotics", "Taken under antibiotics (vancomycin among them)."),
        identifier("run_id", "Sequencing run.", references="sequencing_runs"),
        integer("n_reads", "Reads assigned.", minimum=0),
        number("cells_per_gram", "Microbial load, where measured.", minimum=0),
    ),
)

SEQUENCING_RUNS = Table(
    "sequencing_runs",
    "one run or batch of sequencing: samples of one run can be compared",
    ("run_id",),
    (
        identifier("run_id", "The run.", is_required=True),
        code("assay", ("16s", "shotgun", "virome", "strain_calls"), "Assay."),
        text("region", "Region of the 16S gene.", privacy=Privacy.NONE),
        text("kit", "Extraction kit.", privacy=Privacy.NONE),
        text("platform", "Platform.", privacy=Privacy.NONE),
        text("pipeline", "Classifier and reference database with versions.", privacy=Privacy.NONE),
        date("sequenced_on", "Date."),
    ),
)

RANKS = ("domain", "phylum", "class", "order", "family", "genus", "species", "strain", "asv")

TAXA = Table(
    "taxa",
    "one taxon or feature",
    ("taxon_id",),
    (
        identifier("taxon_id", "The feature.", is_required=True),
        code("rank", RANKS, "Rank of the feature.", privacy=Privacy.NONE),
        *(text(rank, f"Name at the rank {rank}.", privacy=Privacy.NONE) for rank in RANKS[:7]),
        text("lineage", "Lineage in the words of the source.", privacy=Privacy.NONE),
        text("sequence", "Nucleotide sequence of an ASV.", privacy=Privacy.NONE),
    ),
)

ABUNDANCES = Table(
    "abundances",
    "one non-zero abundance: counts or proportions, never both in one study",
    ("sample_id", "taxon_id"),
    (
        identifier("sample_id", "Sample.", references="samples", is_required=True),
        identifier("taxon_id", "Taxon.", references="taxa", is_required=True),
        integer("count", "Reads of the taxon in the sample.", unit="reads", minimum=1, privacy=Privacy.NONE),
        number("proportion", "Share of the sample.", minimum=0, maximum=1, privacy=Privacy.NONE),
    ),
)

STRAINS = Table(
    "strains",
    "one comparison of one species between two samples at strain level",
    ("sample_id", "other_sample_id", "clade"),
    (
        identifier("sample_id", "First sample.", references="samples", is_required=True),
        identifier("other_sample_id", "Second sample.", references="samples", is_required=True),
        text("clade", "Species or species-level genome bin.", privacy=Privacy.NONE),
        number("similarity", "Maximum variant similarity over the overlap.", minimum=0, maximum=1),
        integer("n_overlap", "Overlapping positions.", unit="positions", minimum=0),
        code("call", ("shared_strain", "other_strain", "not_analysable"), "The call."),
    ),
)

INPUTS: dict[str, Table] = {
    t.name: t
    for t in (
        SITES,
        PATIENTS,
        DISPOSITIONS,
        CONSENTS,
        DIAGNOSES,
        PROCEDURES,
        HOSPITALISATIONS,
        LAB_RESULTS,
        EXPOSURES,
        DONORS,
        SCREENINGS,
        DONATIONS,
        BATCHES,
        UNITS,
        UNIT_DONORS,
        CUSTODY,
        HOLDS,
        COURSES,
        SESSIONS,
        SESSION_UNITS,
        VISITS,
        ASSESSMENTS,
        DIARIES,
        REPORTED_OUTCOMES,
        ADVERSE_EVENTS,
        SAMPLES,
        SEQUENCING_RUNS,
        TAXA,
        ABUNDANCES,
        STRAINS,
    )
}
