"""Choices of how intercurrent events and missing outcomes are handled."""

from __future__ import annotations

from dataclasses import dataclass

from commensal.errors import InputError, nearest
from commensal.evidence.covariates import known_covariates

STRATEGIES = ("treatment_policy", "failure", "hypothetical")
EVENTS = ("retreatment", "rescue", "colectomy", "death")
COVARIATES = ("age_at_index_years", "sex", "index_route", "cohort", "baseline_severity")
DELTAS = (-3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)


@dataclass(frozen=True)
class Settings:
    """Estimands as data, and the numbers of the methods; each written before the data are locked.

    ``retreatment``, ``rescue``, ``colectomy`` and ``death`` have one strategy each: treatment_policy (the
    outcome counts whatever happened), failure (composite) or hypothetical (censored at the event, and
    weighted or imputed as if it had not happened). After death there is no treatment policy. Colectomy is a
    failure for colitis whatever stands here, since no colitis is left to be in remission.

    ``covariates`` stand in the models of staying and of the outcome, beside the recorded course of the
    disease. ``deltas`` are log odds of success added to the unobserved, 0 among them. Weights above the
    quantile ``truncate_at`` are cut to it; 1 cuts none. Groups with fewer than ``least_observed`` observed
    outcomes get no weighted or imputed estimate; indications with fewer than ``least_alone`` patients are
    imputed together, with the indication in the model. ``least_group`` patients due make a level of route,
    cohort or donor worth a row.

    Refuses (InputError) unknown strategies, numbers out of range, and covariates measured after index.
    """

    retreatment: str = "treatment_policy"
    rescue: str = "treatment_policy"
    colectomy: str = "failure"
    death: str = "failure"
    covariates: tuple[str, ...] = COVARIATES
    imputations: int = 20
    iterations: int = 5
    donors: int = 5
    deltas: tuple[float, ...] = DELTAS
    truncate_at: float = 1.0
    least_observed: int = 10
    least_alone: int = 150
    least_group: int = 20

    def __post_init__(self) -> None:
        for event in EVENTS:
            self._check_strategy(event, getattr(self, event))
        known_covariates(self.covariates)
        for name in ("imputations", "iterations", "donors", "least_observed", "least_alone", "least_group"):
            least = 2 if name == "imputations" else 1
            if not isinstance(getattr(self, name), int) or getattr(self, name) < least:
                raise _wrong(name, getattr(self, name), f"a whole number of {least} or more")
        if not 0.5 < self.truncate_at <= 1:
            raise _wrong("truncate_at", self.truncate_at, "a quantile above 0.5, or 1 to cut nothing")
        if 0 not in self.deltas or list(self.deltas) != sorted(set(self.deltas)):
            raise _wrong("deltas", self.deltas, "increasing numbers with 0 among them")

    def _check_strategy(self, event: str, value: str) -> None:
        if value == "principal":
            raise _wrong(
                event,
                value,
                "one of " + ", ".join(STRATEGIES) + "; who would not have had the event is unknown",
            )
        if value not in STRATEGIES:
            raise _wrong(event, value, nearest(str(value), STRATEGIES))
        if event == "death" and value == "treatment_policy":
            raise _wrong(event, value, "failure or hypothetical: there is no outcome after death")

    @property
    def words(self) -> str:
        """The strategies in words, as printed in the rows."""
        said = {
            "failure": "count as failures",
            "treatment_policy": "do not change what counts",
            "hypothetical": "are taken not to happen",
        }
        parts = []
        for strategy in ("failure", "hypothetical", "treatment_policy"):
            events = [e for e in EVENTS if getattr(self, e) == strategy]
            if events:
                parts.append(f"{' and '.join(events)} {said[strategy]}")
        return "; ".join(parts)


def _wrong(name: str, value: object, expected: str) -> InputError:
    return InputError(
        f"{name} = {value!r} in section [missing]", expected=expected, do="correct the analysis file"
    )
