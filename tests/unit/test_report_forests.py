"""A forest has a line for each effect: rows of two indications do not share one."""

import polars as pl

from commensal.report.effect_sections import _forests

ROW = {
    "endpoint": "relapse",
    "landmark": None,
    "term": "sex",
    "contrast": "male against female",
    "estimate": 0.1,
    "lower": -0.4,
    "upper": 0.6,
    "unit": "log_hazard_ratio",
}


def labels(populations, **more):
    """The names of the lines of one forest."""
    rows = pl.DataFrame(
        [{**ROW, "population": p} | {k: v[i] for k, v in more.items()} for i, p in enumerate(populations)]
    )
    (figure,) = _forests(rows, by="endpoint")
    data = figure.chart.to_dict()["datasets"].values()
    return {r["y"] for rows in data for r in rows if "y" in r}


def test_effects_of_two_indications_stand_on_two_lines():
    found = labels(["crohns: in first remission", "uc: in first remission"])
    assert len(found) == 2
    assert all(name.endswith("· Relapse: Sex male against female") for name in found)


def test_a_population_of_all_indications_is_not_named():
    assert labels(["active at baseline"]) == {"Relapse: Sex male against female"}


def test_endpoints_of_one_name_stand_on_two_lines():
    codes = ["ibs_remission", "constipation_remission"]
    assert len(labels(["active at baseline"] * 2, endpoint=codes)) == 2
