"""The report: one self-contained page, readable offline, printable, light and dark."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path

import jinja2

from commensal.engine import Workers
from commensal.report import digits, words
from commensal.report.charts import themed
from commensal.report.language import LANGUAGES, section_in, translate
from commensal.report.sections import Section, sections_drawn, sections_of, sections_of_patient
from commensal.report.views import Figure
from commensal.study import read_results
from commensal.study.folder import new_folder


def render(
    results: Path | str,
    page: Path | str,
    *,
    patient: str | None = None,
    lang: str = "en",
    sections: Sequence[Section] | None = None,
) -> Path:
    """Draw the report of a results folder into a new HTML file and return its path.

    With ``patient`` the page holds what the tables say of that one recipient. ``lang`` is ``en`` or ``zh``.
    ``sections`` that were read before, with their pictures, are not read again.

    Raises :class:`~commensal.errors.InputError` where the folder holds no result tables or none of the
    patient, or where the language is not known, and :class:`~commensal.errors.OutputExistsError` where
    ``page`` exists.
    """
    target = new_folder(page)
    html = _html(read_sections(results, patient=patient) if sections is None else sections, lang=lang)
    with tempfile.NamedTemporaryFile(
        "w", dir=target.parent, suffix=".html", delete=False, encoding="utf-8"
    ) as file:
        file.write(html)
    Path(file.name).chmod(0o644)
    Path(file.name).rename(target)
    return target


def read_sections(
    results: Path | str, *, patient: str | None = None, team: Workers | None = None
) -> list[Section]:
    """Return the sections of a results folder, for one or several documents.

    With a ``team`` (:func:`engine.workers`) its processes share the reading and draw the pictures; without,
    each is drawn when it is first asked for.

    Raises :class:`~commensal.errors.InputError` where the folder holds no result tables or none of the
    patient.
    """
    tables = read_results(results)
    if patient is not None:
        return sections_of_patient(tables, patient)
    return sections_of(tables) if team is None else sections_drawn(tables, team=team)


def _html(sections: Sequence[Section], *, lang: str) -> str:
    here = files("commensal.report")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("commensal.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    told = [section_in(section, lang) for section in sections]
    environment.globals.update(
        digits=digits, words=words, picture=_picture, say=partial(translate, lang=lang), lang=LANGUAGES[lang]
    )
    style = (here / "assets" / "commensal.css").read_text(encoding="utf-8")
    return environment.get_template("report.html").render(style=style, sections=told)


def _picture(figure: Figure) -> str:
    return themed(figure.drawing)
