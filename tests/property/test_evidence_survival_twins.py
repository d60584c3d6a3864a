"""Every fast method beside its definition, patient by patient, and what must hold of any data."""

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from commensal.errors import RefusedError
from commensal.evidence.survival import (
    aalen_johansen,
    at_times,
    concordance,
    cox,
    fine_gray,
    gray_test,
    kaplan_meier,
    log_rank,
    nelson_aalen,
    pool_curves,
    restricted_mean,
    state_occupation,
    turnbull,
)
from commensal.evidence.survival.cox import prepared, score_residuals
from commensal.evidence.survival.turnbull import GAP

QUICK = settings(max_examples=25, deadline=None)
SEEDS = st.integers(0, 10_000)


def drawn(seed: int, n: int = 40, *, late: bool = False) -> dict[str, np.ndarray]:
    """Patients with many ties, two causes, weights and perhaps late entry."""
    rng = np.random.default_rng(seed)
    time = rng.integers(2, 12, n)
    entry = np.where(rng.random(n) < 0.3, time - rng.integers(1, 3, n), np.nan) if late else None
    return {
        "time": time,
        "event": rng.integers(0, 3, n),
        "entry": entry,
        "weights": rng.integers(1, 5, n) / 2,
        "group": rng.integers(0, 3, n),
        "x": np.column_stack([rng.normal(size=n), rng.integers(0, 2, n)]),
    }


def log_partial_likelihood(d, beta, *, ties: str) -> float:
    """The definition, death by death."""
    entry = np.full(len(d["time"]), -np.inf) if d["entry"] is None else np.nan_to_num(d["entry"], nan=-np.inf)
    risk, total = d["weights"] * np.exp(d["x"] @ beta), 0.0
    for t in np.unique(d["time"][d["event"] == 1]):
        at_risk = (d["time"] >= t) & (entry < t)
        dead = at_risk & (d["time"] == t) & (d["event"] == 1)
        share = d["weights"][dead].mean()
        total += (d["weights"][dead] * (d["x"][dead] @ beta)).sum()
        for place in range(int(dead.sum())):
            taken = place / dead.sum() if ties == "efron" else 0.0
            total -= share * np.log(risk[at_risk].sum() - taken * risk[dead].sum())
    return total


@pytest.mark.slow
@given(SEEDS, st.sampled_from(["efron", "breslow"]), st.booleans())
@settings(max_examples=15, deadline=None)
def test_cox_maximises_the_partial_likelihood_by_definition(seed, ties, late):
    d = drawn(seed, late=late)
    fit = cox(d["time"], d["event"] == 1, d["x"], entry=d["entry"], weights=d["weights"], ties=ties)
    assert fit.log_likelihood == pytest.approx(log_partial_likelihood(d, fit.coefficients, ties=ties))
    assert fit.log_likelihood_null == pytest.approx(log_partial_likelihood(d, np.zeros(2), ties=ties))
    for step in (np.array([0.02, 0.0]), np.array([0.0, 0.02])):
        for sign in (1, -1):
            moved = log_partial_likelihood(d, fit.coefficients + sign * step, ties=ties)
            assert moved < fit.log_likelihood


@pytest.mark.slow
@given(SEEDS, st.sampled_from(["efron", "breslow"]), st.booleans())
@settings(max_examples=15, deadline=None)
def test_score_residuals_sum_to_nothing_at_the_maximum(seed, ties, late):
    d = drawn(seed, late=late)
    given_ = {"entry": d["entry"], "stratum": d["group"], "weights": d["weights"]}
    fit = cox(d["time"], d["event"] == 1, d["x"], ties=ties, **given_)
    made = prepared(d["time"], d["event"] == 1, d["x"], ties=ties, **given_)
    residuals = score_residuals(made, fit.coefficients * made.scale)
    assert np.abs(made.w @ residuals).max() < 1e-8


