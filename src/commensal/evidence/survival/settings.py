"""Choices of the time-to-event analysis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from commensal.errors import InputError, nearest
from commensal.evidence.covariates import known_covariates
from commensal.vocabulary.windows import landmarks


@dataclass(frozen=True)
class Settings:
    """Choices of the time-to-event analysis, checked at birth.

    ``covariates``: names of :data:`covariates.COVARIATES` in the hazard models. ``least_group``: a route or
    cohort with fewer patients under observation is in no curve or comparison; ``least_curve``: the same for a
    whole indication. ``events_per_parameter``: with fewer events for each coefficient a model is refused.
    ``horizons``: landmarks up to which time in remission and sustained remission are reported.
    ``is_truncated_at_consent``: whether the use of records needed the patient alive at consent, so that
    retrospective and ambispective patients enter at consent (late entry). ``ties``: efron or breslow.

    Refuses (InputError) unknown names, covariates measured after index, and counts below their least.
    """

    covariates: Sequence[str] = ("age_at_index_years", "sex", "baseline_severity")
    least_group: int = 20
    least_curve: int = 5
    events_per_parameter: int = 10
    horizons: Sequence[str] = ("Y1", "Y5")
    is_truncated_at_consent: bool = False
    ties: str = "efron"

    def __post_init__(self) -> None:
        for name in ("covariates", "horizons"):
            value = getattr(self, name)
            if isinstance(value, str) or not isinstance(value, tuple | list):
                raise _wrong(name, value, "a list of names")
            object.__setattr__(self, name, tuple(value))
        known_covariates(self.covariates)
        for horizon in self.horizons:
            if horizon not in landmarks():
                raise _wrong("horizons", horizon, nearest(str(horizon), landmarks()))
        for name, least in (("least_group", 2), ("least_curve", 2), ("events_per_parameter", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise _wrong(name, value, f"a whole number of {least} or more")
        if not isinstance(self.is_truncated_at_consent, bool):
            raise _wrong("is_truncated_at_consent", self.is_truncated_at_consent, "true or false")
        if self.ties not in ("efron", "breslow"):
            raise _wrong("ties", self.ties, "efron or breslow")


def _wrong(name: str, value: object, expected: str) -> InputError:
    return InputError(
        f"setting {name} of the time-to-event analysis is {value!r}",
        expected=expected,
        do="correct it in the analysis file, or leave it out for the default",
    )
