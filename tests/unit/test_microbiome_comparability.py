"""Which samples can be compared, in the words a reader of a result table meets."""

from __future__ import annotations

import itertools

import polars as pl
import pytest

from commensal.errors import InputError
from commensal.microbiome.comparability import Setting, caution, comparable_groups, refusal, settings_of
from commensal.study import Manifest, study_of

V4 = Setting(assay="16s", region="V4", pipeline="SILVA 138")
V3 = Setting(assay="16s", region="V3-V4", pipeline="SILVA 138")
SHOTGUN = Setting(assay="shotgun", pipeline="MetaPhlAn 4")
UNKNOWN = Setting()


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (V4, V3, "another 16S region (V4 and V3-V4)"),
        (V4, SHOTGUN, "another assay (16s and shotgun)"),
        (V4, Setting(assay="16s", region="V4", pipeline="Greengenes 13.8"), "another pipeline"),
    ],
)
def test_another_assay_region_or_pipeline_is_refused(first: Setting, second: Setting, words: str) -> None:
    assert words in (refusal(first, second) or "")
    assert refusal(second, first) is not None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (UNKNOWN, UNKNOWN),
        (V4, V4),
        (V4, UNKNOWN),
        (V4, Setting(assay="16s", region=" v4", pipeline="silva  138", kit="K", run_id="R")),
    ],
)
def test_what_is_not_known_to_differ_is_not_refused(first: Setting, second: Setting) -> None:
    assert refusal(first, second) is None


def test_cautions() -> None:
    assert caution(UNKNOWN, UNKNOWN) is None
    assert caution(V4, V4) is None
    one, other = Setting(kit="A", run_id="1"), Setting(kit="B", run_id="2")
    assert caution(one, other) == "another extraction kit and sequencing run"
    assert caution(one, Setting(kit="A", run_id="2")) == "another sequencing run"
    assert caution(V4, UNKNOWN) == "assay and 16S region and pipeline unknown of one of the two"


def test_an_empty_part_is_no_setting() -> None:
    with pytest.raises(InputError, match="empty"):
        Setting(region=" ")


def test_settings_of_a_study() -> None:
    runs = {"run_id": ["r1", "r2"], "assay": ["16s", None], "region": ["V4", None], "kit": ["K", None]}
    samples = {"sample_id": ["a", "b", "c", "d"], "run_id": ["r1", "r2", None, "r9"]}
    study = study_of(
        {"sequencing_runs": pl.DataFrame(runs), "samples": pl.DataFrame(samples)},
        manifest=Manifest(origin="test"),
    )
    assert settings_of(study) == {
        "a": Setting(assay="16s", region="V4", kit="K", run_id="r1"),
        "b": Setting(run_id="r2"),
        "c": Setting(),
        "d": Setting(run_id="r9"),
    }
    assert settings_of(study_of({}, manifest=Manifest(origin="test"))) == {}


def test_groups_hold_no_pair_that_refuses() -> None:
    half = Setting(assay="16s")
    settings = {"a": V4, "b": V3, "c": V4, "d": SHOTGUN, "e": half, "f": half}
    assert comparable_groups(settings) == [("a", "c"), ("b",), ("d",), ("e", "f")]
    assert comparable_groups({"a": V4, "b": half, "c": UNKNOWN}) == [("a", "b", "c")]
    assert comparable_groups({}) == []


def test_groups_are_right_for_every_mix_of_settings() -> None:
    pool = [V4, V3, SHOTGUN, UNKNOWN, Setting(assay="16s"), Setting(region="V4"), Setting(assay="shotgun")]
    for chosen in itertools.combinations(pool, 4):
        settings = {str(i): s for i, s in enumerate(chosen)}
        groups = comparable_groups(settings)
        assert sorted(s for g in groups for s in g) == sorted(settings)
        for group in groups:
            assert not any(refusal(settings[a], settings[b]) for a in group for b in group)
