"""The report as PDF, set by Typst from the same sections as the page."""

from __future__ import annotations

import datetime
import json
import re
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from commensal.report import digits
from commensal.report.documents.fonts import families
from commensal.report.documents.widths import is_turned, widths
from commensal.report.language import LANGUAGES, section_in, translate
from commensal.report.page import read_sections
from commensal.report.views import Box, Figure, Section, TableView
from commensal.study.folder import new_folder

# The day of making is no part of a result: the same results give the same bytes.
_TIMESTAMP = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_FULL_WIDTH = 720
_SVG_WIDTH = re.compile(r'<svg[^>]*?\swidth="([\d.]+)')
_SVG_FONT = re.compile(r'font-family="[^"]*"')


def render_pdf(
    results: Path | str,
    path: Path | str,
    *,
    lang: str = "en",
    patient: str | None = None,
    sections: Sequence[Section] | None = None,
    font_paths: Sequence[Path | str] = (),
    with_further_tables: bool = False,
) -> Path:
    """Set the report of a results folder as a new PDF file and return its path.

    The sections are those of the page. Tables that are folded there are listed at the end with their number
    of rows, or printed with ``with_further_tables`` (thousands of cells take seconds). ``sections`` that
    were read before, with their pictures, are not read again. ``font_paths`` are folders to look for fonts in
    besides the system's own; English needs none.

    Raises :class:`~commensal.errors.InputError` where the folder holds no result tables or none of the
    patient, or where no font has the letters of the language, and
    :class:`~commensal.errors.OutputExistsError` where ``path`` exists.
    """
    target = new_folder(path)
    told = read_sections(results, patient=patient) if sections is None else sections
    document = pdf_of(told, lang=lang, font_paths=font_paths, with_further_tables=with_further_tables)
    with tempfile.NamedTemporaryFile(dir=target.parent, suffix=".pdf", delete=False) as file:
        file.write(document)
    Path(file.name).chmod(0o644)
    Path(file.name).rename(target)
    return target


def pdf_of(
    sections: Sequence[Section],
    *,
    lang: str = "en",
    font_paths: Sequence[Path | str] = (),
    with_further_tables: bool = False,
) -> bytes:
    """Set sections as PDF. The same sections give the same bytes (the date of making is left out)."""
    import typst  # heavy: late

    fonts = families(lang, font_paths=font_paths)
    template = (files("commensal.report") / "templates" / "report.typ").read_bytes()
    told = content(sections, lang=lang, fonts=fonts, with_further_tables=with_further_tables)
    # Typst takes several files in memory as a dictionary, which its type stubs do not know.
    parts: Any = {"main": template, "report.json": json.dumps(told, ensure_ascii=False).encode()}
    return typst.compile(
        parts,
        font_paths=[str(p) for p in font_paths],
        ignore_system_fonts=lang == "en",
        timestamp=_TIMESTAMP,
    )


def content(
    sections: Sequence[Section], *, lang: str, fonts: Sequence[str], with_further_tables: bool = False
) -> dict[str, Any]:
    """What the template prints: words, numbers as text, and drawings; no markup."""
    told = [section_in(section, lang) for section in sections]
    folded = [table for section in told for table in section.tables if table.is_folded]
    language, _, region = LANGUAGES[lang].partition("-")
    return {
        "title": told[0].title,
        "lang": language,
        "region": "CN" if region else None,
        "fonts": list(fonts),
        "contents": translate("Contents", lang),
        "further": translate("Further tables", lang),
        "sections": [_section(section, fonts) for section in told],
        "printed": [_table(t) for t in folded] if with_further_tables else [],
        "listed": _table(_list(folded, lang)) if folded and not with_further_tables else None,
    }


def _list(folded: Sequence[TableView], lang: str) -> TableView:
    """Name the tables that are not printed, with what each would take."""
    rows = tuple((view.caption, digits.whole(len(view.rows))) for view in folded)
    head = (translate("Table", lang), translate("Rows", lang))
    caption = "Not printed here: in the report as a page, and in the tables it was made from"
    return TableView(translate(caption, lang), head, rows, frozenset({1}))


def _section(section: Section, fonts: Sequence[str]) -> dict[str, Any]:
    return {
        "title": section.title,
        "lead": section.lead,
        "cautions": section.cautions,
        "tiles": section.tiles,
        "boxes": [_box(b) for b in section.boxes],
        "branches": [_box(b) for b in section.branches],
        "figures": [_figure(f, fonts) for f in section.figures],
        "tables": [_table(t) for t in section.tables if not t.is_folded],
    }


def _box(box: Box) -> dict[str, Any]:
    return {"label": box.label, "n": box.n, "left": box.left}


def _table(view: TableView) -> dict[str, Any]:
    return {
        "caption": view.caption,
        "head": view.head,
        "rows": view.rows,
        "numeric": sorted(view.numeric),
        "widths": widths(view),
        "turned": is_turned(view),
        "notes": view.notes,
    }


def _figure(figure: Figure, fonts: Sequence[str]) -> dict[str, Any]:
    family = ", ".join(f"'{name}'" for name in fonts)
    found = _SVG_WIDTH.search(figure.drawing)
    width = float(found[1]) if found else _FULL_WIDTH
    return {
        "caption": figure.caption,
        "drawing": _SVG_FONT.sub(f'font-family="{family}"', figure.drawing),
        "width": round(min(100, 100 * width / _FULL_WIDTH), 1),
        "below": _table(figure.below) if figure.below else None,
    }
