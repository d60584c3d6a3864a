"""Adaptive allocation: off without a protocol, capped, logged, and the null taken seriously."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import nquad
from scipy.stats import norm

from commensal.errors import InputError, RefusedError
from commensal.matching.allocation import TrialProtocol, allocate, capped, draw

STUDY = TrialProtocol("NCT00000000")


def outcomes(*rows: tuple[Any, ...]) -> pl.DataFrame:
    schema = {"donor_id": pl.String, "indication": pl.String, "n": pl.Int64, "n_success": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def named(n: int) -> list[str]:
    return [f"D{i}" for i in range(n)]


def spread(counts: list[int], *, n: int) -> pl.DataFrame:
    return outcomes(*((f"D{i}", "uc", n, x) for i, x in enumerate(counts)))


def test_nothing_is_allocated_without_a_study() -> None:
    with pytest.raises(RefusedError, match="no study protocol"):
        allocate(outcomes(), donors=named(5), protocol=None)
    with pytest.raises(RefusedError, match="no study"):
        TrialProtocol("  ")


@pytest.mark.parametrize(
    "wrong",
    [
        {"prior_null": 0.4},
        {"prior_null": 1.0},
        {"cap": 0.0},
        {"cap": 1.2},
        {"effect_sds": ()},
        {"effect_sds": (0.0,)},
        {"claim_at": 0.5},
        {"claim_odds_ratio": 0.8},
    ],
)
def test_a_protocol_is_checked_at_birth(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        TrialProtocol("S", **wrong)


def test_before_any_outcome_all_donors_are_alike() -> None:
    made = allocate(outcomes(), donors=named(8), protocol=STUDY)
    assert made.p_null == pytest.approx(0.5)
    assert list(made.probabilities.values()) == pytest.approx([1 / 8] * 8)
    assert made.much_better == made.much_worse == ()
    assert {b.n for b in made.beliefs} == {0}


def test_equal_outcomes_speak_for_the_null_and_spread_evenly() -> None:
    few = allocate(spread([8] * 6, n=20), donors=named(6), protocol=STUDY)
    many = allocate(spread([80] * 6, n=200), donors=named(6), protocol=STUDY)
    assert 0.5 < few.p_null < many.p_null
    assert list(many.probabilities.values()) == pytest.approx([1 / 6] * 6, abs=1e-9)


def test_a_donor_far_ahead_gets_the_cap_and_a_claim() -> None:
    made = allocate(spread([60, 59, 62, 61, 58, 120], n=150), donors=named(6), protocol=STUDY)
    assert made.p_null < 0.01
    assert made.probabilities["D5"] == pytest.approx(0.3)
    assert made.much_better == ("D5",)
    assert sum(made.probabilities.values()) == pytest.approx(1)
    last = made.beliefs[-1]
    assert (last.n, last.n_success) == (150, 120)
    assert 1.0 < last.effect < math.log(4 / 1) - math.log(60 / 90)


def test_few_outcomes_make_no_claim_however_good() -> None:
    made = allocate(spread([1, 2, 1, 2, 1, 4], n=4), donors=named(6), protocol=STUDY)
    assert made.much_better == ()
    assert made.p_null > 0.2


def test_an_indication_that_does_better_is_no_merit_of_its_donor() -> None:
    """One donor treated the indication that mostly remits; within each indication donors are equal."""
    rows = [(f"D{i}", "uc", 40, 12) for i in range(5)]
    table = outcomes(*rows, ("D5", "rcdi", 40, 35), *((f"D{i}", "rcdi", 40, 35) for i in range(2)))
    made = allocate(table, donors=named(6), protocol=STUDY)
    pooled = allocate(
        table.with_columns(indication=pl.lit("all")).group_by("donor_id", "indication").sum(),
        donors=named(6),
        protocol=STUDY,
    )
    assert made.p_null > 0.6
    assert pooled.p_null < 0.01
    assert pooled.much_better == ("D5",)


def test_posterior_of_the_null_agrees_with_quadrature() -> None:
    """Three donors, one effect sd: both marginal likelihoods integrated by an independent routine."""
    counts, n, sd = [9, 5, 12], 20, 0.5
    total = (sum(counts) + 0.5) / 61
    rate = (sum(counts) + 4 * total) / 64
    level = math.log(rate / (1 - rate))

    def likelihood(x: int, log_odds: float) -> float:
        p = 1 / (1 + math.exp(-log_odds))
        return p**x * (1 - p) ** (n - x)

    def given_shift(c: float) -> float:
        return math.prod(
            nquad(lambda u, x=x: likelihood(x, level + c + u) * norm.pdf(u, scale=sd), [(-3, 3)])[0]
            for x in counts
        )

    shifts = np.linspace(-1.5, 1.5, 61)
    weight = norm.pdf(shifts, scale=0.5)
    weight /= weight.sum()
    null = sum(
        w * math.prod(likelihood(x, level + c) for x in counts) for w, c in zip(weight, shifts, strict=True)
    )
    other = sum(w * given_shift(c) for w, c in zip(weight, shifts, strict=True))
    made = allocate(
        spread(counts, n=n), donors=named(3), protocol=TrialProtocol("S", effect_sds=(sd,), cap=1.0)
    )
    assert made.p_null == pytest.approx(null / (null + other), abs=2e-4)


def test_the_probability_of_being_best_agrees_with_drawing() -> None:
    """Where the null is all but ruled out, shares are those of a Thompson draw from the same posterior."""
    table, protocol = spread([20, 30, 45, 48], n=80), TrialProtocol("S", effect_sds=(1.0,), cap=1.0)
    made = allocate(table, donors=named(4), protocol=protocol)
    rng = np.random.default_rng(1)
    # A flat-prior normal approximation: at 80 outcomes a donor, shrinkage by sd 1 is under 6 %.
    n, x = 80, table["n_success"].to_numpy()
    p = x / n
    draws = np.log(p / (1 - p)) + rng.standard_normal((200_000, 4)) / np.sqrt(n * p * (1 - p))
    best = np.bincount(draws.argmax(axis=1), minlength=4) / 200_000
    assert made.p_null < 1e-3
    assert list(made.probabilities.values()) == pytest.approx(best.tolist(), abs=0.04)


def test_row_and_donor_order_change_nothing() -> None:
    table = spread([3, 7, 5, 9, 4], n=12)
    one = allocate(table, donors=named(5), protocol=STUDY)
    other = allocate(table.reverse(), donors=named(5)[::-1], protocol=STUDY)
    assert one == other


def test_a_retired_donor_counts_for_the_hypotheses_but_gets_nobody() -> None:
    table = spread([60, 60, 60, 60, 120], n=150)
    made = allocate(table, donors=named(4), protocol=STUDY)
    assert set(made.probabilities) == set(named(4))
    assert made.p_null < 0.01
    assert allocate(table.filter(pl.col("donor_id") != "D4"), donors=named(4), protocol=STUDY).p_null > 0.5


@pytest.mark.parametrize(
    ("table", "donors", "words"),
    [
        (outcomes(("D0", "uc", 3, 4)), named(5), "impossible"),
        (outcomes(("D0", "uc", 3, None)), named(5), "missing"),
        (outcomes().drop("n"), named(5), "no column n"),
        (outcomes(), [], "no donor"),
        (outcomes(), ["D0", "D0"], "twice"),
        (outcomes(), named(3), "cap"),
    ],
)
def test_bad_input_is_refused(table: pl.DataFrame, donors: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        allocate(table, donors=donors, protocol=STUDY)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(1e-6, 1.0), min_size=4, max_size=12), st.floats(0.25, 1.0))
def test_capped_shares_add_up_and_keep_their_order(weights: list[float], cap: float) -> None:
    shares = np.array(weights) / sum(weights)
    out = capped(shares, cap=cap)
    assert out.sum() == pytest.approx(1)
    assert (out <= cap + 1e-9).all()
    order = np.argsort(shares, kind="stable")
    assert (np.diff(out[order]) >= -1e-9).all()


def test_draws_are_logged_seeded_and_within_stock() -> None:
    made = allocate(spread([4, 6, 5, 9, 3], n=10), donors=named(5), protocol=STUDY)
    who = [f"W{i:02d}" for i in range(12)]
    stock = {"D0": 2, "D1": 2, "D2": 2, "D3": 2, "D4": 0}
    drawn = draw(made, who, stock=stock, seed=3)
    assert drawn.equals(draw(made, who[::-1], stock=stock, seed=3))
    assert not drawn.equals(draw(made, who, stock=stock, seed=4))
    assert drawn["donor_id"].null_count() == 4
    assert drawn["probability"].null_count() == 4
    used = drawn["donor_id"].drop_nulls().value_counts()
    assert "D4" not in set(used["donor_id"])
    assert used["count"].to_list() == [2] * 4
    able = sum(made.probabilities[d] for d in ("D0", "D1", "D2", "D3"))
    first = drawn.row(0, named=True)
    assert first["probability"] == pytest.approx(made.probabilities[first["donor_id"]] / able)


def test_draws_follow_the_probabilities() -> None:
    made = allocate(spread([4, 6, 5, 9, 3], n=10), donors=named(5), protocol=STUDY)
    who = [f"W{i:05d}" for i in range(20_000)]
    drawn = draw(made, who, stock=dict.fromkeys(named(5), 20_000), seed=1)
    shares = dict(drawn["donor_id"].value_counts(normalize=True).iter_rows())
    assert [shares[d] for d in named(5)] == pytest.approx(list(made.probabilities.values()), abs=0.015)
