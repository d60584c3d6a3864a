"""Facts of history: follow-up and what ended it, drugs before index, laboratory values, consent."""

from __future__ import annotations

from functools import reduce

import narwhals as nw

from commensal.study.calendar import Lazy
from commensal.study.facts_tools import first_day, last_day
from commensal.study.folder import Study

# Fact, analyte in its canonical unit. Of several results on one day the lowest counts: the cautious side.
LABS = (
    ("neutrophils_per_mm3", "neutrophils"),
    ("lymphocytes_per_mm3", "lymphocytes"),
    ("albumin_grams_per_litre", "albumin"),
    ("body_mass_kilograms", "body_mass"),
    ("body_height_metres", "body_height"),
)

CONSENTS = (
    ("has_informed_consent", "informed_signed"),
    ("has_data_use_consent", "data_use_signed"),
    ("has_ethics_waiver", "waiver_irb"),
    ("has_guardian_permission", "guardian_permission"),
    ("has_assent", "assent"),
)
_ENTRY_CONSENTS = ("informed_signed", "data_use_signed", "waiver_irb")

_A_YEAR = 365
# Prednisone and prednisolone are equal milligram for milligram; other agents need a table of equivalence
# doses, so their dose is unknown here.
_PREDNISONE = ("prednisone", "prednisolone")
_MILLIGRAMS = "mg"


def history_facts(study: Study, who: Lazy) -> list[Lazy]:
    """Frames keyed by patient: days from index to death, loss, surgery, rescue; length of follow-up."""
    ends, procedures = study.frame("dispositions"), study.frame("procedures")
    rescue = study.frame("exposures").filter(nw.col("is_rescue"))
    diagnoses = study.frame("diagnoses").filter(nw.col("role") == "indication")
    colectomies = procedures.filter(nw.col("kind") == "colectomy")
    return [
        first_day(ends.filter(nw.col("kind") == "death"), who, "occurred_day", name="days_to_death"),
        first_day(
            ends.filter(nw.col("kind") == "withdrawal"), who, "occurred_day", name="days_to_withdrawal"
        ),
        first_day(
            ends.filter(nw.col("kind") == "lost_to_follow_up"), who, "occurred_day", name="days_to_loss"
        ),
        first_day(colectomies, who, "performed_day", name="days_to_colectomy"),
        first_day(rescue, who, "started_day", name="days_to_rescue"),
        _days_followed(study, who),
        _days_from_diagnosis(diagnoses, who),
    ]


def _days_followed(study: Study, who: Lazy) -> Lazy:
    """Days from index to the last day the patient was known to be alive or to have died.

    Attended visits, sessions, diary entries and dispositions count; a missed visit does not.
    """
    attended = study.frame("visits").filter(nw.col("status") == "attended")
    contacts = [
        attended.select("patient_id", nw.col("visited_day").alias("day")),
        study.frame("sessions").select("patient_id", nw.col("administered_day").alias("day")),
        study.frame("diaries").select("patient_id", nw.col("recorded_day").alias("day")),
        study.frame("dispositions").select("patient_id", nw.col("occurred_day").alias("day")),
    ]
    return last_day(nw.concat(contacts), who, "day", name="days_followed")


def _days_from_diagnosis(diagnoses: Lazy, who: Lazy) -> Lazy:
    days = first_day(diagnoses, who, "diagnosed_day", name="at")
    return days.select("patient_id", (nw.col("at") * -1).alias("days_from_diagnosis_to_index"))


def exposure_facts(study: Study, who: Lazy) -> Lazy:
    """Antibiotics and prednisone at index, one row per patient."""
    exposures = study.frame("exposures").join(who, on="patient_id", how="inner")
    antibiotics = _antibiotic_facts(exposures.filter(nw.col("exposure") == "antibiotic"))
    steroids = _steroid_facts(exposures.filter(nw.col("exposure") == "steroid"))
    facts = who.select("patient_id").join(antibiotics, on="patient_id", how="left")
    return facts.join(steroids, on="patient_id", how="left")


def _antibiotic_facts(antibiotics: Lazy) -> Lazy:
    """Days since the last antibiotic day on or before index; 0 while one is taken.

    No antibiotic on record is unknown, not "never". One whose days leave open whether it was taken before
    index makes the fact unknown.
    """
    started, stopped, index = nw.col("started_day"), nw.col("stopped_day"), nw.col("index_day")
    is_open = (started.is_null() & (stopped.is_null() | (stopped > index).fill_null(True))) | index.is_null()
    last = nw.when(stopped <= index).then(stopped).otherwise(nw.when(started <= index).then(index))
    days = antibiotics.with_columns(is_open.cast(nw.Int64).alias("open"), last.alias("last"))
    latest = days.group_by("patient_id").agg(
        nw.col("open").max().alias("open"),
        nw.col("last").max().alias("last"),
        index.max().alias("index_day"),
    )
    since = nw.when(nw.col("open") == 0).then((index - nw.col("last")).cast(nw.Int64))
    facts = latest.select("patient_id", since.alias("days_since_antibiotic"))
    return facts.with_columns((nw.col("days_since_antibiotic") <= _A_YEAR).alias("had_recipient_antibiotic"))


