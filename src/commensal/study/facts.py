"""Facts: what rules, cohorts and models ask of a patient, a donor or a unit, each defined once.

A fact that the tables cannot give is null, and null is unknown: no record is not zero. Lazy Narwhals in the
restricted dialect; nothing is collected here. Days to an event count from the patient's index day.
"""

from __future__ import annotations

import narwhals as nw

from commensal.study.calendar import Lazy, with_age
from commensal.study.facts_course import course_facts, is_treated
from commensal.study.facts_history import consent_facts, consents_on, exposure_facts, history_facts, lab_facts
from commensal.study.facts_material import donation_facts, donor_facts, unit_facts, unit_holds
from commensal.study.facts_tools import beside, settled, yes_if_any
from commensal.study.folder import Study
from commensal.vocabulary.indications import STATUSES, indications

_KEPT = (
    "patient_id",
    "site_id",
    "arm",
    "cohort",
    "sex",
    "indication",
    "immunocompromise",
    "has_severe_complication_before_index",
    "is_mucosal_barrier_injured",
)


def patient_facts(study: Study) -> Lazy:
    """One row per patient: the facts of ``commensal.vocabulary.facts`` that the tables can give, and others.

    Days (``days_to_…``) count from index: 0 is the day of index, negative is before. ``n_…`` count rows.
    ``collect`` and sort by ``patient_id`` before comparing: a lazy frame has no order.
    """
    patients = study.frame("patients")
    who = patients.select("patient_id", "index_day")
    parts = [
        *course_facts(study, who),
        history_facts(study, who),
        exposure_facts(study, who),
        lab_facts(study, who),
        consent_facts(study, who),
        _baseline_facts(study, who),
    ]
    facts = beside(_own(patients, clock=study.manifest.clock), *parts)
    return facts.with_columns(
        nw.col("n_sessions").fill_null(0),
        is_treated().alias("is_treated"),
        *[nw.col(name).fill_null(False) for name in ("has_baseline_record", "has_baseline_severity")],
        nw.col("n_contacts_after_index").fill_null(0),
    )


def recipient_facts(study: Study, *, on_day: int) -> Lazy:
    """One row per patient on a day: what :func:`patient_facts` says of index, with the day in its place.

    For a recipient who is not treated yet: age, antibiotics, laboratory values and consents as of the day.
    Nothing that became known later is looked at, save what stands in the patient's own row.
    """
    today = nw.lit(on_day).cast(nw.Int64).alias("index_day")
    patients = study.frame("patients").with_columns(today)
    who = patients.select("patient_id", "index_day")
    parts = [exposure_facts(study, who), lab_facts(study, who), consents_on(study, who, on_day=on_day)]
    facts = beside(_own(patients, clock=study.manifest.clock), *parts).drop("index_day")
    return facts.with_columns(
        nw.col("has_informed_consent").alias("has_treatment_consent"), _evidence_status()
    )


def _evidence_status() -> nw.Expr:
    """Evidence status of the indication; unknown for a group, whose members differ."""
    known = [entry for entry in indications() if not entry.is_group]
    of_status = [
        nw.when(nw.col("indication").is_in([e.code for e in known if e.status == status])).then(
            nw.lit(status)
        )
        for status in STATUSES
    ]
    return nw.coalesce(*of_status).alias("evidence_status")


def _own(patients: Lazy, *, clock: str) -> Lazy:
    """Facts that stand in the patient's own row."""
    aged = with_age(patients, "born_day", "index_day", name="age_at_index_years", clock=clock)
    allergens = nw.col("anaphylactic_allergens").str.strip_chars().str.to_lowercase()
    return aged.select(
        *_KEPT,
        "index_day",
        "age_at_index_years",
        settled("cmv_igg").alias("recipient_cmv_igg"),
        settled("ebv_igg").alias("recipient_ebv_igg"),
        nw.when(~allergens.is_null()).then(allergens != "none").alias("has_anaphylactic_food_allergy"),
    )


def _baseline_facts(study: Study, who: Lazy) -> Lazy:
    """Whether anything, and whether severity, was recorded on or before the index day; contacts after it."""
    visits = study.frame("visits").join(who, on="patient_id", how="inner")
    scored = study.frame("assessments").filter(~nw.col("value").is_null())
    attended = visits.filter(nw.col("status") == "attended").join(
        yes_if_any(scored, "visit_id", name="is_scored"), on="visit_id", how="left"
    )
    is_before, is_after = (
        (nw.col("visited_day") <= nw.col("index_day")),
        (nw.col("visited_day") > nw.col("index_day")),
    )
    marked = attended.with_columns(
        is_before.cast(nw.Int64).alias("before"),
        (is_before & nw.col("is_scored").fill_null(False)).cast(nw.Int64).alias("scored"),
        is_after.cast(nw.Int64).alias("after"),
    )
    return (
        marked.group_by("patient_id")
        .agg(
            nw.col("before").max().alias("before"),
            nw.col("scored").max().alias("scored"),
            nw.col("after").sum().cast(nw.Int64).alias("n_contacts_after_index"),
        )
        .select(
            "patient_id",
            (nw.col("before") == 1).alias("has_baseline_record"),
            (nw.col("scored") == 1).alias("has_baseline_severity"),
            "n_contacts_after_index",
        )
    )


__all__ = ["donation_facts", "donor_facts", "patient_facts", "recipient_facts", "unit_facts", "unit_holds"]
