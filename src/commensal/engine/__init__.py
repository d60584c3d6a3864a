"""Where work runs: DuckDB and processes here, Spark where a centre has it.

Two verbs: :func:`scan` makes a lazy frame of a Parquet file (:func:`place` of a table in memory),
:func:`map` runs a function over items with a child seed each. :func:`one_behind` overlaps making and writing.
The answer does not depend on where it ran.
"""

from commensal.engine.behind import one_behind
from commensal.engine.frames import ENGINES, check_engine, place, scan
from commensal.engine.mapping import map

__all__ = ["ENGINES", "check_engine", "map", "one_behind", "place", "scan"]
