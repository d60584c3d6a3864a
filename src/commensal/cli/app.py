"""The commands. Each parses, calls one public function, prints and exits."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from commensal.cli.progress import progress

app = typer.Typer(
    help="Commensal: an open platform for fecal microbiota transplantation programmes.\n\n"
    "A study is a folder of tables. Import one, simulate one or freeze one from the registry; check it; "
    "run it; open the report. Every command writes its own new folder and never overwrites.",
    epilog="Research and decision support: it ranks and explains, it does not order treatment.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

StudyFolder = Annotated[Path, typer.Argument(metavar="STUDY", help="A study folder.")]
Out = Annotated[Path, typer.Option("--out", help="New folder or file to write.")]


@app.command()
def demo(
    out: Out = Path("demo"),
    patients: Annotated[int, typer.Option(help="Patients of the synthetic centre.")] = 4000,
    seed: Annotated[int, typer.Option(help="Seed; the same seed gives the same bytes.")] = 7,
) -> None:
    """Simulate a centre, run the whole study, write a report to open."""
    from commensal.programme import run as run_study
    from commensal.report import render
    from commensal.simulate import simulate as simulate_study
    from commensal.study.folder import new_folder

    folder = new_folder(out)
    with progress() as on_progress:
        study = simulate_study(folder / "study", n_patients=patients, seed=seed, on_progress=on_progress)
        results = run_study(study, folder / "results", on_progress=on_progress)
        page = render(results, folder / "report.html")
    typer.echo(f"A synthetic centre of {patients:,} patients was simulated and studied.")
    typer.echo(f"Open {page.relative_to(Path.cwd()) if page.is_relative_to(Path.cwd()) else page}")


@app.command()
def simulate(
    out: Out,
    patients: Annotated[int, typer.Option(help="Number of patients.", min=1)] = 4000,
    seed: Annotated[int, typer.Option(help="Seed; the same seed gives the same bytes.")] = 7,
    scenario: Annotated[
        str | None, typer.Option(help="Name of a scenario that ships, or a TOML file of your own.")
    ] = None,
) -> None:
    """Write a synthetic centre as a study, with its truth beside it."""
    from commensal.simulate import simulate as simulate_study

    with progress() as on_progress:
        study = simulate_study(
            out, n_patients=patients, seed=seed, scenario=scenario, on_progress=on_progress
        )
    _say_tables(study)


@app.command("import")
def import_(
    format: Annotated[str, typer.Argument(help="tidy, biom, qza, metaphlan, samestr or table.")],
    source: Annotated[Path, typer.Argument(help="File or folder to read.")],
    out: Out,
    mapping: Annotated[
        Path | None, typer.Option(help="For table: TOML file that maps columns to the study's tables.")
    ] = None,
) -> None:
    """Read somebody else's files into a new study.

    Every problem is reported at once and nothing is written while there is one. A parenteral route of
    administration stops the import; no option lets it through.
    """
    from commensal.formats import import_study

    study = import_study(format, source, out, mapping=mapping)
    for note in study.manifest.notes:
        typer.echo(f"note: {note}")
    _say_tables(study)


@app.command()
def merge(
    first: Annotated[Path, typer.Argument(metavar="STUDY-A")],
    second: Annotated[Path, typer.Argument(metavar="STUDY-B")],
    out: Out,
) -> None:
    """Join two studies into a third; conflicting values are listed and stop it."""
    from commensal.study import merge as merge_studies
    from commensal.study import open_study

    _say_tables(merge_studies(open_study(first), open_study(second), out))


@app.command()
def check(study: StudyFolder) -> None:
    """List every problem of a study: table, row, column, value and what to do.

    Exits with 0 where the study can be used, 2 where it has errors, 3 on a safety error.
    """
    from commensal.study import check as check_study
    from commensal.study import open_study

    problems = check_study(open_study(study))
    for p in problems.iter_rows(named=True):
        where = ", ".join(filter(None, (p["table"], p["row"] and f"row {p['row']}", p["column"])))
        value = f" (value {p['value']!r})" if p["value"] else ""
        typer.echo(f"{p['severity']}: {where}: {p['message']}{value}")
    kinds = set(problems["severity"])
    n_errors = problems.filter(problems["severity"] != "warning").height
    typer.echo(f"{n_errors} errors, {problems.height - n_errors} warnings")
    if n_errors:
        raise typer.Exit(3 if "safety" in kinds else 2)


@app.command()
def run(
    study: StudyFolder,
    out: Out,
    analysis: Annotated[
        Path | None, typer.Option(help="Analysis file (TOML); the default is printed with the results.")
    ] = None,
    engine: Annotated[str, typer.Option(help="duckdb or spark.")] = "duckdb",
) -> None:
    """Run the whole study: result tables and report.html in a new folder."""
    from commensal.programme import run as run_study
    from commensal.report import render
    from commensal.study import open_study

    with progress() as on_progress:
        results = run_study(open_study(study, engine=engine), out, analysis=analysis, on_progress=on_progress)
        page = render(results, results / "report.html")
    typer.echo(f"Results in {results}; open {page}")


@app.command()
def engraft(study: StudyFolder, out: Out) -> None:
    """Write engraftment.parquet: one row per sample and measure, with its reason where there is none."""
    from commensal.programme import engraft as engraft_study
    from commensal.study import open_study

    folder = engraft_study(open_study(study), out)
    typer.echo(f"Wrote {folder / 'engraftment.parquet'}")


@app.command()
def match(
    study: StudyFolder,
    recipient: Annotated[str, typer.Option(help="The recipient's patient_id.")],
    out: Out,
    on: Annotated[
        str | None, typer.Option(help="Date the run is valid for, YYYY-MM-DD; default: the data cut.")
    ] = None,
    profile: Annotated[str, typer.Option(help="Screening profile.")] = "STRICT",
) -> None:
    """Look at every lot for one recipient: each fails named rules, or gets a rank. It orders nothing."""
    from commensal.matching import match as match_lots
    from commensal.study import open_study, write_results

    opened = open_study(study)
    run = match_lots(
        opened, recipient=recipient, on_day=_day(on, opened.manifest.data_cut_day), profile=profile
    )
    folder = write_results(run.tables, out)
    typer.echo(run.statement)
    typer.echo(
        f"{run.n_eligible} of {run.n_candidates} lots pass every gate; see {folder / 'rankings.parquet'}"
    )


@app.command()
def trace(
    study: StudyFolder,
    unit: Annotated[str | None, typer.Option(help="unit_id")] = None,
    donor: Annotated[str | None, typer.Option(help="donor_id")] = None,
    patient: Annotated[str | None, typer.Option(help="patient_id")] = None,
) -> None:
    """Follow material both ways: donor, donations, units, sessions, patients, adverse events."""
    from commensal.bank import trace as trace_material
    from commensal.study import open_study

    found = trace_material(open_study(study), unit=unit, donor=donor, patient=patient)
    typer.echo(found.in_words())


@app.command()
def report(
    results: Annotated[Path, typer.Argument(metavar="RESULTS", help="A folder written by run.")],
    out: Out,
) -> None:
    """Draw the report of a results folder: one page that opens offline. Nothing is computed."""
    from commensal.report import render

    typer.echo(f"Open {render(results, out)}")


@app.command()
def serve(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 8000,
    demo: Annotated[bool, typer.Option("--demo", help="Start with a small synthetic centre.")] = False,
) -> None:
    """Start the registry on this machine (SQLite; PostgreSQL by DATABASE_URL)."""
    from commensal.registry import serve as serve_registry

    serve_registry(port=port, demo=demo)


@app.command()
def load(study: StudyFolder) -> None:
    """Put a study into an empty registry."""
    from commensal.registry import load as load_study
    from commensal.study import open_study

    load_study(open_study(study))


@app.command()
def freeze(out: Out) -> None:
    """Write the registry's rows as a study folder."""
    from commensal.registry import freeze as freeze_registry

    _say_tables(freeze_registry(out))


def _say_tables(study: object) -> None:
    tables = study.manifest.tables  # type: ignore[attr-defined]
    for name, facts in tables.items():
        typer.echo(f"  {name:<20}{facts['rows']:>12,} rows")
    typer.echo(f"Wrote {study.folder}")  # type: ignore[attr-defined]


def _day(on: str | None, data_cut_day: int | None) -> int:
    from commensal.errors import InputError

    if on is None:
        if data_cut_day is None:
            raise InputError("the study has no data cut", expected="--on YYYY-MM-DD")
        return data_cut_day
    try:
        return (date.fromisoformat(on) - date(1970, 1, 1)).days
    except ValueError as error:
        raise InputError(f"--on {on!r} is not a date", expected="YYYY-MM-DD") from error
