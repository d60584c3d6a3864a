"""Identity by strains: an exchange is found across cases, and a table within cases alone tells nothing."""

import numpy as np
import polars as pl
import pytest

from commensal.errors import InputError, RefusedError
from commensal.microbiome.identity.identify import identify
from commensal.microbiome.identity.strain_evidence import judge_baselines, judge_shared_strains
from commensal.study import Manifest, Study, study_of

N = 7
DAYS = (0, 28, 90, 180)


def strain_study(*, is_across: bool = True) -> Study:
    """Samples of one patient share 18 of 20 species' strains, of two patients 1; P0@90, P1@90 exchanged."""
    owner = {f"P{p}@{day}": f"P{p}" for p in range(N) for day in DAYS}
    true = owner | {"P0@90": "P1", "P1@90": "P0"}
    rng = np.random.default_rng(1)
    rows = []
    names = sorted(owner)
    for k, one in enumerate(names):
        for other in names[:k]:
            if is_across or owner[one] == owner[other]:
                shared = rng.random(20) < (0.9 if true[one] == true[other] else 0.05)
                rows += [
                    (one, other, f"c{c}", "shared_strain" if s else "other_strain")
                    for c, s in enumerate(shared)
                ]
    samples = pl.DataFrame(
        {
            "sample_id": names,
            "patient_id": [owner[n] for n in names],
            "collected_day": [int(n[3:]) for n in names],
        }
    )
    return study_of(
        {
            "patients": pl.DataFrame(
                {"patient_id": [f"P{p}" for p in range(N)], "arm": "fmt", "index_day": 0}
            ),
            "samples": samples,
            "strains": pl.DataFrame(
                rows, schema=["sample_id", "other_sample_id", "clade", "call"], orient="row"
            ),
        },
        manifest=Manifest(origin="test", clock="patient"),
    )


def test_an_exchange_is_found_by_strains() -> None:
    table = identify(strain_study())
    flagged = table.filter(pl.col("verdict") == "sample_swap")
    assert dict(flagged.select("sample_id", "likely_subject_id").iter_rows()) == {
        "P0@90": "P1",
        "P1@90": "P0",
    }
    assert "exchange with P1@90" in flagged.filter(pl.col("sample_id") == "P0@90")["reason"][0]
    rest = table.filter(pl.col("verdict") != "sample_swap")
    assert (rest["likely_subject_id"] == rest["subject_id"]).all()
    assert set(flagged["method"]) == {
        "strains shared with the candidate's samples, of those analysable; calibrated on other patients"
    }


def test_strains_within_cases_tell_nothing() -> None:
    table = identify(strain_study(is_across=False))
    assert set(table["verdict"]) == {"undetermined"}
    assert table["reason"].str.contains("own case alone").all()


def test_judging_counts_refuses_what_it_cannot() -> None:
    with pytest.raises(InputError):
        judge_shared_strains([9, 8, float("nan")], [1, 1, 1])
    with pytest.raises(RefusedError):
        judge_shared_strains([9, 8], [1, 1])
    with pytest.raises(RefusedError):
        judge_shared_strains([0, 0, 0], [0, 0, 0])
    with pytest.raises(RefusedError):
        judge_baselines([1, 0, 2])
    assert [v.verdict for v in judge_shared_strains([9, 8, 1, 4], [1, 2, 9, 4])] == [
        *("consistent", "consistent", "sample_swap", "undetermined")
    ]
    chances = judge_baselines([1, 0, 2, 1, 0, 14])
    assert chances[-1] < 1e-6
    assert min(chances[:-1]) > 0.05
