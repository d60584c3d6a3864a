"""Mixed models, overlap weights and E-values beside the numbers of R and of papers."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from commensal.evidence.effects.e_values import e_value
from commensal.evidence.effects.mixed import mixed_model
from commensal.evidence.effects.overlap import overlap_weights, standardised_difference

DATA = Path(os.environ.get("COMMENSAL_DATA", "")) / "evidence"
data = pytest.mark.data
needs_data = pytest.mark.skipif("COMMENSAL_DATA" not in os.environ, reason="COMMENSAL_DATA is not set")


def dummies(values: pl.Series) -> list[np.ndarray]:
    text = values.cast(pl.String)
    return [(text == v).cast(float).to_numpy() for v in sorted(text.unique().to_list())[1:]]


@data
@needs_data
def test_sleepstudy_by_reml():
    # R 4.2.2, lme4 1.1-31: lmer(Reaction ~ Days + (Days | Subject), sleepstudy)
    rows = pl.read_csv(DATA / "sleepstudy.csv")
    days = rows["Days"].cast(float).to_numpy()
    fit = mixed_model(
        rows["Reaction"].to_numpy(),
        fixed=np.column_stack([np.ones(rows.height), days]),
        factors={"subject": rows["Subject"].to_list()},
        slope=("subject", days),
    )
    assert fit.coefficients == pytest.approx([251.405105, 10.467286], rel=1e-6)
    assert fit.se == pytest.approx([6.82459669, 1.54578964], rel=1e-4)
    assert fit.variances["subject"] == pytest.approx(612.10015802, rel=1e-3)
    assert fit.slope_variance == pytest.approx(35.07171445, rel=1e-3)
    assert fit.slope_covariance == pytest.approx(9.60440895, rel=1e-3)
    assert fit.residual == pytest.approx(654.94000826, rel=1e-3)
    assert fit.log_likelihood == pytest.approx(-871.814136, rel=1e-6)


@data
@needs_data
def test_cbpp_by_laplace():
    # R 4.2.2, lme4 1.1-31: glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), binomial)
    rows = pl.read_csv(DATA / "cbpp.csv")
    fit = mixed_model(
        rows["incidence"].to_numpy(),
        fixed=np.column_stack([np.ones(rows.height), *dummies(rows["period"])]),
        factors={"herd": rows["herd"].to_list()},
        family="logistic",
        trials=rows["size"].to_numpy(),
    )
    wanted = [-1.398342864, -0.991924975, -1.128216216, -1.579745414]
    assert fit.coefficients == pytest.approx(wanted, rel=1e-3)
    assert fit.variances["herd"] == pytest.approx(0.412253792, rel=1e-3)
    # The optimum found here is higher than the one lme4 stopped at, by .0003.
    assert fit.log_likelihood >= -92.0265663895
    assert fit.log_likelihood == pytest.approx(-92.0265663895, rel=1e-5)
    # lme4's standard errors are finite differences of its criterion beside the optimum and differ by up to
    # 1.3 %: .231214048, .303150645, .322830153, .422049159.
    assert fit.se == pytest.approx([0.231214048, 0.303150645, 0.322830153, 0.422049159], rel=0.015)


@data
@needs_data
@pytest.mark.slow
def test_crossed_patient_and_centre_at_study_size():
    # R 4.2.2, lme4 1.1-31, REML, 24,000 rows
    rows = pl.read_csv(DATA / "sim4k_long.csv")
    columns = [rows[c].cast(float).to_numpy() for c in ("visit_day", "age", "sex")]
    x = np.column_stack([np.ones(rows.height), *columns, *dummies(rows["disease"]), *dummies(rows["route"])])
    fit = mixed_model(
        rows["qol"].to_numpy(),
        fixed=x,
        factors={"patient": rows["patient_id"].to_list(), "centre": rows["centre_id"].to_list()},
    )
    assert fit.variances["patient"] == pytest.approx(51.588944, rel=1e-5)
    assert fit.variances["centre"] == pytest.approx(4.831013, rel=1e-4)
    assert fit.residual == pytest.approx(43.608342, rel=1e-6)


@pytest.fixture(scope="module")
def veteran() -> pl.DataFrame:
    return pl.read_csv(DATA / "veteran_ps.csv")


@data
@needs_data
def test_veteran_overlap_weights(veteran):
    # R 4.2.2: glm(tr ~ age + karno + diagtime + factor(prior) + celltype, binomial), ato = weights of overlap
    order = ["squamous", "smallcell", "adeno", "large"]
    kinds = [(veteran["celltype"] == k).cast(float) for k in order[1:]]
    columns = [veteran[c].cast(float) for c in ("age", "karno", "diagtime")]
    x = np.column_stack([*columns, (veteran["prior"] == 10).cast(float), *kinds])
    found = overlap_weights(veteran["tr"].to_numpy(), covariates=x)
    assert found.propensity == pytest.approx(veteran["ps"].to_numpy(), rel=1e-6)
    assert found.weights == pytest.approx(veteran["ato"].to_numpy(), rel=1e-6)
    means = found.balance.select("weighted_first", "weighted_second").to_numpy()
    assert np.abs(means[:, 0] - means[:, 1]).max() < 1e-9 * np.abs(means).max()
    assert means[:3, 1] == pytest.approx([58.3390541, 58.5611829, 9.11377769], rel=1e-7)
    assert found.effective == pytest.approx((64.6019197, 63.6781123), rel=1e-7)


@data
@needs_data
@pytest.mark.parametrize(
    ("column", "wanted"), [("age", 0.1526809658), ("karno", -0.0634621265), ("diagtime", 0.0229647774)]
)
def test_veteran_standardised_differences(veteran, column, wanted):
    # R 4.2.2: (mean of treated - mean of control) / sqrt((var + var) / 2)
    values = veteran[column].cast(float).to_numpy()
    found = standardised_difference(values, is_second=veteran["tr"].to_numpy())
    assert found == pytest.approx(wanted, rel=1e-8)


@data
@needs_data
def test_veteran_standardised_difference_of_a_binary_covariate(veteran):
    # R 4.2.2: p(1 - p) for the variances, treated less control
    values = (veteran["prior"] == 10).cast(float).to_numpy()
    found = standardised_difference(values, is_second=veteran["tr"].to_numpy())
    assert found == pytest.approx(-0.0548700973, rel=1e-8)


@pytest.mark.parametrize(
    ("given", "scale", "is_common", "estimate", "limit"),
    [
        # VanderWeele & Ding 2017, the published example; R package EValue
        ((3.9, 1.8, 8.7), "risk_ratio", True, 7.26303434, 3.0),
        # R package EValue: evalues.HR(.75, .60, .94, rare = FALSE)
        ((0.75, 0.60, 0.94), "hazard_ratio", True, 1.73913894, 1.25768887),
        # R package EValue: evalues.OR(2.5, rare = FALSE) and evalues.MD(.5)
        ((2.5, None, None), "odds_ratio", True, 2.53971129, None),
        ((0.5, None, None), "mean_difference", True, 2.52914198, None),
    ],
)
def test_e_values(given, scale, is_common, estimate, limit):
    found = e_value(given[0], lower=given[1], upper=given[2], scale=scale, is_common=is_common)
    assert found.estimate == pytest.approx(estimate, rel=1e-8)
    assert (found.limit is None) if limit is None else found.limit == pytest.approx(limit, rel=1e-8)


def test_common_hazard_ratio_as_a_risk_ratio():
    # R package EValue: toRR(HR(.75, rare = FALSE))
    assert e_value(0.75, scale="hazard_ratio").risk_ratio == pytest.approx(0.81937261, rel=1e-7)


@pytest.mark.parametrize("scale", ["hazard_ratio", "odds_ratio"])
def test_rare_outcomes_take_the_ratio_as_it_is(scale):
    rare = e_value(2.0, lower=1.2, upper=4.0, scale=scale, is_common=False)
    assert rare.estimate == pytest.approx(2 + 2**0.5)
    assert rare.limit == pytest.approx(1.2 + 0.24**0.5)


def test_e_value_towards_a_true_value_that_is_not_null():
    # Tests of the R package EValue: HR .3 against a true .4, rare outcome
    x, t = 1 / 0.3, 1 / 0.4
    found = e_value(0.3, scale="hazard_ratio", is_common=False, true_value=0.4)
    assert found.estimate == pytest.approx((x + (x * (x - t)) ** 0.5) / t, rel=1e-12)
