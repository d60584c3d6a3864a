"""What several commands ask for: a study, where to write, and on which day."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from commensal.study.manifest import Manifest

StudyFolder = Annotated[Path, typer.Argument(metavar="STUDY", help="A study folder.")]
Out = Annotated[Path, typer.Option("--out", help="New folder or file to write.")]
Seed = Annotated[int, typer.Option(help="Seed of everything drawn; the same seed gives the same bytes.")]
Recipient = Annotated[str, typer.Option(help="The recipient's patient_id.")]
OnDay = Annotated[
    str | None, typer.Option("--on", help="Day it is made for, YYYY-MM-DD. Without: the study's data cut.")
]
PlannedRoute = Annotated[
    str | None,
    typer.Option("--route", help="Enteral route planned; without it, rules that ask it stay open."),
]
StudyId = Annotated[
    str | None, typer.Option(help="Trial the recipient is treated in, where no consent names it.")
]
Answers = Annotated[
    Path | None,
    typer.Option(
        help="TOML file of bedside answers, fact = value, to what no table holds: can_be_pregnant = false."
    ),
]


def answers_in(path: Path | None) -> dict[str, Any] | None:
    """Return the bedside answers of a file. Refuses (InputError) a file that is no TOML of single values."""
    from commensal.errors import InputError

    if path is None:
        return None
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}", expected="TOML, fact = value") from error
    if nested := [fact for fact, value in found.items() if isinstance(value, dict | list)]:
        raise InputError(f"{path}: {nested[0]!r} is not one value", expected="fact = value")
    return found


def day_of(on: str | None, manifest: Manifest) -> int:
    """Return the day meant: the date given, else the study's data cut, in days since 1970-01-01.

    In a study without a calendar it is day 0, the recipient's index; a date is refused there.
    """
    from commensal.errors import InputError, RefusedError

    day = None if on is None else (date_of(on) - date(1970, 1, 1)).days
    if manifest.clock == "patient":
        if day is not None:
            raise RefusedError(
                "this study has no calendar", do="leave out --on: day 0 is the recipient's index"
            )
        return 0
    meant = manifest.data_cut_day if day is None else day
    if meant is None:
        raise InputError("the study names no data cut", do="name the day: --on YYYY-MM-DD")
    return meant


def date_of(on: str) -> date:
    """Return a date of the command line. Refuses (InputError) anything but YYYY-MM-DD."""
    from commensal.errors import InputError

    try:
        return date.fromisoformat(on)
    except ValueError as error:
        raise InputError(f"--on {on!r} is not a date", expected="YYYY-MM-DD") from error