@pytest.mark.slow
@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_robust_errors_are_the_jackknife_of_weights(seed):
    # The derivative of the coefficients by one patient's weight (Breslow: smooth in the weights).
    d = drawn(seed, n=25)
    kwargs = {"ties": "breslow"}
    try:
        fit = cox(d["time"], d["event"] == 1, d["x"], weights=d["weights"], **kwargs)
    except RefusedError:  # the few events may lie in the order of a covariate: then there is no maximum
        assume(False)
    influence = []
    for i in range(25):
        w = d["weights"].copy()
        w[i] *= 1 + 1e-5
        moved = cox(d["time"], d["event"] == 1, d["x"], weights=w, **kwargs).coefficients
        influence.append((moved - fit.coefficients) / 1e-5)
    expected = np.sqrt((np.array(influence) ** 2).sum(axis=0))
    assert fit.se == pytest.approx(expected, rel=2e-3)


@pytest.mark.slow
@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_fine_gray_without_competing_events_is_cox(seed):
    d = drawn(seed)
    event = (d["event"] == 1).astype(int)
    ours, cause = fine_gray(d["time"], event, d["x"]), cox(d["time"], event, d["x"], ties="breslow")
    assert ours.coefficients == pytest.approx(cause.coefficients, rel=1e-6, abs=1e-9)
    assert ours.log_likelihood == pytest.approx(cause.log_likelihood)


@pytest.mark.slow
@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_models_and_tests_do_not_depend_on_the_order_of_rows(seed):
    d = drawn(seed)
    order = np.random.default_rng(seed + 1).permutation(len(d["time"]))
    t, e, g, x = d["time"], d["event"], d["group"], d["x"]
    for run in (
        lambda o: cox(t[o], e[o] == 1, x[o]).coefficients,
        lambda o: fine_gray(t[o], e[o], x[o]).coefficients,
        lambda o: log_rank(t[o], e[o] == 1, g[o]).statistic,
        lambda o: gray_test(t[o], e[o], g[o]).statistic,
        lambda o: concordance(t[o], e[o] == 1, x[o, 0]).estimate,
    ):
        assert run(order) == pytest.approx(run(np.arange(len(t))), rel=1e-9, abs=1e-12)


@given(SEEDS)
@QUICK
def test_gray_without_competing_events_tests_what_log_rank_tests(seed):
    # Same numerator; the variances are two estimates of one thing.
    d = drawn(seed, n=300)
    event = (d["event"] == 1).astype(int)
    gray, rank = gray_test(d["time"], event, d["group"]), log_rank(d["time"], event, d["group"])
    assert gray.observed - gray.expected == pytest.approx(rank.observed - rank.expected, abs=1e-9)
    assert gray.statistic == pytest.approx(rank.statistic, rel=0.25, abs=0.3)


@given(SEEDS, st.booleans())
@QUICK
def test_log_rank_of_two_groups_is_the_score_test_of_cox(seed, late):
    # Exact without ties.
    d = drawn(seed, n=150, late=late)
    time = d["time"] + np.random.default_rng(seed).random(len(d["time"])) / 2
    group = d["x"][:, 1]
    rank = log_rank(time, d["event"] == 1, group, entry=d["entry"])
    assert rank.statistic == pytest.approx(
        cox(time, d["event"] == 1, group, entry=d["entry"]).score, rel=1e-8
    )


def naive_pairs(time, event, risk, weight) -> tuple[float, float, float]:
    found = [0.0, 0.0, 0.0]
    for i in np.flatnonzero(event):
        for j in range(len(time)):
            later = time[j] > time[i] or (time[j] == time[i] and not event[j])
            if j != i and later:
                kind = 0 if risk[i] > risk[j] else 1 if risk[i] < risk[j] else 2
                found[kind] += weight[i] * weight[j]
    return tuple(found)


