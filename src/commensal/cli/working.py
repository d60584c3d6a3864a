"""The processes a command works with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from commensal.engine import Workers

# To start another process takes longer than the analyses of fewer patients.
FEW = 500
# What the others read in while this one reads its own.
READY = ("commensal.programme.parts", "commensal.report.documents")


@contextmanager
def at_work(processes: int, *, n_patients: int) -> Iterator[Workers]:
    """Yield as many processes at work (0: one for each core), or this one where there are few patients."""
    from commensal import engine

    with engine.workers(1 if n_patients < FEW else processes, ready=READY) as team:
        yield team
