"""Outcomes imputed through the whole recorded course of the disease."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from commensal.evidence.covariates import COVARIATES
from commensal.evidence.missing.imputation import Imputed, impute
from commensal.evidence.missing.panel import SUCCEEDED, Panel, Target
from commensal.evidence.missing.settings import EVENTS, Settings

Array = np.ndarray

RARE_LEVEL = 20
PER_COLUMN = 5
RECORDED = 0.2  # share of those due with a state, for a visit to enter the course
KIND = {c.name: c.kind for c in COVARIATES}


@dataclass(frozen=True, eq=False)
class Model:
    """One imputation model: its name, the indications imputed together, and the completed versions."""

    name: str
    indications: tuple[str, ...]
    imputed: Imputed


def imputed_outcomes(
    panel: Panel,
    targets: Sequence[Target],
    *,
    leaving: Array,
    settings: Settings,
    seed: int,
    processes: int = 1,
) -> tuple[dict[int, Array], list[Model]]:
    """Return the completed outcomes (m, r) of every target, by its place in ``targets``, and the models.

    ``leaving`` (n, k) is everybody's chance of leaving before each visit, had nothing else happened: who
    failed on the way to a visit is known to have failed, who did well is known only if there at the visit,
    so that failures count for less in the models of the state.

    Endpoints with fewer than ``least_observed`` observed outcomes at a landmark are left out there. Patients
    not yet due are imputed as part of the course and counted nowhere.
    """
    asked = _asked(targets, settings)
    models, completed = [], {}
    for number, codes in enumerate(_groups([targets[i] for i in asked], settings)):
        mine = [i for i in asked if targets[i].indication in codes]
        rows = np.unique(np.concatenate([_members(panel, codes), *(targets[i].rows for i in mine)]))
        table = _table(panel, [targets[i] for i in mine], rows, codes, settings)
        made = impute(
            table.frame,
            kinds=table.kinds,
            m=settings.imputations,
            iterations=settings.iterations,
            donors=settings.donors,
            predictors=table.predictors,
            weights=_weights(panel, rows, leaving, [n for n in table.columns if n.startswith("state ")]),
            seed=int(np.random.SeedSequence((seed, number)).generate_state(1)[0]),
            processes=processes,
        )
        models.append(Model("course of " + ", ".join(codes), codes, made))
        for i in mine:
            completed[i] = _completed(made, targets[i], rows, is_own=targets[i].landmark in table.own)
    return completed, models


def _asked(targets: Sequence[Target], settings: Settings) -> list[int]:
    """Targets with something observed whose endpoint, over its indications, has enough of it."""
    n_observed = [int((~np.isnan(t.outcome)).sum()) for t in targets]
    total: dict[tuple[str, str, str], int] = {}
    keys = [(t.endpoint, t.landmark, t.population) for t in targets]
    for key, n in zip(keys, n_observed, strict=True):
        total[key] = total.get(key, 0) + n
    return [i for i, key in enumerate(keys) if n_observed[i] and total[key] >= settings.least_observed]


def _groups(targets: Sequence[Target], settings: Settings) -> list[tuple[str, ...]]:
    """Indications imputed alone where they are large enough, the others together."""
    codes = sorted({t.indication for t in targets})
    sizes = {
        code: len(np.unique(np.concatenate([t.rows for t in targets if t.indication == code])))
        for code in codes
    }
    alone = [(code,) for code in codes if sizes[code] >= settings.least_alone]
    together = tuple(code for code in codes if sizes[code] < settings.least_alone)
    return [*alone, together] if together else alone


def _members(panel: Panel, codes: Sequence[str]) -> Array:
    """Everybody of the population, due or not: who is not yet due at five years still tells of one year."""
    mine = panel.patients["indication"].is_in(list(codes)).to_numpy()
    counts = panel.patients.select(pl.col("is_active").fill_null(False)).to_series().to_numpy()
    return np.flatnonzero(mine & counts)


@dataclass(eq=False)
class Table:
    """A table to impute while it is put together: columns, their kinds, and who predicts whom; ``own`` are
    the landmarks whose outcome is a column of its own."""

    columns: dict[str, pl.Series]
    kinds: dict[str, str]
    predictors: dict[str, list[str]]
    own: set[str]

    @property
    def frame(self) -> pl.DataFrame:
        """The columns side by side."""
        return pl.DataFrame(self.columns)

    def afford(self, name: str, *, always: Sequence[str], wanted: Sequence[str]) -> None:
        """Let ``always`` predict a column, and of ``wanted``, in their order, as many as its data can carry.

        At PER_COLUMN patients of the rarest level a coefficient: with fewer, what is drawn of the
        coefficients is mostly noise, which pulls every imputed chance toward one half.
        """
        counts = self.columns[name].drop_nulls().value_counts()["count"].to_numpy()
        left = int(counts.min(initial=len(self.columns[name]))) // PER_COLUMN - sum(
            self._cost(c) for c in always
        )
        chosen = list(always)
        for column in wanted:
            if self._cost(column) <= left:
                left -= self._cost(column)
                chosen.append(column)
        self.predictors[name] = chosen

    def _cost(self, name: str) -> int:
        return 1 if self.kinds[name] == "continuous" else self.columns[name].drop_nulls().n_unique() - 1


def _table(
    panel: Panel, targets: Sequence[Target], rows: Array, codes: Sequence[str], settings: Settings
) -> Table:
    """What is imputed together: covariates, the state at every visit, outcomes that it does not tell."""
    base, kinds = _baseline(panel, rows, codes, settings)
    made = Table({c: base[c] for c in base.columns}, kinds, {}, set())
    states = _states(panel, targets, rows, settings)
    names = ["state " + panel.visits[j] for j in states]
    for j, name in zip(states, names, strict=True):
        made.columns[name] = pl.Series(name, panel.state[rows, j], nan_to_null=True)
        # Not ordered: with proportional odds a response short of success turns into success too easily.
        made.kinds[name] = "nominal"
    for landmark in dict.fromkeys(t.landmark for t in targets):
        outcome = _spread([t for t in targets if t.landmark == landmark], rows)
        visit = panel.visits.index(landmark)
        if visit in states and _says(panel.state[rows, visit], outcome):
            made.columns["state " + landmark] = _with_outcome(made.columns["state " + landmark], outcome)
            continue
        made.own.add(landmark)
        name = "outcome " + landmark
        made.columns[name], made.kinds[name] = pl.Series(name, outcome, nan_to_null=True), "binary"
        near = [n for n, j in zip(names, states, strict=True) if j in (visit - 1, visit)]
        made.afford(name, always=near[-1:], wanted=[*near[:-1], *base.columns])
    for k, name in enumerate(names):
        made.afford(
            name,
            always=names[max(k - 1, 0) : k],
            wanted=[*base.columns[:1], *names[k + 1 : k + 2], *base.columns[1:]],
        )
    course = [n for n in made.columns if n.startswith(("state ", "outcome "))]
    made.columns |= _events(panel, rows)
    made.kinds |= {"event": "binary", "cumulative hazard": "continuous"}
    for name in base.columns:
        made.predictors[name] = [
            c for c in (*base.columns, *course, "event", "cumulative hazard") if c != name
        ]
    return made


def _states(panel: Panel, targets: Sequence[Target], rows: Array, settings: Settings) -> list[int]:
    """Visits whose state enters: the landmarks asked, and others up to the last where enough is recorded."""
    asked = {t.visit for t in targets}
    known = (~np.isnan(panel.state[rows])).sum(axis=0)
    due = panel.is_due[rows].sum(axis=0)
    return [
        j
        for j in range(max(asked) + 1)
        if (j in asked and known[j]) or known[j] >= max(settings.least_observed, RECORDED * due[j])
    ]


def _weights(panel: Panel, rows: Array, leaving: Array, names: Sequence[str]) -> dict[str, Array]:
    """Weights of the newly failed in the model of each state: (1 − p) / (1 − p · f), f the share of the
    interval that had passed, p the chance of leaving in it; leaving is as likely on one day as on another."""
    opens = panel.open[rows]
    start = np.concatenate([np.zeros((len(rows), 1)), opens[:, :-1]], axis=1)
    failed = panel.failed[rows, None]
    fresh = (failed < opens) & (failed >= start)
    passed = np.where(fresh, (np.where(fresh, failed, 0) - start) / np.maximum(opens - start, 1), 0.0)
    p = leaving[rows]
    weights = np.where(fresh, (1 - p) / (1 - p * passed), 1.0)
    return {name: weights[:, panel.visits.index(name.removeprefix("state "))] for name in names}


def _says(state: Array, outcome: Array) -> bool:
    """Whether the state at the landmark's visit tells the outcome in everybody with both."""
    both = ~np.isnan(state) & ~np.isnan(outcome)
    return bool(both.any() and ((state[both] == SUCCEEDED) == (outcome[both] == 1)).all())


