"""What every handling of missing outcomes reads: patients by visits, as arrays.

The course of the disease is kept as a state at each visit, from whatever was recorded there: 2 success by the
primary endpoint, 1 a response (or another remission) short of it, 0 neither. It is history to condition on,
finer and more often known than the endpoint itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from commensal.evidence.ground import Ground
from commensal.evidence.landmarks import UNKNOWN_COHORT, closest, windows_of
from commensal.evidence.missing.settings import Settings
from commensal.evidence.outcomes import steroid_free, verdicts
from commensal.evidence.remission import studied_endpoints
from commensal.vocabulary.cure import CURE_DAYS
from commensal.vocabulary.endpoints import Endpoint, endpoints_for
from commensal.vocabulary.indications import is_within
from commensal.vocabulary.windows import landmarks

Array = np.ndarray

NEVER = np.inf
FAILED, RESPONDED, SUCCEEDED = 0.0, 1.0, 2.0
STATES = {"patient_id": pl.String, "day": pl.Int64, "state": pl.Float64, "told": pl.Boolean}
SPAN = 1e6  # longer than any follow-up in days


@dataclass(frozen=True, eq=False)
class Course:
    """Recorded states in order of patient and day: place in the panel, day, state; ``start`` (n,) at index;
    ``judged`` [row, day, success] where the primary endpoint itself was judged."""

    row: Array
    day: Array
    state: Array
    start: Array
    judged: pl.DataFrame

    def at(self, rows: Array, days: Array) -> Array:
        """The last state recorded on or before each day."""
        keys = self.row * SPAN + self.day
        place = np.searchsorted(keys, rows * SPAN + np.minimum(days, SPAN - 1), side="right") - 1
        if not len(keys):
            return self.start[rows]
        mine = (place >= 0) & (self.row[np.maximum(place, 0)] == rows)
        return np.where(mine, self.state[np.maximum(place, 0)], self.start[rows])


@dataclass(frozen=True, eq=False)
class Panel:
    """n patients by k scheduled visits after index, in order of time.

    ``patients`` has patient_id, indication, cohort, route, is_active (null unknown) and the covariates;
    ``state`` (n, k) is the state at the visit closest to the target inside its window, ``before`` (n, k) the
    last one recorded before the window opened (at index: 2 for C. difficile infection and disease in
    remission, else 0), NaN unknown. ``is_due``, ``open``, ``target`` and ``close`` (n, k). ``seen`` (n,) is
    the last day of contact, ``failed`` (n,) the day of an event that makes a failure whatever follows,
    ``censored`` (n,) of one taken not to happen; infinity for none.
    """

    patients: pl.DataFrame
    visits: tuple[str, ...]
    state: Array
    before: Array
    is_due: Array
    open: Array
    target: Array
    close: Array
    seen: Array
    failed: Array
    censored: Array
    course: Course

    @property
    def judged(self) -> pl.DataFrame:
        """[row, day, success] of every visit judged by the primary endpoint."""
        return self.course.judged

    def at_day(self, rows: Array, days: Array) -> Array:
        """The last state recorded on or before each day (at index where none was)."""
        return self.course.at(rows, days)

    @property
    def leaves(self) -> Array:
        """(n, k): this visit is the first without any contact on it or later."""
        gone = self.stayed_until[:, None] < self.open
        first = gone & ~np.concatenate([np.zeros((len(gone), 1), dtype=bool), gone[:, :-1]], axis=1)
        return first & self.at_risk

    @property
    def stayed_until(self) -> Array:
        """(n,): last day known to be in follow-up; a failure for good is known."""
        known = np.where(np.isfinite(self.failed), self.failed, self.seen)
        return np.minimum(np.maximum(self.seen, known), self.censored - 1)

    @property
    def at_risk(self) -> Array:
        """(n, k): due, still followed at the visit before, and without an event that ended the question."""
        stayed = self.stayed_until[:, None] >= self.open
        before = np.concatenate([np.ones((len(stayed), 1), dtype=bool), stayed[:, :-1]], axis=1)
        ended = (self.failed[:, None] <= self.close) & (self.failed < self.censored)[:, None]
        return self.is_due & before & ~(ended & (self.failed[:, None] < self.open))


@dataclass(frozen=True, eq=False)
class Target:
    """One primary endpoint at one landmark: the patients of its population that are due, and their outcome.

    ``rows`` (r,) are places in the panel; ``outcome`` (r,) 1, 0 or NaN where not observed; ``visit`` the
    column of the landmark.
    """

    endpoint: str
    landmark: str
    indication: str
    population: str
    is_steroid_free: bool
    visit: int
    rows: Array
    outcome: Array


def panel_of(ground: Ground, *, settings: Settings) -> Panel:
    """Read the treated patients with an indication into a panel."""
    patients = _patients(ground)
    grid = _grid(ground, patients)
    names = tuple(grid.sort("target").select("landmark").unique(maintain_order=True)["landmark"])
    states = _states(ground, patients)
    place = {name: j for j, name in enumerate(names)}
    row = {p: i for i, p in enumerate(patients["patient_id"])}
    shape = (patients.height, len(names))
    at = (
        np.array([row[p] for p in grid["patient_id"]], dtype=int),
        np.array([place[v] for v in grid["landmark"]], dtype=int),
    )
    opens, targets, closes = (np.full(shape, NEVER) for _ in range(3))
    for days, name in ((opens, "open"), (targets, "target"), (closes, "close")):
        days[at] = grid[name].to_numpy()
    due = np.zeros(shape, dtype=bool)
    due[at] = grid["is_due"].fill_null(False).to_numpy()
    failed, censored = _events(ground, patients, settings)
    course = _course(patients, states, row)
    inside = (
        closest(states, grid, value="state") if states.height else states.with_columns(landmark=pl.lit(""))
    )
    state = np.full(shape, np.nan)
    for patient, visit, value in inside.select("patient_id", "landmark", "state").iter_rows():
        state[row[patient], place[visit]] = value
    state[closes >= censored[:, None]] = np.nan
    state[(failed[:, None] < opens) & np.isfinite(failed)[:, None]] = FAILED
    return Panel(
        patients=patients,
        visits=names,
        state=state,
        before=_before(course, opens, failed),
        is_due=due,
        open=opens,
        target=targets,
        close=closes,
        seen=_seen(ground, patients),
        failed=failed,
        censored=censored,
        course=course,
    )


def targets_of(ground: Ground, panel: Panel) -> list[Target]:
    """The primary endpoints at the landmarks of the study, among those active at baseline (or not asked)."""
    row = {p: i for i, p in enumerate(panel.patients["patient_id"])}
    kept = ground.outcomes.filter(
        pl.col("is_primary")
        & ~pl.col("is_comparator")
        & pl.col("is_active")
        & pl.col("patient_id").is_in(list(row))
    )
    keys = ["indication", "endpoint", "landmark", "population", "is_steroid_free"]
    found = []
    for key, part in sorted(kept.partition_by(keys, as_dict=True).items(), key=lambda item: str(item[0])):
        due = part.filter(pl.col("is_due")).sort("patient_id")
        code, endpoint, landmark, population, free = key
        rows = np.array([row[p] for p in due["patient_id"]], dtype=int)
        visit = panel.visits.index(str(landmark))
        outcome = _outcome(due, rows, panel, visit)
        found.append(
            Target(str(endpoint), str(landmark), str(code), str(population), bool(free), visit, rows, outcome)
        )
    return found


def _outcome(due: pl.DataFrame, rows: Array, panel: Panel, visit: int) -> Array:
    """1, 0 or NaN: as observed, but for events (by the assessment, else the target) that have a strategy."""
    seen = due["success"].cast(pl.Float64).fill_null(np.nan).to_numpy().copy()
    day = due["day"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    until = np.where(np.isnan(day), panel.target[rows, visit], day)
    failed, censored = panel.failed[rows], panel.censored[rows]
    seen[censored <= until] = np.nan
    seen[(failed <= until) & (failed < censored)] = 0.0
    return seen


def _patients(ground: Ground) -> pl.DataFrame:
    primary = ground.outcomes.filter(pl.col("is_primary") & ~pl.col("is_comparator"))
    active = primary.group_by("patient_id").agg(
        pl.col("is_active").drop_nulls().first(), asks=pl.col("population").str.starts_with("active").any()
    )
    names = ["patient_id", "indication", "cohort", "route", "last_planned_day", "end_day"]
    days = [f"days_to_{event}" for event in ("death", "colectomy", "rescue", "retreatment")]
    covariates = ground.covariates.drop(
        [n for n in names if n in ground.covariates.columns and n != "patient_id"]
    )
    return (
        ground.treated.filter(pl.col("indication").is_not_null())
        .select(*names, *days)
        .join(active, on="patient_id")
        .join(covariates, on="patient_id", how="left")
        .sort("patient_id")
    )


def _grid(ground: Ground, patients: pl.DataFrame) -> pl.DataFrame:
    """[patient_id, landmark, target, open, close, is_due] of every scheduled visit after index."""
    who = ground.cohort.select("patient_id", "cut_day", cohort=pl.col("cohort").fill_null(UNKNOWN_COHORT))
    plain = (
        who.join(patients.select("patient_id"), on="patient_id", how="semi")
        .join(windows_of().filter(pl.col("target") > 1), on="cohort")
        .with_columns(is_due=pl.col("close") <= pl.col("cut_day"))
        .select("patient_id", "landmark", "target", "open", "close", "is_due")
    )
    # The landmarks' own windows may differ from the vocabulary's; theirs count.
    own = ground.records.due.join(patients.select("patient_id"), on="patient_id", how="semi")
    rest = plain.join(own, on=["patient_id", "landmark"], how="anti")
    return pl.concat([own.select(plain.columns), rest], how="vertical_relaxed").sort("patient_id", "target")


def _states(ground: Ground, patients: pl.DataFrame) -> pl.DataFrame:
    """[patient_id, day, state] of every visit at which something clinical was recorded; sorted."""
    parts = [pl.DataFrame(schema=STATES)]
    for code in patients["indication"].unique().sort():
        mine = ground.cohort.join(patients.filter(pl.col("indication") == code), on="patient_id", how="semi")
        if is_within(code, "cdi"):
            parts.append(_cdi_states(ground, mine))
            continue
        primary = [
            e
            for e in studied_endpoints(mine, landmarks=landmarks())
            if e.is_primary and e.measure is not None
        ]
        if primary:
            parts.append(_clinical_states(ground, mine, primary[-1]))
    return pl.concat(parts).sort("patient_id", "day")


def _cdi_states(ground: Ground, mine: pl.DataFrame) -> pl.DataFrame:
    """C. difficile infection: well until the first recurrence, and not again."""
    first = ground.records.cdi.select("patient_id", "first_recurrence_day")
    visits = ground.records.visits.filter(pl.col("day") > 0).join(
        mine.select("patient_id"), on="patient_id", how="semi"
    )
    fails = (pl.col("first_recurrence_day") <= pl.col("day")).fill_null(False)
    state = pl.when(fails).then(FAILED).otherwise(SUCCEEDED)
    return (
        visits.join(first, on="patient_id", how="left")
        .select(
            "patient_id",
            pl.col("day").cast(pl.Int64),
            state=state.cast(pl.Float64),
            told=pl.lit(None, dtype=pl.Boolean),
        )
        .unique(["patient_id", "day"])
    )


def _clinical_states(ground: Ground, mine: pl.DataFrame, primary: Endpoint) -> pl.DataFrame:
    assessed = ground.records.assessed
    told = steroid_free(verdicts(mine, primary, assessed), primary, ground.records)
    marked = [told.with_columns(kind=pl.lit("primary"))]
    others = {e.code: e for e in endpoints_for(primary.indication) if e.code != primary.code}
    for other in others.values():
        if other.measure is not None and other.tier == "clinical":
            marked.append(verdicts(mine, other, assessed).with_columns(kind=pl.lit(other.kind)))
    rows = pl.concat(marked).filter(pl.col("success").is_not_null() & (pl.col("day") > 0))

    def any_of(kind: str) -> pl.Expr:
        return pl.col("success").filter(pl.col("kind") == kind).any()

    first = rows.group_by("patient_id", "day").agg(
        primary=any_of("primary"),
        is_told=(pl.col("kind") == "primary").any(),
        other=any_of("remission"),
        response=any_of("response"),
    )
    success = pl.when("is_told").then("primary").otherwise("other")
    state = pl.when(success).then(SUCCEEDED).when(pl.col("other") | pl.col("response")).then(RESPONDED)
    return first.select(
        "patient_id",
        pl.col("day").cast(pl.Int64),
        state=state.otherwise(FAILED).cast(pl.Float64),
        told=pl.when("is_told").then("primary"),
    )


def _course(patients: pl.DataFrame, states: pl.DataFrame, row: dict[str, int]) -> Course:
    is_well = patients.select((pl.col("asks") & ~pl.col("is_active")).fill_null(False)).to_series().to_numpy()
    is_cdi = np.array([is_within(code, "cdi") for code in patients["indication"]], dtype=bool)
    who = np.array([row[p] for p in states["patient_id"]], dtype=int)
    judged = pl.DataFrame({"row": who, "day": states["day"], "success": states["told"]})
    return Course(
        row=who,
        day=states["day"].to_numpy(),
        state=states["state"].to_numpy(),
        start=np.where(is_well | is_cdi, SUCCEEDED, FAILED),
        judged=judged.drop_nulls("success"),
    )


def _before(course: Course, opens: Array, failed: Array) -> Array:
    """(n, k): the last state recorded before each window opens; at index, by activity."""
    n, k = opens.shape
    found = course.at(np.repeat(np.arange(n), k), opens.ravel() - 1).reshape(n, k)
    return np.where(failed[:, None] < opens, FAILED, found)


def _seen(ground: Ground, patients: pl.DataFrame) -> Array:
    last = ground.records.visits.group_by("patient_id").agg(pl.col("day").max())
    found = patients.select("patient_id").join(last, on="patient_id", how="left").sort("patient_id")
    return found["day"].cast(pl.Float64).fill_null(0.0).clip(lower_bound=0).to_numpy()


def _events(ground: Ground, patients: pl.DataFrame, settings: Settings) -> tuple[Array, Array]:
    """Days of the first event that makes a failure, and of the first one taken not to happen."""
    failed, censored = np.full(patients.height, NEVER), np.full(patients.height, NEVER)
    is_colitis = np.array([is_within(code, "ibd") for code in patients["indication"]], dtype=bool)
    for event in ("retreatment", "rescue", "colectomy", "death"):
        day = patients[f"days_to_{event}"].cast(pl.Float64).fill_null(NEVER).to_numpy()
        strategy = np.full(patients.height, getattr(settings, event), dtype=object)
        if event == "colectomy":
            strategy[is_colitis] = "failure"
        failed = np.where(strategy == "failure", np.minimum(failed, day), failed)
        censored = np.where(strategy == "hypothetical", np.minimum(censored, day), censored)
    return np.minimum(failed, _cdi_failures(ground, patients)), censored


def _cdi_failures(ground: Ground, patients: pl.DataFrame) -> Array:
    """Recurrence, and retreatment while the clock of cure runs: the endpoint's own rule, not a strategy."""
    rows = patients.join(
        ground.records.cdi.select("patient_id", "first_recurrence_day"), on="patient_id", how="left"
    )
    clock = pl.col("last_planned_day") + CURE_DAYS
    again = pl.min_horizontal("days_to_retreatment", "days_to_rescue")
    early = pl.when(again <= clock).then(again)
    is_cdi = pl.Series([is_within(code, "cdi") for code in patients["indication"]], dtype=pl.Boolean)
    day = rows.select(pl.min_horizontal("first_recurrence_day", early).cast(pl.Float64)).to_series()
    return np.where(is_cdi.to_numpy(), day.fill_null(NEVER).to_numpy(), NEVER)
