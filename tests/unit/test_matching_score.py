"""Scores of lots: parts, weights and intervals against naive twins; policies and scores of one's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from commensal.errors import InputError
from commensal.matching.columns import column_of
from commensal.matching.community_parts import _near
from commensal.matching.parts import LeftOut, Part, donor_record, freshness, predicted_response, stock
from commensal.matching.policy import PARTS, Policy, Validation, read_policy
from commensal.matching.scores import _variance, name_of, own_scores, score_lots

POLICY = read_policy()


def part(name: str, values: list[float], *, sd: float = 0.01, group: list[int] | None = None) -> Part:
    n = len(values)
    none = pl.Series([None] * n, dtype=pl.String)
    where = np.array(group if group else range(n))
    return Part(name, np.array(values), np.full(n, sd**2), where, none, none)


def test_the_shipped_policy_weighs_every_part_and_validates_nothing() -> None:
    assert {name for name, _ in POLICY.weights} == set(PARTS)
    assert sum(POLICY.weight(name) for name in PARTS) == pytest.approx(1)
    assert POLICY.validations == ()
    assert not POLICY.is_validated("uc")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "is not TOML"),
        ('name = "x"\nversion = "1"', "no weights"),
        ('name = "x"\nversion = "1"\nwieghts = 3\n[weights]', "unknown key 'wieghts'"),
        ('name = "x"\nversion = 1\n[weights]', "version = 1"),
        ('name = "x"\nversion = "1"\n[weights]\nstock = 1', "no weight for"),
        ('name = "x"\nversion = "1"\n[weights]\nblood_group = 1', "no part 'blood_group'"),
        ('name = "x"\nversion = "1"\nlevel = 2\n[weights]\n', "no weight"),
        ('name = "x"\nversion = "1"\nlevel = "high"\n[weights]\n', "level = 'high'"),
    ],
)
def test_a_policy_file_with_a_fault_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_policy(path)


def test_policies_that_cannot_be() -> None:
    for wrong in ({"level": 1.0}, {"donor_share": (0.6, 0.2)}, {"weights": tuple((p, 0.0) for p in PARTS)}):
        with pytest.raises(InputError):
            Policy(**{"name": "x", "version": "1", "weights": POLICY.weights, **wrong})
    with pytest.raises(InputError, match="there is no policy"):
        read_policy("best")


def test_the_variance_is_that_of_drawn_weights_and_values() -> None:
    generator = np.random.default_rng(3)
    weights, table = np.array([0.5, 0.3, 0.2]), np.array([[0.9], [0.2], [0.6]])
    variance = np.array([[0.01], [0.02], [0.005]])
    found = _variance(weights, table, variance, policy=POLICY)[0]
    n = 400_000
    drawn = generator.dirichlet(weights * POLICY.weight_concentration, n)
    values = table.T + generator.normal(size=(n, 3)) * np.sqrt(variance.T)
    assert found == pytest.approx((drawn * values).sum(axis=1).var(), rel=0.01)


def test_lots_apart_by_more_than_their_uncertainty_are_in_two_bands() -> None:
    made = [part(name, [0.9, 0.88, 0.2]) for name in PARTS]
    scores = score_lots(made, policy=POLICY, order=np.arange(3))
    assert scores.band.tolist() == [1, 1, 2]
    assert scores.weight == pytest.approx(1)
    wide = [part(name, [0.9, 0.88, 0.2], sd=0.9) for name in PARTS]
    assert score_lots(wide, policy=POLICY, order=np.arange(3)).band.tolist() == [1, 1, 1]
    assert ((scores.lower <= scores.values) & (scores.values <= scores.upper)).all()


def test_a_part_left_out_is_named_and_its_weight_counted() -> None:
    made = [part("complementarity", [0.9, 0.1]), LeftOut("stability", "none"), LeftOut("stock", "none")]
    scores = score_lots(made, policy=POLICY, order=np.arange(2))
    assert scores.weight == pytest.approx(POLICY.weight("complementarity"))
    assert [p.name for p in scores.left_out] == ["stability", "stock"]
    # A quarter of the weights is known: too little to tell lots apart.
    assert scores.band.tolist() == [1, 1]


def test_a_part_unknown_of_one_lot_counts_as_the_middle_with_the_widest_interval() -> None:
    made = [part(name, [0.5, np.nan]) for name in PARTS]
    scores = score_lots(made, policy=POLICY, order=np.arange(2))
    assert scores.values.tolist() == pytest.approx([0.5, 0.5])
    assert scores.upper[1] - scores.lower[1] > 3 * (scores.upper[0] - scores.lower[0])


def test_lots_of_one_stool_do_not_differ_for_it() -> None:
    same = part("complementarity", [0.5, 0.5, 0.5], sd=0.3, group=[0, 0, 1])
    assert same.between(0).tolist() == pytest.approx([0, 0, 0.18])


def test_expected_likeness_agrees_with_bray_curtis() -> None:
    generator = np.random.default_rng(5)
    donors = generator.dirichlet(np.full(30, 0.2), 8)
    donors[donors < 0.02] = 0
    donors /= donors.sum(axis=1, keepdims=True)
    own = generator.dirichlet(np.full(30, 0.2))
    shares, is_member = [0.2, 0.6], np.arange(8) < 6
    centre = donors[:6].mean(axis=0)
    found = _near(sparse.csr_array(donors), own, centre, shares, is_member=is_member, n_donors=6)
    for share, row in zip(shares, found, strict=True):
        for i in range(8):
            others = np.delete(donors[:6], i, axis=0).mean(axis=0) if i < 6 else centre
            expected = share * donors[i] + (1 - share) * own
            assert row[i] == pytest.approx(1 - np.abs(expected - others).sum() / 2)


def test_freshness_and_stock() -> None:
    fresh = freshness(pl.Series([0, 0, None]), pl.Series([100, 200, 5]), on_day=50)
    assert isinstance(fresh, Part)
    assert fresh.values[:2].tolist() == [0.5, 0.75]
    assert np.isnan(fresh.values[2])
    assert isinstance(freshness(pl.Series([None], dtype=pl.Int64), pl.Series([5]), on_day=1), LeftOut)
    assert stock(column_of([("A",), ("A",), ("B",)]).codes).values.tolist() == [1, 1, 0.5]


EFFECT = {"donor_id": "A", "indication": "uc", "endpoint": "remission", "landmark": "W8", "effect": 1.0,
          "se": 0.5, "probability_equal": 0.6, "n": 20, "n_events": 9}  # fmt: skip


def test_a_donor_record_is_shrunken_and_a_stranger_has_none() -> None:
    frame = pl.DataFrame([EFFECT, {**EFFECT, "donor_id": "B", "effect": 0.0}])
    lots = [("A",), ("B",), ("A", "B"), ("C",)]
    made = donor_record(lots, {"donor_effects": frame}, policy=POLICY, indication="uc")
    assert isinstance(made, Part)
    assert made.values[:3] == pytest.approx(1 / (1 + np.exp([-1.0, 0.0, -0.5])))
    assert np.isnan(made.values[3])
    assert made.reasons[3] == "no record of this donor"
    assert "9 of 20" in made.measured[0]
    assert "donors are equal 0.60" in made.measured[0]


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([EFFECT, {**EFFECT, "endpoint": "response"}], "several endpoints"),
        ([{**EFFECT, "indication": "crohns"}], "no donor effect for uc"),
        ([{**EFFECT, "donor_id": "Z"}], "no donor of these lots"),
    ],
)
def test_a_donor_record_that_cannot_be_read_is_left_out(rows: list[dict], why: str) -> None:
    made = donor_record([("A",)], {"donor_effects": pl.DataFrame(rows)}, policy=POLICY, indication="uc")
    assert isinstance(made, LeftOut)
    assert why in made.reason
    none = donor_record([("A",)], {}, policy=POLICY, indication="uc")
    assert isinstance(none, LeftOut)


TERM = {"model": "m 1", "indication": "uc", "endpoint": "remission", "landmark": "W8", "se": 0.1,
        "centre": 0.0, "scale": 1.0}  # fmt: skip


def test_an_outcome_model_asks_facts_and_parts() -> None:
    terms = [
        {**TERM, "term": "intercept", "coefficient": -1.0},
        {**TERM, "term": "age_at_index_years", "coefficient": 0.5, "centre": 40.0, "scale": 10.0},
        {**TERM, "term": "complementarity", "coefficient": 2.0},
    ]
    asked = {"model_parameters": pl.DataFrame(terms)}
    parts = [part("complementarity", [0.2, 0.7, np.nan])]
    made = predicted_response({"age_at_index_years": 50}, parts, asked, policy=POLICY, indication="uc")
    assert isinstance(made, Part)
    assert made.values[:2] == pytest.approx(1 / (1 + np.exp([1 - 0.5 - 0.4, 1 - 0.5 - 1.4])))
    assert np.isnan(made.values[2])
    absent = predicted_response({}, parts, asked, policy=POLICY, indication="uc")
    assert isinstance(absent, LeftOut)
    assert "age_at_index_years" in absent.reason


LEVELS = [
    {**TERM, "term": "intercept", "coefficient": 0.0},
    {**TERM, "term": "sex: male against female", "coefficient": 0.7},
    {**TERM, "term": "immunocompromise: mild against none", "coefficient": -0.4},
    {**TERM, "term": "immunocompromise: other (rare) against none", "coefficient": -2.0},
    {**TERM, "term": "had_antibiotic: true against not recorded", "coefficient": 0.3},
    {**TERM, "term": "bmi", "coefficient": 0.5, "centre": 24.0, "scale": 4.0},
    {**TERM, "term": "bmi: not recorded", "coefficient": -0.2},
]
KNOWN = {"sex": "male", "immunocompromise": "mild", "had_antibiotic": True, "bmi": 28.0}


@pytest.mark.parametrize(
    ("changed", "log_odds"),
    [
        ({}, 0.7 - 0.4 + 0.3 + 0.5),
        ({"sex": "female"}, -0.4 + 0.3 + 0.5),
        ({"immunocompromise": "none"}, 0.7 + 0.3 + 0.5),
        ({"had_antibiotic": None}, 0.7 - 0.4 + 0.5),
        ({"bmi": None}, 0.7 - 0.4 + 0.3 - 0.2),
    ],
)
def test_a_fact_in_words_is_one_term_a_level(changed, log_odds) -> None:
    asked = {"model_parameters": pl.DataFrame(LEVELS)}
    parts = [part("stock", [0.2])]
    made = predicted_response(KNOWN | changed, parts, asked, policy=POLICY, indication="uc")
    assert isinstance(made, Part)
    assert made.values == pytest.approx(1 / (1 + np.exp(-log_odds)))


@pytest.mark.parametrize(
    "changed",
    [
        {"sex": None},  # the model has no level for what is not recorded
        {"immunocompromise": "severe"},  # rare or never seen: nobody can tell which
        {"had_antibiotic": False},
    ],
)
def test_a_level_that_the_model_does_not_name_leaves_it_out(changed) -> None:
    asked = {"model_parameters": pl.DataFrame(LEVELS)}
    made = predicted_response(KNOWN | changed, [part("stock", [0.2])], asked, policy=POLICY, indication="uc")
    assert isinstance(made, LeftOut)
    assert next(iter(changed)) in made.reason


def best_first(parts: pl.DataFrame, *, policy: Policy, seed: int) -> pl.DataFrame:
    return pl.DataFrame(
        {"unit_id": ["a", "b"], "score": [0.9, 0.1], "lower": [0.8, 0.0], "upper": [1.0, 0.2]}
    )


def broken(parts: pl.DataFrame, *, policy: Policy, seed: int) -> pl.DataFrame:
    return pl.DataFrame(
        {"unit_id": ["a", "b"], "score": [0.9, None], "lower": [0.8, 0.0], "upper": [1.0, 0.2]}
    )


def test_a_score_of_ones_own_is_checked_and_named() -> None:
    scores = own_scores(best_first, pl.DataFrame(), ["a", "b"], policy=POLICY, seed=0)
    assert scores.band.tolist() == [1, 2]
    with pytest.raises(InputError, match="b has no score"):
        own_scores(broken, pl.DataFrame(), ["a", "b"], policy=POLICY, seed=0)
    with pytest.raises(InputError, match="each lot once"):
        own_scores(best_first, pl.DataFrame(), ["a", "b", "c"], policy=POLICY, seed=0)
    assert name_of(best_first).endswith("best_first")
    with pytest.raises(InputError, match="without a name"):
        name_of(lambda parts, **options: parts)


def test_a_validation_names_its_trial() -> None:
    from datetime import date

    held = Validation("uc", "NCT1", "a trial", date(2026, 1, 1))
    policy = Policy(name="x", version="1", weights=POLICY.weights, validations=(held,))
    assert policy.is_validated("uc")
    assert not policy.is_validated("crohns")
    with pytest.raises(InputError):
        Validation("uc", "", "a trial", date(2026, 1, 1))
