"""The words a reader sees for the codes in the tables. A code without words is shown as it is."""

from __future__ import annotations

from functools import cache

from commensal.vocabulary import rule_set
from commensal.vocabulary.adverse_events import adverse_events
from commensal.vocabulary.eligibility import RULE_SETS
from commensal.vocabulary.indications import indications
from commensal.vocabulary.routes import routes

LANDMARKS = {"W8": "Week 8", "M3": "3 months", "Y1": "1 year", "Y5": "5 years"}

UNITS = {
    "proportion": "%",
    "per_procedure": "per 100 procedures",
    "per_patient": "per 100 patients",
    "per_100_person_years": "per 100 person-years",
    "per_person_year": "per person-year",
    "events_per_patient": "events per patient",
    "ratio": "observed / expected",
}

REASONS = {
    "not_yet_due": "not yet due",
    "administrative_censor": "data cut reached",
    "lost": "lost to follow-up",
    "withdrew": "withdrew",
    "died": "died",
    "missed_visit": "visit missed",
    "data_not_collected": "outcome not recorded",
    "due_unknown": "unknown whether due",
}

STATUS = {
    "guideline_supported": "supported by guidelines",
    "trial_only": "in trials only",
    "investigational": "investigational",
}

AXES = {
    "peds": "PEDS",
    "peds_gained": "Gained from donor",
    "pprs": "PPRS",
    "bray_curtis_to_donor": "Bray–Curtis to donor",
    "strain_engraftment": "Donor's strains engrafted",
    "bray_curtis_to_reference": "Bray–Curtis to reference",
    "cloud": "CLOUD",
    "mhi_a": "MHI-A",
    "md_index": "MD-index",
    "gmhi": "GMHI",
    "gmwi2": "GMWI2",
}

MEASURES = {
    "peds": "Donor's features found in the sample (PEDS)",
    "peds_gained": "Of the donor's features the recipient lacked, those found after",
    "pprs": "Own baseline features still found (PPRS)",
    "bray_curtis_to_donor": "Bray–Curtis distance to the donor",
    "bray_curtis_to_baseline": "Bray–Curtis distance to own baseline",
    "strain_engraftment": "Species found with the donor's strain, not the own",
    "bray_curtis_to_reference": "Median Bray–Curtis distance to the reference",
    "cloud": "Distance to the nearest of the reference (CLOUD)",
    "mhi_a": "Microbiome health index (MHI-A)",
    "md_index": "Microbial dysbiosis index (MD-index)",
    "gmhi": "Gut microbiome health index (GMHI)",
    "gmwi2": "Gut microbiome wellness index 2 (GMWI2)",
    "richness": "Features found",
    "shannon": "Shannon diversity",
}

IDENTITY = {
    "consistent": "as labelled",
    "wrong_donor": "another donor",
    "sample_swap": "another patient",
    "undetermined": "cannot be told",
}

VERDICTS = {"met": "Met", "not_met": "Not met", "undetermined": "Not known"}

ANSWERS = {"yes": "Yes", "no": "No", "undetermined": "Cannot tell"}


PHRASES = {
    "age_years": "Age",
    "disease_duration_years": "Disease duration",
    "n_sessions": "Sessions so far",
    "is_mucosal_barrier_injured": "Mucosal barrier injured",
    "cdi_recurrence_free": "Free of recurrence",
    "cdi_cure": "Cure after the first course",
    "cdi_overall_cure": "Cure after all courses",
    "ms_neda3": "NEDA-3",
    "delivery_related_event": "Related to delivery",
    "microbiota_related_event": "Related to microbiota",
    "grade_3_event": "Grade 3 or higher",
    "cumulative_incidence_of_remission": "Cumulative incidence of first remission",
    "cumulative_incidence_of_relapse": "Cumulative incidence of relapse after first remission",
    "cumulative_incidence_of_recurrence": "Cumulative incidence of recurrence",
    "cumulative_incidence_of_response": "Cumulative incidence of first response",
    "in_remission": "Being in remission, a state that can be left and entered again",
    "interval_censored_remission": "First remission, known to lie between two visits (Turnbull)",
    "overall_survival": "Survival",
}

CAPITALS = {
    "uc": "UC",
    "fmt": "FMT",
    "cdi": "CDI",
    "ibs": "IBS",
    "ibd": "IBD",
    "ms": "MS",
    "ra": "RA",
    "hbi": "HBI",
}
CAPITALS |= {
    "crohns": "Crohn's",
    "crp": "CRP",
    "das28": "DAS28",
    "cdai": "CDAI",
    "fiqr": "FIQR",
    "pucai": "PUCAI",
}
CAPITALS |= {
    "wpcdai": "wPCDAI",
    "sss": "SSS",
    "nrs": "NRS",
    "eq": "EQ",
    "5d": "5D",
    "5l": "5L",
    "y": "Y",
    "mayo": "Mayo",
}
CAPITALS |= {"csbm": "CSBM", "cars": "CARS", "mds": "MDS", "updrs": "UPDRS", "rcdi": "rCDI"}


def plain(code: str | None) -> str:
    """A code as words: abbreviations in their capitals, the first letter a capital."""
    if not code:
        return ""
    if code in PHRASES:
        return PHRASES[code]
    text = " ".join(CAPITALS.get(word, word) for word in code.split("_"))
    return text if text.startswith(("rC", "wP")) else text[0].upper() + text[1:]


def measure(code: str) -> str:
    """A measure of a community in full words."""
    return MEASURES.get(code) or plain(code)


def axis(code: str) -> str:
    """A measure of a community as an axis has room for it."""
    return AXES.get(code) or plain(code)


def short(indication: str) -> str:
    """An indication as a picture has room for it."""
    name = level("indication", indication).replace("Irritable bowel syndrome", "IBS")
    return name.replace("Recurrent Clostridioides difficile infection", "Recurrent C. difficile infection")


def endpoint(code: str) -> str:
    """An endpoint in words, without the disease that the row names already."""
    if code in PHRASES:
        return PHRASES[code]
    diseases = ("uc_", "crohns_", "ibs_", "ibd_", "ra_", "fibromyalgia_", "constipation_", "parkinson_")
    short = next((code.removeprefix(d) for d in diseases if code.startswith(d)), code)
    return plain(short)


def landmark(code: str | None) -> str:
    """A landmark in words."""
    return LANDMARKS.get(code or "", code or "")


def level(variable: str | None, code: str | None) -> str:
    """The level of a group variable in words, from the vocabulary where it knows the code."""
    if code is None:
        return ""
    if variable == "all":
        return "All"
    if code in ("true", "false"):
        return {"true": "yes", "false": "no"}[code]
    known = _vocabulary(variable or "").get(code)
    return known[0].upper() + known[1:] if known else plain(code)


def rule(rule_id: str) -> str:
    """A rule by its id and its sentence; what stands after a dot, one part of the rule, keeps its name."""
    whole, _, part = rule_id.partition(".")
    sentence = _rules().get(whole, "")
    return " ".join(filter(None, (whole, f"({plain(part)})" if part else "", sentence)))


@cache
def _rules() -> dict[str, str]:
    return {r.id: r.sentence for name in RULE_SETS for r in rule_set(name)}


@cache
def _vocabulary(variable: str) -> dict[str, str]:
    books = {"indication": indications, "route": routes, "term": adverse_events}
    return {entry.code: entry.label for entry in books[variable]()} if variable in books else {}
