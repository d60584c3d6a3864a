"""What must hold of any survival data, without a reference number."""

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal.evidence.survival import aalen_johansen, at_times, grouped_counts, kaplan_meier

PATIENT = st.tuples(st.integers(0, 2), st.integers(1, 9), st.integers(0, 2))
QUICK = settings(max_examples=30, deadline=None)


def rows_of(patients) -> pl.DataFrame:
    """(delay of entry, time under observation, event) → rows with entry before time."""
    return pl.DataFrame(
        [(e - 1 if e else None, max(e - 1, 0) + t, k) for e, t, k in patients],
        schema={"entry": pl.Float64, "time": pl.Int64, "event": pl.Int64},
        orient="row",
    )


def untruncated(patients) -> pl.DataFrame:
    return rows_of(patients).with_columns(entry=pl.lit(None, dtype=pl.Float64))


def naive_incidence(rows: pl.DataFrame, cause: int, t: int) -> float:
    """The definition, patient by patient."""
    survival, incidence = 1.0, 0.0
    for s in sorted({r["time"] for r in rows.to_dicts() if r["time"] <= t}):
        at_risk = [r for r in rows.to_dicts() if r["time"] >= s and (r["entry"] is None or r["entry"] < s)]
        now = [r["event"] for r in at_risk if r["time"] == s and r["event"]]
        incidence += survival * sum(k == cause for k in now) / len(at_risk)
        survival *= 1 - len(now) / len(at_risk)
    return incidence


@given(st.lists(PATIENT, min_size=1, max_size=30))
@QUICK
def test_survival_and_all_incidences_sum_to_one(patients):
    rows = rows_of(patients)
    survival = kaplan_meier(rows)["estimate"].to_numpy()
    incidence = aalen_johansen(rows, causes=[1, 2]).partition_by("event")
    total = survival + sum(part["estimate"].to_numpy() for part in incidence)
    assert np.abs(total - 1).max() < 1e-12


@given(st.lists(PATIENT, min_size=1, max_size=30))
@QUICK
def test_fast_equals_naive(patients):
    rows = rows_of(patients)
    for row in aalen_johansen(rows, causes=[1, 2]).to_dicts():
        assert row["estimate"] == pytest.approx(naive_incidence(rows, row["event"], row["time"]), abs=1e-12)


@given(st.lists(PATIENT, min_size=1, max_size=30))
@QUICK
def test_without_competing_events_incidence_is_one_minus_survival(patients):
    rows = rows_of(patients).with_columns(event=(pl.col("event") > 0).cast(pl.Int64))
    survival, incidence = kaplan_meier(rows), aalen_johansen(rows, causes=[1])
    assert np.abs(survival["estimate"] + incidence["estimate"] - 1).max() < 1e-12
    # Where everyone at risk has the event the two standard errors differ by convention (0 against undefined).
    inside = (survival["estimate"] > 0).to_numpy()
    assert np.allclose(survival["se"].to_numpy()[inside], incidence["se"].to_numpy()[inside], atol=1e-12)


@given(st.lists(PATIENT, min_size=1, max_size=30), st.integers(1, 9))
@QUICK
def test_censoring_the_competitor_never_lowers_the_estimate(patients, t):
    rows = untruncated(patients)
    naive = (
        1 - at_times(kaplan_meier(rows.with_columns(event=pl.col("event") == 1)), [t], start=1)["estimate"][0]
    )
    assert naive >= at_times(aalen_johansen(rows, causes=[1]), [t], start=0)["estimate"][0] - 1e-12


@given(st.lists(PATIENT, min_size=1, max_size=30), st.randoms(use_true_random=False))
@QUICK
def test_grouped_counts_are_sufficient_and_order_is_nothing(patients, random):
    shuffled = list(patients)
    random.shuffle(shuffled)
    rows, grouped = rows_of(patients), grouped_counts(rows_of(shuffled))
    assert grouped.height <= rows.height
    assert kaplan_meier(rows).equals(kaplan_meier(grouped))
    assert aalen_johansen(rows, causes=[1, 2]).equals(aalen_johansen(grouped, causes=[1, 2]))


@given(st.lists(PATIENT, min_size=2, max_size=30), st.integers(1, 9))
@QUICK
def test_kaplan_meier_is_weighting_by_the_inverse_probability_of_censoring(patients, t):
    # Exact only when events come before censorings at the same time: the naive tie rule fails this test.
    rows = untruncated(patients).with_columns(event=(pl.col("event") > 0).cast(pl.Int64))
    censored = at_times_before_censoring(rows)
    weighted = sum(1 / censored[r["time"]] for r in rows.to_dicts() if r["event"] and r["time"] <= t)
    survival = at_times(kaplan_meier(rows), [t], start=1)["estimate"][0]
    assert weighted / rows.height == pytest.approx(1 - survival, abs=1e-12)


def at_times_before_censoring(rows: pl.DataFrame) -> dict[int, float]:
    """G(t−): probability of not being censored before t, events counted before censorings at ties."""
    found, g = {}, 1.0
    for s in sorted(set(rows["time"].to_list())):
        found[s] = g
        at_risk = rows.filter((pl.col("time") > s) | ((pl.col("time") == s) & (pl.col("event") == 0))).height
        if at_risk:
            g *= 1 - rows.filter((pl.col("time") == s) & (pl.col("event") == 0)).height / at_risk
    return found


@given(st.lists(PATIENT, min_size=1, max_size=30))
@QUICK
def test_limits_enclose_the_estimate_and_no_nan_leaves(patients):
    curve = aalen_johansen(rows_of(patients), causes=[1, 2])
    inside = curve.filter(pl.col("lower").is_not_null())
    assert (inside["lower"] <= inside["estimate"]).all()
    assert (inside["estimate"] <= inside["upper"]).all()
    for column in ("estimate", "se", "lower", "upper"):
        assert curve[column].is_nan().sum() == 0
    for part in curve.partition_by("event"):
        assert all(a <= b + 1e-15 for a, b in pairwise(part["estimate"].to_list()))
