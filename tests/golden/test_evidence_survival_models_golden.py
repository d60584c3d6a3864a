"""Models, tests and means beside R 4.2.2 (survival 3.5-3, cmprsk 2.2-11) on R's own example data."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from commensal.evidence.survival import (
    concordance,
    cox,
    fine_gray,
    gray_test,
    kaplan_meier,
    log_rank,
    proportional_hazards_test,
    restricted_mean,
)
from commensal.evidence.survival.reading import at_times, quantile
from commensal.evidence.survival.restricted_mean import area

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif("COMMENSAL_DATA" not in os.environ, reason="COMMENSAL_DATA is not set"),
]


def read(name: str) -> pl.DataFrame:
    return pl.read_csv(Path(os.environ["COMMENSAL_DATA"]) / "evidence" / name, null_values=["NA", ""])


@pytest.fixture(scope="module")
def lung() -> pl.DataFrame:
    return read("lung.csv").with_columns(event=pl.col("status") - 1)


@pytest.fixture(scope="module")
def staged(lung: pl.DataFrame) -> pl.DataFrame:
    return lung.drop_nulls("ph.ecog")


def matrix(frame: pl.DataFrame, *columns: str) -> np.ndarray:
    return frame.select(columns).to_numpy().astype(float)


def indicators(values: pl.Series, levels) -> list[np.ndarray]:
    return [(values == level).to_numpy().astype(float) for level in levels]


def near(found, expected, rel=1e-6):
    assert np.asarray(found).tolist() == pytest.approx(list(expected), rel=rel)


def test_cox_of_lung_with_efron_ties(staged):
    # survival coxph(Surv(time, status) ~ age + sex + ph.ecog)
    fit = cox(staged["time"], staged["event"], matrix(staged, "age", "sex", "ph.ecog"))
    assert fit.coefficients.tolist() == pytest.approx([0.0110668, -0.5526124, 0.4637285], abs=5.1e-8)
    assert fit.se.tolist() == pytest.approx([0.0092674, 0.1677391, 0.1135773], abs=5.1e-8)
    near(fit.p_values, (0.2324157, 0.0009861, 4.447e-05), rel=1e-4)
    near((fit.log_likelihood_null, fit.log_likelihood), (-744.48046, -729.23012), rel=1e-8)
    near((fit.likelihood_ratio, fit.wald, fit.score), (30.5, 29.93, 30.5), rel=2e-4)
    assert (fit.n, fit.n_events, fit.df) == (227, 164, 3)


def test_cox_of_lung_with_breslow_ties(staged):
    # survival coxph(…, ties = "breslow")
    fit = cox(staged["time"], staged["event"], matrix(staged, "age", "sex", "ph.ecog"), ties="breslow")
    near(fit.coefficients, (0.011041136, -0.551889570, 0.462947041))
    near(fit.se, (0.0092667701, 0.1677424480, 0.1135740521))
    near(fit.p_values, (2.3346668e-01, 1.0015148e-03, 4.5783731e-05))


def test_proportional_hazards_of_lung(staged):
    # survival cox.zph(coxph(Surv(time, status) ~ age + sex + ph.ecog)), transform km
    found = proportional_hazards_test(
        staged["time"], staged["event"], matrix(staged, "age", "sex", "ph.ecog"), names=("age", "sex", "ecog")
    )
    assert found.statistics.tolist() == pytest.approx([0.188, 2.305, 2.054], abs=5e-4)
    assert found.p_values.tolist() == pytest.approx([0.665, 0.129, 0.152], abs=5e-4)
    assert (found.global_statistic, found.global_p_value) == pytest.approx((4.464, 0.216), abs=5e-4)


def test_cox_of_lung_stratified_by_sex(staged):
    # survival coxph(Surv(time, status) ~ age + ph.ecog + strata(sex))
    fit = cox(staged["time"], staged["event"], matrix(staged, "age", "ph.ecog"), stratum=staged["sex"])
    near(fit.coefficients, (0.010566255, 0.462424434))
    near(fit.se, (0.0092413739, 0.1147610979))


def test_cox_of_lung_clustered_by_institution(lung):
    # survival coxph(Surv(time, status) ~ age + sex, cluster = inst)
    rows = lung.drop_nulls("inst")
    fit = cox(rows["time"], rows["event"], matrix(rows, "age", "sex"), cluster=rows["inst"])
    near(fit.coefficients, (0.017033496, -0.511668296))
    near(fit.model_se, (0.0092326644, 0.1676785912))
    near(fit.se, (0.0073273931, 0.1282306017))


def test_kaplan_meier_of_lung_with_each_kind_of_limits(lung):
    # survival survfit(Surv(time, status) ~ 1, conf.type = "log", "plain") at 90, 365, 730
    expected = {
        "log": ([0.840621183, 0.344721582, 0.071631825], [0.92453231, 0.48583760, 0.18685679]),
        "plain": ([0.839639208, 0.339028584, 0.060229651], [0.92351869, 0.47945467, 0.17115655]),
        "log-log": ([0.832071342, 0.338714269, 0.067632151], [0.91721360, 0.47838077, 0.17782520]),
    }
    for limits, (lower, upper) in expected.items():
        found = at_times(kaplan_meier(lung["time"], lung["event"], limits=limits), [90, 365, 730], start=1)
        near(found["lower"], lower)
        near(found["upper"], upper)


def test_kaplan_meier_of_lung_by_sex_at_three_times(lung):
    # survival survfit(Surv(time, status) ~ sex, conf.type = "log-log")
    curve = kaplan_meier(lung["time"], lung["event"], stratum=lung["sex"])
    found = at_times(curve, [90, 365, 730], start=1)
    assert found["n_at_risk"].to_list() == [117, 35, 7, 84, 30, 6]
    near(found["estimate"], [0.847826087, 0.336087835, 0.078124091, 0.933333333, 0.526463030, 0.187232498])
    near(found["se"], [0.030576231, 0.043423589, 0.027647509, 0.026293688, 0.059736854, 0.062067902])
    near(found["lower"], [0.776227279, 0.252729143, 0.035203884, 0.857620001, 0.403579823, 0.084659653])
    near(found["upper"], [0.89800382, 0.42130217, 0.14338962, 0.96948443, 0.63531623, 0.32083268])


@pytest.mark.parametrize(
    ("limits", "lower", "upper"),
    [("log", [212, 348], [310, 550]), ("log-log", [210, 345], [306, 524]), ("plain", [212, 345], [306, 524])],
)
def test_median_survival_of_lung(lung, limits, lower, upper):
    # survival survfit(Surv(time, status) ~ sex, conf.type = …)
    found = quantile(kaplan_meier(lung["time"], lung["event"], stratum=lung["sex"], limits=limits))
    assert found["estimate"].to_list() == [270, 426]
    assert (found["lower"].to_list(), found["upper"].to_list()) == (lower, upper)


def test_log_rank_and_peto_of_lung(lung):
    # survival survdiff(Surv(time, status) ~ sex), rho = 0 and 1
    plain = log_rank(lung["time"], lung["event"], lung["sex"])
    assert plain.statistic == pytest.approx(10.33, abs=5e-3)
    assert plain.p_value == pytest.approx(0.0013, abs=5e-5)
    assert plain.expected.tolist() == pytest.approx([91.58, 73.42], abs=5e-3)
    early = log_rank(lung["time"], lung["event"], lung["sex"], rho=1)
    assert early.statistic == pytest.approx(12.71, abs=5e-3)
    assert early.p_value == pytest.approx(0.00036, abs=5e-6)
    assert early.observed.tolist() == pytest.approx([70.38, 28.73], abs=5e-3)
    assert early.expected.tolist() == pytest.approx([55.57, 43.54], abs=5e-3)


def test_restricted_mean_of_lung(lung):
    # survival print(survfit(Surv(time, status) ~ sex), rmean = 365), and to the end of follow-up
    found = restricted_mean(lung["time"], lung["event"], until=365, group=lung["sex"]).groups
    near(found["estimate"], [241.49509, 297.46541], rel=1e-7)
    near(found["se"], [10.358226, 10.791324], rel=1e-7)
    curve = kaplan_meier(lung["time"], lung["event"], stratum=lung["sex"])
    whole = [area(part, until=1022) for part in curve.partition_by("stratum", maintain_order=True)]
    near(np.ravel(whole), [326.08411, 22.911563, 460.64731, 34.689846], rel=1e-7)


def test_concordance_of_the_cox_model_of_lung(staged):
    # survival concordance(coxph(…)) and concordance(…, timewt = "n/G2")
    x = matrix(staged, "age", "sex", "ph.ecog")
    risk = x @ cox(staged["time"], staged["event"], x).coefficients
    harrell = concordance(staged["time"], staged["event"], risk)
    assert (harrell.concordant, harrell.discordant, harrell.tied) == (12544, 7117, 126)
    assert (harrell.estimate, harrell.se) == pytest.approx((0.63714, 0.025068), abs=5e-6)
    uno = concordance(staged["time"], staged["event"], risk, kind="uno")
    assert (uno.concordant, uno.discordant, uno.tied) == pytest.approx((15891.31, 9455.68, 161.21), abs=5e-3)
    assert (uno.estimate, uno.se) == pytest.approx((0.62615, 0.023562), abs=5e-6)


def test_cox_of_veteran_with_a_factor():
    # survival coxph(Surv(time, status) ~ trt + celltype + karno + diagtime + age + prior)
    v = read("veteran.csv")
    cells = indicators(v["celltype"], ("smallcell", "adeno", "large"))
    x = np.column_stack([v["trt"], *cells, v["karno"], v["diagtime"], v["age"], v["prior"]])
    fit = cox(v["time"], v["status"], x)
    near(
        fit.coefficients,
        (
            0.29460282,
            0.86156046,
            1.1960664,
            0.40129165,
            -0.032815326,
            8.1320513e-05,
            -8.7064749e-03,
            7.1593602e-03,
        ),
    )
    near(
        fit.se,
        (
            0.2075496036,
            0.2752844740,
            0.3009169945,
            0.2826886383,
            0.0055077569,
            0.0091360622,
            0.0093002991,
            0.0232305384,
        ),
    )


def test_kaplan_meier_of_veteran():
    # survival survfit(Surv(time, status) ~ trt, conf.type = "log-log") at 100 and 365
    v = read("veteran.csv")
    found = at_times(kaplan_meier(v["time"], v["status"], stratum=v["trt"]), [100, 365], start=1)
    assert found["estimate"].to_list() == pytest.approx([0.50198, 0.07081, 0.3326, 0.1098], abs=5e-5)
    assert found["se"].to_list() == pytest.approx([0.06064, 0.03361, 0.05775, 0.04074], abs=5e-6)
    assert found["lower"].to_list() == pytest.approx([0.37843, 0.02323, 0.22326, 0.04639], abs=5e-6)
    assert found["upper"].to_list() == pytest.approx([0.6134, 0.1551, 0.4458, 0.2040], abs=5e-5)
    assert found["n_at_risk"].to_list() == [34, 4, 21, 6]


def test_cox_of_pbc_with_logarithms():
    # survival coxph(Surv(time, status == 2) ~ age + edema + log(bili) + log(protime) + log(albumin))
    p = read("pbc.csv").drop_nulls(["age", "edema", "bili", "protime", "albumin"])
    logs = [np.log(p[c].to_numpy()) for c in ("bili", "protime", "albumin")]
    fit = cox(p["time"], p["status"] == 2, np.column_stack([p["age"], p["edema"], *logs]))
    near(fit.coefficients, (0.039609133, 0.896311444, 0.863550647, 2.386839266, -2.506923226))
    near(fit.se, (0.0076719685, 0.2714099296, 0.0829409675, 0.7685092633, 0.6529156391))


def test_gray_of_mgus2_by_sex():
    # cmprsk cuminc(etime, event, sex)$Tests
    m = read("mgus2_cr.csv")
    found = [gray_test(m["etime"], m["event"], m["sex"], cause=cause) for cause in (1, 2)]
    near([f.statistic for f in found], (1.1945078, 11.6512590), rel=1e-7)
    near([f.p_value for f in found], (0.27442215679, 0.00064159098))


def test_fine_gray_of_mgus2_by_the_convention_of_crr():
    # cmprsk crr(etime, event, cbind(age, male, mspike)); finegray + coxph gives -.01690, -.21337, .88842
    m = read("mgus2_cr.csv").drop_nulls("mspike")
    x = np.column_stack([m["age"], m["sex"] == "M", m["mspike"]])
    fit = fine_gray(m["etime"], m["event"], x)
    near(fit.coefficients, (-0.016942528, -0.213616037, 0.888464126))
    near(fit.se, (0.0058297904, 0.1852014720, 0.1552312973))
    near(fit.p_values, (3.66e-03, 2.49e-01, 1.04e-08), rel=5e-3)  # three digits are printed


def test_cause_specific_cox_of_mgus2():
    # survival coxph(Surv(etime, event == 1) ~ age + sex + mspike)
    m = read("mgus2_cr.csv").drop_nulls("mspike")
    fit = cox(m["etime"], m["event"] == 1, np.column_stack([m["age"], m["sex"] == "M", m["mspike"]]))
    near(fit.coefficients, (0.0163521876, -0.0050300241, 0.8840780702))
    near(fit.se, (0.0083739477, 0.1884498778, 0.1652109169))


def test_weighted_cox_and_kaplan_meier_of_veteran():
    # survival coxph(Surv(time, status) ~ tr, weights = ato or ate, robust = TRUE); survfit(…, weights = ato)
    v = read("veteran_ps.csv")
    overlap = cox(v["time"], v["status"], v["tr"], weights=v["ato"])
    near(
        (overlap.coefficients[0], overlap.model_se[0], overlap.se[0]),
        (-0.00425814933, 0.264853714, 0.180256158),
    )
    inverse = cox(v["time"], v["status"], v["tr"], weights=v["ate"])
    assert inverse.coefficients[0] == pytest.approx(2.25974779e-05, rel=1e-6)
    near((inverse.model_se[0], inverse.se[0]), (0.128114967, 0.17880714))
    curve = kaplan_meier(v["time"], v["status"], weights=v["ato"], stratum=v["tr"])
    found = at_times(curve, [90, 180], start=1)
    near(found["estimate"], (0.554602378, 0.198429340, 0.395485212, 0.234517158))


@pytest.mark.slow
def test_cox_at_study_size():
    # survival coxph(Surv(time, event == 1) ~ age + sex + bmi + abx + disease + route)
    p = read("sim4k_patients.csv")
    factors = [indicators(p[c], sorted(set(p[c]))[1:]) for c in ("disease", "route")]
    x = np.column_stack([p["age"], p["sex"], p["bmi"], p["abx"], *factors[0], *factors[1]])
    fit = cox(p["time"], p["event"] == 1, x)
    near((fit.coefficients[0], fit.se[0]), (-0.008136124227, 0.00109460311))
    near((fit.log_likelihood_null, fit.log_likelihood), (-22054.4574, -21692.6569), rel=1e-8)


def test_kaplan_meier_of_lung_is_weighting_by_censoring_and_the_naive_tie_rule_is_not(lung):
    # 1 − KM(365) is .5907583755; with censorings before events at ties 1/G gives .5906135
    died = ((lung["time"] <= 365) & (lung["event"] == 1)).to_numpy()
    exact = 1 - at_times(kaplan_meier(lung["time"], lung["event"]), [365], start=1)["estimate"][0]
    weighted = {naive: float((died / before(lung, naive=naive)).mean()) for naive in (False, True)}
    assert exact == pytest.approx(0.590758376, rel=1e-9)
    assert weighted[False] == pytest.approx(exact, abs=1e-13)
    assert weighted[True] == pytest.approx(0.590613545, rel=1e-8)


def before(lung: pl.DataFrame, *, naive: bool) -> np.ndarray:
    """G(T−) of every patient; naive: who dies at a time is still at risk of censoring at it."""
    time = lung["time"].to_numpy() + (0.0 if naive else 0.5) * (lung["event"].to_numpy() == 0)
    curve = kaplan_meier(time, lung["event"] == 0)
    steps = np.concatenate([[1.0], curve["estimate"].to_numpy()])
    return steps[np.searchsorted(curve["time"].to_numpy(), lung["time"].to_numpy(), side="left")]
