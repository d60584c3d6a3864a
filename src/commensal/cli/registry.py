"""The commands of the registry. Each parses, calls one public function, prints and exits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from commensal.cli.options import Out, StudyFolder, date_of
from commensal.cli.output import say_tables, shown

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
    since: Annotated[
        Path | None, typer.Option(help="An earlier freeze: what came, changed and went since is listed.")
    ] = None,
) -> None:
    """Write the registry's rows as a study folder; its notes hold the head of the audit trail."""
    _demand_site()
    from commensal.registry import freeze as freeze_registry
    from commensal.study import open_study

    study = freeze_registry(
        out, on=None if on is None else date_of(on), since=None if since is None else open_study(since)
    )
    for note in study.manifest.notes:
        typer.echo(f"note: {note}")
    for change in study.manifest.changes:
        typer.echo(f"change: {change}")
    say_tables(study)


@app.command(epilog="Example: commensal worker")
def worker(
    once: Annotated[bool, typer.Option("--once", help="Stop when nothing more is due.")] = False,
) -> None:
    """Do the registry's jobs beside the server: the night's backup, reminders, heavy exports."""
    _demand_site()
    from commensal.registry import work

    typer.echo(f"jobs done: {work(once=once)}")


@app.command(epilog="Example: commensal backup --out backups/2026-01-31")
def backup(
    out: Out,
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="Also the keys. Who has both can read everything.")
    ] = False,
) -> None:
    """Copy the registry, while it is in use, into a new folder: database, attachments, digests."""
    _demand_site()
    from commensal.registry import backup as back_up

    manifest = back_up(out, with_keys=with_keys)
    _say_kept(manifest)
    if not with_keys:
        typer.echo("The keys are not in it: keep vault_key and secret_key somewhere else.")
    typer.echo(f"Wrote {shown(out)}")


@app.command(epilog="Example: commensal restore backups/2026-01-31")
def restore(
    folder: Annotated[Path, typer.Argument(help="Folder of a backup.")],
) -> None:
    """Put a backup into a registry without a database, and prove that every table is the same."""
    _demand_site()
    from commensal.registry import restore as put_back

    manifest = put_back(folder)
    _say_kept(manifest)
    typer.echo("Every table is as it was kept; the audit trail is whole.")
    if not manifest["has_keys"]:
        typer.echo("The backup holds no keys: put vault_key and secret_key into the folder.")


@app.command(epilog="Example: DATABASE_URL=postgresql://… commensal move commensal-registry/")
def move(
    source: Annotated[Path, typer.Argument(help="Folder of a SQLite registry that is not being served.")],
) -> None:
    """Copy a SQLite registry into the empty PostgreSQL database of DATABASE_URL: all of it, or nothing."""
    _demand_site()
    from commensal.registry import move as move_registry

    tables = move_registry(source)
    rows = sum(facts["rows"] for facts in tables.values())
    typer.echo(f"{rows:,} rows of {len(tables)} tables, each table the same; the audit trail is whole.")


def _say_kept(manifest: dict[str, Any]) -> None:
    rows = sum(facts["rows"] for facts in manifest["tables"].values())
    typer.echo(f"{rows:,} rows of {len(manifest['tables'])} tables, {len(manifest['files'])} files")
    typer.echo(f"audit trail: {manifest['audit']['rows']} rows, head {manifest['audit']['head']}")


def _demand_site() -> None:
    from importlib.util import find_spec

    from commensal.errors import InputError

    if find_spec("django") is None:
        raise InputError("the registry is not installed", do="install it: pip install 'commensal[site]'")
