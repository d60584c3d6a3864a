"""Where work runs: DuckDB and processes here, Spark where a centre has it.

Two verbs: :func:`scan` makes a lazy frame of a Parquet file, :func:`map` runs a function over items
with a child seed each. The answer does not depend on where it ran.
"""

from commensal.engine.frames import scan
from commensal.engine.mapping import map

__all__ = ["map", "scan"]
