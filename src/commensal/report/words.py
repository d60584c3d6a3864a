"""The words a reader sees for the codes in the tables. A code without words is shown as it is."""

from __future__ import annotations

from functools import cache

from commensal.vocabulary.adverse_events import adverse_events
from commensal.vocabulary.indications import indications
from commensal.vocabulary.routes import routes

LANDMARKS = {"W8": "Week 8", "M3": "3 months", "Y1": "1 year", "Y5": "5 years"}

UNITS = {
    "proportion": "%",
    "per_procedure": "per 100 procedures",
    "per_patient": "per 100 patients",
    "per_100_person_years": "per 100 person-years",
}

REASONS = {
    "not_yet_due": "not yet due",
    "administrative_censor": "data cut reached",
    "lost": "lost to follow-up",
    "withdrew": "withdrew",
    "died": "died",
    "missed_visit": "visit missed",
    "data_not_collected": "seen, outcome not recorded",
}

STATUS = {
    "guideline_supported": "supported by guidelines",
    "trial_only": "in trials only",
    "investigational": "investigational",
}

MEASURES = {
    "peds": "Donor's features found in the sample (PEDS)",
    "pprs": "Own baseline features still found (PPRS)",
    "bray_curtis_to_donor": "Bray–Curtis distance to the donor",
    "bray_curtis_to_baseline": "Bray–Curtis distance to own baseline",
    "richness": "Features found",
    "shannon": "Shannon diversity",
}


def plain(code: str | None) -> str:
    """A code as words: underscores become spaces, the first letter a capital."""
    if not code:
        return ""
    text = code.replace("_", " ")
    return text[0].upper() + text[1:]


def landmark(code: str | None) -> str:
    """A landmark in words."""
    return LANDMARKS.get(code or "", code or "")


def level(variable: str | None, code: str | None) -> str:
    """The level of a group variable in words, from the vocabulary where it knows the code."""
    if code is None:
        return ""
    if variable == "all":
        return "All"
    return _vocabulary(variable or "").get(code) or plain(code)


@cache
def _vocabulary(variable: str) -> dict[str, str]:
    books = {"indication": indications, "route": routes, "term": adverse_events}
    return {entry.code: entry.label for entry in books[variable]()} if variable in books else {}
