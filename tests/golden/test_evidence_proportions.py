"""Exact intervals and tests of counts, against R."""

import pytest

from commensal.evidence.proportion import fisher_exact, proportion
from commensal.evidence.rates import incidence_rate


@pytest.mark.parametrize(
    ("k", "n", "method", "lower", "upper"),
    [
        # R 4.2.2 binom.test(13, 16), binom.test(4, 13)
        (13, 16, "clopper_pearson", 0.543543454, 0.959526266),
        (4, 13, "clopper_pearson", 0.0909203946, 0.6142616618),
        # R 4.2.2 prop.test(…, correct = FALSE)
        (13, 16, "wilson", 0.569911190, 0.934084009),
        (4, 13, "wilson", 0.126807037, 0.576306568),
    ],
)
def test_limits_of_proportions(k, n, method, lower, upper):
    found = proportion(k, n, method=method)
    assert (found.lower, found.upper) == (pytest.approx(lower, rel=1e-6), pytest.approx(upper, rel=1e-6))


def test_fishers_exact_test():
    # R 4.2.2 fisher.test(matrix(c(13, 3, 4, 9), 2))
    found = fisher_exact((13, 16), (4, 13))
    assert found.p_value == pytest.approx(0.00953032, rel=1e-6)
    # R stops its root finding at about 1e-4 of the parameter: it prints 8.84872541, where the conditional
    # likelihood equation (solved to 1e-14 here: 8.84880796) holds to five digits only.
    assert found.estimate == pytest.approx(8.84872541, rel=2e-5)
    assert found.estimate == pytest.approx(8.84880796, rel=1e-8)
    assert (found.lower, found.upper) == (
        pytest.approx(1.37386598, rel=1e-4),
        pytest.approx(78.81150536, rel=1e-4),
    )


@pytest.mark.parametrize(
    # R 4.2.2 poisson.test(12, 3450.5 / 1000), poisson.test(0, 1200 / 1000)
    ("x", "years", "lower", "upper"),
    [(12, 3450.5, 1.79700771, 6.07494133), (0, 1200, 0.0, 3.07406621)],
)
def test_limits_of_rates(x, years, lower, upper):
    found = incidence_rate(x, years, per=1000)
    assert (found.lower, found.upper) == (pytest.approx(lower, rel=1e-6), pytest.approx(upper, rel=1e-6))
