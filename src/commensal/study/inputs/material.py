"""Donors, their screening and the material they give."""

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
    word,
)
from commensal.study.inputs.lists import RESULTS, SEX

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
        word("method", "Method (NAAT, culture, serology …)."),
        code("result", RESULTS, "Result; null where only a value is given."),
        number("value", "Numeric value where the analyte is measured."),
        word("unit", "Unit of the value."),
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
        word("diluent", "Diluent."),
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
        word("supplier_lot", "Supplier's lot of an external product."),
        flag("has_supplier_certificate", "The supplier's certificate is on file."),
        word("freezer_position", "Freezer, shelf, box and position."),
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
