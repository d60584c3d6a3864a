"""The study's own rules, judged for every patient. They describe; they exclude nobody from the safety set."""

from __future__ import annotations

import polars as pl

from commensal.evidence.rows import rows_of
from commensal.vocabulary.eligibility import study_rules
from commensal.vocabulary.frames import combine_all, judge_all


def verdicts(cohort: pl.DataFrame) -> pl.DataFrame:
    """Return ``verdicts`` rows: every rule of the study, flags of analysis too, for every treated patient.

    A rule that an unanswered question leaves open is undetermined, never met.
    """
    judged = _judged(cohort, subjects=("recipient", "analysis"))
    sources = {rule.id: rule.source for s in ("recipient", "analysis") for rule in study_rules(subject=s)}
    rows = judged.rename({"patient_id": "subject_id", "missing": "missing_facts"}).with_columns(
        source=pl.col("rule_id").replace_strict(sources)
    )
    return rows_of("verdicts", [rows]).sort("subject_id", "rule_id")


def eligible(cohort: pl.DataFrame) -> pl.DataFrame:
    """Return [patient_id, verdict]: the least favourable verdict of the rules that gate, one row each."""
    return combine_all(_judged(cohort, subjects=("recipient",)), keys=["patient_id"]).sort("patient_id")


def _judged(cohort: pl.DataFrame, *, subjects: tuple[str, ...]) -> pl.DataFrame:
    treated = cohort.filter(pl.col("is_treated") & ~pl.col("is_comparator"))
    rules = [rule for subject in subjects for rule in study_rules(subject=subject)]
    return judge_all(treated, rules=rules, keys=["patient_id"])
