"""Where work runs: DuckDB and processes here, Spark where a centre has it.

Two verbs: :func:`scan` makes a lazy frame of a Parquet file (:func:`place` of a table in memory),
:func:`map` runs a function over items with a child seed each. :func:`workers` are processes that several maps
share; :func:`one_behind` overlaps making and writing.
The answer does not depend on where it ran.
"""

from commensal.engine.behind import one_behind
from commensal.engine.frames import ENGINES, check_engine, place, scan
from commensal.engine.mapping import map
from commensal.engine.workers import Shared, Workers, workers

__all__ = ["ENGINES", "Shared", "Workers", "check_engine", "map", "one_behind", "place", "scan", "workers"]
