"""The criteria of releasing a unit, each a rule with its source.

The laboratory's windows and the donation's rules come from the screening profile; these are the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

from commensal.vocabulary.conditions import All, Compare, Condition, IsTrue, Known, OneOf
from commensal.vocabulary.rules import Rule, Verdict
from commensal.vocabulary.screening import ShelfLife
from commensal.vocabulary.sources import find_source


def release_rule(
    code: str, sentence: str, condition: Condition, source: str, confidence: str, subject: str
) -> Rule:
    """Declare one criterion of a release as a rule."""
    return Rule(f"release.{code}", sentence, condition, "exclude", source, confidence, subject)


OF_THE_UNIT = (
    release_rule(
        "expiry", "The unit is in date.", Compare("days_to_expiry", "at_least", 0), "CN20", "H", "lot"
    ),
    release_rule("hold", "No hold stands on the unit.", OneOf("hold", ("none",)), "CAM19", "M", "lot"),
    release_rule(
        "custody",
        "The unit is made, stored and not yet released, and its custody record has no fault.",
        All((OneOf("custody", ("processed", "stored")), IsTrue("is_record_whole"))),
        "DESIGN",
        "D",
        "lot",
    ),
    release_rule(
        "cold_chain",
        "The temperature log shows no excursion beyond the centre's limit.",
        IsTrue("is_cold_chain_unbroken"),
        "DESIGN",
        "D",
        "lot",
    ),
    release_rule(
        "label",
        "Two persons verified the label of the unit.",
        IsTrue("is_label_verified"),
        "DESIGN",
        "D",
        "lot",
    ),
    release_rule(
        "second_person",
        "A second person, who neither made the unit nor asks for its release, signs.",
        IsTrue("has_second_person"),
        "DESIGN",
        "D",
        "lot",
    ),
)

OF_OWN_MATERIAL = (
    release_rule(
        "retention_sample",
        "A retention sample of the unit is stored.",
        IsTrue("has_retention_sample"),
        "FDA20a",
        "H",
        "lot",
    ),
    release_rule(
        "quality",
        "Mass, volume and viable count are within specification.",
        IsTrue("is_quality_passed"),
        "KEL21",
        "M",
        "lot",
    ),
    release_rule(
        "donors_known",
        "Every donor and donation of the unit is known.",
        IsTrue("are_parts_known"),
        "CAM19",
        "M",
        "lot",
    ),
)

OF_A_DONATION = (
    release_rule(
        "donor",
        "The donor stands as eligible.",
        OneOf("donor_status", ("eligible", "retired")),
        "CAM19",
        "M",
        "donor",
    ),
    release_rule(
        "donor_consent",
        "The donor's written consent was signed before the donation and is not withdrawn.",
        IsTrue("has_donor_consent"),
        "CN20",
        "H",
        "donor",
    ),
    release_rule(
        "accepted",
        "The donation was accepted for processing.",
        IsTrue("is_accepted"),
        "DESIGN",
        "D",
        "donation",
    ),
    release_rule(
        "same_day_questionnaire",
        "The health questionnaire of this donation is complete and clean.",
        IsTrue("is_same_day_questionnaire_clean"),
        "CAM19",
        "M",
        "donation",
    ),
)

IN_TIME = release_rule(
    "time_to_freezer",
    "The stool was frozen within six hours of being passed.",
    Compare("hours_to_freezer", "at_most", 6),
    "KEL21",
    "H",
    "donation",
)

OF_A_SUPPLY = (
    release_rule(
        "supplier_certificate",
        "The supplier's certificate for the lot is on file.",
        All((IsTrue("has_supplier_certificate"), Known("supplier_lot"))),
        "DESIGN",
        "D",
        "lot",
    ),
)


def shelf_life_rule(life: ShelfLife) -> Rule:
    """Return the criterion that frozen material expires within a profile's shelf life."""
    sentence = f"The expiry date lies at most {life.months} months after production."
    condition = Compare("shelf_life_days", "at_most", life.days)
    return release_rule("shelf_life", sentence, condition, life.source, life.confidence, "lot")


FROZEN = ("frozen_suspension", "frozen_capsule", "wmt_frozen")


@dataclass(frozen=True)
class Criterion:
    """One criterion of a release: what must hold, of what, whether it does, why, and who asks for it."""

    code: str
    subject_id: str
    sentence: str
    outcome: str
    explanation: str
    source: str
    consequence: str = "exclude"

    @property
    def is_met(self) -> bool:
        """Whether the criterion holds."""
        return self.outcome == "met"


def criterion(subject: str, verdict: Verdict) -> Criterion:
    """Return the verdict of one rule on one subject as a criterion."""
    rule = verdict.rule
    return Criterion(
        rule.id,
        subject,
        rule.sentence,
        verdict.outcome,
        _why(verdict),
        find_source(rule.source).title,
        rule.consequence,
    )


def _why(verdict: Verdict) -> str:
    """The answers a verdict rests on and what is missing, in words; the sentence and source stand beside."""
    said = {True: "yes", False: "no"}
    answers = [
        f"{name.replace('_', ' ')}: {said[value] if isinstance(value, bool) else value}"
        for name, value in verdict.answers
    ]
    missing = [f"{name.replace('_', ' ')}: not recorded" for name in verdict.missing]
    return "; ".join((*answers, *missing))