@given(SEEDS)
@QUICK
def test_concordance_counts_every_pair_once(seed):
    d = drawn(seed)
    event, risk = d["event"] == 1, np.round(d["x"][:, 0])
    found = concordance(d["time"], event, risk, weights=d["weights"])
    expected = naive_pairs(d["time"], event, risk, d["weights"])
    assert (found.concordant, found.discordant, found.tied) == pytest.approx(expected)


@given(SEEDS)
@QUICK
def test_concordance_turns_with_the_sign_of_the_prediction(seed):
    d = drawn(seed)
    for kind in ("harrell", "uno"):
        up = concordance(d["time"], d["event"] == 1, d["x"][:, 0], kind=kind)
        down = concordance(d["time"], d["event"] == 1, -d["x"][:, 0], kind=kind)
        assert up.estimate + down.estimate == pytest.approx(1)
        assert up.se == pytest.approx(down.se)


@pytest.mark.slow
@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_weights_of_one_are_no_weights_and_whole_weights_are_patients(seed):
    d = drawn(seed)
    n = np.random.default_rng(seed).integers(1, 4, len(d["time"]))
    for method in (kaplan_meier, aalen_johansen):
        plain = method(d["time"], d["event"], stratum=d["group"])
        ones = method(d["time"], d["event"], stratum=d["group"], weights=np.ones(len(n)))
        # The last step to an estimate of 0 or 1 has a convention of its own.
        inside = (plain["lower"].is_not_null()).to_numpy()
        assert np.allclose(ones["se"].to_numpy()[inside], plain["se"].to_numpy()[inside], atol=1e-10)
        counted = method(d["time"], d["event"], n=n)
        copied = method(np.repeat(d["time"], n), np.repeat(d["event"], n))
        weighted = method(d["time"], d["event"], weights=n)
        assert counted.equals(copied)
        assert np.allclose(weighted["estimate"], copied["estimate"], atol=1e-12)


@pytest.mark.slow
@given(SEEDS, st.booleans())
@settings(max_examples=6, deadline=None)
def test_weighted_errors_are_the_jackknife_over_patients(seed, late):
    d = drawn(seed, n=20, late=late)
    for method, cells in ((kaplan_meier, {}), (aalen_johansen, {"causes": [1]})):
        base = method(d["time"], d["event"], entry=d["entry"], weights=d["weights"], **cells)
        influence = []
        for i in range(20):
            w = d["weights"].copy()
            w[i] *= 1 + 1e-6
            moved = method(d["time"], d["event"], entry=d["entry"], weights=w, **cells)
            influence.append((moved["estimate"] - base["estimate"]).to_numpy() / 1e-6)
        expected = np.sqrt((np.array(influence) ** 2).sum(axis=0))
        falls = base["estimate"].to_numpy() > 0
        assert np.allclose(base["se"].to_numpy()[falls], expected[falls], atol=1e-5)


@given(SEEDS)
@QUICK
def test_days_and_any_other_numbers_give_the_same_curve(seed):
    # Whole days are counted without sorting; halves of them go the other way.
    d = drawn(seed)
    days = kaplan_meier(d["time"], d["event"], stratum=d["group"])
    halves = kaplan_meier(d["time"] / 2, d["event"], stratum=d["group"].astype(str))
    assert days["estimate"].to_list() == halves["estimate"].to_list()
    assert days["time"].to_list() == (halves["time"] * 2).to_list()


@given(SEEDS)
@QUICK
def test_the_cumulative_hazard_bounds_the_curve(seed):
    d = drawn(seed)
    hazard, curve = nelson_aalen(d["time"], d["event"]), kaplan_meier(d["time"], d["event"])
    assert (np.exp(-hazard["estimate"].to_numpy()) >= curve["estimate"].to_numpy() - 1e-12).all()


