"""The report in other languages: a catalogue of sentences, applied when a page is drawn."""

from commensal.report.language.catalogue import LANGUAGES, demand_language, is_known, translate
from commensal.report.language.pages import section_in

__all__ = ["LANGUAGES", "demand_language", "is_known", "section_in", "translate"]
