import polars as pl
import pytest

from commensal.errors import InputError
from commensal.evidence.proportion import clopper_pearson, wilson, with_wilson
from commensal.evidence.rates import incidence_rate


@pytest.mark.parametrize(
    ("n_events", "n", "lower", "upper"),
    # R binom/prop.test on counts of the 2013 duodenal-infusion trial; the registry's 200/222 to three digits.
    [(13, 16, 0.569911190, 0.934084009), (4, 13, 0.126807037, 0.576306568)],
)
def test_wilson_vectors(n_events, n, lower, upper):
    found = wilson(n_events, n=n)
    assert (found.lower, found.upper) == (pytest.approx(lower, rel=1e-8), pytest.approx(upper, rel=1e-8))


def test_wilson_of_the_registry_cure_rate():
    found = wilson(200, n=222)
    assert (round(found.lower, 3), round(found.upper, 3)) == (0.855, 0.934)


@pytest.mark.parametrize(
    ("n_events", "n", "lower", "upper"),
    [(13, 16, 0.543543454, 0.959526266), (4, 13, 0.0909203946, 0.6142616618)],
)
def test_clopper_pearson_vectors(n_events, n, lower, upper):
    found = clopper_pearson(n_events, n=n)
    assert (found.lower, found.upper) == (pytest.approx(lower, rel=1e-8), pytest.approx(upper, rel=1e-8))


def test_no_event_among_four_thousand_still_has_an_upper_limit():
    assert clopper_pearson(0, n=4000).upper == pytest.approx(0.000922, abs=5e-7)
    assert clopper_pearson(0, n=4000, level=0.90).upper == pytest.approx(0.000749, abs=5e-7)


@pytest.mark.parametrize(
    ("n_events", "years", "per", "rate", "lower", "upper"),
    [
        (21, 280, 100, 7.50, 4.64, 11.46),
        (12, 3450.5, 1000, 12 / 3.4505, 1.79700771, 6.07494133),
        (0, 1200, 1000, 0, 0, 3.07406621),
    ],
)
def test_incidence_rate_vectors(n_events, years, per, rate, lower, upper):
    found = incidence_rate(n_events, years, per=per)
    digits = 0.005 if per == 100 else 5e-9
    assert found.estimate == pytest.approx(rate, abs=digits)
    assert found.lower == pytest.approx(lower, abs=digits)
    assert found.upper == pytest.approx(upper, abs=digits)


@pytest.mark.parametrize(("n_events", "n"), [(1, 0), (3, 2), (-1, 4)])
def test_what_is_no_proportion_is_refused(n_events, n):
    for interval in (wilson, clopper_pearson):
        with pytest.raises(InputError):
            interval(n_events, n=n)


def test_a_rate_without_person_time_is_refused():
    with pytest.raises(InputError):
        incidence_rate(0, 0)


def test_the_column_form_equals_the_scalar_form_and_refuses_with_a_reason():
    rows = pl.DataFrame(
        [(k, n) for n in range(25) for k in range(n + 1)], schema=["n_events", "n"], orient="row"
    )
    for row in with_wilson(rows, level=0.9).to_dicts():
        if row["n"] == 0:
            assert row["reason"] is not None
            assert [row[c] for c in ("estimate", "lower", "upper")] == [None, None, None]
            continue
        expected = wilson(row["n_events"], n=row["n"], level=0.9)
        assert (row["lower"], row["upper"]) == (pytest.approx(expected.lower), pytest.approx(expected.upper))
        assert row["lower"] <= row["estimate"] <= row["upper"]
        assert row["reason"] is None