@given(SEEDS, st.integers(3, 11))
@QUICK
def test_the_restricted_mean_is_the_mean_where_nobody_is_censored(seed, until):
    d = drawn(seed)
    found = restricted_mean(d["time"], np.ones(len(d["time"])), until=until, group=d["group"] % 2)
    for row in found.groups.iter_rows(named=True):
        lived = np.minimum(d["time"][d["group"] % 2 == row["group"]], until)
        assert row["estimate"] == pytest.approx(lived.mean())
        assert row["se"] == pytest.approx(lived.std() / np.sqrt(len(lived)), abs=1e-12)


def test_a_mean_beyond_follow_up_is_not_invented():
    found = restricted_mean([5, 8, 9, 30], [1, 0, 0, 0], until=20, group=["a", "a", "a", "b"])
    assert found.groups["estimate"].to_list() == [None, 20]
    assert found.comparisons.is_empty()


@given(SEEDS)
@QUICK
def test_turnbull_of_exact_times_is_kaplan_meier(seed):
    d = drawn(seed)
    died = d["event"] == 1
    found = turnbull(d["time"], np.where(died, d["time"], np.inf))
    curve = kaplan_meier(d["time"], died)
    both = found.intervals.drop_nulls("until").join(
        curve.select("time", survival="estimate"), left_on="until", right_on="time"
    )
    assert both.height
    assert (both["estimate"] + both["survival"] - 1).abs().max() < 20 * GAP


@given(SEEDS)
@QUICK
def test_turnbull_leaves_nothing_to_gain(seed):
    # No other distribution on the same intervals is likelier.
    rng = np.random.default_rng(seed)
    left = rng.integers(0, 10, 40)
    right = np.where(rng.random(40) < 0.3, np.inf, left + rng.integers(1, 6, 40))
    found = turnbull(left, right)
    assert found.gap < GAP

    def likelihood(mass):
        after, until = (
            found.intervals["after"].to_numpy(),
            found.intervals["until"].fill_null(np.inf).to_numpy(),
        )
        inside = (after >= left[:, None]) & (until <= right[:, None])
        return np.log((inside * mass).sum(axis=1)).sum()

    best = found.intervals["mass"].to_numpy()
    assert best.sum() == pytest.approx(1, abs=1e-6)
    for _ in range(20):
        other = 0.9 * best + 0.1 * rng.dirichlet(np.ones(len(best)))
        assert likelihood(other) <= likelihood(best) + 40 * GAP


@given(SEEDS)
@QUICK
def test_state_occupation_without_return_is_cumulative_incidence(seed):
    d = drawn(seed)
    names = np.array(["well", "ill", "dead"])
    n = len(d["time"])
    who, zero = np.arange(n), np.zeros(n)
    found = state_occupation(
        np.concatenate([who, who]),
        np.concatenate([zero, d["time"]]),
        np.concatenate([names[np.zeros(n, dtype=int)], names[d["event"]]]),
        states=["well", "ill", "dead"],
        absorbing=["ill", "dead"],
    )
    curve = aalen_johansen(d["time"], d["event"], causes=[1, 2])
    for state, cause in (("ill", 1), ("dead", 2)):
        mine = found.curve.filter(state=state)
        theirs = at_times(curve.filter(event=cause), mine["time"], start=0)
        assert np.allclose(mine["estimate"], theirs["estimate"], atol=1e-12)
        assert np.allclose(mine["se"], theirs["se"], atol=1e-9)


def visited(seed: int, n: int = 30) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        rows.append((i, 0, "no"))
        for day in np.sort(rng.choice(np.arange(1, 30), rng.integers(1, 6), replace=False)):
            state = str(rng.choice(["no", "yes", "dead"], p=[0.5, 0.4, 0.1]))
            rows.append((i, int(day), state))
            if state == "dead":
                break
    return pl.DataFrame(rows, schema=["who", "day", "state"], orient="row")


def occupation(rows: pl.DataFrame, **more):
    names = ["no", "yes", "dead"]
    return state_occupation(rows["who"], rows["day"], rows["state"], states=names, absorbing=["dead"], **more)


