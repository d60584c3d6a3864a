"""Lazy frames over Parquet files, on DuckDB or Spark, in one dialect (Narwhals)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import narwhals as nw

from commensal.errors import InputError

ENGINES = ("duckdb", "spark")


def scan(path: Path, *, engine: str = "duckdb") -> nw.LazyFrame[Any]:
    """Return a lazy frame of the Parquet file at ``path``.

    ``engine`` is ``duckdb`` (here) or ``spark`` (the active session, else a local one).
    Raises :class:`InputError` for another engine.
    """
    if engine == "duckdb":
        return nw.from_native(_duckdb().read_parquet(str(path)))
    if engine == "spark":
        return nw.from_native(_spark().read.parquet(str(path)))
    raise InputError(f"engine {engine!r} does not exist", expected="one of " + ", ".join(ENGINES))


@cache
def _duckdb() -> Any:
    import duckdb

    return duckdb.connect()


@cache
def _spark() -> Any:
    import os
    import sys

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    from pyspark.sql import SparkSession

    return (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
