"""A match run stands by itself: with and without the stock prepared ahead, until an input changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from commensal.errors import InputError
from commensal.matching import MatchRun, match, prepare_stock, read_policy, still_valid
from commensal.simulate import simulate
from commensal.study import INPUTS, Study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Study:
    made = simulate(tmp_path_factory.mktemp("centre") / "study", n_patients=60, seed=5)
    return Study(manifest=made.manifest, frames={n: made.read(n) for n in INPUTS if made.has(n)})


@pytest.fixture(scope="module")
def on_day(centre: Study) -> int:
    day = centre.manifest.data_cut_day
    assert day is not None
    return day


@pytest.fixture(scope="module")
def recipient(centre: Study, on_day: int) -> str:
    """A living patient without C. difficile whom no rule refuses, with a sample."""
    dead = centre.read("dispositions").filter(pl.col("kind").is_in(["death", "withdrawal"]))
    sampled = centre.read("samples").filter(pl.col("patient_id").is_not_null())
    patients = centre.read("patients").join(dead, on="patient_id", how="anti")
    ready = prepare_stock(centre, on_day=on_day)
    for patient in patients.join(sampled, on="patient_id", how="semi")["patient_id"].sort():
        made = match(centre, recipient=patient, on_day=on_day, route="colonoscopy", stock=ready)
        if made.tables["score_parts"].drop_nulls("value").filter(part="complementarity").height:
            return patient
    raise AssertionError("no recipient of the centre is compared")


@pytest.fixture(scope="module")
def run(centre: Study, on_day: int, recipient: str) -> MatchRun:
    return match(centre, recipient=recipient, on_day=on_day, route="colonoscopy")


def changed(study: Study, table: str, frame: pl.DataFrame) -> Study:
    return Study(manifest=study.manifest, frames={**study.frames, table: frame})


def equal(first: MatchRun, second: MatchRun) -> bool:
    return all(first.tables[name].equals(second.tables[name]) for name in first.tables)


def test_the_stock_prepared_ahead_changes_nothing(
    centre: Study, on_day: int, recipient: str, run: MatchRun
) -> None:
    ready = prepare_stock(centre, on_day=on_day)
    options: dict[str, Any] = {"recipient": recipient, "on_day": on_day, "route": "colonoscopy"}
    assert equal(match(centre, **options, stock=ready), run)
    shuffled = {n: f.sample(fraction=1, shuffle=True, seed=1) for n, f in centre.frames.items()}
    other = match(Study(manifest=centre.manifest, frames=shuffled), **options)
    assert other.match_run_id == run.match_run_id
    assert equal(other, run)
    with pytest.raises(InputError, match="prepared"):
        match(centre, **{**options, "on_day": on_day + 1}, stock=ready)
    with pytest.raises(InputError, match="prepared"):
        match(centre, **options, stock=ready, profile="EU_UEG2021")
    more = changed(centre, "holds", centre.read("holds").clone())
    with pytest.raises(InputError, match="holds"):
        match(more, **options, stock=ready)


def test_every_lot_has_a_rank_or_its_refusals(run: MatchRun) -> None:
    rankings, refusals = run.rankings, run.tables["refusals"]
    assert rankings.height == run.match_run["n_candidates"][0] > 10
    refused = rankings.filter(~pl.col("is_eligible"))
    assert set(refused["unit_id"]) == set(refusals["unit_id"])
    for row in refused.iter_rows(named=True):
        of_lot = refusals.filter(pl.col("unit_id") == row["unit_id"])
        assert set(of_lot["rule_id"]) == set(row["failed_rules"].split(";"))
    assert refusals.null_count().sum_horizontal().item() == 0 or refusals["donor_id"].null_count() > 0
    parts = run.tables["score_parts"]
    known = parts.filter(pl.col("value").is_not_null())
    assert known.select(
        ((pl.col("lower") <= pl.col("value")) & (pl.col("value") <= pl.col("upper"))).all()
    ).item()
    assert parts.filter(pl.col("value").is_null())["reason"].null_count() == 0
    for frame in run.tables.values():
        floats = frame.select(pl.col(pl.Float64))
        assert not floats.select(pl.any_horizontal(pl.all().is_nan().any())).item() if floats.width else True


def test_a_new_test_event_sample_or_hold_calls_for_another_run(centre: Study, run: MatchRun) -> None:
    assert still_valid(run, centre) == []
    assert still_valid(run.tables, centre) == []
    donor = run.rankings["donor_id"].drop_nulls()[0].split(";")[0]
    patient = run.match_run["patient_id"][0]
    cases = {
        "screenings": centre.read("screenings").filter(pl.col("donor_id") == donor).head(1),
        "adverse_events": centre.read("adverse_events").head(1).with_columns(patient_id=pl.lit(patient)),
        "holds": centre.read("holds").head(1),
        "lab_results": centre.read("lab_results").head(1).with_columns(patient_id=pl.lit(patient)),
    }
    for table, row in cases.items():
        assert row.height == 1, table
        key = INPUTS[table].key[0]
        more = pl.concat([centre.read(table), row.with_columns(pl.lit("new").alias(key))])
        assert table in still_valid(run, changed(centre, table, more)), table
    lot = run.rankings["unit_id"][0]
    gone = centre.read("units").filter(pl.col("unit_id") != lot)
    assert "units" in still_valid(run, changed(centre, "units", gone))


def test_samples_under_antibiotics_and_of_another_assay(centre: Study, on_day: int, recipient: str) -> None:
    patient, own = recipient, pl.col("patient_id") == recipient
    samples = centre.read("samples")
    taken = samples.with_columns(
        is_on_antibiotics=pl.when(own).then(pl.lit(True)).otherwise("is_on_antibiotics")
    )
    flagged = match(changed(centre, "samples", taken), recipient=patient, on_day=on_day, route="colonoscopy")
    assert "antibiotics (vancomycin among them)" in flagged.match_run["statement"][0]
    parts = flagged.tables["score_parts"].filter(pl.col("part") == "complementarity")
    assert all("antibiotics" in reason for reason in parts["reason"])
    runs = centre.read("sequencing_runs")
    other = runs.head(1).with_columns(run_id=pl.lit("elsewhere"), region=pl.lit("V1-V3"))
    moved = samples.with_columns(run_id=pl.when(own).then(pl.lit("elsewhere")).otherwise("run_id"))
    study = changed(changed(centre, "samples", moved), "sequencing_runs", pl.concat([runs, other]))
    made = match(study, recipient=patient, on_day=on_day, route="colonoscopy").tables["score_parts"]
    refused = made.filter(pl.col("part").is_in(["complementarity", "predicted_distance"]))
    assert refused["value"].null_count() == refused.height > 0
    assert all("another 16S region" in reason for reason in refused["reason"])


def by_complementarity(parts: pl.DataFrame, *, policy: Any, seed: int) -> pl.DataFrame:
    rows = parts.filter(pl.col("part") == "complementarity")
    return rows.select("unit_id", "lower", "upper", score="value")


def test_a_score_of_ones_own_orders_the_lots_and_renames_the_run(
    centre: Study, on_day: int, recipient: str, run: MatchRun
) -> None:
    own = match(centre, recipient=recipient, on_day=on_day, route="colonoscopy",
                score=by_complementarity)  # fmt: skip
    assert own.match_run_id != run.match_run_id
    values = run.tables["score_parts"].filter(pl.col("part") == "complementarity").select("unit_id", "value")
    joined = own.rankings.drop_nulls("score").join(values, on="unit_id")
    assert joined.height > 3
    assert joined["score"].equals(joined["value"].alias("score"))


def test_another_policy_is_another_run(
    centre: Study, on_day: int, recipient: str, run: MatchRun, tmp_path: Path
) -> None:
    text = Path(str(tmp_path / "p.toml"))
    weights = "\n".join(f"{name} = 1" for name, _ in read_policy().weights)
    text.write_text(f'name = "even"\nversion = "1"\n[weights]\n{weights}\n')
    even = match(centre, recipient=recipient, on_day=on_day, route="colonoscopy",
                 policy=read_policy(text))  # fmt: skip
    assert even.match_run["policy"][0] == "even 1"
    assert even.match_run_id != run.match_run_id
