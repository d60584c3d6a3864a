"""One score in one indication: who should have it, at which landmark, against which baseline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from commensal.evidence.assessed import MARKERS, Assessed, needed_columns
from commensal.evidence.ground import Ground
from commensal.evidence.landmarks import closest
from commensal.evidence.longitudinal.settings import Settings
from commensal.vocabulary.instruments.declaration import Criterion, Instrument, Score, instrument

# Not scores of a patient's state: laboratory values, and the events of C. difficile infection.
NOT_SCORES = (*MARKERS, "rcdi_recurrence")
HALF_A_DEVIATION = 0.5
HALF_SOURCE = "half a standard deviation of the baseline, Norman 2003 doi:10.1097/01.MLR.0000062554.74615.4C"


@dataclass(frozen=True)
class Measured:
    """One score of one instrument among the patients of one indication.

    ``patients`` has one row per patient the instrument is meant for: patient_id, arm, is_comparator,
    baseline, is_active (by the instrument; null unknown) and index_route. ``rows`` has one per patient and
    landmark: these, and landmark, target, close, is_due, day, value, change, response, worsening, has_died.
    ``deviation`` is the standard deviation of the baseline, null where it is unknown or zero.
    ``response_rule`` and ``worsening_rule`` say how those were told, None where they were not.
    """

    indication: str
    instrument: Instrument
    score: Score
    patients: pl.DataFrame
    rows: pl.DataFrame
    deviation: float | None
    n_of_another_age: int
    response_rule: str | None
    worsening_rule: str | None

    @property
    def name(self) -> str:
        """The score's name inside the names of endpoints."""
        return f"{self.instrument.code}_{self.score.code}"

    @property
    def unit(self) -> str:
        """The score's unit; points where it has none."""
        return self.score.unit or "points"

    @property
    def worse(self) -> int:
        """+1 where a higher score is worse, −1 where it is better."""
        return -1 if self.instrument.direction == "higher_better" else 1

    @property
    def has_active(self) -> bool:
        """Whether the instrument says when disease is active."""
        return _criterion(self.instrument, self.score, "active") is not None


def measured_scores(ground: Ground, *, settings: Settings) -> Iterator[Measured]:
    """Every score recorded in every indication of the study, in order of indication and instrument."""
    patients = ground.cohort.filter(pl.col("is_treated") | pl.col("is_comparator"))
    for indication in patients["indication"].drop_nulls().unique().sort():
        mine = patients.filter(pl.col("indication") == indication)
        for code, assessed in sorted(ground.records.assessed.items()):
            if code in NOT_SCORES or (settings.instruments and code not in settings.instruments):
                continue
            for score in _scores(instrument(code), settings):
                recorded = assessed.visits.filter(pl.col(score.code).is_not_null())
                if mine.join(recorded, on="patient_id", how="semi").height:
                    yield _measured(ground, mine, assessed, instrument(code), score, indication, settings)


def _scores(declared: Instrument, settings: Settings) -> list[Score]:
    if declared.direction == "neither":
        return []
    more = [both.partition(".")[2] for both in settings.scores if both.startswith(declared.code + ".")]
    return [declared.score(code) for code in dict.fromkeys([declared.primary, *more])]


def _measured(
    ground: Ground,
    patients: pl.DataFrame,
    assessed: Assessed,
    declared: Instrument,
    score: Score,
    indication: str,
    settings: Settings,
) -> Measured:
    meant = _meant_for(patients, declared, assessed)
    baseline = _baseline(assessed, declared, score)
    known = meant.select("patient_id", "arm", "is_comparator", "days_to_death").join(
        baseline, on="patient_id", how="left"
    )
    route = ground.covariates.select("patient_id", "index_route")
    known = known.join(route, on="patient_id", how="left").sort("patient_id")
    treated = known.filter(~pl.col("is_comparator"))["baseline"].drop_nulls()
    spread = treated.std() if treated.len() > 1 else None
    deviation = float(spread) if isinstance(spread, float) and spread > 0 else None
    response = _rule(declared, score, "response", deviation, settings)
    worsening = _rule(declared, score, "worsening", deviation, settings)
    rows = _rows(ground, known, assessed, score, response, worsening)
    words = [rule[1] if rule else None for rule in (response, worsening)]
    left = patients.filter(~pl.col("is_comparator")).height - treated_count(meant)
    return Measured(indication, declared, score, known, rows, deviation, left, words[0], words[1])


