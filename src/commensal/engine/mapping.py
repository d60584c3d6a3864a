"""Run one function over many items with a child seed each, in order, here or in processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")
Result = TypeVar("Result")

SHOWN = 200


def map(
    function: Callable[[Item, np.random.Generator], Result],
    items: Iterable[Item],
    *,
    seed: int,
    processes: int = 1,
    on_done: Callable[[int], None] | None = None,
) -> list[Result]:
    """Return ``[function(item, generator) for item in items]``, each item with its own child seed.

    The numbers do not depend on ``processes``: item ``i`` always gets the ``i``-th child of ``seed``.
    ``function`` must be importable (no lambda) where ``processes`` is more than 1; 0 means all cores.
    ``on_done`` is called with the number of items finished, after each, in order.
    An error names the item it came from in a note and ends the run.
    """
    work = list(items)
    seeds = np.random.SeedSequence(seed).spawn(len(work))
    workers = min(processes or os.cpu_count() or 1, len(work))
    if workers <= 1:
        calls = (_call(function, *task) for task in zip(range(len(work)), work, seeds, strict=True))
        return _collect(calls, on_done)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return _collect(pool.map(_call, [function] * len(work), range(len(work)), work, seeds), on_done)


def _collect(results: Iterator[Result], on_done: Callable[[int], None] | None) -> list[Result]:
    done: list[Result] = []
    for result in results:
        done.append(result)
        if on_done is not None:
            on_done(len(done))
    return done


def _call(
    function: Callable[[Item, np.random.Generator], Result],
    position: int,
    item: Item,
    seed: np.random.SeedSequence,
) -> Result:
    try:
        return function(item, np.random.default_rng(seed))
    except Exception as error:
        error.add_note(f"while working on item {position}: {repr(item)[:SHOWN]}")
        raise
