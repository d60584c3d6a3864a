"""Commands that make documents of result tables: the report, and tables fit for release."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commensal.cli.options import Out
from commensal.cli.progress import OnProgress

if TYPE_CHECKING:
    from commensal.engine import Workers

app = typer.Typer()

Results = Annotated[Path, typer.Argument(metavar="RESULTS", help="A folder of result tables.")]
Lang = Annotated[str, typer.Option(help="Language: en or zh.")]


def write_documents(
    results: Path, folder: Path, *, told: OnProgress, team: Workers, lang: str = "en"
) -> None:
    """Write report.html, report.pdf and patients.html of a results folder."""
    from commensal.report import read_sections, render
    from commensal.report.documents import render_patients, render_pdf

    told("drawing the report", 0.92)
    sections = read_sections(results, team=team)
    told("setting the PDF", 0.97)
    # The PDF first: it takes longest.
    calls = [
        team.give(partial(render_pdf, lang=lang, sections=sections), results, folder / "report.pdf"),
        team.give(partial(render, lang=lang, sections=sections), results, folder / "report.html"),
        team.give(partial(render_patients, lang=lang), results, folder / "patients.html"),
    ]
    for _ in team.results(calls):
        pass


@app.command(epilog="Example: commensal report results/ --out report.pdf --pdf")
def report(
    results: Results,
    out: Out,
    patient: Annotated[str | None, typer.Option(help="Draw the page of this recipient only.")] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="A PDF file in place of a page.")] = False,
    lang: Lang = "en",
    font_path: Annotated[
        list[Path] | None, typer.Option(help="Folder of fonts for the PDF, besides the system's.")
    ] = None,
) -> None:
    """Draw the report of a results folder: one page that opens offline, or a PDF. Nothing is computed."""
    from commensal.cli.output import shown
    from commensal.report import render
    from commensal.report.documents import render_pdf

    if pdf:
        made = render_pdf(results, out, patient=patient, lang=lang, font_paths=tuple(font_path or ()))
    else:
        made = render(results, out, patient=patient, lang=lang)
    typer.echo(f"Open {shown(made)}")


@app.command(epilog="Example: commensal tables results/ --out tables/")
def tables(results: Results, out: Out) -> None:
    """Write every result table as CSV, with R scripts that read them and work the main figures out again.

    The meaning of every column and the reporting checklists (STROBE, RECORD, TRIPOD+AI) stand beside them.
    """
    from commensal.cli.output import shown
    from commensal.report.documents import write_tables

    typer.echo(f"Wrote {shown(write_tables(results, out))}")


@app.command(epilog="Example: commensal release results/ --out released/ --minimum 5")
def release(
    results: Results,
    out: Out,
    minimum: Annotated[int, typer.Option(help="Smallest count that is shown.")] = 5,
) -> None:
    """Write the result tables that may leave the house: no persons, no counts below the minimum.

    What a hidden count could be worked out from is hidden too. A folder of its own: tables, CSV, report.
    """
    from commensal.cli.output import new_output, shown
    from commensal.report import render
    from commensal.report.documents import write_tables
    from commensal.study import read_results, write_results
    from commensal.study import release as released

    kept, told = released(read_results(results), minimum=minimum)
    with new_output(out) as folder:
        write_results(kept, folder)
        write_tables(kept, folder / "tables")
        render(folder, folder / "report.html")
    for r in told.filter(told["n_hidden"] > 0).iter_rows(named=True):
        typer.echo(f"  {r['table']}: {r['n_hidden']:,} of {r['n_rows']:,} rows {_action(r['action'])}")
    typer.echo(f"Wrote {shown(out)}; open {shown(out / 'report.html')}")


def _action(action: str) -> str:
    return "left out" if action == "left out" else "hidden"
