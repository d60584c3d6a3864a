"""The commands. Each parses, calls one public function, prints and exits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commensal import __version__
from commensal.cli.care import app as care
from commensal.cli.communities import app as communities
from commensal.cli.documents import app as documents
from commensal.cli.documents import write_documents
from commensal.cli.options import Out, StudyFolder
from commensal.cli.output import say_tables
from commensal.cli.progress import progress, share_of
from commensal.cli.registry import app as registry
from commensal.cli.working import at_work

app = typer.Typer(
    epilog="Research and decision support: it ranks and explains, it does not order treatment.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.add_typer(communities)
app.add_typer(care)
app.add_typer(documents)
app.add_typer(registry)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"commensal {__version__}")
        raise typer.Exit


@app.callback()
def commensal(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Commensal: an open platform for fecal microbiota transplantation programmes.

    A study is a folder of tables. Import one, simulate one or freeze one from the registry; check it; run
    it; open the report. Every command writes its own new folder, whole or not at all, and never overwrites.

    Exit codes: 0 done, 2 something in the input is wrong, 3 a parenteral route of administration, 4 these
    data cannot answer, 5 the output exists already.
    """


@app.command(epilog="Example: commensal demo --out demo/ --patients 400")
def demo(
    out: Out = Path("demo"),
    patients: Annotated[int, typer.Option(help="Patients of the synthetic centre, 50 or more.")] = 4000,
    seed: Annotated[int, typer.Option(help="Seed; the same seed gives the same bytes.")] = 7,
) -> None:
    """Simulate a centre, run the whole study, write a report to open.

    The folder holds study/, its truth beside it, results/, report.html and report.pdf, and a summary for
    patients. No patient of it exists.
    """
    from commensal.cli.output import new_output, shown

    with new_output(out) as folder, at_work(0, n_patients=patients) as team, progress() as told:
        from commensal.programme import run as run_study
        from commensal.simulate import simulate as simulate_study

        counted = share_of(told, "simulating a centre", upto=0.2)
        study = simulate_study(folder / "study", n_patients=patients, seed=seed, on_progress=counted)
        results = run_study(
            study,
            folder / "results",
            processes=team,
            on_progress=lambda what, share: told(what, 0.2 + 0.7 * share),
        )
        write_documents(results, folder, told=told, team=team)
    typer.echo(f"A synthetic centre of {patients:,} patients was simulated and studied.")
    typer.echo(f"Open {shown(out / 'report.html')}")


@app.command(epilog="Example: commensal simulate --out study/ --patients 4000 --seed 7")
def simulate(
    out: Out,
    patients: Annotated[int, typer.Option(help="Number of patients, 50 or more.")] = 4000,
    seed: Annotated[int, typer.Option(help="Seed; the same seed gives the same bytes.")] = 7,
    scenario: Annotated[
        str | None,
        typer.Option(
            help="informative, null or clinical_only, or a TOML file of what differs from the default."
        ),
    ] = None,
) -> None:
    """Write a synthetic centre as a study, with its truth beside it in truth/."""
    from commensal.simulate import simulate as simulate_study

    with progress() as told:
        study = simulate_study(
            out,
            n_patients=patients,
            seed=seed,
            scenario=scenario,
            on_progress=share_of(told, "simulating"),
        )
    say_tables(study)


@app.command("import", epilog="Example: commensal import tidy published-study/ --out study/")
def import_(
    format_name: Annotated[
        str, typer.Argument(metavar="FORMAT", help="tidy, biom, qza, metaphlan, samestr or table.")
    ],
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="File or folder to read.")],
    out: Out,
    mapping: Annotated[
        Path | None,
        typer.Option(
            help="TOML file. For table, where it is required: which column of the sheet is which column of "
            "the study. For the others: what the files do not say themselves (abundance, assay, metadata)."
        ),
    ] = None,
) -> None:
    """Read somebody else's files into a new study.

    Every problem is reported at once, and nothing is written while there is one. A parenteral route of
    administration stops the import with exit code 3; no option lets it through.
    """
    from commensal.formats import import_study

    study = import_study(format_name, source, out, mapping=mapping)
    for note in study.manifest.notes:
        typer.echo(f"note: {note}")
    say_tables(study)


