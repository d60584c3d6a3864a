"""Facts: what rules, cohorts and models ask of a patient, a donor or a unit, each defined once.

A fact that the tables cannot give is null, and null is unknown: no record is not zero. Lazy Narwhals in the
restricted dialect; nothing is collected here. Days to an event count from the patient's index day.
"""

from __future__ import annotations

import narwhals as nw

from commensal.study.calendar import Lazy, with_age
from commensal.study.facts_course import course_facts, donor_link
from commensal.study.facts_history import consent_facts, exposure_facts, history_facts, lab_facts
from commensal.study.facts_tools import beside, count, settled, yes_if_any
from commensal.study.folder import Study

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
    facts = beside(_own(study), *parts)
    n_sessions = nw.col("n_sessions").fill_null(0)
    has_arm = (nw.col("arm") == "fmt") | (nw.col("arm") == "autologous")
    return facts.with_columns(
        n_sessions.alias("n_sessions"),
        (has_arm & (n_sessions > 0)).alias("is_treated"),
        *[nw.col(name).fill_null(False) for name in ("has_baseline_record", "has_baseline_severity")],
        nw.col("n_contacts_after_index").fill_null(0),
    )


def _own(study: Study) -> Lazy:
    """Facts that stand in the patient's own row."""
    aged = with_age(
        study.frame("patients"),
        "born_day",
        "index_day",
        name="age_at_index_years",
        clock=study.manifest.clock,
    )
    allergens = nw.col("anaphylactic_allergens")
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


def donor_facts(study: Study, *, on_day: int) -> Lazy:
    """One row per donor on a day: age, body mass, infections that stay, donations and recipients so far."""
    days = study.frame("donors").with_columns(nw.lit(on_day).cast(nw.Int64).alias("on_day"))
    aged = with_age(days, "born_day", "on_day", name="donor_age_years", clock=study.manifest.clock)
    own = aged.select(
        "donor_id",
        "kind",
        "status",
        "donor_age_years",
        nw.col("bmi").alias("donor_bmi"),
        settled("cmv_igg").alias("donor_cmv_igg"),
        settled("ebv_igg").alias("donor_ebv_igg"),
        (nw.col("deferred_until_day") > on_day).alias("is_deferred_by_date"),
    )
    given = donor_link(study).filter(nw.col("administered_day") <= on_day)
    n_patients = _distinct(given, "donor_id", "patient_id", name="n_recipients")
    n_sessions = _distinct(given, "donor_id", "session_id", name="n_sessions_given")
    donations = study.frame("donations").filter(nw.col("donated_day") <= on_day)
    donated = donations.group_by("donor_id").agg(
        count("n_donations"), nw.col("donated_day").max().alias("last_donated_day")
    )
    facts = beside(own, n_patients, n_sessions, donated, on="donor_id")
    counts = [nw.col(c).fill_null(0) for c in ("n_recipients", "n_sessions_given", "n_donations")]
    return facts.with_columns(*counts)


def unit_facts(study: Study, *, on_day: int) -> Lazy:
    """One row per unit on a day: dose, expiry, its donors, and whether a hold lies on any part of it."""
    units = study.frame("units").select(
        "unit_id",
        "batch_id",
        "product",
        "release_pathway",
        "supplier_lot",
        "dose_grams",
        "has_supplier_certificate",
        "is_cold_chain_unbroken",
        "has_retention_sample",
        "is_label_verified",
        (nw.col("expires_day") - on_day).cast(nw.Int64).alias("days_to_expiry"),
    )
    links = study.frame("unit_donors").select("unit_id", "donor_id").unique()
    kinds = study.frame("donors").select("donor_id", "kind")
    donors = (
        links.join(kinds, on="donor_id", how="left")
        .group_by("unit_id")
        .agg(
            count("n_donors"),
            (nw.col("kind") == "autologous").cast(nw.Int64).max().alias("autologous"),
        )
        .select("unit_id", "n_donors", (nw.col("autologous") == 1).alias("is_autologous"))
    )
    quality = study.frame("batches").select("batch_id", "is_quality_passed")
    held = yes_if_any(_held_units(study, units, links, on_day=on_day), "unit_id", name="has_hold")
    return (
        units.join(donors, on="unit_id", how="left")
        .join(quality, on="batch_id", how="left")
        .join(held, on="unit_id", how="left")
        .with_columns(nw.col("has_hold").fill_null(False))
    )


def _held_units(study: Study, units: Lazy, links: Lazy, *, on_day: int) -> Lazy:
    """Units under a hold of their own, of their batch or of one of their donors."""
    # A hold without a first day stands until it is lifted: unknown is on the safe side.
    has_begun = nw.col("placed_day").is_null() | (nw.col("placed_day") <= on_day)
    is_open = nw.col("lifted_day").is_null() | (nw.col("lifted_day") > on_day)
    holds = study.frame("holds").filter(has_begun & is_open)
    own = holds.filter(~nw.col("unit_id").is_null()).select("unit_id")
    batches = holds.filter(~nw.col("batch_id").is_null()).select("batch_id").unique()
    donors = holds.filter(~nw.col("donor_id").is_null()).select("donor_id").unique()
    by_batch = units.join(batches, on="batch_id", how="inner").select("unit_id")
    by_donor = links.join(donors, on="donor_id", how="inner").select("unit_id")
    return nw.concat([own, by_batch, by_donor])


def _distinct(frame: Lazy, by: str, what: str, *, name: str) -> Lazy:
    """The number of different values of one column for each value of another."""
    return frame.select(by, what).unique().group_by(by).agg(count(name))


__all__ = ["donor_facts", "patient_facts", "unit_facts"]
