"""The parts of a run: each an analysis that reads the ground and writes result tables, none needs another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from commensal import engine
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
from commensal.microbiome import attribute, dysbiosis, identify, ordinate
from commensal.programme.analysis import Analysis
from commensal.programme.communities import panel

Tables = dict[str, pl.DataFrame]
Part = Callable[[Ground, Analysis], Tables]


def _remission(ground: Ground, analysis: Analysis) -> Tables:
    cohort, due, level = ground.cohort, ground.records.due, analysis.level
    estimates = [
        remission(ground.outcomes, level=level),
        not_defined(cohort, due, landmarks=ground.landmarks),
        on_treatment(cohort, due, level=level),
        reported_outcomes(ground.study, cohort, level=level),
    ]
    return {"estimates": pl.concat(estimates), "missingness": missingness(ground.outcomes)}


def _room(name: str, entry: Callable[..., Tables]) -> Part:
    def run(ground: Ground, analysis: Analysis) -> Tables:
        return entry(
            ground,
            settings=analysis.sections[name],
            level=analysis.level,
            seed=analysis.seed,
            processes="spark" if ground.study.engine == "spark" else 1,
        )

    return run


def _engraftment(ground: Ground, analysis: Analysis) -> Tables:
    drawn = analysis.sections["engraftment"].rarefy_to or None
    return panel(ground.study, seed=analysis.seed, level=analysis.level, rarefy_to=drawn)


# In the order their rows stand in the tables.
PARTS: Mapping[str, Part] = {
    "participants": _room("participants", participants),
    "remission": _remission,
    "missing data": _room("missing", missing_outcomes),
    "time to event": _room("survival", time_to_event),
    "safety": _room("safety", safety),
    "scores": _room("longitudinal", quality_of_life),
    "predictors": _room("effects", predictors),
    "prediction models": _room("prediction", prediction_models),
    "monitoring": _room("monitoring", monitoring),
    "engraftment": _engraftment,
    "sources of the communities": lambda g, a: {"attributions": attribute(g.study, level=a.level)},
    "whose sample is whose": lambda g, a: {"identity": identify(g.study, seed=a.seed)},
    "against the reference": lambda g, a: dysbiosis(g.study, level=a.level, seed=a.seed),
    "the plane of the communities": lambda g, _a: {"ordination": ordinate(g.study)},
}
# The longest first, so that two workers end together.
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

# Starting workers takes longer than the analyses of fewer patients.
FEW = 500


def run_parts(
    ground: Ground,
    analysis: Analysis,
    *,
    processes: int = 1,
    on_done: Callable[[int], None] | None = None,
) -> Tables:
    """Run every part and return the result tables; the rows stand in the order of :data:`PARTS`.

    The tables do not depend on ``processes`` (0: all cores). A study on Spark is run part by part here, and
    each part spreads its own work.
    """
    if ground.study.engine == "spark" or ground.cohort.height < FEW:
        processes = 1
    order = [*BY_LENGTH, *(name for name in PARTS if name not in BY_LENGTH)]
    items = [(name, ground, analysis) for name in order]
    made = engine.map(_run_part, items, seed=analysis.seed, processes=processes, on_done=on_done)
    by_name = dict(zip(order, made, strict=True))
    return stacked([by_name[name] for name in PARTS])


def _run_part(item: tuple[str, Ground, Analysis], _generator: np.random.Generator) -> Tables:
    name, ground, analysis = item
    # Small matrices: threads of the linear algebra cost more than they save, and sums depend on their number.
    with threadpool_limits(limits=1, user_api="blas"):
        return PARTS[name](ground, analysis)


def stacked(parts: Sequence[Tables]) -> Tables:
    """The tables of several parts as one of each name."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: pl.concat([part[name] for part in parts if name in part]) for name in names}
