"""Commands of the registry: start it, put a study into it, write its rows as a study."""

from __future__ import annotations

from typing import Annotated

import typer

from commensal.cli.options import Out, StudyFolder, date_of
from commensal.cli.output import say_tables

app = typer.Typer()


@app.command(epilog="Example: commensal serve --demo --port 8000")
def serve(
    port: Annotated[int, typer.Option(help="Port on this machine.", min=1, max=65535)] = 8000,
    demo: Annotated[bool, typer.Option("--demo", help="Start with a small synthetic centre.")] = False,
) -> None:
    """Start the registry on this machine; stop it with Ctrl-C.

    SQLite in the folder COMMENSAL_REGISTRY (without: ./commensal-registry), or the PostgreSQL database that
    DATABASE_URL names. The first start shows the first password, once.
    """
    _demand_site()
    from commensal.registry import serve as serve_registry

    serve_registry(port=port, demo=demo)


@app.command(epilog="Example: commensal load study/")
def load(study: StudyFolder) -> None:
    """Put a study with dates into an empty registry: all of it, or nothing."""
    _demand_site()
    from commensal.registry import load as load_study
    from commensal.study import open_study

    for name, n_rows in load_study(open_study(study)).items():
        typer.echo(f"  {name:<20}{n_rows:>12,} rows")


@app.command(epilog="Example: commensal freeze --out study/ --on 2026-01-31")
def freeze(
    out: Out,
    on: Annotated[str | None, typer.Option(help="Data cut, YYYY-MM-DD. Without: today.")] = None,
) -> None:
    """Write the registry's rows as a study folder; its notes hold the head of the audit trail."""
    _demand_site()
    from commensal.registry import freeze as freeze_registry

    study = freeze_registry(out, on=None if on is None else date_of(on))
    for note in study.manifest.notes:
        typer.echo(f"note: {note}")
    say_tables(study)


def _demand_site() -> None:
    from importlib.util import find_spec

    from commensal.errors import InputError

    if find_spec("django") is None:
        raise InputError("the registry is not installed", do="install it: pip install 'commensal[site]'")
