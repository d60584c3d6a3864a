"""Write the generated reference pages; a test fails while one is stale. Run by ``make docs``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from importlib.resources import files
from pathlib import Path

import typer

from commensal.cli.app import app
from commensal.study.dictionary import dictionary_markdown
from commensal.vocabulary import (
    Profile,
    Rule,
    endpoints_for,
    indications,
    instruments,
    profile_codes,
    release_pathways,
    routes,
    rule_set,
    screening_profile,
)
from commensal.vocabulary.eligibility import RULE_SETS
from commensal.vocabulary.protocols import Protocol, Statement, protocol
from commensal.vocabulary.sources import sources
from commensal.vocabulary.taxon_functions import Members, dysbiosis_indices, taxon_functions

REFERENCE = Path(__file__).parent / "reference"
CONFIDENCE = (
    "Confidence: H checked in the source, M standard knowledge, L uncertain, D a design choice of this "
    "project. Sources by code: [Sources](sources.md).\n\n"
)
# Everything that has ever come into force is listed, with the day it holds from.
LAST_DAY = date.max
WIDTH = 100


def pages() -> dict[str, str]:
    """File name → text of every generated page."""
    return {
        "data-dictionary.md": dictionary_markdown(),
        "commands.md": commands_page(),
        "analysis-file.md": analysis_page(),
        "indications.md": indications_page(),
        "endpoints.md": endpoints_page(),
        "routes.md": routes_page(),
        "instruments.md": instruments_page(),
        "donor-screening.md": screening_page(),
        "rules.md": rules_page(),
        "protocols.md": protocols_page(),
        "taxon-functions.md": functions_page(),
        "sources.md": sources_page(),
    }


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; None is a blank cell."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")


def commands_page() -> str:
    """The help of every command."""
    program = typer.main.get_command(app)
    parts = ["# Commands\n", _help(program, "commensal")]
    for name, command in program.commands.items():  # type: ignore[attr-defined]
        parts += [f"## {name}\n", _help(command, f"commensal {name}")]
    return "\n".join(parts)


def _help(command: object, name: str) -> str:
    context = command.context_class(command, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)  # type: ignore[attr-defined]
    lines = (line.rstrip() for line in command.get_help(context).splitlines())  # type: ignore[attr-defined]
    return "```\n" + "\n".join(lines) + "\n```\n"


def analysis_page() -> str:
    """The default analysis file, to be copied and changed."""
    default = files("commensal.programme").joinpath("default_analysis.toml").read_text(encoding="utf-8")
    intro = (
        "# Analysis file\n\nWhat `commensal run` does where no other is given. What a file of yours leaves "
    )
    return (
        intro
        + f"out is as here; what differs is printed and kept in the provenance.\n\n```toml\n{default}```\n"
    )


def indications_page() -> str:
    """Every indication with the standing of FMT in it."""
    rows = [
        (
            i.code,
            i.label,
            i.label_zh,
            (i.status or "").replace("_", " "),
            i.stance,
            f"{i.citation} ({i.year})",
        )
        for i in indications()
        if not i.is_group
    ]
    intro = "# Indications\n\nWhere FMT stands in each disease, by a dated citation.\n\n"
    return intro + table(("Code", "Indication", "中文", "Standing", "In words", "Citation"), rows)


def endpoints_page() -> str:
    """What counts at each landmark, by indication; landmarks with one definition share a row."""
    rows: dict[tuple[object, ...], list[str]] = {}
    for i in indications():
        for e in () if i.is_group else endpoints_for(i.code):
            primary = "yes" if e.is_primary else ""
            key = (e.indication, e.code, e.kind.replace("_", " "), e.tier, primary, e.rule, e.source)
            rows.setdefault(key, []).append(e.landmark)
    head = ("Indication", "Landmarks", "Endpoint", "Kind", "Tier", "Primary", "Rule", "Source")
    intro = "# Endpoints\n\nWhere no source defines remission, the row says so; none is invented. "
    intro += "Sources by code: [Sources](sources.md).\n\n"
    return intro + table(head, ((key[0], ", ".join(at), *key[1:]) for key, at in rows.items()))


def routes_page() -> str:
    """Every way FMT may be given."""
    rows = [(r.code, r.label, r.label_zh, r.reach, ", ".join(r.products), r.source) for r in routes()]
    intro = "# Routes\n\nThe closed list of ways into the gut. A route outside the gut has no code here.\n\n"
    return intro + table(("Code", "Route", "中文", "Reach", "Products", "Source"), rows)


def instruments_page() -> str:
    """Every instrument: what it measures, its licence and where its rules come from."""
    rows = [
        (
            i.code,
            i.label,
            i.licence.replace("_", " "),
            len(i.items),
            ", ".join(s.code for s in i.scores),
            i.source,
        )
        for i in instruments()
    ]
    intro = "# Instruments\n\nScore-only and external instruments ship without their wording.\n\n"
    return intro + table(("Code", "Instrument", "Licence", "Items", "Scores", "Source"), rows)


def screening_page() -> str:
    """What each profile asks of a donor: analytes, questions, intervals, shelf life, pathways."""
    profiles = [screening_profile(code, on=LAST_DAY) for code in profile_codes()]
    kinds = [
        (
            p.code,
            p.title,
            "yes" if p.is_complete else "no: a physician completes and signs it",
            _shelf_life(p),
        )
        for p in profiles
    ]
    return "\n".join(
        [
            "# Donor screening\n",
            "A blank cell is blank in the source that was read; it does not say that the question may be "
            "left out. An incomplete profile clears nobody until a responsible physician has completed and "
            "signed it. STRICT is the most restrictive merge of the others.\n",
            CONFIDENCE.rstrip() + "\n",
            table(("Profile", "Title", "Complete", "Frozen material keeps"), kinds),
            "## Laboratory analytes: what follows a positive result\n",
            _matrix(profiles, {p.code: _analytes(p) for p in profiles}, first="Analyte"),
            "## Questions: what follows when the condition is not met\n",
            _matrix(profiles, {p.code: _questions(p) for p in profiles}, first="Condition"),
            "## How old a result may be, and the closing screen\n",
            _intervals(profiles),
            "## Release pathways\n",
            table(
                ("Pathway", "In words", "Issues material", "Source"),
                (
                    (w.code, w.label, "yes" if w.can_issue else "no", f"{w.source} ({w.confidence})")
                    for w in release_pathways().values()
                ),
            ),
        ]
    )


def _shelf_life(profile: Profile) -> str | None:
    life = profile.shelf_life
    return life and f"{life.months} months, {life.days} days ({life.source}, {life.confidence})"


def _analytes(profile: Profile) -> dict[str, str]:
    return {
        r.label: f"{r.if_positive}"
        + (", nucleic acid test" if r.needs_nucleic_acid_test else "")
        + (f", {r.n_separate_days} days" if r.n_separate_days > 1 else "")
        + ("" if r.closing else ", opening screen only")
        + f" ({r.source}, {r.confidence}{_since(r.valid_from)})"
        for r in profile.requirements
    }


def _questions(profile: Profile) -> dict[str, str]:
    return {
        rule.sentence: f"{_consequence(rule)} ({rule.source}, {rule.confidence}{_since(rule.valid_from)})"
        for rule in profile.rules
    }


def _consequence(rule: Rule) -> str:
    return rule.consequence + (f" {rule.defer_days} days" if rule.defer_days else "")


def _since(day: date | None) -> str:
    return f", from {day}" if day else ""


def _matrix(profiles: Sequence[Profile], cells: dict[str, dict[str, str]], *, first: str) -> str:
    names = list(dict.fromkeys(name for p in profiles for name in cells[p.code]))
    head = (first, *(p.code for p in profiles))
    return table(head, ((name, *(cells[p.code].get(name) for p in profiles)) for name in names))


def _intervals(profiles: Sequence[Profile]) -> str:
    asked = {True: "yes", False: "no", None: None}
    rows = [
        (
            p.code,
            i.group.replace("_", " "),
            i.max_opening_age_days,
            asked[i.closing],
            i.min_closing_lag_days,
            i.max_closing_lag_days,
            i.max_gap_days,
            f"{i.source} ({i.confidence})",
        )
        for p in profiles
        for i in p.intervals.values()
    ]
    head = (
        "Profile",
        "Analytes",
        "Opening screen at most, days",
        "Closing screen asked",
        "earliest, days",
        "latest, days",
        "Gap at most, days",
        "Source",
    )
    return table(head, rows)


def rules_page() -> str:
    """Every rule on recipients, routes, preparation, the study and matching gates."""
    parts = ["# Rules\n", "A rule that cannot be answered is undetermined, and nobody is eligible by it.\n"]
    parts.append(CONFIDENCE.rstrip() + "\n")
    head = ("Rule", "What must hold", "Of", "If not", "Source", "Confidence", "In force")
    for name in RULE_SETS:
        rows = [
            (
                r.id,
                r.sentence,
                r.subject,
                _consequence(r),
                f"{r.source} {r.year}",
                r.confidence,
                _in_force(r),
            )
            for r in rule_set(name)
        ]
        parts += [f"## {name.capitalize()}\n", table(head, rows)]
    return "\n".join(parts)


def _in_force(rule: Rule) -> str:
    start = f"from {rule.valid_from}" if rule.valid_from else ""
    end = f"until {rule.valid_until}" if rule.valid_until else ""
    return " ".join(filter(None, (start, end)))


def protocols_page() -> str:
    """What the protocol library says of each indication; what is said of all stands once."""
    of = {i.code: protocol(i.code) for i in indications() if not i.is_group}
    shared = set.intersection(*(set(p.statements) for p in of.values()))
    head = ("Section", "Item", "In words", "Source", "Confidence")
    parts = [
        "# Protocols\n",
        f"The protocol library, version {next(iter(of.values())).version}. A plan takes from here what holds "
        "for the recipient, and says so where no source gives a figure. A physician signs it or leaves it.\n",
        CONFIDENCE.rstrip() + "\n",
        "## All indications\n",
        table(head, [_statement(s) for s in next(iter(of.values())).statements if s in shared]),
    ]
    for i in indications():
        if i.code in of:
            own = [_statement(s) for s in of[i.code].statements if s not in shared]
            parts += [f"## {i.label}\n", _courses(of[i.code]), table(head, own) if own else ""]
    return "\n".join(parts).rstrip() + "\n"


def _statement(statement: Statement) -> tuple[object, ...]:
    section = statement.section.replace("_", " ")
    return section, statement.item, statement.content, statement.source, statement.confidence


def _courses(of: Protocol) -> str:
    names = {r.code: r.label for r in routes()}
    order = ", ".join(names[code] for code in of.routes.order)
    lines = [f"Routes in order of preference ({of.routes.source}): {order}. {of.routes.reason}"]
    lines += [
        f"- {r.label} ({r.source}, {r.confidence}), by {', '.join(names[c] for c in r.by)}"
        for r in of.regimens
    ]
    return "\n".join((lines[0], "", *lines[1:], "")) if of.regimens else lines[0] + "\n"


def functions_page() -> str:
    """Functions told by names of taxa, and the taxa of the published indices of dysbiosis."""
    functions = [
        (f.label, f.label_zh, f.told_at, f.concern, _members(f.members), f.source) for f in taxon_functions()
    ]
    indices = [
        (i.label, i.form, i.low_is, _members(i.numerator), _members(i.denominator), i.source)
        for i in dysbiosis_indices()
    ]
    intro = "# Functions and indices\n\nNothing here reads genes: a function told by names is as good as the "
    intro += "names. Sources by code: [Sources](sources.md).\n\n"
    first = table(("Function", "中文", "Told at", "Looked at for", "Members", "Source"), functions)
    second = table(("Index", "Form", "A low value is", "Above the line", "Below the line", "Source"), indices)
    return f"{intro}{first}\n## Published indices of dysbiosis\n\n{second}"


def _members(members: Members) -> str:
    return "; ".join(f"{rank.replace('_', ' ')}: {', '.join(names)}" for rank, names in members.items())


def sources_page() -> str:
    """Every guideline, paper and communication that a threshold cites."""
    rows = [(s.code, s.title, s.year) for s in sorted(sources().values(), key=lambda s: s.code)]
    intro = "# Sources\n\nWhat the thresholds, endpoints and rules cite.\n\n"
    return intro + table(("Code", "Title", "Year"), rows)


def main() -> None:
    """Write every page."""
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
