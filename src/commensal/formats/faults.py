"""Faults gathered while reading, so that a user sees all of them at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from commensal.errors import InputError, OutputExistsError, Problem, ProblemsFoundError, SafetyError


@contextmanager
def collecting(problems: list[Problem], table: str) -> Iterator[None]:
    """Turn an input error raised inside into a problem of ``table`` and go on after the block."""
    try:
        yield
    except OutputExistsError:
        raise
    except ProblemsFoundError as error:
        problems.extend(error.problems)
    except InputError as error:
        severity = "safety" if isinstance(error, SafetyError) else "error"
        message = ". ".join(part for part in (error.what, error.do) if part)
        problems.append(Problem(table, 0, "", "", "unreadable", message, severity=severity))


def raise_errors(problems: Sequence[Problem], *, source: str) -> None:
    """Raise ProblemsFoundError where a problem is worse than a warning; safety first, warnings last."""
    order = {"safety": 0, "error": 1, "warning": 2}
    if any(p.severity != "warning" for p in problems):
        raise ProblemsFoundError(sorted(problems, key=lambda p: order[p.severity]), source=source)


def as_note(problem: Problem) -> str:
    """A warning as one line of the manifest's notes."""
    where = problem.table + (f", row {problem.row}" if problem.row else "")
    where += f", {problem.column}" if problem.column else ""
    return f"warning: {where}: {problem.message}" + (f" (value {problem.value!r})" if problem.value else "")
