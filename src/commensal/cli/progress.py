"""A progress bar on the terminal; nothing where the output is not one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

OnProgress = Callable[[str, float], None]


@contextmanager
def progress() -> Iterator[OnProgress]:
    """Yield a function ``told(what, share_done)`` that moves one bar."""
    if not sys.stderr.isatty():
        yield lambda _what, _share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<28}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)


def share_of(told: OnProgress, what: str, *, upto: float = 1.0) -> Callable[[int, int], None]:
    """Return a function of (done, to do) that tells the share done, ``upto`` when all is."""
    return lambda done, to_do: told(what, upto * done / to_do)
