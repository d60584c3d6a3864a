"""What an analysis may choose about monitoring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from commensal.errors import InputError, nearest
from commensal.evidence.covariates import known_covariates
from commensal.vocabulary.adverse_events import adverse_events
from commensal.vocabulary.windows import landmarks

DIMENSIONS = ("donor", "lot", "operator", "route", "site")
SHARES = ("false_alarm", "min_share", "min_power", "serious_baseline")
COUNTS = ("min_courses", "min_serious", "serious_days", "cluster_days", "cluster_patients")


@dataclass(frozen=True)
class Settings:
    """Choices of the monitoring, each with its default.

    ``false_alarm``: probability of any false alarm over all units of one dimension and outcome; charts spend
    one half of it, the funnel the other. ``odds_ratio``: how much worse is looked for. ``landmark`` and
    ``cdi_landmark``: where the primary endpoint is read. ``min_courses``: fewer make no chart.
    ``min_share``: a course counts for a unit that gave at least this share of it. ``covariates`` and
    ``safety_covariates``: what the expected probability rests on; ``ridge`` its penalty.
    ``serious_baseline``: serious related events a course that sites are compared with (1.4 % of patients:
    Marcella et al. 2021). ``serious_days``: days after the last planned session within which an onset
    counts. ``min_serious``: no sequential alarm before this many. ``infection_terms``, ``cluster_days``,
    ``cluster_patients``: infections of this many patients who shared a donor or lot, within this many days,
    are a cluster. ``min_power``: below it, and without an alarm, a unit is "cannot tell".
    """

    false_alarm: float = 0.05
    odds_ratio: float = 2.0
    dimensions: Sequence[str] = DIMENSIONS
    landmark: str = "M3"
    cdi_landmark: str = "W8"
    min_courses: int = 5
    min_share: float = 0.5
    min_power: float = 0.5
    covariates: Sequence[str] = (
        "indication",
        "index_route",
        "index_year",
        "age_at_index_years",
        "sex",
        "baseline_severity",
        "n_sessions_planned",
    )
    safety_covariates: Sequence[str] = ("index_route", "is_mucosal_barrier_injured")
    ridge: float = 1.0
    serious_baseline: float = 0.014
    serious_days: int = 30
    min_serious: int = 2
    infection_terms: Sequence[str] = ("ae15", "ae16")
    cluster_days: int = 30
    cluster_patients: int = 2

    def __post_init__(self) -> None:
        for name in SHARES:
            _require(0 < getattr(self, name) < 1, self, name, "a number above 0 and below 1")
        for name in COUNTS:
            value = getattr(self, name)
            _require(isinstance(value, int) and value >= 1, self, name, "a whole number of 1 or more")
        _require(self.odds_ratio > 1, self, "odds_ratio", "a number above 1: worse than expected")
        _require(self.ridge > 0, self, "ridge", "a number above 0")
        known = (
            ("dimensions", DIMENSIONS),
            ("infection_terms", [event.code for event in adverse_events()]),
            ("landmark", list(landmarks())),
            ("cdi_landmark", list(landmarks())),
        )
        for name, valid in known:
            value = getattr(self, name)
            for each in [value] if isinstance(value, str) else value:
                _require(each in valid, self, name, nearest(each, valid))
        for names in (self.covariates, self.safety_covariates):
            known_covariates(names)


def _require(condition: bool, settings: Settings, name: str, expected: str) -> None:
    if not condition:
        raise InputError(
            f"monitoring: {name} = {getattr(settings, name)!r}",
            expected=expected,
            do=f"correct {name} in the section [monitoring] of the analysis file",
        )