def _steroid_facts(steroids: Lazy) -> Lazy:
    """Prednisone a day at index, in mg; 0 where steroids are on record and none was taken that day.

    Unknown where no steroid is on record, or one taken that day has no dose, another unit, another agent or
    open days. Doses are summed in whole micrograms, so that every engine gives the same number.
    """
    started, stopped, index = nw.col("started_day"), nw.col("stopped_day"), nw.col("index_day")
    is_over = (stopped < index).fill_null(False) | (started > index).fill_null(False)
    is_readable = (
        nw.col("agent").str.to_lowercase().is_in(_PREDNISONE).fill_null(False)
        & (nw.col("dose_unit") == _MILLIGRAMS).fill_null(False)
        & ~(
            nw.col("dose").is_null() | nw.col("doses_per_day").is_null() | started.is_null() | index.is_null()
        )
    )
    micrograms = (nw.col("dose") * nw.col("doses_per_day") * 1000).round(0).cast(nw.Int64)
    taken = steroids.with_columns(
        nw.when(is_over).then(nw.lit(0)).otherwise(nw.when(is_readable).then(micrograms)).alias("micrograms"),
        (is_over | is_readable).cast(nw.Int64).alias("readable"),
    )
    sums = taken.group_by("patient_id").agg(
        nw.col("micrograms").sum().cast(nw.Int64).alias("micrograms"),
        nw.col("readable").min().alias("readable"),
    )
    dose = nw.when(nw.col("readable") == 1).then(nw.col("micrograms").cast(nw.Float64) / 1000)
    return sums.select("patient_id", dose.alias("prednisone_milligrams_per_day"))


def lab_facts(study: Study, who: Lazy) -> Lazy:
    """The latest values on or before index, one row per patient, and the body-mass index from them."""
    names = [analyte for _, analyte in LABS]
    before = (
        study.frame("lab_results")
        .filter(nw.col("analyte").is_in(names) & ~nw.col("value").is_null())
        .join(who, on="patient_id", how="inner")
        .filter(nw.col("collected_day") <= nw.col("index_day"))
        .select("patient_id", "analyte", "collected_day", "value")
    )
    latest = before.group_by("patient_id", "analyte").agg(nw.col("collected_day").max().alias("latest"))
    values = before.join(latest, on=["patient_id", "analyte"], how="inner")
    values = values.filter(nw.col("collected_day") == nw.col("latest"))
    parts = [_lab(values, fact, analyte) for fact, analyte in LABS]
    facts = reduce(
        lambda left, part: left.join(part, on="patient_id", how="left"), parts, who.select("patient_id")
    )
    height = nw.col("body_height_metres")
    bmi = nw.when(height > 0).then(nw.col("body_mass_kilograms") / (height * height))
    return facts.with_columns(bmi.alias("bmi"))


def _lab(values: Lazy, fact: str, analyte: str) -> Lazy:
    of_analyte = values.filter(nw.col("analyte") == analyte)
    return of_analyte.group_by("patient_id").agg(nw.col("value").min().alias(fact))


def consent_facts(study: Study, who: Lazy) -> Lazy:
    """Consents of patients: yes while one stands, no where it was withdrawn, unknown where none is on record.

    ``days_from_index_to_consent`` is the day of the earliest consent that lets data in (informed, data use,
    waiver), ``consent_type`` its type; ``study_id`` the study of the standing consents (the first by name).
    """
    consents = study.frame("consents").filter(~nw.col("patient_id").is_null())
    is_withdrawn = ~(nw.col("withdrawn_day").is_null() & nw.col("withdrawal_level").is_null())
    standing = consents.filter(~is_withdrawn)
    entry = consents.filter(nw.col("type").is_in(_ENTRY_CONSENTS))
    parts = [
        *(_consent(consents, is_withdrawn, fact, kind) for fact, kind in CONSENTS),
        _entry(entry, who),
        standing.group_by("patient_id").agg(nw.col("study_id").min().alias("study_id")),
        _days_to_procedure(study, consents.filter(nw.col("type") == "informed_signed"), who),
    ]
    return reduce(
        lambda left, part: left.join(part, on="patient_id", how="left"), parts, who.select("patient_id")
    )


def _consent(consents: Lazy, is_withdrawn: nw.Expr, fact: str, kind: str) -> Lazy:
    mine = consents.filter(nw.col("type") == kind).with_columns(
        (~is_withdrawn).cast(nw.Int64).alias("stands")
    )
    best = mine.group_by("patient_id").agg(nw.col("stands").max().alias("stands"))
    return best.select("patient_id", (nw.col("stands") == 1).alias(fact))


def _entry(entry: Lazy, who: Lazy) -> Lazy:
    """Day and type of the earliest consent that lets data in; the type by name where two are of one day."""
    earliest = first_day(entry, who, "signed_day", name="days_from_index_to_consent")
    days = entry.join(who, on="patient_id", how="inner").join(earliest, on="patient_id", how="inner")
    elapsed = nw.col("signed_day").cast(nw.Int64) - nw.col("index_day").cast(nw.Int64)
    of_that_day = days.filter(elapsed == nw.col("days_from_index_to_consent"))
    kinds = of_that_day.group_by("patient_id").agg(nw.col("type").min().alias("consent_type"))
    return earliest.join(kinds, on="patient_id", how="left")


def _days_to_procedure(study: Study, informed: Lazy, who: Lazy) -> Lazy:
    """Days from the informed consent to the first study procedure: the first scheduled visit, or index."""
    is_scheduled = (nw.col("status") == "attended") & ~nw.col("visit").is_null()
    visits = study.frame("visits").filter(is_scheduled)
    procedures = [
        visits.select("patient_id", nw.col("visited_day").alias("day")),
        who.select("patient_id", nw.col("index_day").alias("day")),
    ]
    first = first_day(nw.concat(procedures), who, "day", name="procedure")
    consent = first_day(informed, who, "signed_day", name="consent")
    days = (nw.col("procedure") - nw.col("consent")).alias("days_from_informed_consent_to_first_procedure")
    return consent.join(first, on="patient_id", how="inner").select("patient_id", days)
