"""A scenario is checked at birth; every fault is named, none stops the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from commensal.errors import InputError, ProblemsFoundError, SafetyError
from commensal.simulate import read_scenario, scenario_names


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", scenario_names())
def test_every_shipped_scenario_is_valid(name: str) -> None:
    assert read_scenario(name).name == name


def test_an_overlay_changes_only_what_it_names(tmp_path: Path) -> None:
    mine = read_scenario(written(tmp_path, "[bank]\npool_share = 0.5\n"))
    default = read_scenario()
    assert mine.bank.pool_share == 0.5
    assert mine.bank.shelf_life_days == default.bank.shelf_life_days
    assert mine.indications == default.indications
    assert mine.name == "mine"


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        [bank]
        pool_shar = 0.1
        cmv_positive_share = 1.2
        min_lag_days = 10.5
        [routes]
        intravenous = 0.1
        [people]
        centre_size = "many"
        [indications.gout]
        share = 0.1
        [weather]
        rain = 1
        """,
    )
    with pytest.raises(ProblemsFoundError) as caught:
        read_scenario(path)
    said = " ".join(f"{p.table} {p.column} {p.message}" for p in caught.value.problems)
    for words in (
        "pool_shar",
        "cmv_positive_share",
        "whole number",
        "intravenous",
        "expected a number",
        "unknown indication",
        "the figure is missing",
        "unknown section",
        "parenteral",
        "the shares do not add up to 1",
    ):
        assert words in said
    assert caught.value.exit_code == SafetyError.exit_code


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[calendar]\ndata_cut = 2017-01-01\n", "dates out of order"),
        ("[visits.retained]\nY1 = 0.99\n", "patients come back"),
        ("[bank]\nmax_lag_days = 400\n", "must lie between"),
        ("[microbiome]\ndrift_per_year = nan\n", "expected a number"),
        ("[disease]\nlate_change_factor = 0.0\n", "more than 0"),
    ],
)
def test_figures_must_agree_with_each_other(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ProblemsFoundError, match=words):
        read_scenario(written(tmp_path, text))


def test_a_name_that_does_not_exist_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="informative"):
        read_scenario("informativ")


def test_a_file_that_is_no_toml(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not TOML"):
        read_scenario(written(tmp_path, "[bank\n"))
