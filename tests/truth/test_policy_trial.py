"""The trial of allocation policies: paired, delayed, and honest about what nobody can know."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from commensal.errors import InputError, RefusedError
from commensal.matching.allocation import TrialProtocol, allocate
from commensal.programme.policies import POLICIES, Known
from commensal.programme.policy_trial import MEASURES, Design, policy_trial

SMALL = Design(n_steps=8, arrivals_per_step=20.0, units_per_step=6, outcome_after_days=28)
FEW_DONORS = {
    "null": (0.0,) * 6,
    "weak": tuple(np.linspace(-0.5, 0.5, 6)),
    "strong": tuple(np.linspace(-2.0, 2.0, 6)),
}


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return policy_trial(seed=11, n_replicates=4, settings=FEW_DONORS, design=SMALL)


def figure(table: pl.DataFrame, setting: str, policy: str, measure: str) -> dict[str, float]:
    keys = (pl.col("setting") == setting) & (pl.col("policy") == policy) & (pl.col("measure") == measure)
    return table.filter(keys).row(0, named=True)


@pytest.mark.slow
def test_every_setting_policy_and_measure_has_its_row(table: pl.DataFrame) -> None:
    assert table.height == 3 * (len(POLICIES) + 1) * len(MEASURES)
    assert not table.select("setting", "policy", "measure").is_duplicated().any()
    empty = table.filter(pl.col("estimate").is_null())
    assert set(empty["setting"]) == {"null"}
    assert set(empty["verdict"]) == {"no donor differs in this setting"}
    assert not any(table[c].is_nan().any() for c in ("estimate", "se", "lower", "upper"))


@pytest.mark.slow
def test_where_donors_are_equal_no_policy_gains_or_loses_anything(table: pl.DataFrame) -> None:
    """The same recipients and the same chances: not nearly zero, zero."""
    null = table.filter(
        (pl.col("setting") == "null") & pl.col("measure").is_in(["gain_over_random", "regret"])
    )
    assert null["estimate"].to_list() == [0.0] * 10
    assert null["se"].to_list() == [0.0] * 10


@pytest.mark.slow
def test_strong_effects_are_used_and_the_oracle_is_ahead(table: pl.DataFrame) -> None:
    for policy in ("thompson", "null_aware"):
        assert figure(table, "strong", policy, "gain_over_random")["lower"] > 0
        assert figure(table, "strong", policy, "regret")["lower"] > 0
    gain = figure(table, "strong", "oracle", "gain_over_random")["estimate"]
    assert gain > figure(table, "weak", "oracle", "gain_over_random")["estimate"] > 0
    even = figure(table, "null", "null_aware", "largest_share")["estimate"]
    assert even < figure(table, "strong", "null_aware", "largest_share")["estimate"]


@pytest.mark.slow
def test_the_seed_decides_and_nothing_else() -> None:
    tiny = {"weak": (-0.5, 0.0, 0.0, 0.5)}
    design = Design(n_steps=3, arrivals_per_step=8.0, units_per_step=4)
    one = policy_trial(seed=2, n_replicates=2, settings=tiny, design=design)
    assert one.equals(policy_trial(seed=2, n_replicates=2, settings=tiny, design=design))
    other = policy_trial(seed=3, n_replicates=2, settings=tiny, design=design)
    assert not one["estimate"].equals(other["estimate"])


def test_one_replicate_and_an_empty_design_are_refused() -> None:
    with pytest.raises(RefusedError, match="1 replicates"):
        policy_trial(seed=1, n_replicates=1)
    with pytest.raises(InputError, match="above zero"):
        Design(n_steps=0)


@pytest.mark.parametrize("name", POLICIES)
def test_no_policy_gives_more_than_there_is(name: str) -> None:
    schema = {"donor_id": pl.String, "indication": pl.String, "is_success": pl.Boolean}
    known = Known(
        pl.DataFrame(schema=schema), {"A": 2, "B": 0, "C": 1, "D": 1}, ("W1", "W2", "W3", "W4", "W5")
    )
    given = POLICIES[name](known, np.random.default_rng(1))
    assert sorted(given.values()) == ["A", "A", "C", "D"]
    assert set(given) == {"W1", "W2", "W3", "W4"}


@pytest.mark.slow
def test_the_probability_of_the_null_means_what_it_says() -> None:
    """Worlds drawn from the prior itself: among those given p, a share p were null."""
    rng = np.random.default_rng(5)
    protocol = TrialProtocol("S", effect_sds=(0.25, 0.5, 1.0))
    donors = [f"D{i}" for i in range(8)]
    said, was_null, claims, wrong = [], [], 0, 0
    for _ in range(160):
        is_null = rng.random() < 0.5
        effects = np.zeros(8) if is_null else rng.normal(0, rng.choice(protocol.effect_sds), 8)
        n = rng.integers(15, 100, 8)
        chance = 1 / (1 + np.exp(-(rng.normal(0, 0.5) + effects)))
        table = pl.DataFrame(
            {"donor_id": donors, "indication": "uc", "n": n, "n_success": rng.binomial(n, chance)}
        )
        made = allocate(table, donors=donors, protocol=protocol)
        said.append(made.p_null)
        was_null.append(is_null)
        ahead = dict(zip(donors, effects - effects.mean(), strict=True))
        claims += len(made.much_better)
        wrong += sum(ahead[d] <= np.log(1.5) for d in made.much_better)
    told, null = np.array(said), np.array(was_null)
    for low, high in ((0.0, 0.4), (0.4, 0.75), (0.75, 1.0)):
        inside = (told >= low) & (told <= high)
        error = np.sqrt(told[inside].mean() * (1 - told[inside].mean()) / inside.sum())
        assert null[inside].mean() == pytest.approx(told[inside].mean(), abs=3 * error + 0.02)
    assert claims > 15
    # The bar promises at most one wrong claim in twenty; three Monte-Carlo errors above that fail.
    assert wrong / claims < 0.05 + 3 * np.sqrt(0.05 * 0.95 / claims)
