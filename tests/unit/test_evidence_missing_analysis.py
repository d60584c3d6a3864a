"""Missing outcomes of a whole synthetic study: rows, reasons, estimands, and nothing that moves by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from commensal.evidence.ground import Ground, ground_of
from commensal.evidence.missing import Settings, missing_outcomes
from commensal.evidence.missing.panel import panel_of, targets_of
from commensal.evidence.missing.weighting import weighted, weighting_of
from commensal.simulate import simulate

pytestmark = pytest.mark.slow

FEW = Settings(imputations=3, iterations=2)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    folder = tmp_path_factory.mktemp("centre") / "study"
    study = simulate(folder, n_patients=600, seed=5, scenario="clinical_only")
    return ground_of(study, landmarks=["M3", "Y1", "Y5"])


@pytest.fixture(scope="module")
def rows(ground: Ground) -> dict[str, pl.DataFrame]:
    return missing_outcomes(ground, settings=FEW, level=0.95, seed=1)


def test_every_number_has_limits_and_every_gap_a_reason(rows: dict[str, pl.DataFrame]) -> None:
    estimates = rows["estimates"]
    made = estimates.filter(pl.col("estimate").is_not_null())
    assert made.height > 100
    assert made.filter(~pl.col("estimate").is_between(pl.col("lower"), pl.col("upper"))).is_empty()
    assert estimates.filter(pl.col("estimate").is_null() & pl.col("reason").is_null()).is_empty()
    for table in rows.values():
        for column in table.select(pl.selectors.float()):
            assert not column.is_nan().any()


def test_rows_are_told_apart_by_their_key(rows: dict[str, pl.DataFrame]) -> None:
    key = ["endpoint", "landmark", "population", "estimand", "group_variable", "group_level", "method"]
    assert rows["estimates"].select(key).is_duplicated().sum() == 0


def test_every_primary_endpoint_that_is_due_has_every_handling(
    ground: Ground, rows: dict[str, pl.DataFrame]
) -> None:
    due = ground.outcomes.filter(
        pl.col("is_primary") & ~pl.col("is_comparator") & pl.col("is_active") & pl.col("is_due")
    )
    wanted = due.select("endpoint", "landmark", "indication").unique().height
    whole = rows["estimates"].filter(
        (pl.col("group_variable") == "indication") & ~pl.col("population").str.contains("; ")
    )
    for words in ("inverse-probability", "multiple imputation;", "best case", "worst case", "all judged"):
        assert whole.filter(pl.col("estimand").str.starts_with(words)).height >= wanted, words


def test_the_same_again_and_with_two_processes(ground: Ground, rows: dict[str, pl.DataFrame]) -> None:
    again = missing_outcomes(ground, settings=FEW, level=0.95, seed=1, processes=2)
    assert all(again[name].equals(rows[name]) for name in rows)


def test_worst_and_best_case_hold_what_is_imputed(rows: dict[str, pl.DataFrame]) -> None:
    whole = rows["estimates"].filter(pl.col("group_variable") == "indication")
    key = ["endpoint", "landmark", "population", "group_level"]

    def named(words: str) -> pl.DataFrame:
        kept = whole.filter(pl.col("estimand").str.starts_with(words))
        return kept.select(*key, pl.col("estimate").alias(words[:5]))

    joined = (
        named("worst").join(named("best "), on=key).join(named("multiple imputation;"), on=key).drop_nulls()
    )
    assert joined.height > 10
    assert joined.filter(~pl.col("multi").is_between(pl.col("worst"), pl.col("best "))).is_empty()


def test_no_departure_is_the_imputed_estimate(rows: dict[str, pl.DataFrame]) -> None:
    imputed = rows["estimates"].filter(
        pl.col("estimand").str.starts_with("multiple imputation;")
        & (pl.col("group_variable") == "indication")
        & ~pl.col("population").str.contains("; ")
    )
    here = rows["tipping_points"].filter(pl.col("delta") == 0).drop_nulls("estimate")
    both = here.join(imputed, on=["endpoint", "landmark", "population", "group_level"], suffix="_mi")
    assert both.height >= 10
    joined = both.drop_nulls("estimate_mi")
    np.testing.assert_allclose(joined["estimate"], joined["estimate_mi"])


def test_with_nobody_missing_weights_and_observed_cases_agree(ground: Ground) -> None:
    panel = panel_of(ground, settings=FEW)
    targets = [t for t in targets_of(ground, panel) if len(t.rows) > 30]
    filled = [replace(t, outcome=np.where(np.isnan(t.outcome), 0.0, t.outcome)) for t in targets]
    everyone = replace(panel, seen=np.full(len(panel.seen), 1e5))
    weighting = weighting_of(everyone, filled, settings=FEW)
    for target in filled:
        made = weighted(weighting, target, np.ones(len(target.rows), dtype=bool))
        assert made.estimate == pytest.approx(target.outcome.mean(), abs=1e-9)


def test_rescue_as_failure_lowers_and_treatment_policy_censors_nobody(ground: Ground) -> None:
    policy = targets_of(ground, panel_of(ground, settings=FEW))
    composite = targets_of(ground, panel_of(ground, settings=replace(FEW, rescue="failure")))
    hypothetical = targets_of(ground, panel_of(ground, settings=replace(FEW, rescue="hypothetical")))
    for plain, failed, gone in zip(policy, composite, hypothetical, strict=True):
        assert np.nansum(failed.outcome) <= np.nansum(plain.outcome)
        assert np.isnan(gone.outcome).sum() >= np.isnan(plain.outcome).sum()
        assert len(plain.rows) == len(failed.rows) == len(gone.rows)
    assert sum(np.nansum(f.outcome) < np.nansum(p.outcome) for p, f in zip(policy, composite, strict=True))


def test_who_is_due_does_not_depend_on_outcomes(ground: Ground) -> None:
    shuffled = ground.outcomes.with_columns(success=pl.col("success").shuffle(seed=1))
    moved = replace(ground, outcomes=shuffled)
    panel = panel_of(ground, settings=FEW)
    for before, after in zip(targets_of(ground, panel), targets_of(moved, panel), strict=True):
        np.testing.assert_array_equal(before.rows, after.rows)


def test_the_dead_are_failures_and_not_imputed(ground: Ground) -> None:
    panel = panel_of(ground, settings=FEW)
    death = panel.patients["days_to_death"].cast(pl.Float64).fill_null(np.inf).to_numpy()
    for target in targets_of(ground, panel):
        dead = death[target.rows] <= panel.open[target.rows, target.visit]
        assert (target.outcome[dead] == 0).all()


def test_a_study_without_a_data_cut_says_so(ground: Ground) -> None:
    outcomes = ground.outcomes.with_columns(is_due=pl.lit(None, dtype=pl.Boolean))
    found = missing_outcomes(replace(ground, outcomes=outcomes), settings=FEW, level=0.95, seed=1)
    estimates = found["estimates"]
    assert estimates["estimate"].null_count() == estimates.height > 0
    assert estimates["reason"].str.contains("cannot be told").any()


def test_a_study_of_nobody_gives_empty_tables(ground: Ground) -> None:
    found = missing_outcomes(
        replace(ground, outcomes=ground.outcomes.clear()), settings=FEW, level=0.95, seed=1
    )
    assert all(table.is_empty() for table in found.values())