def _with_outcome(state: pl.Series, outcome: Array) -> pl.Series:
    """Where the outcome is known without the state (a failure for good), it is the state."""
    known = pl.Series(
        np.where(outcome == 1, SUCCEEDED, np.where(outcome == 0, 0.0, np.nan)), nan_to_null=True
    )
    return state.fill_null(known) if not known.is_null().all() else state


def _spread(targets: Sequence[Target], rows: Array) -> Array:
    found = np.full(len(rows), np.nan)
    for target in targets:
        found[np.searchsorted(rows, target.rows)] = target.outcome
    return found


def _baseline(
    panel: Panel, rows: Array, codes: Sequence[str], settings: Settings
) -> tuple[pl.DataFrame, dict[str, str]]:
    names = [c for c in settings.covariates if c != "indication"]
    names = ["indication", *names] if len(codes) > 1 else names
    frame = panel.patients[rows].select(names)
    kept: dict[str, pl.Series] = {}
    for name in names:
        values = frame[name]
        if KIND[name] in ("nominal", "ordered"):
            values = _lumped(values)
        if values.drop_nulls().n_unique() > 1:
            kept[name] = values
    return pl.DataFrame(kept), {n: KIND[n] if KIND[n] != "ordered" else "nominal" for n in kept}


def _lumped(values: pl.Series) -> pl.Series:
    """Levels of fewer than RARE_LEVEL patients put together."""
    counts = dict(values.drop_nulls().value_counts().iter_rows())
    rare = [level for level, n in counts.items() if n < RARE_LEVEL]
    return values.replace(rare, ["other"] * len(rare)) if rare else values


