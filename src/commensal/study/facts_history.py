"""Facts of history: follow-up and what ended it, drugs before index, laboratory values, consent."""

from __future__ import annotations

import narwhals as nw

from commensal.study.calendar import Lazy
from commensal.study.facts_tools import beside, consent_stands, since_index
from commensal.study.folder import Study
from commensal.vocabulary.units import analytes

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
_TREATMENT_CONSENT = "informed_signed"
_ENTRY_CONSENTS = ("informed_signed", "data_use_signed", "waiver_irb")

_A_YEAR = 365
# Prednisone and prednisolone are equal milligram for milligram; other agents need a table of equivalence
# doses, so their dose is unknown here.
_PREDNISONE = ("prednisone", "prednisolone")
_MILLIGRAMS = "mg"


# Fact of follow-up, the kind of event, and which of several counts.
_EVENTS = (
    ("days_to_death", "death", "first"),
    ("days_to_withdrawal", "withdrawal", "first"),
    ("days_to_loss", "lost_to_follow_up", "first"),
    ("days_to_colectomy", "colectomy", "first"),
    ("days_to_rescue", "rescue", "first"),
    ("days_to_diagnosis", "diagnosis", "first"),
    ("days_followed", "contact", "last"),
)


def history_facts(study: Study, who: Lazy) -> Lazy:
    """One row per patient with an event: days from index to death, loss, surgery, rescue; days followed.

    ``days_followed`` ends on the last day the patient was known to be alive, or died: attended visits,
    sessions, diary entries and dispositions count, a missed visit does not.
    """
    events = (
        _events(study).join(who, on="patient_id", how="inner").with_columns(since_index("day").alias("day"))
    )
    kinds = {kind: nw.when(nw.col("kind") == kind).then(nw.col("day")).alias(kind) for _, kind, _ in _EVENTS}
    counted = [
        (nw.col(kind).min() if which == "first" else nw.col(kind).max()).alias(fact)
        for fact, kind, which in _EVENTS
    ]
    facts = events.with_columns(*kinds.values()).group_by("patient_id").agg(*counted)
    diagnosed = (nw.col("days_to_diagnosis") * -1).alias("days_from_diagnosis_to_index")
    return facts.with_columns(diagnosed).drop("days_to_diagnosis")


def _events(study: Study) -> Lazy:
    """Everything that ends or proves follow-up, as rows of patient, kind and day."""
    ends = study.frame("dispositions")
    attended = study.frame("visits").filter(nw.col("status") == "attended")
    colectomies = study.frame("procedures").filter(nw.col("kind") == "colectomy")
    rescue = study.frame("exposures").filter(nw.col("is_rescue"))
    diagnoses = study.frame("diagnoses").filter(nw.col("role") == "indication")
    return nw.concat(
        [
            ends.select("patient_id", "kind", nw.col("occurred_day").alias("day")),
            _event(ends, "contact", "occurred_day"),
            _event(attended, "contact", "visited_day"),
            _event(study.frame("sessions"), "contact", "administered_day"),
            _event(study.frame("diaries"), "contact", "recorded_day"),
            _event(colectomies, "colectomy", "performed_day"),
            _event(rescue, "rescue", "started_day"),
            _event(diagnoses, "diagnosis", "diagnosed_day"),
        ]
    )


def _event(frame: Lazy, kind: str, day: str) -> Lazy:
    return frame.select("patient_id", nw.lit(kind).alias("kind"), nw.col(day).alias("day"))


def exposure_facts(study: Study, who: Lazy) -> Lazy:
    """Antibiotics and prednisone at index, one row per patient."""
    exposures = study.frame("exposures").join(who, on="patient_id", how="inner")
    antibiotics = _antibiotic_facts(exposures.filter(nw.col("exposure") == "antibiotic"))
    steroids = _steroid_facts(exposures.filter(nw.col("exposure") == "steroid"))
    return beside(who.select("patient_id"), antibiotics, steroids)


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
    facts = latest.select("patient_id", since.alias("days_since_recipient_antibiotic"))
    within_a_year = nw.col("days_since_recipient_antibiotic") <= _A_YEAR
    return facts.with_columns(within_a_year.alias("had_recipient_antibiotic"))


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
        .select("patient_id", "analyte", "collected_day", "value", "unit")
    )
    latest = before.group_by("patient_id", "analyte").agg(nw.col("collected_day").max().alias("latest"))
    values = before.join(latest, on=["patient_id", "analyte"], how="inner")
    values = values.filter(nw.col("collected_day") == nw.col("latest"))
    # A value in a foreign unit is no number of the canonical one, and an older value is not the latest.
    is_foreign = nw.any_horizontal(
        *[(nw.col("analyte") == name) & (nw.col("unit") != analytes().get(name).unit) for name in names],
        ignore_nulls=True,
    )
    values = values.with_columns(nw.when(~is_foreign).then(nw.col("value")).alias("value"))
    of_analyte = {
        fact: nw.when(nw.col("analyte") == analyte).then(nw.col("value")).alias(fact)
        for fact, analyte in LABS
    }
    lowest = [nw.col(fact).min().alias(fact) for fact in of_analyte]
    facts = values.with_columns(*of_analyte.values()).group_by("patient_id").agg(*lowest)
    height = nw.col("body_height_metres")
    bmi = nw.when(height > 0).then(nw.col("body_mass_kilograms") / (height * height))
    return facts.with_columns(bmi.alias("bmi"))


