"""The parts of a run: each an analysis that writes result tables, none needs another.

Some read nothing but the study: other processes begin with them while the ground of the rest is laid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future

import polars as pl
from threadpoolctl import threadpool_limits

from commensal.engine import Shared, Workers
from commensal.evidence.effects import predictors
from commensal.evidence.ground import Ground
from commensal.evidence.longitudinal import quality_of_life
from commensal.evidence.missing import missing_outcomes
from commensal.evidence.monitoring import monitoring
from commensal.evidence.participants import participants
from commensal.evidence.prediction import prediction_models
from commensal.evidence.remission import missingness, not_defined, on_treatment, remission
from commensal.evidence.reported import reported_outcomes
from commensal.evidence.safety import safety
from commensal.evidence.survival import time_to_event
from commensal.microbiome import attribute, complementarity_given, dysbiosis, identify, ordinate
from commensal.programme.analysis import Analysis
from commensal.programme.communities import panel
from commensal.study import Study

Tables = dict[str, pl.DataFrame]
OnStudy = Callable[[Study, Analysis], Tables]
OnGround = Callable[[Ground, Analysis], Tables]


def _remission(ground: Ground, analysis: Analysis) -> Tables:
    cohort, due, level = ground.cohort, ground.records.due, analysis.level
    estimates = [
        remission(ground.outcomes, level=level),
        not_defined(cohort, due, landmarks=ground.landmarks),
        on_treatment(cohort, due, level=level),
        reported_outcomes(ground.study, cohort, level=level),
    ]
    return {"estimates": pl.concat(estimates), "missingness": missingness(ground.outcomes)}


def _room(name: str, entry: Callable[..., Tables]) -> OnGround:
    def run(ground: Ground, analysis: Analysis) -> Tables:
        return entry(
            ground,
            settings=analysis.sections[name],
            level=analysis.level,
            seed=analysis.seed,
            processes="spark" if ground.study.engine == "spark" else 1,
        )

    return run


def _engraftment(study: Study, analysis: Analysis) -> Tables:
    drawn = analysis.sections["engraftment"].rarefy_to or None
    return panel(study, seed=analysis.seed, level=analysis.level, rarefy_to=drawn)


# Both in the order their rows stand in the tables, those on the ground first.
ON_GROUND: Mapping[str, OnGround] = {
    "participants": _room("participants", participants),
    "remission": _remission,
    "missing data": _room("missing", missing_outcomes),
    "time to event": _room("survival", time_to_event),
    "safety": _room("safety", safety),
    "scores": _room("longitudinal", quality_of_life),
    "predictors": _room("effects", predictors),
    "prediction models": _room("prediction", prediction_models),
    "monitoring": _room("monitoring", monitoring),
}
ON_STUDY: Mapping[str, OnStudy] = {
    "engraftment": _engraftment,
    "sources of the communities": lambda s, a: {"attributions": attribute(s, level=a.level)},
    "whose sample is whose": lambda s, a: {"identity": identify(s, seed=a.seed)},
    "against the reference": lambda s, a: dysbiosis(s, level=a.level, seed=a.seed),
    "the plane of the communities": lambda s, _a: {"ordination": ordinate(s)},
    "what the stool had to offer": lambda s, _a: {"complementarity": complementarity_given(s)},
}
PARTS = (*ON_GROUND, *ON_STUDY)
# The longest first, so that the processes end together.
BY_LENGTH = (
    "sources of the communities",
    "prediction models",
    "missing data",
    "predictors",
    "whose sample is whose",
    "engraftment",
    "safety",
    "scores",
)

Begun = dict[str, Future[Tables]]


def begin_on_study(study: Study, analysis: Analysis, *, team: Workers) -> Begun:
    """Give the parts that read nothing but the study to the workers; the others begin at once."""
    return {name: team.give(_on_study, name, study, analysis) for name in _by_length(ON_STUDY)}


def begin_on_ground(ground: Ground, analysis: Analysis, *, team: Workers) -> Begun:
    """Give the parts that read the ground to the workers."""
    shared = team.share(ground)
    return {name: team.give(_on_ground, name, shared, analysis) for name in _by_length(ON_GROUND)}


def finished(begun: Begun, *, team: Workers, on_done: Callable[[int], None] | None = None) -> Tables:
    """Work on the parts until all are done; return the tables, their rows in the order of :data:`PARTS`.

    The tables do not depend on who made them. ``on_done`` is called with the number of parts that are done.
    """
    made: dict[str, Tables] = {}
    for name, tables in zip(begun, team.results(list(begun.values())), strict=True):
        made[name] = tables
        if on_done is not None:
            on_done(sum(part.done() for part in begun.values()))
    return stacked([made[name] for name in PARTS])


def _by_length(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: BY_LENGTH.index(name) if name in BY_LENGTH else len(BY_LENGTH))


def _on_study(name: str, study: Study, analysis: Analysis) -> Tables:
    return _run_part(name, lambda: ON_STUDY[name](study, analysis))


def _on_ground(name: str, ground: Shared[Ground], analysis: Analysis) -> Tables:
    return _run_part(name, lambda: ON_GROUND[name](ground.value, analysis))


def _run_part(name: str, part: Callable[[], Tables]) -> Tables:
    # Small matrices: threads of the linear algebra cost more than they save, and sums depend on their number.
    with threadpool_limits(limits=1, user_api="blas"):
        try:
            return part()
        except Exception as error:
            error.add_note(f"in the part: {name}")
            raise


def stacked(parts: Sequence[Tables]) -> Tables:
    """The tables of several parts as one of each name."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: pl.concat([part[name] for part in parts if name in part]) for name in names}