def _events(panel: Panel, rows: Array) -> dict[str, pl.Series]:
    """Whether an intercurrent event is recorded, and the cumulative hazard when follow-up of it ended.

    They stand in the models of the covariates (White & Royston 2009). In a model of the outcome they would
    not: the hazard of who left early lies outside that of all who were seen.
    """
    days = (
        panel.patients[rows]
        .select(pl.min_horizontal(f"days_to_{e}" for e in EVENTS).cast(pl.Float64))
        .to_series()
    )
    event = days.is_not_null().to_numpy()
    time = np.where(event, days.fill_null(0.0).to_numpy(), panel.seen[rows])
    moments, place = np.unique(time, return_inverse=True)
    n_events = np.bincount(place, weights=event, minlength=len(moments))
    n_risk = len(time) - np.r_[0, np.cumsum(np.bincount(place, minlength=len(moments)))[:-1]]
    hazard = np.cumsum(n_events / n_risk)[place]
    return {"event": pl.Series("event", event), "cumulative hazard": pl.Series("cumulative hazard", hazard)}


def _completed(made: Imputed, target: Target, rows: Array, *, is_own: bool) -> Array:
    """(m, r): the outcome of every due patient in every imputation; what was observed stays."""
    at = np.searchsorted(rows, target.rows)
    name = ("outcome " if is_own else "state ") + target.landmark
    drawn = np.array([made.stored(name, i)[at] for i in range(made.m)])
    success = (drawn == (1.0 if is_own else SUCCEEDED)).astype(float)
    return np.where(np.isnan(target.outcome), success, target.outcome)
