"""The monitoring against known truth: published power limits, simulated streams, a planted donor and lot."""

import runpy
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from commensal.evidence.ground import ground_of
from commensal.evidence.monitoring import Settings, cusum_alarm_probability, cusum_limit, monitoring
from commensal.simulate import simulate
from commensal.study import open_study

TRIAL = Path(__file__).parents[2] / "benchmarks" / "trial_monitoring.py"


@pytest.mark.slow
def test_simulated_charts_alarm_as_often_as_computed():
    rng = np.random.default_rng(11)
    p = rng.uniform(0.1, 0.8, 100)
    for ratio in (1.0, 2.0):
        limit = cusum_limit(p, false_alarm=0.05)
        true = ratio * p / (1 - p + ratio * p)
        value, highest = np.zeros(40_000), np.zeros(40_000)
        for i in range(100):
            event = rng.random(40_000) < true[i]
            value = np.maximum(0, value + event * np.log(2) - np.log(1 + p[i]))
            highest = np.maximum(highest, value)
        computed = cusum_alarm_probability(p, limit=limit, true_odds_ratio=ratio)
        assert (highest >= limit).mean() == pytest.approx(computed, abs=4 * (0.25 / 40_000) ** 0.5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("expected", "true", "median", "in_twenty"),
    # Simulation of 20,000 runs, odds ratio 2, false alarms 5 % per 100 patients: medians and P(alarm in 20).
    [
        (0.16, 0.3, 47, 0.06),
        (0.16, 0.4, 26, 0.28),
        (0.16, 0.6, 14, 0.89),
        (0.6, 0.75, 57, 0.01),
        (0.6, 0.95, 21, 0.44),
    ],
)
def test_power_limits_of_an_odds_ratio_two_chart(expected, true, median, in_twenty):
    limit = cusum_limit(expected, horizon=100)

    def chance(n: int) -> float:
        return cusum_alarm_probability(np.full(n, expected), limit=limit, true=np.full(n, true))

    assert chance(median - 2) < 0.5 < chance(median + 2)
    # A simulated limit is a quantile of a lattice: a step of the lattice is the tolerance.
    assert chance(20) == pytest.approx(in_twenty, abs=0.03)


@pytest.mark.slow
def test_a_twentieth_of_the_trial():
    trial = runpy.run_path(str(TRIAL))["trial"]
    # 100 replicates at 5 % or less: 12 or more would happen once in 200 such tests.
    assert trial(100, odds_ratios=(1.0,))[1.0]["any"] < 0.12
    assert trial(20, odds_ratios=(8.0,))[8.0]["bad"] > 0.8


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("monitoring") / "study"
    simulate(folder, n_patients=800, seed=7)
    study = open_study(folder)
    ground = ground_of(study, landmarks=["W8", "M3"])
    return study, ground, monitoring(ground, settings=Settings(), level=0.95, seed=1)


@pytest.mark.slow
def test_the_contaminated_lot_is_a_cluster(planted):
    study, _, rows = planted
    lots = study.truth("planted").filter(pl.col("kind") == "contaminated_lot")
    ill = lots["detail"][0].split(";")
    alarms = rows["alarms"].filter(pl.col("rule") == "infection_cluster", pl.col("dimension") == "lot")
    assert (lots["id"][0] in alarms["unit_id"].to_list()) == (len(ill) > 1)


@pytest.mark.slow
def test_every_row_has_a_verdict_and_what_has_no_figure_a_reason(planted):
    _, ground, rows = planted
    funnels = rows["funnels"]
    assert funnels["verdict"].null_count() == 0
    assert funnels.filter(pl.col("ratio").is_null() & pl.col("reason").is_null()).is_empty()
    assert set(funnels["dimension"]) == {"donor", "lot", "operator", "route", "site"}
    quiet = funnels.filter(pl.col("verdict") == "as_expected")
    assert (quiet["power"] >= 0.5).all()
    for frame in rows.values():
        for column in frame.select(pl.selectors.float()):
            assert not column.is_nan().any()
    again = monitoring(ground, settings=Settings(), level=0.95, seed=2, processes=2)
    assert all(rows[name].equals(again[name]) for name in rows)


@pytest.mark.slow
def test_charts_stand_in_order_of_treatment_on_mature_courses(planted):
    _, _, rows = planted
    charts = rows["monitors"].partition_by("chart", "dimension", "unit_id", "outcome")
    assert charts
    for chart in charts:
        assert chart["position"].to_list() == list(range(1, chart.height + 1))
        assert chart["day"].is_sorted()
        assert chart["is_alarm"].sum() <= 1
