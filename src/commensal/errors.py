"""Things that go wrong, as one tree.

    CommensalError            a user's mistake or a refusal: printed without a traceback
    ├── InputError            a file, a table or a value is not as declared           exit 2
    │   ├── SafetyError       a parenteral route of administration; nothing overrides exit 3
    │   └── ProblemsFoundError many problems at once, each a row                       exit 2
    ├── RefusedError          the question cannot be answered with these data          exit 4
    └── OutputExistsError     a result would overwrite something                       exit 5

Every message has three parts: what is wrong (with the value), what was expected, what to do.
Anything that is not a ``CommensalError`` is a defect of this software.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class CommensalError(Exception):
    """Base of every error that a user can act on.

    ``what`` names the fault and the value, ``expected`` what would have been right,
    ``do`` what the user can do about it.
    """

    exit_code = 1

    def __init__(self, what: str, *, expected: str = "", do: str = "") -> None:
        self.what, self.expected, self.do = what, expected, do
        parts = [what]
        if expected:
            parts.append(f"Expected: {expected}")
        if do:
            parts.append(f"What to do: {do}")
        super().__init__("\n".join(parts))

    def __reduce__(self) -> tuple[object, ...]:
        # Errors come back from worker processes; a plain pickle would call __init__ without its keywords.
        return (_remade, (type(self), self.args, self.__dict__))


def _remade(kind: type[CommensalError], args: tuple[object, ...], state: dict[str, object]) -> CommensalError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class InputError(CommensalError):
    """A file, a table or a value is not as declared."""

    exit_code = 2


class SafetyError(InputError):
    """A route of administration outside the gut. No option and no role lets it through."""

    exit_code = 3


@dataclass(frozen=True)
class Problem:
    """One fault found in data: where it is, the value, the rule it breaks and what to do.

    ``row`` counts data rows from 1 (the line under the header); 0 means the whole table.
    ``severity`` is ``error`` (the study cannot be used), ``warning`` (look at it) or ``safety``.
    """

    table: str
    row: int
    column: str
    value: str
    rule: str
    message: str
    severity: str = "error"


class ProblemsFoundError(InputError):
    """Many faults at once. ``problems`` holds every one; the message shows the first few."""

    def __init__(self, problems: Sequence[Problem], *, source: str, shown: int = 20) -> None:
        self.problems = tuple(problems)
        lines = [f"{source}: {len(problems)} problem{'s' if len(problems) != 1 else ''} found"]
        for p in problems[:shown]:
            where = p.table + (f", row {p.row}" if p.row else "") + (f", {p.column}" if p.column else "")
            value = f" (value {p.value!r})" if p.value else ""
            lines.append(f"  {p.severity}: {where}: {p.message}{value}")
        if len(problems) > shown:
            lines.append(f"  … and {len(problems) - shown} more")
        super().__init__(
            "\n".join(lines), do="correct the rows named above and try again; nothing was written"
        )
        if any(p.severity == "safety" for p in problems):
            self.exit_code = SafetyError.exit_code


class RefusedError(CommensalError):
    """The question cannot be answered with these data: too few, or not the right kind."""

    exit_code = 4


class OutputExistsError(CommensalError):
    """A command was asked to write where something already is."""

    exit_code = 5


def nearest(value: str, valid: Iterable[str], *, n: int = 3) -> str:
    """Return the valid names closest to ``value``, ready for an error's ``expected`` part."""
    names = sorted(valid)
    close = difflib.get_close_matches(value, names, n=n, cutoff=0.5)
    if close:
        return "one of " + ", ".join(close) + (" …" if len(names) > len(close) else "")
    return "one of " + ", ".join(names[:12]) + (" …" if len(names) > 12 else "")
