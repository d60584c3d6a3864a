"""The commands that look at stool samples. Each parses, calls one public function, prints and exits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commensal.cli.options import Out, Seed, StudyFolder

app = typer.Typer()


@app.command(epilog="Example: commensal engraft study/ --out engraftment/")
def engraft(study: StudyFolder, out: Out, seed: Seed = 1) -> None:
    """Measure engraftment: every sample, every measure, beside donors the recipient did not get.

    Writes engraftment.parquet (with its reason where there is no value), engraftment_tests, taxon_outcomes
    and taxon_fates, and report.html.
    """
    from commensal.cli.output import say_results, write_with_report
    from commensal.programme import panel, read_analysis
    from commensal.study import open_study

    opened, level = open_study(study), read_analysis().level
    write_with_report("engraftment", lambda: panel(opened, seed=seed, level=level), out)
    say_results(out, "engraftment")


@app.command(epilog="Example: commensal attribute study/ --out attribution/")
def attribute(
    study: StudyFolder,
    out: Out,
    other_donors: Annotated[
        bool, typer.Option("--other-donors", help="Count the study's other donors as a source of their own.")
    ] = False,
) -> None:
    """Estimate where each community came from: donor, own baseline, other donors, unknown.

    Writes attributions.parquet, one row for each sample and source with its interval, and report.html.
    """
    from commensal.cli.output import say_results, write_with_report
    from commensal.microbiome import attribute as attribute_study
    from commensal.study import open_study

    opened = open_study(study)
    write_with_report(
        "sources of the communities",
        lambda: {"attributions": attribute_study(opened, other_donors=other_donors)},
        out,
    )
    say_results(out, "attributions")


@app.command(epilog="Example: commensal dysbiosis study/ --reference healthy/ --out dysbiosis/")
def dysbiosis(
    study: StudyFolder,
    out: Out,
    reference: Annotated[
        Path | None,
        typer.Option(help="Study of the healthy people to compare with. Without: the study's own donors."),
    ] = None,
    seed: Seed = 1,
) -> None:
    """Set every sample against a reference: several measures, deficits and excesses, each with its reference.

    Writes dysbiosis.parquet and deficits.parquet, and report.html.
    """
    from commensal.cli.output import say_results, write_with_report
    from commensal.microbiome import dysbiosis as measure_dysbiosis
    from commensal.study import open_study

    opened, healthy = open_study(study), None if reference is None else open_study(reference)
    write_with_report(
        "against the reference", lambda: measure_dysbiosis(opened, reference=healthy, seed=seed), out
    )
    say_results(out, "dysbiosis")


@app.command(epilog="Example: commensal identify study/ --out identity/")
def identify(study: StudyFolder, out: Out, seed: Seed = 1) -> None:
    """Ask of each sample whose it is, and flag those that do not look like their label.

    Writes identity.parquet and report.html. A flag asks a person to check; nothing is relabelled.
    """
    from commensal.cli.output import say_results, write_with_report
    from commensal.microbiome import identify as identify_samples
    from commensal.study import open_study

    opened = open_study(study)
    made = write_with_report(
        "whose sample is whose", lambda: {"identity": identify_samples(opened, seed=seed)}, out
    )
    for verdict, n in sorted(made["identity"]["verdict"].value_counts().iter_rows()):
        typer.echo(f"  {verdict:<14}{n:>8,} samples")
    say_results(out, "identity")