def consent_facts(study: Study, who: Lazy) -> Lazy:
    """Consents of patients, and the days from consent to index and to the first study procedure.

    ``days_from_index_to_consent`` is the day of the earliest consent that lets data in (informed, data use,
    waiver), ``consent_type`` its type; the others say whether one stands.
    """
    placed = _consents(study, who)
    return beside(_standing(placed), _entry(placed), _days_to_procedure(study, placed, who))


def consents_on(study: Study, who: Lazy, *, on_day: int) -> Lazy:
    """Consents of patients as they stood on a day: what was signed later, or undated, is not looked at."""
    placed = _consents(study, who).filter(nw.col("signed_day") <= on_day)
    return _standing(placed, on_day=on_day)


def _consents(study: Study, who: Lazy) -> Lazy:
    consents = study.frame("consents").filter(~nw.col("patient_id").is_null())
    placed = consents.join(who, on="patient_id", how="inner")
    return placed.with_columns(since_index("signed_day").alias("signed"))


def _standing(placed: Lazy, *, on_day: int | None = None) -> Lazy:
    """Yes while a consent stands, no where it was withdrawn, unknown where none is on record.

    ``study_id`` is the study that a standing informed consent names (the first by name). A consent to the use
    of data, to storage or to sharing names a study too, but nobody is treated inside it.
    """
    stands = consent_stands(on_day=on_day)
    is_treated_in = stands & (nw.col("type") == _TREATMENT_CONSENT).fill_null(False)
    marked = placed.with_columns(
        stands.cast(nw.Int64).alias("stands"),
        nw.when(is_treated_in).then(nw.col("study_id")).alias("standing_study"),
    )
    marks = {
        fact: nw.when(nw.col("type") == kind).then(nw.col("stands")).alias(fact) for fact, kind in CONSENTS
    }
    return (
        marked.with_columns(*marks.values())
        .group_by("patient_id")
        .agg(
            *[nw.col(fact).max().alias(fact) for fact in marks],
            nw.col("standing_study").min().alias("study_id"),
        )
        .with_columns(*[(nw.col(fact) == 1).alias(fact) for fact in marks])
    )


def _entry(placed: Lazy) -> Lazy:
    """Day and type of the earliest consent that lets data in; the type by name where two are of one day."""
    entry = placed.filter(nw.col("type").is_in(_ENTRY_CONSENTS)).select("patient_id", "type", "signed")
    first = entry.group_by("patient_id").agg(nw.col("signed").min().alias("days_from_index_to_consent"))
    both = entry.join(first, on="patient_id", how="inner")
    of_that_day = both.filter(nw.col("signed") == nw.col("days_from_index_to_consent"))
    return of_that_day.group_by("patient_id").agg(
        nw.col("signed").min().alias("days_from_index_to_consent"), nw.col("type").min().alias("consent_type")
    )


def _days_to_procedure(study: Study, placed: Lazy, who: Lazy) -> Lazy:
    """Days from the informed consent to the first study procedure: the first scheduled visit, or index."""
    is_scheduled = (nw.col("status") == "attended") & ~nw.col("visit").is_null()
    visits = study.frame("visits").filter(is_scheduled).join(who, on="patient_id", how="inner")
    first = visits.group_by("patient_id").agg(nw.col("visited_day").min().alias("visited_day"))
    informed = placed.filter(nw.col("type") == "informed_signed")
    consent = informed.group_by("patient_id").agg(
        nw.col("signed").min().alias("consent"), nw.col("index_day").max().alias("index_day")
    )
    visited = since_index("visited_day")
    # Index itself is a procedure: day 0.
    procedure = (
        nw.when(visited < 0).then(visited).otherwise(nw.when(~nw.col("index_day").is_null()).then(nw.lit(0)))
    )
    days = (procedure - nw.col("consent")).cast(nw.Int64)
    return consent.join(first, on="patient_id", how="left").select(
        "patient_id", days.alias("days_from_informed_consent_to_first_procedure")
    )
