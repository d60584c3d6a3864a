"""What the analysis file fixes for predictors, donors and comparisons of routes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from commensal.errors import InputError, nearest
from commensal.evidence.covariates import known_covariates
from commensal.evidence.effects.donors import DonorPrior
from commensal.vocabulary.routes import routes
from commensal.vocabulary.windows import landmarks

UPPER = (
    "nasogastric",
    "nasoduodenal",
    "nasojejunal",
    "gastroscopy_duodenal",
    "midgut_tet",
    "peg_pej_jejunostomy",
)
LOWER = ("colonoscopy", "colonic_tet", "flexible_sigmoidoscopy", "retention_enema")
CAPSULE = ("oral_capsule_frozen", "oral_capsule_lyophilised")

COVARIATES = (
    "age_at_index_years",
    "sex",
    "indication",
    "index_year",
    "disease_duration_years",
    "baseline_severity",
    "had_recipient_antibiotic",
    "immunocompromise",
    "index_route",
    "n_sessions_planned",
    "course_number",
)
BALANCED = (
    "age_at_index_years",
    "sex",
    "indication",
    "index_year",
    "baseline_severity",
    "had_recipient_antibiotic",
    "immunocompromise",
)
COMPARISONS: tuple[Mapping[str, Any], ...] = (
    {"name": "upper against lower", "first": list(UPPER), "second": list(LOWER)},
    {"name": "capsule against lower", "first": list(CAPSULE), "second": list(LOWER)},
    {"name": "capsule against upper", "first": list(CAPSULE), "second": list(UPPER)},
)


@dataclass(frozen=True)
class Settings:
    """Choices of the effects: each is written in the analysis file before the data are locked.

    ``covariates`` of the models of predictors and ``balanced`` of the weights are known at index.
    ``comparisons`` are tables of a ``name`` and two groups of routes, ``first`` and ``second``.
    ``donor_landmark`` is when donors are judged, ``cdi_landmark`` for C. difficile infection. Donors are
    compared within indication × route × ``period_years`` calendar years × course number. ``prior_null``,
    ``effect_sds``, ``claim_odds_ratio`` and ``claim_at`` as :class:`donors.DonorPrior`. Levels of fewer than
    ``at_least`` patients are put together; a model needs ``events_per_column`` of the rarer outcome for each
    column. ``n_imputations`` 0 leaves the imputed models out.
    """

    covariates: tuple[str, ...] = COVARIATES
    balanced: tuple[str, ...] = BALANCED
    comparisons: tuple[Mapping[str, Any], ...] = COMPARISONS
    donor_landmark: str = "M3"
    cdi_landmark: str = "W8"
    period_years: int = 2
    prior_null: float = 0.5
    effect_sds: tuple[float, ...] = (0.25, 0.5, 1.0)
    claim_odds_ratio: float = 1.5
    claim_at: float = 0.95
    n_permutations: int = 999
    at_least: int = 10
    events_per_column: int = 3
    least_effective: float = 10.0
    n_imputations: int = 5
    n_iterations: int = 5

    def __post_init__(self) -> None:
        known_covariates(self.covariates)
        known_covariates(self.balanced)
        for comparison in self.comparisons:
            _check_comparison(comparison)
        for name in ("donor_landmark", "cdi_landmark"):
            if getattr(self, name) not in landmarks():
                raise InputError(
                    f"{name} is {getattr(self, name)!r}", expected=nearest(getattr(self, name), landmarks())
                )
        for name, least in (("period_years", 1), ("n_permutations", 999), ("at_least", 1)):
            _at_least(name, getattr(self, name), least)
        for name in ("events_per_column", "least_effective", "n_imputations", "n_iterations"):
            _at_least(name, getattr(self, name), 0)
        if self.n_imputations == 1:
            raise InputError("n_imputations is 1", expected="0 for none, or 2 or more", do="take 5")
        _ = self.prior

    @property
    def prior(self) -> DonorPrior:
        """What is held possible of donors before any outcome."""
        return DonorPrior(self.prior_null, tuple(self.effect_sds), self.claim_odds_ratio, self.claim_at)


def _at_least(name: str, value: float, least: float) -> None:
    if not value >= least:
        raise InputError(f"{name} is {value}", expected=f"{least} or more", do="change the analysis file")


def _check_comparison(comparison: Mapping[str, Any]) -> None:
    missing = [key for key in ("name", "first", "second") if not comparison.get(key)]
    if missing or len(comparison) != 3:
        raise InputError(
            f"the comparison {dict(comparison)} is incomplete",
            expected="name, first and second, the last two lists of routes",
        )
    known = [entry.code for entry in routes()]
    given = [*comparison["first"], *comparison["second"]]
    for route in given:
        if route not in known:
            raise InputError(f"there is no route {route!r}", expected=nearest(route, known))
    if len(set(given)) < len(given):
        raise InputError(
            f"a route of {comparison['name']!r} is named twice", expected="each route in one group"
        )
