"""Rates and mean counts against slow twins and other programs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal.errors import InputError, RefusedError
from commensal.evidence.proportion import at_most, fisher_exact, log_risk_ratio, proportion, risk_difference
from commensal.evidence.rates import clustered_rate, incidence_rate, rate_model, standardised_incidence_ratio
from commensal.evidence.recurrent import mean_cumulative_count


def people(seed, n=60, *, with_deaths=True):
    rng = np.random.default_rng(seed)
    entry = np.where(rng.random(n) < 0.3, rng.integers(0, 40, n), 0).astype(float)
    end = entry + rng.integers(0, 200, n)
    dead = (rng.random(n) < 0.3) & with_deaths
    counts = rng.poisson(rng.gamma(1, 0.008, n) * (end - entry))
    who = np.repeat(np.arange(n), counts)
    day = rng.integers(entry[who], end[who] + 1).astype(float)
    return who, day, entry, end, dead


def naive_mean(who, day, entry, end, dead, at):
    """Day by day in a loop: survival before the day times events over those under observation."""
    survival, mean = 1.0, 0.0
    for t in range(int(at) + 1):
        at_risk = sum(1 for a, b in zip(entry, end, strict=True) if a <= t <= b)
        if not at_risk:
            continue
        mean += survival * sum(1 for d in day if d == t) / at_risk
        survival *= 1 - sum(1 for b, x in zip(end, dead, strict=True) if x and b == t) / at_risk
    return mean


def naive_psi(i, who, day, entry, end, dead, at):
    """The influence of one patient, summed over days as it is written down."""
    psi, survival = 0.0, 1.0
    final = naive_mean(who, day, entry, end, dead, at)
    mean = 0.0
    for t in range(int(at) + 1):
        under = np.array([a <= t <= b for a, b in zip(entry, end, strict=True)])
        y = under.sum()
        if not y:
            continue
        events, deaths = (day == t).sum(), (dead & (end == t)).sum()
        mean += survival * events / y
        own, died = ((day == t) & (who == i)).sum(), dead[i] and end[i] == t
        psi += survival / y * (own - under[i] * events / y)
        psi -= (final - mean) / y * (died - under[i] * deaths / y)
        survival *= 1 - deaths / y
    return psi


@given(seed=st.integers(0, 10_000), at=st.integers(0, 200))
@settings(max_examples=15, deadline=None)
def test_the_mean_count_equals_its_slow_twin(seed, at):
    who, day, entry, end, dead = people(seed, n=25)
    found = mean_cumulative_count(who, day, end=end, is_dead=dead, entry=entry, at=[at])
    expected = naive_mean(who, day, entry, end, dead, at)
    if ((entry <= at) & (end >= at)).any():
        assert found.estimate[0] == pytest.approx(expected, abs=1e-12)
    psi = [naive_psi(i, who, day, entry, end, dead, at) for i in range(25)]
    assert found.se[0] == pytest.approx(np.sqrt(np.sum(np.square(psi))), abs=1e-12)


def test_without_deaths_and_losses_the_mean_count_is_the_mean():
    counts = np.array([0, 3, 1, 0, 2])
    who = np.repeat(np.arange(5), counts)
    found = mean_cumulative_count(who, np.full(6, 10.0), end=np.full(5, 100.0), at=[50])
    assert found.estimate[0] == pytest.approx(counts.mean())
    assert found.se[0] == pytest.approx(counts.std() / np.sqrt(5))


def test_an_unfollowed_day_has_no_mean_and_no_event_still_has_an_upper_limit():
    found = mean_cumulative_count([], [], end=[10.0, 20.0], at=[15, 30])
    assert (found.estimate[0], found.lower[0]) == (0, 0)
    assert found.upper[0] == pytest.approx(-np.log(0.025))
    assert np.isnan(found.estimate[1])
    assert found.n_at_risk.tolist() == [1, 0]


def test_the_mean_count_does_not_change_with_the_order_of_rows():
    who, day, entry, end, dead = people(5)
    order = np.random.default_rng(1).permutation(len(end))
    back = np.argsort(order)
    one = mean_cumulative_count(who, day, end=end, is_dead=dead, entry=entry, at=[90])
    two = mean_cumulative_count(
        back[who][::-1], day[::-1], end=end[order], is_dead=dead[order], entry=entry[order], at=[90]
    )
    assert two.estimate[0] == pytest.approx(one.estimate[0], rel=1e-12)
    assert two.se[0] == pytest.approx(one.se[0], rel=1e-9)


def test_events_after_the_end_are_refused():
    with pytest.raises(InputError, match="not under observation"):
        mean_cumulative_count([0], [11.0], end=[10.0], at=[5])


def test_rates_of_arrays_are_rates_of_their_numbers():
    found = incidence_rate([0, 21], [1200.0, 280.0])
    for i, (x, years) in enumerate([(0, 1200.0), (21, 280.0)]):
        one = incidence_rate(x, years)
        assert (found.estimate[i], found.lower[i], found.upper[i]) == (one.estimate, one.lower, one.upper)


def test_a_standardised_ratio_is_exact():
    found = standardised_incidence_ratio(8, 4.0)
    # Exact limits of 8 (3.4538, 15.7632), table of Garwood 1936.
    assert (found.estimate, found.lower, found.upper) == (
        2,
        pytest.approx(3.4538 / 4, abs=2e-5),
        pytest.approx(15.7632 / 4, abs=2e-5),
    )


def test_a_clustered_rate_is_the_intercept_of_the_rate_model():
    rng = np.random.default_rng(3)
    t = rng.uniform(0.2, 5, 80)
    y = rng.poisson(t * rng.gamma(0.5, 2, 80))
    found, fit = clustered_rate(y, t, per=1), rate_model(y, t, np.ones((80, 1)))
    assert np.log(found.estimate) == pytest.approx(fit.coefficients[0], rel=1e-9)
    assert found.lower == pytest.approx(np.exp(fit.lower[0]), rel=1e-9)
    assert found.upper > incidence_rate(int(y.sum()), t.sum(), per=1).upper


@pytest.mark.slow
def test_the_rate_model_is_that_of_statsmodels():
    import statsmodels.api as sm

    rng = np.random.default_rng(9)
    n, cluster = 150, np.repeat(np.arange(50), 3)
    x = np.column_stack([np.ones(n), rng.normal(size=n), rng.random(n) < 0.4])
    t = rng.uniform(0.5, 2, n)
    y = rng.poisson(t * np.exp(x @ [0.2, 0.3, -0.4]) * np.repeat(rng.gamma(2, 0.5, 50), 3))
    peer = sm.GLM(y, x, family=sm.families.Poisson(), exposure=t).fit(
        cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": False}, tol=1e-12
    )
    found = rate_model(y, t, x, cluster=cluster)
    assert found.coefficients == pytest.approx(peer.params, rel=1e-7)
    assert found.se == pytest.approx(peer.bse * np.sqrt(50 / 49), rel=1e-6)


def test_rates_that_cannot_be_compared_are_refused_with_their_counts():
    one = np.ones(6)
    with pytest.raises(RefusedError, match="no events in 6 rows"):
        rate_model(np.zeros(6), one, np.ones((6, 1)))
    halves = np.column_stack([one, [0, 0, 0, 1, 1, 1]])
    with pytest.raises(RefusedError, match="no finite value"):
        rate_model([1, 0, 2, 0, 0, 0], one, halves)
    with pytest.raises(RefusedError, match="columns"):
        rate_model([1, 0, 2, 0, 1, 0], one, np.column_stack([one, one]))
    with pytest.raises(RefusedError, match="0 events of 6"):
        clustered_rate(np.zeros(6), one)
    with pytest.raises(InputError, match="no person-time"):
        clustered_rate(np.zeros(6), np.zeros(6))


def test_two_proportions_compared():
    # Newcombe 1998, table II: 56/70 less 48/80 is 0.2 (0.0524, 0.3339).
    found = risk_difference((56, 70), (48, 80))
    assert (found.estimate, found.lower, found.upper) == (
        pytest.approx(0.2),
        pytest.approx(0.0524, abs=5e-5),
        pytest.approx(0.3339, abs=5e-5),
    )
    with pytest.raises(RefusedError, match="0 of 5 against 3 of 5"):
        log_risk_ratio((0, 5), (3, 5))
    ratio = log_risk_ratio((3, 5), (3, 5))
    assert (ratio.estimate, ratio.p_value) == (0, 1)


def test_the_difference_is_that_of_statsmodels():
    from statsmodels.stats.proportion import confint_proportions_2indep

    for first, second in [((0, 10), (3, 12)), ((9, 9), (2, 8)), ((4, 30), (5, 40))]:
        found = risk_difference(first, second)
        peer = confint_proportions_2indep(*first, *second, method="newcomb")
        assert (found.lower, found.upper) == (pytest.approx(peer[0]), pytest.approx(peer[1]))


def test_rule_of_three_and_unknown_methods():
    assert at_most(4000) == pytest.approx(3 / 4000, rel=2e-3)
    with pytest.raises(InputError, match="no method"):
        proportion(1, 2, method="wald")


@given(n=st.integers(1, 60), share=st.floats(0, 1), level=st.sampled_from([0.8, 0.95, 0.99]))
@settings(max_examples=40, deadline=None)
def test_limits_hold_the_estimate_and_exact_ones_cover(n, share, level):
    k = round(share * n)
    for method in ("wilson", "clopper_pearson"):
        found = proportion(k, n, method=method, level=level)
        assert 0 <= found.lower <= found.estimate <= found.upper <= 1
    mirrored = proportion(n - k, n, level=level)
    assert mirrored.lower == pytest.approx(1 - proportion(k, n, level=level).upper, abs=1e-12)
    assert fisher_exact((k, n), (k, n)).p_value == pytest.approx(1)


def naive_ratio_score(phi, x, n, y, m):
    """The score test of p1 = phi * p2 by a search for the most likely p2."""
    from scipy.optimize import minimize_scalar

    def surprise(p):
        q = phi * p
        return -(
            x * np.log(q) + (n - x) * np.log1p(-q) + y * np.log(p) + (m - y) * np.log1p(-min(p, 1 - 1e-12))
        )

    top = min(1.0, 1 / phi) * (1 - 1e-12)
    p = minimize_scalar(surprise, bounds=(1e-9, top), method="bounded", options={"xatol": 1e-12}).x
    variance = phi * p * (1 - phi * p) / n + phi**2 * p * (1 - p) / m
    return (x / n - phi * y / m) / np.sqrt(variance)


@pytest.mark.parametrize(
    ("first", "second"),
    [((4, 30), (9, 40)), ((12, 15), (13, 14)), ((27, 32), (3, 3)), ((1, 200), (30, 40)), ((3, 3), (27, 32))],
)
def test_score_limits_of_a_ratio_are_where_the_test_just_rejects(first, second):
    found = log_risk_ratio(first, second)
    assert found.lower < found.estimate < found.upper
    for limit, side in ((found.lower, 1), (found.upper, -1)):
        score = naive_ratio_score(np.exp(limit), *first, *second)
        assert score == pytest.approx(side * 1.959964, abs=2e-3)
