"""The scenario: every figure of a synthetic centre, read from an editable file and checked at birth.

A scenario is ``centre.toml`` with, where asked, an overlay that holds only what it changes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from datetime import date
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, cast, get_type_hints

from commensal.errors import InputError, Problem, ProblemsFoundError, SafetyError, nearest
from commensal.vocabulary.indications import indications
from commensal.vocabulary.routes import refuse_parenteral, routes

DEFAULT = "centre"
SUM_TOLERANCE = 1e-6

Section = TypeVar("Section")

# What a figure may be is read off its name's ending; everything else must be a finite number of zero or more.
SHARES = ("_share", "_fraction", "_success", "_adherence", "_persistence", "_response", "retention_year_1")
SIGNED = ("_log_odds", "_per_decade", "_per_sd", "_active", "_route", "growth_per_year")
POSITIVE = ("_mean", "_sd", "_median", "_factor", "_concentration", "_precision", "clustering", "_size")


@dataclass(frozen=True)
class Calendar:
    """Dates of the programme and the growth of arrivals."""

    programme_start: date
    bank_records_begin: date
    study_start: date
    data_cut: date
    arrivals_growth_per_year: float


@dataclass(frozen=True)
class People:
    """Size of a centre and traits of its patients."""

    centre_size: int
    comparator_share: float
    ambispective_share: float
    ambispective_years: float
    inactive_at_baseline_share: float
    mucosal_injury_share: float
    severe_complication_share: float
    without_consent_share: float
    mild_immunocompromise_share: float
    severe_immunocompromise_share: float
    allergy_share: float


@dataclass(frozen=True)
class Body:
    """Height and weight: who is never measured, and how people differ from the median of their age."""

    unmeasured_share: float
    height_relative_sd: float
    bmi_log_sd: float
    between_visits_log_sd: float


@dataclass(frozen=True)
class Disease:
    """What moves patients into and out of remission, apart from the indication's own figures."""

    late_change_factor: float
    early_transient_share: float
    age_log_odds_per_decade: float
    severity_log_odds_per_sd: float
    engraftment_odds_ratio_per_sd: float
    retreatment_success: float
    rescue_success: float
    rescue_per_year: float
    colectomy_per_year: float


@dataclass(frozen=True)
class Visits:
    """How patients keep their visits; ``retained`` is the share still in follow-up at each."""

    missed_share: float
    symptom_driven_share: float
    retrospective_jitter_factor: float
    endoscopy_share: float
    telephone_share: float
    retained: Mapping[str, float]


@dataclass(frozen=True)
class Dropout:
    """Log-odds of leaving; ``current_active`` bears on an unrecorded state and breaks ignorability."""

    last_observed_active: float
    capsule_route: float
    age_per_decade: float
    current_active: float
    withdrawal_share: float


@dataclass(frozen=True)
class Safety:
    """Rates of adverse events; ``terms`` are the shares of the non-serious ones."""

    adverse_event_per_session: float
    clustering: float
    serious_per_patient: float
    upper_route_factor: float
    mucosal_injury_factor: float
    grade_2_share: float
    hospitalisation_per_year: float
    new_onset_per_year: float
    terms: Mapping[str, float]


@dataclass(frozen=True)
class Bank:
    """Donors, what they give and how long it waits and keeps."""

    donors_per_4000_patients: int
    active_days_mean: float
    excluded_share: float
    deferred_share: float
    pending_share: float
    directed_share: float
    cmv_positive_share: float
    ebv_positive_share: float
    pool_share: float
    units_per_donation: int
    spare_units_share: float
    min_lag_days: int
    max_lag_days: int
    shelf_life_days: int
    hold_share: float


@dataclass(frozen=True)
class Microbiome:
    """Communities, how they settle and how they are sequenced."""

    sampled_fraction: float
    n_taxa: int
    engraftment_per_session: float
    engraftment_precision: float
    receptivity_log_odds: float
    second_course_diminishing: float
    resident_persistence: float
    drift_per_year: float
    depth_median: float
    depth_log_sd: float
    overdispersion_concentration: float
    donor_samples: int
    within_donor_log_sd: float
    antibiotic_sample_share: float


@dataclass(frozen=True)
class Planted:
    """Truths planted for an analysis to find, or not to find."""

    bad_donor_log_odds: float
    contaminated_infection_share: float
    mislabel_one_sample: bool