def treated_count(patients: pl.DataFrame) -> int:
    """How many of the patients were treated."""
    return patients.filter(~pl.col("is_comparator")).height


def _meant_for(patients: pl.DataFrame, declared: Instrument, assessed: Assessed) -> pl.DataFrame:
    """Patients of an age the instrument is valid at; of unknown age, those in whom it was recorded."""
    age = pl.col("age_at_index_years")
    valid = pl.lit(True)
    if declared.age_from is not None:
        valid &= age >= declared.age_from
    if declared.age_below is not None:
        valid &= age < declared.age_below
    recorded = assessed.visits.select("patient_id").unique().with_columns(is_recorded=True)
    marked = patients.join(recorded, on="patient_id", how="left")
    told = pl.when(age.is_null()).then(pl.col("is_recorded").fill_null(False)).otherwise(valid)
    return marked.filter(told)


def _baseline(assessed: Assessed, declared: Instrument, score: Score) -> pl.DataFrame:
    active = _criterion(declared, score, "active")
    found = pl.col(active.code) if active else pl.lit(None, dtype=pl.Boolean)
    known = assessed.baseline.filter(pl.col(score.code).is_not_null())
    return known.select("patient_id", baseline=pl.col(score.code).cast(pl.Float64), is_active=found)


def _criterion(declared: Instrument, score: Score, kind: str) -> Criterion | None:
    """The first rule of a kind that reads this score."""
    rules = declared.criteria_of(kind)
    return next((rule for rule in rules if score.code in needed_columns(declared, rule.code)), None)


def _rule(
    declared: Instrument, score: Score, kind: str, deviation: float | None, settings: Settings
) -> tuple[pl.Expr, str] | None:
    """How response or worsening is told: by the instrument's rule, else by an important difference."""
    own = _criterion(declared, score, kind)
    if own is not None:
        needed = needed_columns(declared, own.code)
        complete = pl.all_horizontal(pl.col(column).is_not_null() for column in needed)
        return pl.when(complete).then(pl.col(own.code)), f"{own.label} ({own.source})"
    given = settings.important_difference(declared.code)
    if given is None and deviation is None:
        return None
    points, source = given or (HALF_A_DEVIATION * float(deviation or 0), HALF_SOURCE)
    towards = 1 if (declared.direction == "higher_better") == (kind == "response") else -1
    change = pl.col(score.code) - pl.col("baseline:" + score.code)
    verb = "up" if towards > 0 else "down"
    return change * towards >= points, f"{verb} by {points:.3g} or more ({source})"


def _rows(
    ground: Ground,
    patients: pl.DataFrame,
    assessed: Assessed,
    score: Score,
    response: tuple[pl.Expr, str] | None,
    worsening: tuple[pl.Expr, str] | None,
) -> pl.DataFrame:
    nothing = pl.lit(None, dtype=pl.Boolean)
    told = assessed.visits.select(
        "patient_id",
        pl.col("day").cast(pl.Int64),
        value=pl.col(score.code).cast(pl.Float64),
        response=response[0] if response else nothing,
        worsening=worsening[0] if worsening else nothing,
    )
    due = ground.records.due.join(patients.select("patient_id"), on="patient_id", how="semi")
    at = closest(told, due, value="value").select(
        "patient_id", "landmark", "day", "value", "response", "worsening"
    )
    rows = due.join(patients, on="patient_id").join(at, on=["patient_id", "landmark"], how="left")
    return rows.with_columns(
        change=pl.col("value") - pl.col("baseline"),
        has_died=(pl.col("days_to_death") <= pl.col("close")).fill_null(False),
    ).sort("patient_id", "target")
