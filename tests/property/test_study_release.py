"""What is released shows no small count, and none can be worked out from what is shown."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal.study.release import counts_of, names_persons, release
from commensal.study.results import RESULTS

KEYS = {
    "endpoint": "remission",
    "population": "active at baseline",
    "estimand": "observed",
    "method": "Wilson",
}


def estimates(groups: list[tuple[int, int, int]]) -> pl.DataFrame:
    """Rows of one group variable and the row of all; groups as (n, n_events, n_missing)."""
    rows = [("route", f"route {i}", *g) for i, g in enumerate(groups)]
    rows.append(("all", "all", *(sum(g[k] for g in groups) for k in range(3))))
    return pl.DataFrame(
        [
            {
                **KEYS,
                "landmark": "M3",
                "group_variable": variable,
                "group_level": level,
                "n": n,
                "n_events": events,
                "n_due": n + missing,
                "n_missing": missing,
                "estimate": events / n if n else None,
                "unit": "proportion",
                "reason": f"{missing} not seen",
            }
            for variable, level, n, events, missing in rows
        ]
    )


group = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 12)).map(
    lambda g: (g[0], min(g[0], g[1]), g[2])
)
groups = st.lists(group, min_size=1, max_size=6)


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(groups, st.integers(2, 8))
def test_no_small_count_and_no_small_complement_is_shown(drawn, minimum):
    shown = release({"estimates": estimates(drawn)}, minimum=minimum)[0]["estimates"]
    for row in shown.iter_rows(named=True):
        for name in counts_of(RESULTS["estimates"]):
            assert row[name] is None or row[name] == 0 or row[name] >= minimum
        if row["n"] is not None:
            assert not 0 < row["n"] - row["n_events"] < minimum
        else:
            assert row["reason"] == f"hidden: fewer than {minimum}"
            assert row["estimate"] is None


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(groups, st.integers(2, 8))
def test_no_hidden_count_is_the_total_less_what_is_shown(drawn, minimum):
    shown = release({"estimates": estimates(drawn)}, minimum=minimum)[0]["estimates"]
    total = shown.filter(pl.col("group_variable") == "all").row(0, named=True)
    levels = shown.filter(pl.col("group_variable") == "route")
    hidden = levels["n"].null_count()
    if total["n"] is None or hidden == 0:
        return
    assert hidden >= 2
    for name in ("n", "n_events", "n_missing"):
        rest = total[name] - levels[name].sum()
        assert rest == 0 or rest >= minimum, name
    rest = (total["n"] - levels["n"].sum()) - (total["n_events"] - levels["n_events"].sum())
    assert rest == 0 or rest >= minimum


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=7), st.integers(2, 8))
def test_levels_and_reasons_are_not_found_by_subtraction(counts, minimum):
    key = {"endpoint": "remission", "landmark": "Y1", "group_variable": "all", "group_level": "all"}
    frame = pl.DataFrame([{**key, "reason": f"why {i}", "n": n} for i, n in enumerate(counts)])
    shown = release({"missingness": frame}, minimum=minimum)[0]["missingness"]
    rest = sum(counts) - shown["n"].sum()
    if shown["n"].null_count() and shown["n"].null_count() < len(counts):
        assert shown["n"].null_count() >= 2
        assert rest >= minimum


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=60))
def test_curves_keep_steps_of_enough_events(events):
    at_risk = [200 - i - sum(events[:i]) for i in range(len(events))]
    frame = pl.DataFrame(
        {
            "curve": "remission",
            "group_variable": "all",
            "group_level": "all",
            "event": "remission",
            "time_days": [7 * i for i in range(len(events))],
            "estimate": [0.9 * sum(events[: i + 1]) / 200 for i in range(len(events))],
            "n_at_risk": at_risk,
            "n_events": events,
        }
    )
    shown = release({"curves": frame})[0]["curves"]
    times = shown.filter(pl.col("estimate") > 0)["time_days"].to_list()
    before = 0
    for time in times:
        assert sum(events[before : time // 7 + 1]) >= 5
        before = time // 7 + 1
    assert shown["n_events"].null_count() == shown.height


def test_tables_that_name_persons_do_not_leave():
    everything = {name: table.empty() for name, table in RESULTS.items()}
    left = set(everything) - set(release(everything)[0])
    assert {"predictions", "verdicts", "attributions", "monitors", "rankings", "care_plans"} <= left
    assert left == {name for name, table in RESULTS.items() if names_persons(table)}
    assert "estimates" not in left
