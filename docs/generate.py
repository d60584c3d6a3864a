"""Write the generated reference pages; a test fails while one is stale. Run by ``make docs``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from commensal.study.dictionary import dictionary_markdown
from commensal.vocabulary import endpoints_for, indications, instruments, routes

REFERENCE = Path(__file__).parent / "reference"


def pages() -> dict[str, str]:
    """File name → text of every generated page."""
    return {
        "data-dictionary.md": dictionary_markdown(),
        "indications.md": indications_page(),
        "endpoints.md": endpoints_page(),
        "routes.md": routes_page(),
        "instruments.md": instruments_page(),
    }


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def indications_page() -> str:
    """Every indication with the standing of FMT in it."""
    rows = [
        (i.code, i.label, i.label_zh, (i.status or "").replace("_", " "), i.source, i.confidence)
        for i in indications()
        if not i.is_group
    ]
    intro = "# Indications\n\nWhere FMT stands in each disease. Confidence: H checked in the source, M standard "
    intro += "knowledge, L uncertain, D design choice.\n\n"
    return intro + table(("Code", "Indication", "中文", "Standing", "Source", "Confidence"), rows)


def endpoints_page() -> str:
    """What counts at each landmark, by indication."""
    rows = [
        (e.indication, e.landmark, e.code, e.kind.replace("_", " "), e.tier, "yes" if e.is_primary else "", e.rule, e.source)
        for i in indications()
        if not i.is_group
        for e in endpoints_for(i.code)
    ]
    head = ("Indication", "Landmark", "Endpoint", "Kind", "Tier", "Primary", "Rule", "Source")
    return "# Endpoints\n\nWhere no source defines remission, the row says so; none is invented.\n\n" + table(head, rows)


def routes_page() -> str:
    """Every way FMT may be given."""
    rows = [(r.code, r.label, r.label_zh, r.reach, r.source) for r in routes()]
    intro = "# Routes\n\nThe closed list of ways into the gut. A route outside the gut has no code here.\n\n"
    return intro + table(("Code", "Route", "中文", "Reach", "Source"), rows)


def instruments_page() -> str:
    """Every instrument: what it measures, its licence and where its rules come from."""
    rows = [
        (i.code, i.label, i.licence.replace("_", " "), len(i.items), ", ".join(s.code for s in i.scores), i.source)
        for i in instruments()
    ]
    intro = "# Instruments\n\nScore-only and external instruments ship without their wording.\n\n"
    return intro + table(("Code", "Instrument", "Licence", "Items", "Scores", "Source"), rows)


def main() -> None:
    """Write every page."""
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