@dataclass(frozen=True)
class Recording:
    """What is written down of the questionnaires."""

    items_recorded: bool


@dataclass(frozen=True)
class Disorder:
    """An indication's share of the patients, course of disease and treatment."""

    code: str
    share: float
    month_3_response: float
    retention_year_1: float
    remission_share: float
    control_response: float
    age_mean: float
    age_sd: float
    age_min: float
    female_share: float
    courses: int
    consolidation_courses: int
    sessions_per_course: int
    weeks_between_courses: int
    course_adherence: float
    retreatment_per_year: float
    mortality_per_year: float
    richness_left: float
    instrument: str
    is_free_at_index: bool = False


@dataclass(frozen=True)
class Scenario:
    """Every figure of a synthetic centre."""

    name: str
    calendar: Calendar
    people: People
    body: Body
    routes: Mapping[str, float]
    disease: Disease
    visits: Visits
    dropout: Dropout
    safety: Safety
    bank: Bank
    microbiome: Microbiome
    planted: Planted
    recording: Recording
    indications: tuple[Disorder, ...]
    text: str = ""


SECTIONS: Mapping[str, type[Any]] = MappingProxyType(
    {
        "calendar": Calendar,
        "people": People,
        "body": Body,
        "disease": Disease,
        "visits": Visits,
        "dropout": Dropout,
        "safety": Safety,
        "bank": Bank,
        "microbiome": Microbiome,
        "planted": Planted,
        "recording": Recording,
    }
)


def scenario_names() -> tuple[str, ...]:
    """Return the names of the scenarios that come with the package."""
    folder = resources.files("commensal.simulate").joinpath("scenarios")
    return tuple(sorted(item.name[:-5] for item in folder.iterdir() if item.name.endswith(".toml")))


def read_scenario(source: str | Path | None = None) -> Scenario:
    """Read a scenario: None for the default, a name of :func:`scenario_names`, or the path of a file.

    A file may hold the whole scenario or only what it changes in the default.

    Refuses
        ``InputError`` for a name that does not exist or a file that is no TOML; ``ProblemsFoundError`` with
        every key that is unknown or missing and every figure out of its range.
    """
    base = _parsed(_shipped(DEFAULT), DEFAULT)
    if source is None or str(source) == DEFAULT:
        return build_scenario(base, name=DEFAULT)
    text, name = _text_of(source)
    return build_scenario(_merged(base, _parsed(text, name)), name=name, text=text)


def build_scenario(tree: Mapping[str, Any], *, name: str, text: str = "") -> Scenario:
    """Check the parsed tree of a scenario and build it. Refuses as :func:`read_scenario` does."""
    problems = list(_problems(tree))
    if problems:
        raise ProblemsFoundError(problems, source=f"scenario {name}")
    made = {section: _made(kind, tree[section]) for section, kind in SECTIONS.items()}
    disorders = tuple(_made(Disorder, {"code": code, **row}) for code, row in tree["indications"].items())
    ways = MappingProxyType(dict(tree["routes"]))
    return Scenario(name=name, routes=ways, indications=disorders, text=text, **made)


def _made(kind: type[Section], row: Mapping[str, Any]) -> Section:
    frozen = {k: MappingProxyType(dict(v)) if isinstance(v, dict) else v for k, v in row.items()}
    return kind(**frozen)


def _shipped(name: str) -> str:
    return resources.files("commensal.simulate").joinpath(f"scenarios/{name}.toml").read_text("utf-8")


def _text_of(source: str | Path) -> tuple[str, str]:
    if isinstance(source, str) and source in scenario_names():
        return _shipped(source), source
    path = Path(source)
    if not path.is_file():
        raise InputError(
            f"there is no scenario {str(source)!r}",
            expected=nearest(str(source), scenario_names()) + ", or the path of a scenario file",
        )
    return path.read_text(encoding="utf-8"), path.stem


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(
            f"scenario {name} is not TOML: {error}", do="correct the line that is named"
        ) from error


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


# --- checks: every problem is collected, none stops the others


