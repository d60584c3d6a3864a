"""What several commands ask for: a study, where to write, and on which day."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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


def day_of(on: str | None, manifest: Manifest) -> int:
    """Return the day meant, in days since 1970-01-01: the date given, else the study's data cut."""
    from commensal.errors import InputError

    if on is not None:
        return (date_of(on) - date(1970, 1, 1)).days
    if manifest.data_cut_day is None:
        raise InputError("the study names no data cut", do="name the day: --on YYYY-MM-DD")
    return manifest.data_cut_day


def date_of(on: str) -> date:
    """Return a date of the command line. Refuses (InputError) anything but YYYY-MM-DD."""
    from commensal.errors import InputError

    try:
        return date.fromisoformat(on)
    except ValueError as error:
        raise InputError(f"--on {on!r} is not a date", expected="YYYY-MM-DD") from error
