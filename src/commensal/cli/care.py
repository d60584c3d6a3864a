"""The commands for one recipient. Each parses, calls one public function, prints and exits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commensal.cli.options import (
    Answers,
    OnDay,
    Out,
    PlannedRoute,
    Recipient,
    StudyFolder,
    StudyId,
    answers_in,
    day_of,
)

if TYPE_CHECKING:
    import polars as pl

app = typer.Typer()


@app.command(epilog="Example: commensal match study/ --recipient P0001 --on 2026-01-31 --out match/")
def match(
    study: StudyFolder,
    recipient: Recipient,
    out: Out,
    on: OnDay = None,
    profile: Annotated[str, typer.Option(help="Screening profile the donors are judged by.")] = "STRICT",
    route: PlannedRoute = None,
    study_id: StudyId = None,
    answers: Answers = None,
    policy: Annotated[
        str | None, typer.Option(help="Policy of the ranking: a shipped one by name, or a TOML file.")
    ] = None,
    evidence: Annotated[
        Path | None,
        typer.Option(help="Results folder whose donor effects and model parameters the ranking may use."),
    ] = None,
) -> None:
    """Look at every lot for one recipient: each fails named rules, or gets a rank. It orders nothing.

    Writes match_runs, rankings, score_parts, refusals and match_watch, and report.html. The same inputs
    give the same run. A study without dates is compared for research: no lot is eligible there.
    """
    from commensal.cli.output import say_results, write_with_report
    from commensal.matching import match as match_lots
    from commensal.matching import read_policy
    from commensal.study import open_study, read_results

    opened = open_study(study)
    on_day = day_of(on, opened.manifest)
    known, weights = answers_in(answers), read_policy(policy)
    tables = None if evidence is None else read_results(evidence)
    made = write_with_report(
        "looking at every lot",
        lambda: (
            match_lots(
                opened,
                recipient=recipient,
                on_day=on_day,
                profile=profile,
                route=route,
                study_id=study_id,
                answers=known,
                policy=weights,
                evidence=tables,
            ).tables
        ),
        out,
    )
    row = made["match_runs"].row(0, named=True)
    typer.echo(row["statement"])
    typer.echo(f"{row['n_eligible']} of {row['n_candidates']} lots pass every gate.")
    say_results(out, "rankings")


@app.command(epilog="Example: commensal plan study/ --recipient P0001 --on 2026-01-31 --out plan/")
def plan(
    study: StudyFolder,
    recipient: Recipient,
    out: Out,
    on: OnDay = None,
    route: PlannedRoute = None,
    study_id: StudyId = None,
    answers: Answers = None,
    week: Annotated[
        int | None,
        typer.Option(help="Write the options after follow-up at this week too (4 is the convention).", min=1),
    ] = None,
) -> None:
    """Write the care plan of one recipient from the protocol of the indication, checked by its rules.

    Writes care_plans.parquet and report.html; with --week also replans.parquet, the options after follow-up.
    A physician signs a plan or leaves it.
    """
    from commensal.cli.output import say_results, write_with_report
    from commensal.matching import plan as plan_care
    from commensal.matching import replan
    from commensal.study import open_study

    opened = open_study(study)
    on_day, known = day_of(on, opened.manifest), answers_in(answers)

    def made() -> dict[str, pl.DataFrame]:
        planned = plan_care(
            opened, recipient=recipient, on_day=on_day, route=route, study_id=study_id, answers=known
        ).tables
        if week is None:
            return planned
        after = replan(opened, recipient=recipient, on_day=on_day, week=week, study_id=study_id)
        return {**planned, **after.tables}

    write_with_report("the care plan", made, out)
    say_results(out, "care_plans")
