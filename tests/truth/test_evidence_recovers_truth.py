"""What evidence observes in a synthetic centre against the states that the simulator kept beside it."""

import polars as pl
import pytest

from commensal.evidence.cohort import cohort_of
from commensal.evidence.landmarks import due_at, windows_of
from commensal.evidence.outcomes import records_of
from commensal.evidence.remission import outcome_rows
from commensal.simulate import simulate

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    study = simulate(
        tmp_path_factory.mktemp("centre") / "study", n_patients=800, seed=11, scenario="clinical_only"
    )
    cohort = cohort_of(study)
    due = due_at(cohort, windows=windows_of(), at=["M3"])
    outcomes = outcome_rows(records_of(study, cohort, due), landmarks=["M3"])
    truth = study.truth("patients").select("patient_id", "is_remitted_M3", "is_responding_M3")
    primary = outcomes.filter(pl.col("is_primary") & pl.col("is_active") & ~pl.col("is_comparator"))
    kept = pl.when(pl.col("kind") == "remission").then("is_remitted_M3").otherwise("is_responding_M3")
    return primary.join(truth, on="patient_id").with_columns(truth=kept)


def test_observed_outcomes_are_the_patients_true_states(judged):
    # A visit falls some days beside day 91, and a state may change between: not every one agrees.
    seen = judged.filter(pl.col("is_due") & pl.col("success").is_not_null())
    agreement = seen.group_by("endpoint").agg(n=pl.len(), agree=(pl.col("success") == pl.col("truth")).mean())
    assert agreement.height >= 6
    large = agreement.filter(pl.col("n") >= 20)
    assert large.filter(pl.col("agree") < 0.93).is_empty(), large


def test_recurrence_of_c_difficile_is_known_exactly(judged):
    seen = judged.filter((pl.col("endpoint") == "cdi_recurrence_free") & pl.col("success").is_not_null())
    assert seen.height > 20
    assert (seen["success"] == seen["truth"]).all()


def test_everyone_due_is_observed_or_has_one_reason(judged):
    due = judged.filter("is_due")
    assert due.filter(pl.col("success").is_null() & pl.col("reason").is_null()).is_empty()
    assert due.filter(pl.col("success").is_not_null() & pl.col("reason").is_not_null()).is_empty()
