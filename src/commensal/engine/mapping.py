"""Run one function over many items with a child seed each, in order, here or in processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")
Result = TypeVar("Result")


def map(
    function: Callable[[Item, np.random.Generator], Result],
    items: Iterable[Item],
    *,
    seed: int,
    processes: int = 1,
) -> list[Result]:
    """Return ``[function(item, generator) for item in items]``, each item with its own child seed.

    The numbers do not depend on ``processes``: item ``i`` always gets the ``i``-th child of ``seed``.
    ``function`` must be importable (no lambda) where ``processes`` is more than 1; 0 means all cores.
    """
    work = list(items)
    seeds = np.random.SeedSequence(seed).spawn(len(work))
    workers = processes or os.cpu_count() or 1
    if workers == 1 or len(work) < 2:
        return [_call(function, item, child) for item, child in zip(work, seeds, strict=True)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return list(pool.map(_call, [function] * len(work), work, seeds))


def _call(
    function: Callable[[Item, np.random.Generator], Result], item: Item, seed: np.random.SeedSequence
) -> Result:
    return function(item, np.random.default_rng(seed))
