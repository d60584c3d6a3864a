"""Identity on simulated centres: the planted label is found, few others are accused, probabilities hold.

A simulated gut is easier to know again than a real one, so probabilities are judged on samples drawn down
to a few dozen reads, where many cannot be told, and with labels exchanged on purpose. There they are on the
careful side: what is tested closely is that they are not too sure.
"""

import numpy as np
import polars as pl
import pytest

from commensal.microbiome.abundance import abundance_of, rarefy
from commensal.microbiome.identity.identify import identify
from commensal.simulate import simulate
from commensal.study import Study, study_of

pytestmark = pytest.mark.slow

TABLES = ("patients", "donors", "units", "unit_donors", "batches", "sessions", "session_units", "samples")
READS = 40
MANY, FEW = 8, 2


@pytest.fixture(scope="module", params=(7,))
def centre(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Study:
    return simulate(tmp_path_factory.mktemp("centre") / "study", n_patients=250, seed=request.param)


def truth_of(study: Study) -> tuple[str, str]:
    """The mislabelled sample, and the patient whose stool it holds."""
    assert study.folder is not None
    planted = pl.read_parquet(study.folder / "truth" / "planted.parquet")
    planted = planted.filter(pl.col("kind") == "mislabelled_sample")
    other = planted["detail"][0].removeprefix("the stool is that of the patient of ")
    samples = study.read("samples")
    return planted["id"][0], samples.filter(pl.col("sample_id") == other)["patient_id"][0]


def test_the_planted_label_is_found_and_nobody_else_is_accused(centre: Study) -> None:
    planted, owner = truth_of(centre)
    table = identify(centre)
    row = table.filter(pl.col("sample_id") == planted).row(0, named=True)
    assert (row["verdict"], row["likely_subject_id"]) == ("sample_swap", owner)
    assert row["reason"].startswith("check the label")
    accused = table.filter(
        pl.col("verdict").is_in(["sample_swap", "wrong_donor"]) & (pl.col("sample_id") != planted)
    )
    assert accused.height <= 1, accused
    assert set(table["subject_id"]) == set(centre.read("patients")["patient_id"])
    assert table.filter((pl.col("verdict") == "undetermined") & pl.col("reason").is_null()).is_empty()


def exchanged(study: Study, *, n_pairs: int, reads: int | None, seed: int) -> tuple[Study, dict[str, str]]:
    """The study with pairs of later samples exchanged; and the true patient of every sample."""
    counts = abundance_of(study)
    counts = counts if reads is None else rarefy(counts, depth=reads, seed=seed)
    samples = study.read("samples")
    owner = dict(samples.drop_nulls("patient_id").select("sample_id", "patient_id").iter_rows())
    planted, true_owner = truth_of(study)
    owner[planted] = true_owner
    later = samples.filter(pl.col("timepoint").is_in(["week_4", "month_3"]))["sample_id"].to_list()
    rng = np.random.default_rng(seed)
    pairs = rng.choice([s for s in later if s != planted], (n_pairs, 2), replace=False)
    swap = {a: b for one, other in pairs.tolist() for a, b in ((one, other), (other, one))}
    values = counts.values.tocoo()
    names = [swap.get(s, s) for s in counts.sample_ids]
    abundances = pl.DataFrame(
        {
            "sample_id": [names[k] for k in values.row],
            "taxon_id": [counts.taxon_ids[k] for k in values.col],
            "count": values.data.astype(np.int64),
        }
    )
    frames = {t: study.read(t) for t in TABLES} | {"abundances": abundances}
    truth = owner | {a: owner[b] for a, b in swap.items()}
    return study_of(frames, manifest=study.manifest), truth


def test_exchanged_samples_are_both_found(centre: Study) -> None:
    study, truth = exchanged(centre, n_pairs=MANY, reads=None, seed=1)
    table = identify(study).filter(pl.col("recorded_subject_probability").is_not_null())
    flagged = dict(
        table.filter(pl.col("verdict") == "sample_swap").select("sample_id", "likely_subject_id").iter_rows()
    )
    recorded = dict(table.select("sample_id", "subject_id").iter_rows())
    wrong = {s for s, subject in recorded.items() if truth[s] != subject}
    found = {s for s in wrong if flagged.get(s) == truth[s]}
    assert len(found) >= 0.8 * len(wrong)
    assert len(set(flagged) - wrong) <= 2
    said = table.filter(pl.col("sample_id").is_in(list(found)))["reason"]
    assert said.str.contains("exchange with").sum() >= 0.7 * len(found)


def test_probabilities_of_patients_are_calibrated(centre: Study) -> None:
    study, truth = exchanged(centre, n_pairs=FEW, reads=READS, seed=1)
    table = identify(study).filter(pl.col("subject_probability").is_not_null())
    said = table["subject_probability"].to_numpy()
    is_right = np.array(
        [truth[s] == j for s, j in table.select("sample_id", "likely_subject_id").iter_rows()]
    )
    assert 0.3 < said.mean() < 0.99, "the samples are neither hopeless nor trivial"
    assert -0.1 < said.mean() - is_right.mean() < 0.03
    for low, high in ((0.0, 0.5), (0.5, 0.8), (0.8, 0.95), (0.95, 1.01)):
        inside = (said >= low) & (said < high)
        if inside.sum() >= 20:
            error = np.sqrt((said[inside] * (1 - said[inside])).sum()) / inside.sum()
            too_sure = said[inside].mean() - is_right[inside].mean()
            assert -0.2 - 2 * error < too_sure < 3 * error, (low, high)
    # The recorded patient's probability, scored on what is true of the record, against an equal share.
    recorded = table["recorded_subject_probability"].to_numpy()
    holds = np.array([truth[s] == p for s, p in table.select("sample_id", "subject_id").iter_rows()])
    equal = 1 / study.read("samples")["patient_id"].drop_nulls().n_unique()
    assert ((recorded - holds) ** 2).mean() < 0.5 * ((equal - holds) ** 2).mean()


def test_probabilities_of_donors_are_calibrated(centre: Study) -> None:
    study, truth = exchanged(centre, n_pairs=FEW, reads=READS, seed=2)
    table = identify(study).filter(pl.col("recorded_donor_probability").is_not_null())
    kept = table.filter([truth[s] == p for s, p in table.select("sample_id", "subject_id").iter_rows()])
    said = kept["donor_probability"].to_numpy()
    is_right = (kept["likely_donor_id"] == kept["recorded_donor_id"]).to_numpy()
    assert -0.15 < said.mean() - is_right.mean() < 0.05
    recorded = kept["recorded_donor_probability"].to_numpy()
    assert np.log(recorded).mean() > np.log(1 / kept["n_candidates"].to_numpy()).mean() / 2


def test_records_that_mean_nothing_give_equal_probabilities(centre: Study) -> None:
    samples = centre.read("samples")
    mine = samples.filter(pl.col("patient_id").is_not_null())
    theirs = samples.filter(pl.col("patient_id").is_null())
    dealt = mine.with_columns(pl.col("patient_id").shuffle(seed=1))
    frames = {t: centre.read(t) for t in TABLES} | {"abundances": centre.read("abundances")}
    frames["samples"] = pl.concat([dealt, theirs])
    table = identify(study_of(frames, manifest=centre.manifest))
    told = table.filter(pl.col("subject_probability").is_not_null())
    assert told["subject_probability"].median() < 0.5
    assert (told["verdict"] == "sample_swap").mean() < 0.05
