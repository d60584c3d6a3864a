"""One call at a time behind the caller: write what is ready while the next is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

HandOver = Callable[..., None]


@contextmanager
def one_behind() -> Iterator[HandOver]:
    """Yield ``hand_over(function, *arguments)``, which runs the call in a thread and returns at once.

    A call waits for the one before, so order is kept and at most one is under way. An error of a call is
    raised at the next one, or on leaving.
    """
    under_way: list[Future[Any]] = []

    def hand_over(function: Callable[..., Any], *arguments: Any) -> None:
        if under_way:
            under_way.pop().result()
        under_way.append(pool.submit(function, *arguments))

    with ThreadPoolExecutor(1) as pool:
        yield hand_over
        if under_way:
            under_way.pop().result()