def _problems(tree: Mapping[str, Any]) -> list[Problem]:
    known = {*SECTIONS, "routes", "indications"}
    found = [
        _problem("", key, "unknown section, expected " + nearest(key, known)) for key in set(tree) - known
    ]
    for section, kind in SECTIONS.items():
        found += _section_problems(section, kind, tree.get(section))
    found += _route_problems(tree.get("routes", {}))
    found += _disorder_problems(tree.get("indications", {}))
    if not found:
        found += _cross_problems(tree)
    return sorted(found, key=lambda problem: (problem.table, problem.column))


def _problem(table: str, column: str, message: str, value: object = "") -> Problem:
    return Problem(table, 0, column, str(value), "scenario", message)


def _section_problems(table: str, kind: type[Any], row: object) -> list[Problem]:
    if not isinstance(row, dict):
        return [_problem(table, "", "the section is missing")]
    hints = get_type_hints(kind)
    needed = [f.name for f in fields(kind) if f.default is MISSING and f.name != "code"]
    found = [_problem(table, key, "the figure is missing") for key in needed if key not in row]
    for key, value in row.items():
        if key not in hints:
            found.append(_problem(table, key, "unknown figure, expected " + nearest(key, hints), value))
        elif message := _value_problem(key, value, hints[key]):
            found.append(_problem(table, key, message, value))
    return found


def _value_problem(key: str, value: Any, hint: Any) -> str:
    if hint in (bool, str, date):
        return "" if type(value) is hint else f"expected a {hint.__name__}"
    if hint not in (int, float):
        return _mapping_problem(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        return "expected a number"
    if hint is int and not isinstance(value, int):
        return "expected a whole number"
    return _range_problem(key, value)


def _range_problem(key: str, value: float) -> str:
    if key.endswith(SHARES) or key == "share":
        return "" if 0 <= value <= 1 else "expected a share between 0 and 1"
    if key.endswith(SIGNED):
        return "" if abs(value) <= 10 else "expected log-odds between -10 and 10"
    if key.endswith(POSITIVE):
        return "" if 0 < value < 1e9 else "expected more than 0"
    return "" if 0 <= value < 1e9 else "expected 0 or more"


def _mapping_problem(value: Any) -> str:
    ok = isinstance(value, dict) and all(
        isinstance(v, (int, float)) and not isinstance(v, bool) and 0 <= v <= 1 for v in value.values()
    )
    return "" if ok else "expected names with shares between 0 and 1"


def _route_problems(row: object) -> list[Problem]:
    if message := _mapping_problem(row):
        return [_problem("routes", "", message)]
    shares = cast(dict[str, float], row)
    found = [_route_problem(code) for code in shares if code not in routes()]
    if abs(sum(shares.values()) - 1) > SUM_TOLERANCE:
        found.append(_problem("routes", "", "the shares do not add up to 1", round(sum(shares.values()), 6)))
    return found


def _route_problem(code: str) -> Problem:
    unknown = _problem("routes", code, "unknown route, expected " + nearest(code, routes().codes))
    try:
        refuse_parenteral(code)
    except SafetyError as error:
        return replace(unknown, message=error.what, severity="safety")
    return unknown


def _disorder_problems(rows: Mapping[str, Any]) -> list[Problem]:
    known = set(indications().codes)
    found = [
        _problem("indications", c, "unknown indication, expected " + nearest(c, known))
        for c in set(rows) - known
    ]
    for code, row in rows.items():
        found += _section_problems(f"indications.{code}", Disorder, row)
    total = sum(row.get("share", 0) for row in rows.values() if isinstance(row, dict))
    if abs(total - 1) > SUM_TOLERANCE:
        found.append(_problem("indications", "share", "the shares do not add up to 1", round(total, 6)))
    return found


def _cross_problems(tree: Mapping[str, Any]) -> list[Problem]:
    found = []
    days = [tree["calendar"][k] for k in ("programme_start", "bank_records_begin", "study_start", "data_cut")]
    if days != sorted(days):
        found.append(_problem("calendar", "", "dates out of order: programme, bank, study start, data cut"))
    kept = list(tree["visits"]["retained"].values())
    if kept != sorted(kept, reverse=True) or not all(kept):
        found.append(
            _problem("visits.retained", "", "patients come back: the shares must fall and stay above 0")
        )
    bank = tree["bank"]
    if not bank["min_lag_days"] <= bank["max_lag_days"] <= bank["shelf_life_days"]:
        found.append(_problem("bank", "max_lag_days", "must lie between min_lag_days and shelf_life_days"))
    return found