@app.command(epilog="Example: commensal merge clinical/ microbiome/ --out study/")
def merge(
    first: Annotated[Path, typer.Argument(metavar="STUDY-A", help="A study folder.")],
    second: Annotated[Path, typer.Argument(metavar="STUDY-B", help="Another, of the same people or not.")],
    out: Out,
) -> None:
    """Join two studies into a third; conflicting values are listed and stop it."""
    from commensal.study import merge as merge_studies
    from commensal.study import open_study

    say_tables(merge_studies(open_study(first), open_study(second), out))


@app.command(epilog="Example: commensal check study/ && commensal run study/ --out results/")
def check(study: StudyFolder) -> None:
    """List every problem of a study: table, row, column, value and what to do.

    Exits with 0 where the study can be used, 2 where it has errors, 3 on a safety error. Warnings do not
    count: look at them.
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


@app.command(epilog="Example: commensal run study/ --out results/ --analysis analysis.toml")
def run(
    study: StudyFolder,
    out: Out,
    analysis: Annotated[
        Path | None,
        typer.Option(help="Analysis file (TOML): what differs from the default, fixed before looking."),
    ] = None,
    registered: Annotated[
        Path | None,
        typer.Option(
            help="The analysis file as laid down before the data were locked; differences are listed."
        ),
    ] = None,
    engine: Annotated[str, typer.Option(help="duckdb (here) or spark; the numbers are the same.")] = "duckdb",
    processes: Annotated[
        int, typer.Option(help="Processes at work, 0 for all cores; the numbers are the same.", min=0)
    ] = 0,
) -> None:
    """Run the whole study: result tables, report.html and report.pdf in a new folder.

    Refuses a study that check finds errors in. What cannot be computed is a row with its reason.
    """
    from commensal.cli.output import new_output, shown
    from commensal.study import open_study

    opened = open_study(study, engine=engine)
    # Spark spreads the work itself.
    n_patients = 0 if engine == "spark" else opened.manifest.tables.get("patients", {}).get("rows", 0)
    with new_output(out) as folder, at_work(processes, n_patients=n_patients) as team, progress() as told:
        from commensal.programme import read_analysis
        from commensal.programme import run as run_study

        chosen = read_analysis(analysis, registered=registered)
        run_study(
            opened,
            folder,
            analysis=analysis,
            registered=registered,
            processes=team,
            on_progress=lambda what, share: told(what, 0.9 * share),
        )
        write_documents(folder, folder, told=told, team=team)
    typer.echo(f"Analysis: {chosen.title} ({chosen.name}, sha256 {chosen.sha256[:12]})")
    for deviation in chosen.deviations:
        typer.echo(f"  differs from {chosen.compared_with}: {deviation}")
    typer.echo(f"Results in {shown(out)}; open {shown(out / 'report.html')} or {shown(out / 'report.pdf')}")


@app.command(epilog="Example: commensal trace study/ --donor D07")
def trace(
    study: StudyFolder,
    unit: Annotated[str | None, typer.Option(help="Start at this unit_id.")] = None,
    donor: Annotated[str | None, typer.Option(help="Start at this donor_id.")] = None,
    patient: Annotated[str | None, typer.Option(help="Start at this patient_id.")] = None,
) -> None:
    """Follow material both ways: donor, donations, units, sessions, patients, adverse events.

    Starts at exactly one unit, donor or patient, and names who else was given the same donors' material.
    """
    from commensal.bank import trace as trace_material
    from commensal.cli.tracing import in_words
    from commensal.study import open_study

    opened = open_study(study)
    found = trace_material(opened, unit=unit, donor=donor, patient=patient)
    typer.echo(in_words(found, clock=opened.manifest.clock))
