"""Sections of a report in another language: the same values, the words exchanged."""

from __future__ import annotations

import re
from dataclasses import replace

from commensal.report.language.catalogue import translate
from commensal.report.views import Box, Figure, Section, TableView

_WORDS = re.compile(r"(<text[^>]*>)([^<>]+)(</text>)")


def section_in(section: Section, lang: str) -> Section:
    """Return a section in a language; in English the section itself."""
    if lang == "en":
        return section
    return replace(
        section,
        title=translate(section.title, lang),
        lead=translate(section.lead, lang),
        cautions=tuple(translate(c, lang) for c in section.cautions),
        tiles=tuple((value, translate(label, lang)) for value, label in section.tiles),
        boxes=tuple(_box(b, lang) for b in section.boxes),
        branches=tuple(_box(b, lang) for b in section.branches),
        figures=tuple(_figure(f, lang) for f in section.figures),
        tables=tuple(_table(t, lang) for t in section.tables),
    )


def _box(box: Box, lang: str) -> Box:
    left = tuple((translate(label, lang), n) for label, n in box.left)
    return replace(box, label=translate(box.label, lang), left=left)


def _table(view: TableView, lang: str) -> TableView:
    return replace(
        view,
        caption=translate(view.caption, lang),
        head=tuple(translate(name, lang) for name in view.head),
        rows=tuple(tuple(translate(cell, lang) for cell in row) for row in view.rows),
        notes=tuple(translate(note, lang) for note in view.notes),
    )


def _figure(figure: Figure, lang: str) -> Figure:
    # The picture is drawn once, in English; its words are exchanged in the drawing.
    drawing = _WORDS.sub(lambda m: m[1] + _escaped(translate(_plain(m[2]), lang)) + m[3], figure.drawing)
    below = _table(figure.below, lang) if figure.below else None
    return Figure(drawing, translate(figure.caption, lang), below)


def _plain(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
