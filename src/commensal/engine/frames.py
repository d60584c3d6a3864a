"""Lazy frames over Parquet files, on DuckDB or Spark, in one dialect (Narwhals)."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl
from threadpoolctl import threadpool_limits

from commensal.errors import InputError

ENGINES = ("duckdb", "spark")

# A local session is for trying and testing: small data, wide plans. Compiling code for each plan, planning
# again between stages and writing plans out for a page nobody opens cost more there than they save. A session
# of the user's own is taken as it is, but for its time zone.
LOCAL_SPARK = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.maxPlanStringLength": "1000",
    "spark.sql.ui.explainMode": "simple",
    "spark.python.sql.dataFrameDebugging.enabled": "false",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}

# DuckDB connections may not be shared by threads, and relations of two connections cannot be joined.
_OF_THREAD = threading.local()


def scan(path: Path, *, engine: str = "duckdb") -> nw.LazyFrame[Any]:
    """Return a lazy frame of the Parquet file at ``path``, whatever signs its name holds.

    ``engine`` is ``duckdb`` (here) or ``spark`` (the active session, else that of spark-submit, else a local
    one).
    Raises :class:`InputError` for another engine and for a file that is not Parquet.
    """
    check_engine(engine)
    try:
        if engine == "duckdb":
            return nw.from_native(_duckdb().read_parquet(_literal_in_duckdb(path)))
        return nw.from_native(_spark_reader(path).parquet(_literal_in_spark(path)))
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as Parquet: {_first_line(error)}",
            do="restore the file or write the study again from its source",
        ) from error


def place(frame: pl.DataFrame, *, engine: str = "duckdb") -> nw.LazyFrame[Any]:
    """Return a lazy frame of a table in memory on the engine, so that it joins with scanned ones."""
    check_engine(engine)
    arrow = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    if engine == "duckdb":
        return nw.from_native(_duckdb().from_arrow(arrow))
    return nw.from_native(_spark().createDataFrame(arrow))


def on_spark(function: Callable[[Any], Any], tasks: list[Any]) -> list[Any]:
    """Return ``[function(task) for task in tasks]``, each task a partition of its own on Spark.

    Each works with one thread: there are as many at once as the session has cores.
    """
    context = _spark().sparkContext
    return context.parallelize(tasks, max(len(tasks), 1)).map(partial(_in_one_thread, function)).collect()


def _in_one_thread(function: Callable[[Any], Any], task: Any) -> Any:
    with threadpool_limits(limits=1):
        return function(task)


def check_engine(engine: str) -> None:
    """Raise :class:`InputError` for an engine that does not exist."""
    if engine not in ENGINES:
        raise InputError(f"engine {engine!r} does not exist", expected="one of " + ", ".join(ENGINES))


def _spark_reader(path: Path) -> Any:
    # Spark would start a job to read the footer of every file; the driver reads it as well.
    import pyarrow.parquet as pq
    from pyspark.sql.pandas.types import from_arrow_schema  # pyright: ignore[reportMissingImports]  (an extra)

    session = _spark()
    return session.read.schema(from_arrow_schema(pq.read_schema(path)))


def _literal_in_duckdb(path: Path) -> str:
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def _literal_in_spark(path: Path) -> str:
    # A path of Hadoop is a pattern too; the scheme keeps a colon in the name from being read as one.
    return "file:" + re.sub(r"([*?\[\]{}\\])", r"\\\1", str(path.absolute()))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _duckdb() -> Any:
    if not hasattr(_OF_THREAD, "connection"):
        import duckdb

        _OF_THREAD.connection = duckdb.connect()
        _OF_THREAD.connection.execute("SET TimeZone = 'UTC'")
    return _OF_THREAD.connection


@cache
def _spark() -> Any:
    import os
    import sys

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    try:
        from pyspark.sql import SparkSession  # pyright: ignore[reportMissingImports]  (an extra)
    except ImportError as error:
        raise InputError(
            "engine 'spark' is not installed", do="install it: pip install 'commensal[spark]'"
        ) from error

    active = SparkSession.getActiveSession()
    if active is None and "PYSPARK_GATEWAY_PORT" in os.environ:
        # Started by spark-submit: the master and all settings are those it was given.
        active = SparkSession.builder.getOrCreate()
    if active is not None:
        active.conf.set("spark.sql.session.timeZone", "UTC")
        return active
    builder = SparkSession.builder.master("local[2]")
    for name, value in LOCAL_SPARK.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()
