"""The same analysis file on DuckDB and on Spark: every file of the results has the same bytes."""

import shutil

import pytest

from commensal.engine import frames, mapping
from commensal.simulate import simulate


def has_spark() -> bool:
    try:
        import pyspark  # noqa: F401
    except ImportError:
        return False
    return shutil.which("java") is not None


pytestmark = [
    pytest.mark.slow,
    pytest.mark.spark,
    pytest.mark.skipif(not has_spark(), reason="Spark needs the spark extra and Java"),
]

# Few draws: what is tested is that they are the same.
ANALYSIS = """
title = "Few draws"
[missing]
imputations = 3
[participants]
imputations = 2
[effects]
n_imputations = 2
[prediction]
bootstraps = 20
learners = ["ridge"]
"""


@pytest.mark.parametrize(("scenario", "n_patients"), [("clinical_only", 200), (None, 60)])
def test_spark_gives_the_bytes_of_duckdb(commensal, tmp_path, monkeypatch, scenario, n_patients):
    simulate(tmp_path / "study", n_patients=n_patients, seed=11, scenario=scenario)
    (tmp_path / "few.toml").write_text(ANALYSIS, encoding="utf-8")
    spread: set[str] = set()

    def noted(function, tasks):
        spread.update(
            task[0].func.__name__ if hasattr(task[0], "func") else task[0].__name__ for task in tasks
        )
        return frames.on_spark(function, tasks)

    monkeypatch.setattr(mapping, "on_spark", noted)
    for engine in ("duckdb", "spark"):
        said = commensal(
            *("run", tmp_path / "study", "--out", tmp_path / engine, "--engine", engine),
            *("--analysis", tmp_path / "few.toml", "--processes", 1),
        )
        assert said.code == 0, said.err
    here, there = (
        {p.name: p.read_bytes() for p in (tmp_path / engine).iterdir()} for engine in ("duckdb", "spark")
    )
    assert {"report.html", "report.pdf", "follow_up.parquet", "provenance.parquet"} <= set(here)
    assert set(here) == set(there)
    assert [name for name in here if here[name] != there[name]] == []
    if scenario == "clinical_only":
        # Imputations, questions of the donor models, and those of the prediction models with their folds.
        assert {"_chain", "_answer", "answer"} <= spread
