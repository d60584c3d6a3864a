"""Design matrices: coding, references, what is refused."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from commensal.errors import InputError
from commensal.evidence.covariates import Covariate
from commensal.evidence.designs import coding_of, design_of

ROWS = pl.DataFrame(
    {
        "sex": ["male", "female", "male", "male"],
        "immunocompromise": ["severe", "none", "mild", "none"],
        "age_at_index_years": [20.0, 30.0, 40.0, 50.0],
        "had_recipient_antibiotic": [True, False, False, True],
        "indication": ["cdi_recurrent"] * 4,
    }
)


def test_the_most_frequent_level_is_the_reference():
    design = design_of(ROWS, ["sex"])
    assert design.contrasts == ("", "female against male")
    assert design.matrix.tolist() == [[1, 0], [1, 1], [1, 0], [1, 0]]


def test_ordered_levels_keep_their_order():
    assert design_of(ROWS, ["immunocompromise"]).contrasts[1:] == ("mild against none", "severe against none")


def test_continuous_columns_are_standardised():
    column = design_of(ROWS, ["age_at_index_years"]).matrix[:, 1]
    assert np.isclose(column.mean(), 0)
    assert np.isclose(column.std(ddof=1), 1)


def test_binary_ties_take_the_first_level():
    assert design_of(ROWS, ["had_recipient_antibiotic"]).contrasts[1] == "true against false"


def test_a_constant_covariate_is_left_out_by_name():
    design = design_of(ROWS, ["indication", "sex"])
    assert design.left_out == ("indication",)
    assert design.terms == ("intercept", "sex")


def test_missing_is_refused_with_counts():
    rows = ROWS.with_columns(sex=pl.Series([None, "female", None, "male"]))
    with pytest.raises(InputError, match="sex in 2 of 4"):
        design_of(rows, ["sex", "age_at_index_years"])


def test_nan_is_missing():
    rows = ROWS.with_columns(age_at_index_years=pl.Series([float("nan"), 1.0, 2.0, 3.0]))
    with pytest.raises(InputError, match="age_at_index_years in 1 of 4"):
        design_of(rows, ["age_at_index_years"])


def test_what_is_measured_after_index_is_refused_by_name():
    with pytest.raises(InputError, match="n_sessions' is measured after index"):
        design_of(ROWS, ["n_sessions"])


def test_a_coding_learnt_elsewhere_is_applied_as_it_is():
    coding = coding_of(ROWS, ["sex", "age_at_index_years"])
    one = design_of(ROWS[:1], ["sex", "age_at_index_years"], coding=coding)
    whole = design_of(ROWS, ["sex", "age_at_index_years"], coding=coding)
    assert np.array_equal(one.matrix, whole.matrix[:1])


def test_a_level_the_coding_has_not_seen_is_refused():
    coding = coding_of(ROWS, ["sex"])
    rows = ROWS.with_columns(sex=pl.lit("intersex"))
    with pytest.raises(InputError, match="intersex"):
        design_of(rows, ["sex"], coding=coding)


def test_rare_levels_are_put_together():
    design = design_of(ROWS, ["immunocompromise"], at_least=2)
    assert design.contrasts[1:] == ("other (rare) against none",)
    assert design.matrix[:, 1].tolist() == [1, 0, 1, 0]


def test_a_rare_level_takes_the_next_rarest_in_until_there_are_enough():
    rows = pl.DataFrame({"sex": ["male"] * 9 + ["female"] * 4 + ["intersex"]})
    assert design_of(rows, ["sex"], at_least=3).contrasts[1:] == ("other (rare) against male",)
    assert design_of(rows, ["sex"], at_least=3).matrix[:, 1].sum() == 5


def test_a_covariate_almost_constant_is_left_out():
    rows = pl.DataFrame({"had_recipient_antibiotic": [True] + [False] * 9})
    assert design_of(rows, ["had_recipient_antibiotic"], at_least=2).left_out == ("had_recipient_antibiotic",)


def test_other_columns_can_be_declared():
    rows = ROWS.with_columns(dysbiosis=pl.Series([1.0, 2.0, 3.0, 4.0]))
    design = design_of(rows, [Covariate("dysbiosis", "continuous", "Dysbiosis")])
    assert design.contrasts[1] == "per standard deviation (1.29)"


def test_row_order_does_not_change_the_coding():
    names = ["sex", "immunocompromise", "age_at_index_years"]
    order = [2, 0, 3, 1]
    assert np.allclose(design_of(ROWS[order], names).matrix, design_of(ROWS, names).matrix[order])
