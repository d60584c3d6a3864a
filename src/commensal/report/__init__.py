"""Result tables in; a page out. Nothing is computed here: words, digits, colours and layout only."""

from commensal.report.page import read_sections, render

__all__ = ["read_sections", "render"]
