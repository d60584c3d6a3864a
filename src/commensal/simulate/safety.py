"""Adverse events: after procedures (clustered by patient), serious, of one lot, recurrences, new disease."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from commensal.simulate.disease import Course
from commensal.simulate.draws import Flags, Floats, Ints, chosen, within_groups
from commensal.simulate.followup import FollowUp
from commensal.simulate.material import Recall, dates, instants, picked, strings
from commensal.simulate.people import YEAR, Patients, of_disorder
from commensal.simulate.regimen import Sessions
from commensal.simulate.scenario import Scenario
from commensal.simulate.stock import ADMINISTERED, Stock

SERIOUS_UPPER = ("ae11", "ae15", "ae17", "ae01")
SERIOUS_LOWER = ("ae12", "ae10", "ae17", "ae15")
DELIVERY = ("ae04", "ae05", "ae11", "ae12")
NEW_CONDITIONS = ("type 2 diabetes mellitus", "hypothyroidism", "asthma", "depression", "psoriasis")


@dataclass(frozen=True)
class Events:
    """Adverse events, one entry each: patient row, session position (-1 for none), term, days from index."""

    row: Ints
    session: Ints
    term: np.ndarray
    began: Ints
    lasted: Ints
    grade: Ints
    is_serious: Flags
    is_related: Flags

    def __len__(self) -> int:
        return len(self.row)


def draw_recall(
    scenario: Scenario,
    patients: Patients,
    follow_up: FollowUp,
    sessions: Sessions,
    stock: Stock,
    *,
    rng: np.random.Generator,
) -> Recall | None:
    """Plant one contaminated lot: a batch given to at least two patients; some of them fall ill, and the
    batch is recalled after its last administration."""
    share = scenario.planted.contaminated_infection_share
    given = np.flatnonzero((stock.fate == ADMINISTERED) & (stock.second_donation < 0))
    row = sessions.row[stock.session[given]]
    wide = follow_up.end[row] - sessions.day[stock.session[given]] > 25
    given, row = given[wide], row[wide]
    lots = pl.DataFrame({"batch": stock.batch[given], "row": row, "made": stock.made_day[given]})
    counted = lots.group_by("batch").agg(pl.col("row").n_unique(), pl.col("made").first())
    best = counted.filter(pl.col("row") >= 2).sort("row", "made", "batch", descending=True)
    if share == 0 or best.is_empty():
        return None
    batch = int(best["batch"][0])
    mine = given[stock.batch[given] == batch]
    session = stock.session[mine]
    first = np.unique(sessions.row[session], return_index=True)[1]
    ill = session[first][rng.random(len(first)) < share]
    ill = ill if len(ill) else session[first][:1]
    onset = sessions.day[ill] + rng.integers(3, 12, len(ill))
    used = stock.session[(stock.batch == batch) & (stock.session >= 0)]
    last_use = (patients.index_day[sessions.row[used]] + sessions.day[used]).max()
    known = (patients.index_day[sessions.row[ill]] + onset).min() + 1
    return Recall(batch, int(max(last_use, known)), sessions.row[ill], ill, onset)


def draw_events(
    scenario: Scenario,
    patients: Patients,
    course: Course,
    follow_up: FollowUp,
    sessions: Sessions,
    recall: Recall | None,
    *,
    rng: np.random.Generator,
) -> Events:
    """Draw every adverse event that was recorded, sorted by patient and onset."""
    parts = [
        _after_sessions(scenario, patients, sessions, rng),
        _serious(scenario, patients, sessions, rng),
        _recurrences(scenario, patients, course, rng),
        _new_onset(scenario, patients, follow_up, rng),
    ]
    if recall is not None:
        parts.append(_infections(recall))
    columns = [np.concatenate([getattr(p, f) for p in parts]) for f in Events.__dataclass_fields__]
    events = Events(*columns)
    # Events of a session are seen there and then; later ones only while the patient is in follow-up.
    last = np.maximum(follow_up.end[events.row] - 1, 0)
    began = np.where(events.session >= 0, np.minimum(events.began, last), events.began)
    keep = began <= last
    order = np.lexsort((began[keep], events.row[keep]))
    return Events(
        **{
            name: (began if name == "began" else getattr(events, name))[keep][order]
            for name in Events.__dataclass_fields__
        }
    )


def _after_sessions(
    scenario: Scenario, patients: Patients, sessions: Sessions, rng: np.random.Generator
) -> Events:
    safety = scenario.safety
    mean, precision = safety.adverse_event_per_session, safety.clustering
    own = rng.beta(mean * precision, (1 - mean) * precision, len(patients))
    session = np.flatnonzero(rng.random(len(sessions)) < own[sessions.row])
    n = len(session)
    return Events(
        row=sessions.row[session],
        session=session,
        term=np.array(list(safety.terms))[chosen(rng, list(safety.terms.values()), n)],
        began=sessions.day[session] + rng.integers(0, 3, n),
        lasted=rng.integers(0, 5, n),
        grade=1 + (rng.random(n) < safety.grade_2_share),
        is_serious=np.zeros(n, dtype=bool),
        is_related=np.ones(n, dtype=bool),
    )


def serious_probability(scenario: Scenario, patients: Patients) -> Floats:
    """Each patient's probability of a serious event; the mean over the treated is the scenario's figure."""
    safety = scenario.safety
    weight = np.where(patients.is_upper_route, safety.upper_route_factor, 1.0)
    weight = (
        weight * np.where(patients.is_mucosa_injured, safety.mucosal_injury_factor, 1.0) * patients.is_treated
    )
    treated = weight[patients.is_treated]
    return safety.serious_per_patient * weight / (treated.mean() if len(treated) else 1.0)


def _serious(scenario: Scenario, patients: Patients, sessions: Sessions, rng: np.random.Generator) -> Events:
    hit = np.flatnonzero(rng.random(len(patients)) < serious_probability(scenario, patients))
    first = np.searchsorted(sessions.row, hit)
    n = np.searchsorted(sessions.row, hit, side="right") - first
    session = first + np.floor(rng.random(len(hit)) * n).astype(np.int64)
    upper = patients.is_upper_route[hit]
    kind = rng.integers(0, len(SERIOUS_UPPER), len(hit))
    return Events(
        row=hit,
        session=session,
        term=np.where(upper, np.array(SERIOUS_UPPER)[kind], np.array(SERIOUS_LOWER)[kind]),
        began=sessions.day[session] + rng.integers(0, 4, len(hit)),
        lasted=rng.integers(3, 21, len(hit)),
        grade=np.where(rng.random(len(hit)) < 0.2, 4, 3),
        is_serious=np.ones(len(hit), dtype=bool),
        is_related=np.ones(len(hit), dtype=bool),
    )


def _recurrences(scenario: Scenario, patients: Patients, course: Course, rng: np.random.Generator) -> Events:
    """Recurrence of C. difficile infection: the first one after index, with the day of onset."""
    free = of_disorder(scenario, patients.disorder, "is_free_at_index") > 0
    row = np.flatnonzero(free & np.isfinite(course.changes[:, 0]))
    n = len(row)
    return Events(
        row=row,
        session=np.full(n, -1),
        term=np.full(n, "ae18"),
        began=course.changes[row, 0].astype(np.int64),
        lasted=rng.integers(7, 14, n),
        grade=np.full(n, 2),
        is_serious=np.zeros(n, dtype=bool),
        is_related=np.zeros(n, dtype=bool),
    )


def _new_onset(
    scenario: Scenario, patients: Patients, follow_up: FollowUp, rng: np.random.Generator
) -> Events:
    n = len(patients)
    day = np.ceil(90 + rng.exponential(size=n) / max(scenario.safety.new_onset_per_year, 1e-9) * YEAR)
    row = np.flatnonzero((day < follow_up.end) & patients.is_treated)
    return Events(
        row=row,
        session=np.full(len(row), -1),
        term=np.full(len(row), "ae20"),
        began=day[row].astype(np.int64),
        lasted=np.full(len(row), -1),
        grade=np.full(len(row), 2),
        is_serious=np.zeros(len(row), dtype=bool),
        is_related=np.zeros(len(row), dtype=bool),
    )


def _infections(recall: Recall) -> Events:
    n = len(recall.ill_row)
    return Events(
        row=recall.ill_row,
        session=recall.ill_session,
        term=np.full(n, "ae16"),
        began=recall.ill_day,
        lasted=np.full(n, 12),
        grade=np.full(n, 3),
        is_serious=np.ones(n, dtype=bool),
        is_related=np.ones(n, dtype=bool),
    )


def event_table(
    patients: Patients, events: Events, session_id: np.ndarray, follow_up: FollowUp
) -> pl.DataFrame:
    """Return the adverse_events table."""
    index = patients.index_day[events.row]
    resolved = events.began + events.lasted
    is_open = (events.lasted < 0) | (resolved >= follow_up.end[events.row])
    frame = pl.DataFrame(
        {
            "patient_id": picked(patients.patient_id, events.row),
            "number": within_groups(events.row) + 1,
            "session_id": picked(session_id, events.session),
            "term": strings(events.term),
            "began": index + events.began,
            "resolved": index + resolved,
            "is_open": is_open,
            "grade": events.grade,
            "is_serious": events.is_serious,
            "is_related": events.is_related,
        }
    )
    term = pl.col("term")
    serious = pl.col("is_serious")
    return frame.select(
        adverse_event_id=pl.col("patient_id") + "-E" + pl.col("number").cast(pl.String).str.zfill(3),
        patient_id="patient_id",
        session_id="session_id",
        term="term",
        began_on=dates(pl.col("began")),
        resolved_on=pl.when(~pl.col("is_open")).then(dates(pl.col("resolved"))),
        grade="grade",
        is_serious="is_serious",
        seriousness_criteria=pl.when(term == "ae16")
        .then(pl.lit("hospitalisation;important_medical_event"))
        .when(serious)
        .then(pl.lit("hospitalisation")),
        causality=pl.when(term == "ae16")
        .then(pl.lit("probable"))
        .when("is_related")
        .then(pl.lit("possible"))
        .otherwise(pl.lit("unlikely")),
        related_to=pl.when(term == "ae18")
        .then(pl.lit("disease"))
        .when(~pl.col("is_related"))
        .then(pl.lit("other"))
        .when(term.is_in(DELIVERY))
        .then(pl.lit("delivery"))
        .otherwise(pl.lit("microbiota")),
        is_expected=~serious & pl.col("is_related"),
        outcome=pl.when("is_open")
        .then(pl.lit("not recovered at last contact"))
        .otherwise(pl.lit("recovered")),
        aware_at=pl.when(serious).then(instants(pl.col("began"), 15)),
        reported_at=pl.when(serious).then(instants(pl.col("began"), 30)),
    )


def hospitalisation_table(
    scenario: Scenario, patients: Patients, events: Events, follow_up: FollowUp, *, rng: np.random.Generator
) -> pl.DataFrame:
    """Return hospital stays: those of serious events, and others at a background rate."""
    serious = events.is_serious
    n = len(patients)
    wait = np.ceil(rng.exponential(size=n) / max(scenario.safety.hospitalisation_per_year, 1e-9) * YEAR)
    other = np.flatnonzero(wait < follow_up.end)
    row = np.r_[events.row[serious], other]
    began = np.r_[events.began[serious], wait[other].astype(np.int64)]
    lasted = np.r_[np.maximum(events.lasted[serious], 1), rng.integers(1, 9, len(other))]
    reason = np.r_[events.term[serious], np.full(len(other), "other illness")]
    order = np.lexsort((began, row))
    row, began, lasted, reason = row[order], began[order], lasted[order], reason[order]
    index = patients.index_day[row]
    frame = pl.DataFrame(
        {
            "patient_id": picked(patients.patient_id, row),
            "number": within_groups(row) + 1,
            "admitted": index + began,
            "discharged": index + began + lasted,
            "is_open": began + lasted >= follow_up.end[row],
            "reason": strings(reason),
        }
    )
    return frame.select(
        hospitalisation_id=pl.col("patient_id") + "-H" + pl.col("number").cast(pl.String).str.zfill(2),
        patient_id="patient_id",
        admitted_on=dates(pl.col("admitted")),
        discharged_on=pl.when(~pl.col("is_open")).then(dates(pl.col("discharged"))),
        reason="reason",
    )
