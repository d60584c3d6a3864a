"""Three published trials of pooled donors, from their sheets to a report, by mapping files of the how-to."""

import os
from pathlib import Path

import polars as pl
import pytest

from commensal.cli import main
from commensal.study.check import check
from commensal.study.folder import open_study

DATA = os.environ.get("COMMENSAL_DATA")
MAPPINGS = Path(__file__).parents[2] / "docs" / "how-to" / "mappings"
ARMS = {
    "costello": {"fmt": 38, "autologous": 35},
    "jacob": {"fmt": 20},
    "paramsothy": {"fmt": 78, "placebo": 3},
}
# Successes among those given donors' stool, counted in the sheets. Published: 12 of 38 (JAMA 2019;321:156)
# and, before the placebo arm crossed over, 11 of 41 (Lancet 2017;389:1218).
SUCCESSES = {"costello": (12, 38), "jacob": (7, 20), "paramsothy": (23, 78)}

pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif(not DATA, reason="COMMENSAL_DATA names no folder of the real studies"),
]


def done(*arguments: object) -> None:
    with pytest.raises(SystemExit) as left:
        main([str(a) for a in arguments])
    assert not left.value.code, arguments


@pytest.fixture(scope="module", params=ARMS)
def trial(request, tmp_path_factory) -> tuple[str, Path]:
    """Import, check and run one trial; the folder that holds ``study`` and ``results``."""
    folder = tmp_path_factory.mktemp(request.param)
    sheet = Path(DATA or "") / "ibd_donor_effects_clinical" / f"{request.param}_patients.tsv"
    mapping = MAPPINGS / f"{request.param}.toml"
    done("import", "table", sheet, "--mapping", mapping, "--out", folder / "study")
    done("check", folder / "study")
    done("run", folder / "study", "--out", folder / "results")
    return request.param, folder


def test_the_study_is_sound(trial):
    name, folder = trial
    study = open_study(folder / "study")
    assert not check(study).height
    arms = study.read("patients")["arm"].value_counts()
    assert dict(arms.iter_rows()) == ARMS[name]


def test_the_donors_cannot_be_told_apart(trial):
    name, folder = trial
    components = pl.read_parquet(folder / "results" / "variance_components.parquet")
    row = components.filter(model="donors", endpoint="reported_response", component="donor").row(
        0, named=True
    )
    assert (row["n_events"], row["n"]) == SUCCESSES[name]
    assert row["verdict"] == "cannot_tell"
    effects = pl.read_parquet(folder / "results" / "donor_effects.parquet")
    assert effects.height
    assert not effects["donor_id"].str.starts_with("own-").any(), "own stool is no donor's"
    assert effects["reason"].str.starts_with("cannot tell this donor from the average").all()
    assert effects.filter((pl.col("lower") > 0) | (pl.col("upper") < 0)).is_empty()


def test_it_ends_in_a_report_and_a_pdf(trial):
    _, folder = trial
    assert (folder / "results" / "report.pdf").read_bytes().startswith(b"%PDF")
    page = (folder / "results" / "report.html").read_text(encoding="utf-8")
    assert "cannot tell" in page
    assert "Research and decision support" in page
