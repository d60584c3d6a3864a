"""This process and others beside it: started once, early, and given calls until the work is done."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")

THREADS = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


@contextmanager
def workers(processes: int | Workers, *, ready: Sequence[str] = ()) -> Iterator[Workers]:
    """Yield this process and ``processes - 1`` others (0: one for each core), at work until leaving.

    The others start at once, so that what they must import (the modules ``ready``) is read while this process
    goes on. Workers that are given are yielded as they are, and not ended. After an error no further call
    begins.
    """
    if isinstance(processes, Workers):
        yield processes
        return
    with tempfile.TemporaryDirectory() as folder:
        team = Workers((processes or os.cpu_count() or 1) - 1, folder=Path(folder), ready=ready)
        try:
            yield team
        except BaseException:
            team.drop()
            raise
        finally:
            team.end()


class Workers:
    """A queue of calls that this process and the others take from; made by :func:`workers`."""

    def __init__(self, n_others: int, *, folder: Path, ready: Sequence[str]) -> None:
        self._folder = folder
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        # Spawned: threads do not survive a fork. One pool each: a call stays in the queue until one is free.
        context = get_context("spawn")
        self._others = [ProcessPoolExecutor(1, mp_context=context) for _ in range(n_others)]
        with _one_thread_each():
            for other in self._others:
                other.submit(_import, ready)
        self._threads = [Thread(target=self._serve, args=(other,)) for other in self._others]
        for thread in self._threads:
            thread.start()

    @property
    def n(self) -> int:
        """How many processes are at work, this one among them."""
        return 1 + len(self._others)

    def give(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Put a call in the queue: an other takes it as soon as it is free, this process in :meth:`results`.

        ``function`` must be importable (no lambda) where there are others.
        """
        call = _Call(Future(), function, arguments)
        self._calls.put(call)
        return call.future

    def results(self, given: Sequence[Future[Any]]) -> Iterator[Any]:
        """Yield what the calls return, in order; this process works with the others meanwhile.

        After an error those not begun are left out.
        """
        try:
            for future in given:
                while not future.done() and (call := self._next()):
                    call.run()
                yield future.result()
        finally:
            for future in given:
                future.cancel()

    def share(self, value: Value) -> Shared[Value]:
        """Return ``value`` as an argument that goes to each process once, however many calls hold it."""
        if not self._others:
            return Shared(value)
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
            pickle.dump(value, file, protocol=5)
        return Shared(value, file.name)

    def drop(self) -> None:
        """Take all calls that nobody has begun out of the queue."""
        while self._next():
            pass

    def end(self) -> None:
        """Let the others finish what they were given, and end them."""
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()
        for other in self._others:
            other.shutdown()

    def _next(self) -> _Call | None:
        try:
            return self._calls.get_nowait()
        except Empty:
            return None

    def _serve(self, other: ProcessPoolExecutor) -> None:
        while call := self._calls.get():
            call.run(other)


class _Call:
    def __init__(self, future: Future[Any], function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.future = future
        self._function = function
        self._arguments = arguments

    def run(self, other: ProcessPoolExecutor | None = None) -> None:
        """Run here, or in the other process, and keep what it returns or raises."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            if other is None:
                self.future.set_result(self._function(*self._arguments))
            else:
                self.future.set_result(other.submit(self._function, *self._arguments).result())
        except Exception as error:
            self.future.set_exception(error)


@dataclass(frozen=True)
class Shared(Generic[Value]):
    """A value that crosses to another process as the file it was written to, where it is read once."""

    value: Value
    file: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return (Shared, (self.value,)) if self.file is None else (_read_shared, (self.file,))


@lru_cache(maxsize=2)
def _read_shared(file: str) -> Shared[Any]:
    with Path(file).open("rb") as content:
        return Shared(pickle.load(content), file)  # noqa: S301  (written by the process that started this one)


def _import(modules: Sequence[str]) -> None:
    for module in modules:
        import_module(module)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started in here use one thread each: there are as many processes as cores."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
