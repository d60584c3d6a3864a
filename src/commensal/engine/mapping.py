"""Run one function over many items with a child seed each, in order: here, in processes, or on Spark."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np

from commensal.engine.frames import on_spark
from commensal.engine.workers import Workers, workers
from commensal.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")

SHOWN = 200
SPARK = "spark"


def map(
    function: Callable[[Item, np.random.Generator], Result],
    items: Iterable[Item],
    *,
    seed: int,
    processes: int | str | Workers = 1,
    on_done: Callable[[int], None] | None = None,
) -> list[Result]:
    """Return ``[function(item, generator) for item in items]``, each item with its own child seed.

    The numbers do not depend on ``processes``: item ``i`` always gets the ``i``-th child of ``seed``.
    ``function`` must be importable (no lambda) where ``processes`` is more than 1; 0 means all cores, "spark"
    the active Spark session (else a local one), whose workers need this software too; :func:`workers` that
    run already are used as they are.
    ``on_done`` is called with the number of items finished, after each, in order.
    An error names the item it came from in a note and ends the run.
    """
    work = list(items)
    seeds = np.random.SeedSequence(seed).spawn(len(work))
    if processes == SPARK:
        return _collect(iter(on_spark(_call_task, list(_tasks(function, work, seeds)))), on_done)
    if isinstance(processes, str):
        raise InputError(f"processes = {processes!r}", expected=f'a number, 0 for all cores, or "{SPARK}"')
    if not isinstance(processes, Workers):
        processes = min(processes or os.cpu_count() or 1, max(len(work), 1))
    with workers(processes) as team:
        given = [team.give(_call_task, task) for task in _tasks(function, work, seeds)]
        return _collect(team.results(given), on_done)


def _collect(results: Iterator[Result], on_done: Callable[[int], None] | None) -> list[Result]:
    done: list[Result] = []
    for result in results:
        done.append(result)
        if on_done is not None:
            on_done(len(done))
    return done


Task = tuple[Callable[[Any, np.random.Generator], Any], int, Any, np.random.SeedSequence]


def _tasks(
    function: Callable[..., Any], work: list[Any], seeds: list[np.random.SeedSequence]
) -> Iterator[Task]:
    return ((function, n, item, seed) for n, (item, seed) in enumerate(zip(work, seeds, strict=True)))


def _call_task(task: Task) -> Any:
    function, position, item, seed = task
    try:
        return function(item, np.random.default_rng(seed))
    except Exception as error:
        error.add_note(f"while working on item {position}: {repr(item)[:SHOWN]}")
        raise
