"""Facts of material on a day: donors, the donations in a unit, units, and the holds that lie on them."""

from __future__ import annotations

import narwhals as nw

from commensal.study.calendar import Lazy, with_age
from commensal.study.facts_tools import any_known, beside, consent_stands
from commensal.study.folder import Study

LABORATORY = ("blood", "stool", "swab")
"""Specimens that a laboratory tests; the rest of a screening is asked or examined."""

_MAJORITY_YEARS = 18
_MICROSECONDS_PER_HOUR = 3_600_000_000
_ONE_PATIENT = ("autologous", "directed")


def donor_facts(study: Study, *, on_day: int) -> Lazy:
    """One row per donor on a day: status, age, body mass, consent.

    Pregnancy is ruled out for a male donor and unknown here for any other: the questionnaire asks it.
    """
    days = study.frame("donors").with_columns(nw.lit(on_day).cast(nw.Int64).alias("on_day"))
    aged = with_age(days, "born_day", "on_day", name="donor_age_years", clock=study.manifest.clock)
    own = aged.select(
        "donor_id",
        nw.col("status").alias("donor_status"),
        "donor_age_years",
        (nw.col("donor_age_years") < _MAJORITY_YEARS).alias("is_minor_donor"),
        nw.col("bmi").alias("donor_bmi"),
        nw.when(nw.col("sex") == "male").then(nw.lit(False)).alias("is_donor_pregnant"),
    )
    asked = days.select("donor_id", nw.col("on_day").alias("day"))
    consents = _donor_consents(study, asked, "donor_id", on_day=on_day)
    return beside(own, consents, on="donor_id")


def donation_facts(study: Study, *, on_day: int) -> Lazy:
    """One row per unit and donation in it: donor, consent, stool, same-day answers and time to the freezer.

    ``has_donor_consent``: signed by the day of the donation, and not withdrawn on ``on_day``.
    ``hours_to_freezer`` is null where a moment is unknown or the two are in the wrong order.
    """
    donations = study.frame("donations").select(
        "donation_id",
        "donor_id",
        "donated_day",
        "passed_at",
        "is_accepted",
        nw.col("is_questionnaire_clean").alias("is_same_day_questionnaire_clean"),
        "bristol_type",
        nw.col("stool_mass_grams").alias("donation_mass_grams"),
    )
    donors = study.frame("donors").select("donor_id", "sex", nw.col("status").alias("donor_status"))
    asked = donations.select("donation_id", "donor_id", nw.col("donated_day").alias("day"))
    facts = beside(
        donations.join(donors, on="donor_id", how="left"),
        _donor_consents(study, asked, "donation_id", on_day=on_day),
        _menstruation(study),
        _first_donations(donations),
        _opening_ages(study, donations),
        on="donation_id",
    )
    is_male = nw.col("sex") == "male"
    menstruating = nw.when(is_male).then(nw.lit(False)).otherwise(nw.col("is_menstruating"))
    made = _frozen(study).join(facts, on="donation_id", how="inner")
    return made.with_columns(menstruating.alias("is_menstruating"), _hours_to_freezer()).drop(
        "sex", "passed_at", "frozen_at"
    )


def _donor_consents(study: Study, asked: Lazy, key: str, *, on_day: int) -> Lazy:
    """Whether a consent of the donor was signed by the day asked about and stands; null without a record.

    ``asked`` has one row per ``key`` with donor_id and day.
    """
    given = study.frame("consents").filter(
        (nw.col("type") == "donor_consent") & ~nw.col("signed_day").is_null()
    )
    held = asked.join(given, on="donor_id", how="inner")
    stands = consent_stands(on_day=on_day) & (nw.col("signed_day") <= nw.col("day")).fill_null(False)
    signed = held.with_columns(stands.cast(nw.Int64).alias("stands"))
    grouped = signed.group_by(key).agg(nw.col("stands").max().alias("stands"))
    return grouped.select(key, (nw.col("stands") == 1).alias("has_donor_consent"))


def _menstruation(study: Study) -> Lazy:
    """What was answered at each donation; null where an answer is neither yes nor no."""
    answers = study.frame("screenings").filter(
        (nw.col("analyte") == "menstruation") & ~nw.col("donation_id").is_null() & ~nw.col("result").is_null()
    )
    counted = answers.select(
        "donation_id",
        (nw.col("result") == "positive").cast(nw.Int64).alias("yes"),
        (~nw.col("result").is_in(("negative", "positive"))).cast(nw.Int64).alias("open"),
    )
    said = counted.group_by("donation_id").agg(
        nw.col("yes").max().alias("yes"), nw.col("open").max().alias("open")
    )
    return said.select(
        "donation_id", nw.when(nw.col("open") == 0).then(nw.col("yes") == 1).alias("is_menstruating")
    )


def _first_donations(donations: Lazy) -> Lazy:
    """Whether a donation is the donor's first: no after a known one, null where one is undated."""
    of_donor = donations.group_by("donor_id").agg(
        nw.col("donated_day").min().alias("first"),
        nw.col("donated_day").is_null().cast(nw.Int64).max().alias("undated"),
    )
    is_dated = nw.when(nw.col("undated") == 0).then(nw.lit(True))
    is_first = nw.when(nw.col("first") < nw.col("donated_day")).then(nw.lit(False)).otherwise(is_dated)
    placed = donations.select("donation_id", "donor_id", "donated_day").join(
        of_donor, on="donor_id", how="inner"
    )
    return placed.select("donation_id", is_first.alias("is_first_donation"))


