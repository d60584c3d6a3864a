import hashlib

import polars as pl
import pytest

from commensal.errors import InputError, OutputExistsError, ProblemsFoundError
from commensal.programme import panel, run
from commensal.study import RESULTS, Manifest, open_study, read_results, study_of, write_study

pytestmark = pytest.mark.slow


def frames():
    return {
        "patients": pl.DataFrame(
            {
                "patient_id": list("abcdef"),
                "arm": ["fmt"] * 5 + ["placebo"],
                "indication": ["crohns"] * 5 + ["crohns"],
                "cohort": ["prospective"] * 6,
                "index_day": [0] * 6,
            }
        ),
        "sessions": pl.DataFrame(
            {
                "session_id": list("12345"),
                "patient_id": list("abcde"),
                "administered_day": [0] * 5,
                "route": ["colonoscopy"] * 5,
            }
        ),
        "visits": pl.DataFrame(
            [(f"{p}{d}", p, d, "attended") for p in "abcdef" for d in (-5, 60)],
            schema=["visit_id", "patient_id", "visited_day", "status"],
            orient="row",
        ),
        "assessments": pl.DataFrame(
            [
                (f"{p}{d}", p, "hbi", "total", 1, 9.0 if d < 0 or p > "c" else 2.0)
                for p in "abcdef"
                for d in (-5, 60)
            ],
            schema=["visit_id", "patient_id", "instrument", "item", "occurrence", "value"],
            orient="row",
        ),
    }


MANIFEST = Manifest(origin="a test", clock="patient", data_cut_day=100)


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_the_same_study_and_analysis_give_the_same_bytes(tmp_path):
    study = write_study(frames(), tmp_path / "study", manifest=MANIFEST)
    first = run(study, tmp_path / "one")
    second = run(open_study(tmp_path / "study"), tmp_path / "two")
    assert digests(first) == digests(second)


def test_row_order_of_the_input_does_not_change_the_answer(tmp_path):
    shuffled = {name: frame.reverse() for name, frame in frames().items()}
    one = read_results(run(study_of(frames(), manifest=MANIFEST), tmp_path / "one"))
    two = read_results(run(study_of(shuffled, manifest=MANIFEST), tmp_path / "two"))
    for name in ("flow", "baseline", "estimates", "missingness", "curves"):
        assert one[name].equals(two[name]), name


def test_every_table_is_as_declared_and_no_nan_leaves(tmp_path):
    results = read_results(run(study_of(frames(), manifest=MANIFEST), tmp_path / "results"))
    for name, frame in results.items():
        assert dict(frame.schema) == RESULTS[name].schema, name
        for column in frame.select(pl.selectors.float()).columns:
            assert not frame[column].is_nan().any(), (name, column)


def test_an_estimate_is_missing_only_with_a_reason_and_keys_are_unique(tmp_path):
    results = read_results(run(study_of(frames(), manifest=MANIFEST), tmp_path / "results"))
    estimates = results["estimates"]
    assert estimates.filter(pl.col("estimate").is_null() & pl.col("reason").is_null()).is_empty()
    for name, frame in results.items():
        if frame.height:
            assert not frame.select(RESULTS[name].key).is_duplicated().any(), name


def test_remission_of_the_small_study(tmp_path):
    estimates = read_results(run(study_of(frames(), manifest=MANIFEST), tmp_path / "results"))["estimates"]
    row = estimates.filter(
        (pl.col("endpoint") == "crohns_hbi_remission")
        & (pl.col("landmark") == "W8")
        & (pl.col("group_level") == "crohns")
        & (pl.col("estimand") == "observed cases")
    ).to_dicts()[0]
    assert (row["n_events"], row["n"], row["n_due"]) == (3, 5, 5)


def test_provenance_names_data_analysis_versions_and_deviations(tmp_path):
    (tmp_path / "mine.toml").write_text("level = 0.9\n")
    study = write_study(frames(), tmp_path / "study", manifest=MANIFEST)
    rows = read_results(run(study, tmp_path / "results", analysis=tmp_path / "mine.toml"))["provenance"]
    facts = dict(rows.iter_rows())
    assert facts["data_hash"] == study.manifest.data_hash
    assert facts["analysis_file"] == "mine.toml"
    assert facts["analysis_deviations"] == "level = 0.9 (was 0.95)"
    assert "polars" in facts["libraries"]


def test_a_study_with_errors_is_not_run(tmp_path):
    faulty = frames()
    faulty["sessions"] = faulty["sessions"].with_columns(patient_id=pl.lit("nobody"))
    with pytest.raises(ProblemsFoundError):
        run(study_of(faulty, manifest=MANIFEST), tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_an_unknown_key_stops_before_anything_is_computed(tmp_path):
    (tmp_path / "mine.toml").write_text("levels = 0.9\n")
    with pytest.raises(InputError, match="level"):
        run(study_of(frames(), manifest=MANIFEST), tmp_path / "results", analysis=tmp_path / "mine.toml")
    assert not (tmp_path / "results").exists()


def test_results_are_never_overwritten(tmp_path):
    (tmp_path / "results").mkdir()
    with pytest.raises(OutputExistsError):
        run(study_of(frames(), manifest=MANIFEST), tmp_path / "results")


def test_progress_rises_to_the_end(tmp_path):
    told = []
    run(
        study_of(frames(), manifest=MANIFEST),
        tmp_path / "r",
        on_progress=lambda what, share: told.append(share),
    )
    assert told == sorted(told)
    assert told[0] == 0
    assert told[-1] <= 1


def test_the_panel_is_five_tables_as_declared():
    tables = panel(study_of(frames(), manifest=MANIFEST), seed=1, level=0.95)
    assert sorted(tables) == [
        "engraftment",
        "engraftment_tests",
        "taxon_fates",
        "taxon_names",
        "taxon_outcomes",
    ]
    assert all(frame.schema == RESULTS[name].schema for name, frame in tables.items())