@pytest.mark.slow
@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_states_share_out_one_and_time_adds_up(seed):
    rows = visited(seed)
    found = occupation(rows, horizons=[5, 10])
    total = found.curve.group_by("time").agg(pl.col("estimate").sum())
    assert (total["estimate"] - 1).abs().max() < 1e-12
    times = found.mean_times.group_by("until").agg(pl.col("estimate").sum())
    assert times["estimate"].to_numpy() == pytest.approx(times["until"].to_numpy())
    shuffled = occupation(rows.sample(fraction=1, shuffle=True, seed=seed), horizons=[5, 10])
    assert shuffled.curve.equals(found.curve)


@pytest.mark.slow
@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_errors_of_states_are_near_the_jackknife_of_patients(seed):
    rows = visited(seed, n=60)
    whole = occupation(rows, horizons=[15])
    left_out = [occupation(rows.filter(pl.col("who") != i), horizons=[15]) for i in range(60)]

    def spread(values):
        return np.sqrt(59 / 60 * ((np.array(values) - np.mean(values)) ** 2).sum())

    mine = whole.mean_times.filter(state="yes").row(0, named=True)
    theirs = spread([o.mean_times.filter(state="yes")["estimate"][0] for o in left_out])
    assert mine["se"] == pytest.approx(theirs, rel=0.1)


@pytest.mark.slow
@given(SEEDS)
@settings(max_examples=10, deadline=None)
def test_pooling_the_same_curve_changes_nothing(seed):
    d = drawn(seed)
    curve = kaplan_meier(d["time"], d["event"], stratum=d["group"])
    pooled = pool_curves([curve] * 5, start=1)
    inside = pooled["lower"].is_not_null()
    assert (pooled["estimate"] - curve["estimate"]).abs().max() < 1e-12
    for column in ("se", "lower", "upper"):
        difference = (pooled[column] - curve[column]).filter(inside).abs()
        assert difference.len() == 0 or difference.max() < 1e-9
    assert (pooled["fraction_missing"].drop_nulls().abs() < 1e-12).all()


@given(SEEDS)
@QUICK
def test_pooled_limits_are_wider_than_their_mean(seed):
    curves = [kaplan_meier(d["time"], d["event"]) for d in (drawn(seed), drawn(seed + 1), drawn(seed + 2))]
    pooled = pool_curves(curves, start=1)
    inside = pooled.filter(pl.col("lower").is_not_null())
    assume(inside.height)
    assert (inside["lower"] <= inside["estimate"]).all()
    assert (inside["estimate"] <= inside["upper"]).all()


@pytest.mark.slow
@given(SEEDS)
@settings(max_examples=10, deadline=None)
def test_a_column_that_orders_the_deaths_is_refused_with_counts(seed):
    d = drawn(seed)
    # At every death the column is largest for those who die.
    ordered = -d["time"] + 0.5 * (d["event"] == 1)
    with pytest.raises(RefusedError, match=r"no maximum .* events among 40 patients"):
        cox(d["time"], d["event"] == 1, ordered)
    with pytest.raises(RefusedError, match=r"no maximum .* events among 40 patients"):
        fine_gray(d["time"], d["event"] == 1, ordered)


def test_a_group_with_every_death_while_both_are_at_risk_is_refused():
    # Found by the property tests: deaths in both groups, but never in one of them while the other is there.
    d = drawn(463)
    time = d["time"] + np.random.default_rng(463).random(40) / 2
    group = d["x"][:, 1]
    died = d["event"] == 1
    assert set(group[died]) == {0.0, 1.0}
    ahead = {g for t, g in zip(time[died], group[died], strict=True) if len(set(group[time >= t])) == 2}
    assert len(ahead) == 1
    with pytest.raises(RefusedError, match="no maximum"):
        cox(time, died, group)
