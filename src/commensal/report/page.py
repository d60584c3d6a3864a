"""The report: one self-contained page, readable offline, printable, light and dark."""

from __future__ import annotations

import tempfile
from importlib.resources import files
from pathlib import Path

import jinja2

from commensal.report import digits, words
from commensal.report.sections import Section, sections_of
from commensal.study import read_results
from commensal.study.folder import new_folder


def render(results: Path | str, page: Path | str) -> Path:
    """Draw the report of a results folder into a new HTML file and return its path.

    Raises :class:`~commensal.errors.InputError` where the folder holds no result tables and
    :class:`~commensal.errors.OutputExistsError` where ``page`` exists.
    """
    target = new_folder(page)
    html = _html(sections_of(read_results(results)))
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
    environment.globals.update(digits=digits, words=words)
    style = (here / "assets" / "commensal.css").read_text(encoding="utf-8")
    return environment.get_template("report.html").render(style=style, sections=sections)