def _opening_ages(study: Study, donations: Lazy) -> Lazy:
    """Days from the oldest of the latest laboratory results before the donation, analyte by analyte."""
    tested = study.frame("screenings").filter(nw.col("specimen").is_in(LABORATORY))
    before = (
        tested.select("donor_id", "analyte", "collected_day")
        .join(donations.select("donation_id", "donor_id", "donated_day"), on="donor_id", how="inner")
        .filter(nw.col("collected_day") <= nw.col("donated_day"))
        .with_columns((nw.col("donated_day") - nw.col("collected_day")).cast(nw.Int64).alias("age"))
    )
    latest = before.group_by("donation_id", "analyte").agg(nw.col("age").min().alias("age"))
    return latest.group_by("donation_id").agg(nw.col("age").max().alias("days_since_opening_screen"))


def _frozen(study: Study) -> Lazy:
    """Units and their donations, with the moment the batch went into the freezer."""
    links = study.frame("unit_donors").select("unit_id", "donation_id").unique()
    units = study.frame("units").select("unit_id", "batch_id")
    batches = study.frame("batches").select("batch_id", "frozen_at")
    made = links.join(units, on="unit_id", how="inner").join(batches, on="batch_id", how="left")
    return made.drop("batch_id")


def _hours_to_freezer() -> nw.Expr:
    lasted = (nw.col("frozen_at") - nw.col("passed_at")).dt.total_microseconds()
    hours = lasted.cast(nw.Float64) / _MICROSECONDS_PER_HOUR
    # Engines divide with different last digits.
    return nw.when(lasted >= 0).then(hours.round(6)).alias("hours_to_freezer")


def unit_facts(study: Study, *, on_day: int) -> Lazy:
    """One row per unit on a day: dose, expiry, checks, what its donors make of it, and the gravest hold.

    A supplier's lot without donors on record is neither autologous nor directed; of any other unit without
    donors that is unknown.
    """
    expires, produced = nw.col("expires_day"), nw.col("produced_day")
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
        (expires - on_day).cast(nw.Int64).alias("days_to_expiry"),
        (expires - produced).cast(nw.Int64).alias("shelf_life_days"),
    )
    quality = study.frame("batches").select("batch_id", "is_quality_passed")
    facts = units.join(quality, on="batch_id", how="left")
    facts = beside(facts, _unit_parts(study), unit_holds(study, on_day=on_day), on="unit_id")
    is_own = (nw.col("product") == "autologous").fill_null(False)
    of_no_donor = nw.col("are_parts_known").is_null() & (nw.col("release_pathway") == "external_product")
    return facts.with_columns(
        nw.col("are_parts_known").fill_null(False),
        nw.col("hold").fill_null("none"),
        (~nw.col("hold").is_null()).alias("has_hold"),
        *[
            nw.when(is_own | of_no_donor).then(is_own).otherwise(nw.col(name)).alias(name)
            for name in ("is_autologous", "is_restricted_to_one_patient")
        ],
    )


def _unit_parts(study: Study) -> Lazy:
    """What the donors and donations of each unit say of it."""
    kinds = study.frame("donors").select("donor_id", "kind")
    parts = study.frame("unit_donors").join(kinds, on="donor_id", how="left")
    kind = nw.col("kind")
    marked = parts.with_columns(
        (~nw.col("donation_id").is_null()).cast(nw.Int64).alias("known"),
        (kind == "autologous").alias("own"),
        kind.is_in(_ONE_PATIENT).alias("restricted"),
        kind.is_null().alias("open"),
    )
    told = marked.group_by("unit_id").agg(
        nw.col("known").min().alias("known"),
        *[nw.col(name).cast(nw.Int64).max().alias(name) for name in ("own", "restricted", "open")],
    )
    return told.select(
        "unit_id",
        (nw.col("known") == 1).alias("are_parts_known"),
        any_known("own", "open").alias("is_autologous"),
        any_known("restricted", "open").alias("is_restricted_to_one_patient"),
    )


def unit_holds(study: Study, *, on_day: int) -> Lazy:
    """One row per unit under a hold on a day: the gravest of its own, its batch's and its donors'.

    A hold without a first day stands until it is lifted: unknown is on the safe side. A recall is graver
    than a quarantine.
    """
    has_begun = nw.col("placed_day").is_null() | (nw.col("placed_day") <= on_day)
    is_open = nw.col("lifted_day").is_null() | (nw.col("lifted_day") > on_day)
    standing = study.frame("holds").filter(has_begun & is_open)
    holds = standing.with_columns((nw.col("kind") == "recall").cast(nw.Int64).alias("recall"))
    units = study.frame("units").select("unit_id", "batch_id")
    donors = study.frame("unit_donors").select("unit_id", "donor_id").unique()
    held = nw.concat(
        [
            holds.filter(~nw.col("unit_id").is_null()).select("unit_id", "recall"),
            units.join(holds.select("batch_id", "recall"), on="batch_id", how="inner").select(
                "unit_id", "recall"
            ),
            donors.join(holds.select("donor_id", "recall"), on="donor_id", how="inner").select(
                "unit_id", "recall"
            ),
        ]
    )
    gravest = held.group_by("unit_id").agg(nw.col("recall").max().alias("recall"))
    hold = nw.when(nw.col("recall") == 1).then(nw.lit("recall")).otherwise(nw.lit("quarantine"))
    return gravest.select("unit_id", hold.alias("hold"))
