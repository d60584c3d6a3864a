"""The report: one self-contained page, readable offline, printable, light and dark."""

from __future__ import annotations

import tempfile
from importlib.resources import files
from pathlib import Path

import jinja2

from commensal.report import digits, words
from commensal.report.charts import svg_of
from commensal.report.sections import Section, sections_of, sections_of_patient
from commensal.study import read_results
from commensal.study.folder import new_folder


def render(results: Path | str, page: Path | str, *, patient: str | None = None) -> Path:
    """Draw the report of a results folder into a new HTML file and return its path.

    With ``patient`` the page holds what the tables say of that one recipient.

    Raises :class:`~commensal.errors.InputError` where the folder holds no result tables or none of the
    patient, and :class:`~commensal.errors.OutputExistsError` where ``page`` exists.
    """
    target = new_folder(page)
    tables = read_results(results)
    sections = sections_of(tables) if patient is None else sections_of_patient(tables, patient)
    html = _html(sections)
    with tempfile.NamedTemporaryFile(
        "w", dir=target.parent, suffix=".html", delete=False, encoding="utf-8"
    ) as file:
        file.write(html)
    Path(file.name).chmod(0o644)
    Path(file.name).rename(target)
    return target


def _html(sections: list[Section]) -> str:
    here = files("commensal.report")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("commensal.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(digits=digits, words=words, svg_of=svg_of)
    style = (here / "assets" / "commensal.css").read_text(encoding="utf-8")
    return environment.get_template("report.html").render(style=style, sections=sections)
