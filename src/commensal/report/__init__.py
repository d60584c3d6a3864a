"""Result tables in; a page out. Nothing is computed here: words, digits, colours and layout only."""

from commensal.report.page import render

__all__ = ["render"]
