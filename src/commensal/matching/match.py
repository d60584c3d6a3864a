"""A match run: every candidate lot for one recipient, with each failed rule or a rank with its reasons.

A run is immutable. Its name is a hash of what went in: the same inputs and versions give the same bytes.
It ranks; it does not order treatment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from commensal import __version__
from commensal.errors import InputError, RefusedError
from commensal.matching.care.checks import with_answers
from commensal.matching.community_parts import OwnSample
from commensal.matching.comparison import compare
from commensal.matching.gates import Gates, judge
from commensal.matching.policy import Policy, read_policy
from commensal.matching.ranking import RESEARCH, Compared, rankings, refusals, score_parts
from commensal.matching.recipient import Recipient, read_recipient
from commensal.matching.recipient_sample import own_sample
from commensal.matching.run_inputs import changed_inputs, hash_of, settings_of_run
from commensal.matching.scores import Score, own_scores
from commensal.matching.stock import Stock, day_to_date, prepare_stock
from commensal.matching.watch import Watched, watched_evidence, watched_recipient
from commensal.study import RESULTS, Study
from commensal.vocabulary import Route, read_route
from commensal.vocabulary.screening import Profile, screening_profile

if TYPE_CHECKING:
    from commensal.microbiome.prediction.model import CommunityModel

STATEMENT = (
    "Research and decision support. Lots that fail or cannot answer a rule are not eligible; the others are "
    "compared by exploratory measures that have not been shown to predict outcome. The run does not order "
    "treatment: a physician decides."
)
TABLES = ("match_runs", "rankings", "score_parts", "refusals", "match_watch")


@dataclass(frozen=True, eq=False)
class MatchRun:
    """An immutable match run: the result tables of :data:`TABLES`, ready for ``write_results``."""

    tables: Mapping[str, pl.DataFrame]

    @property
    def match_run(self) -> pl.DataFrame:
        """The run's own row."""
        return self.tables["match_runs"]

    @property
    def rankings(self) -> pl.DataFrame:
        """One row a candidate."""
        return self.tables["rankings"]

    @property
    def match_run_id(self) -> str:
        """The hash that names the run."""
        return self.match_run["match_run_id"][0]


def match(
    study: Study,
    *,
    recipient: str,
    on_day: int,
    profile: str | Profile = "STRICT",
    policy: Policy | None = None,
    route: str | None = None,
    study_id: str | None = None,
    answers: Mapping[str, Any] | None = None,
    evidence: Mapping[str, pl.DataFrame] | None = None,
    model: CommunityModel | None = None,
    score: Score | None = None,
    stock: Stock | None = None,
    seed: int = 0,
) -> MatchRun:
    """Return a match run of every lot on the shelf for one recipient on one day.

    Parameters
    ----------
    study : the recipient's records, the stock and its donors; a live study of just these will do.
    on_day : day of the match, in days since 1970-01-01; days from index in a study without a calendar.
    profile : screening profile by which donors are judged: a code, or one a physician signed.
    policy : weights and limits; the shipped one where None.
    route : enteral route planned; without it no lot is eligible, since its rules cannot be asked.
    study_id : study or trial, where the recipient is treated in one that no consent names.
    answers : facts asked at the bedside that no table holds (``find_fact`` names them). An absent fact is
        unknown, and unknown never passes.
    evidence : tables ``donor_effects`` and ``model_parameters``, where they were estimated.
    model : a trained model of communities, for the expected engraftment.
    score : a named function that scores in place of the policy's weights; see ``scores.Score``.
    stock : the stock prepared ahead (``prepare_stock``); the result is the same with it and without.
    seed : handed to ``score``; the policy's own score draws nothing at random.

    Returns
    -------
    Tables match_runs, rankings (one row a lot), score_parts, refusals (one row a lot and rule failed) and
    match_watch (what the run rests on). A lot is eligible when every binding rule is met. Where none is
    because questions about the recipient are open, the lots that pass every gate of their own are compared
    without a rank. A study without a calendar is compared for research: the materials given in it stand for
    their donors, gates that need dates are undetermined and nobody is eligible.

    Refuses: InputError for an unknown patient, profile or route, an answer that contradicts the study, and a
    stock prepared for another day, profile or study; SafetyError for a parenteral route; RefusedError for a
    recipient who has died.
    """
    used, tables = policy or read_policy(), evidence or {}
    on, planned = day_to_date(study, on_day), _route(route)
    _check_profile(profile)
    ready = stock or prepare_stock(study, on_day=on_day, profile=profile, recipients=[recipient], model=model)
    who = _recipient(study, ready, recipient, on_day=on_day, study_id=study_id, answers=answers or {})
    ready.check(study, on_day=on_day, profile=profile, recipient=recipient)
    if stock is not None and model is not stock.model:
        raise InputError("the stock was prepared with another model", do="prepare the stock again")
    gates = judge(ready, who, route=planned, on=on)
    own = own_sample(study, ready.communities.abundance, recipient, on_day=on_day)
    compared = compare(
        ready, gates, who, own, policy=used, evidence=tables, route=planned, is_research=on is None
    )
    made = score_parts(ready, compared, policy=used)
    if score is not None and compared.scores is not None:
        compared = _rescored(score, made, ready, compared, policy=used, seed=seed)
    rests_on = [
        *ready.watched,
        *watched_recipient(
            study, recipient=recipient, sample=own.sample_id, abundance=ready.communities.abundance
        ),
        *watched_evidence(tables),
        *settings_of_run(
            used, profile, planned, study_id, answers or {}, score, model, seed, on_day=on_day, on=on
        ),
    ]
    run = {
        "matched_on": on,
        "matched_day": on_day,
        "policy": used.label,
        "profile": profile if isinstance(profile, str) else _signed(profile),
        "input_hash": hash_of([[w.input, w.digest] for w in rests_on]),
        "software": f"commensal {__version__}",
        "n_candidates": gates.n_lots,
        "n_eligible": int(gates.is_eligible.sum()),
        "statement": _statement(gates, own, is_research=on is None),
    }
    name = hash_of([run["input_hash"], __version__, recipient, on_day])
    found = {
        "match_runs": pl.DataFrame([run], schema={c: RESULTS["match_runs"].schema[c] for c in run}),
        "rankings": rankings(ready, gates, compared),
        "score_parts": made,
        "refusals": refusals(ready, gates),
        "match_watch": _watch_rows(rests_on),
    }
    return MatchRun({t: _declared(t, found[t], name, recipient) for t in TABLES})


def _recipient(
    study: Study,
    stock: Stock,
    recipient: str,
    *,
    on_day: int,
    study_id: str | None,
    answers: Mapping[str, Any],
) -> Recipient:
    """Return the recipient with the bedside answers; one who withdrew consents to nothing."""
    who = read_recipient(
        study, recipient=recipient, on_day=on_day, study_id=study_id, known=stock.people.get(recipient)
    )
    ends = study.read("dispositions").filter(
        (pl.col("patient_id") == recipient)
        & (pl.col("occurred_day").is_null() | (pl.col("occurred_day") <= on_day))
    )
    kinds = set(ends["kind"])
    if "death" in kinds and study.manifest.clock == "calendar":
        raise RefusedError(f"{recipient} has died", expected="a living patient")
    withdrawn = {"has_treatment_consent": False, "has_guardian_permission": False}
    facts = {**who.facts, **(withdrawn if "withdrawal" in kinds else {})}
    return Recipient(**{**vars(who), "facts": with_answers(facts, answers)})


def _rescored(
    score: Score, made: pl.DataFrame, stock: Stock, compared: Compared, *, policy: Policy, seed: int
) -> Compared:
    units = stock.units["unit_id"].gather(compared.lots).to_list()
    given = own_scores(score, made, units, policy=policy, seed=seed)
    return Compared(compared.lots, compared.parts, given, compared.note, compared.is_strict)


def _statement(gates: Gates, own: OwnSample, *, is_research: bool) -> str:
    said = [STATEMENT]
    if is_research:
        said.append(f"{RESEARCH[:1].upper()}{RESEARCH[1:]}.")
    if own.caution:
        said.append(f"Caution: {own.caution}.")
    return " ".join([*said, *(f"Caution: {c}" for c in gates.cautions())])


def still_valid(run: MatchRun | Mapping[str, pl.DataFrame], study: Study) -> list[str]:
    """Return the inputs of a run that have changed in a study since; none where the run still stands.

    A new test, hold, adverse event, sample, or a lot come or gone: each is named by its ``input`` in
    ``match_watch``. Settings of the run (its policy, profile, model, evidence) are not of the study and not
    looked at. Another day is always another run.
    """
    return changed_inputs(run.tables if isinstance(run, MatchRun) else run, study)


def _check_profile(profile: str | Profile) -> None:
    """Refuse (InputError) a profile that does not exist, before any lot is looked at."""
    if isinstance(profile, str):
        screening_profile(profile, on=date.max)


def _signed(profile: Profile) -> str:
    return f"{profile.code}, signed by {profile.signed_by or 'nobody'}"


def _route(text: str | None) -> Route | None:
    if text is None:
        return None
    read = read_route(text)
    return read.code if read.code else Route(text)


def _watch_rows(rests_on: Sequence[Watched]) -> pl.DataFrame:
    return pl.DataFrame([asdict(w) for w in rests_on])


def _declared(table: str, frame: pl.DataFrame, name: str, recipient: str) -> pl.DataFrame:
    """Return a frame with the columns and types of its declaration."""
    schema = RESULTS[table].schema
    same = {"match_run_id": name, "patient_id": recipient}
    given = frame.with_columns(pl.lit(v).alias(c) for c, v in same.items() if c in schema)
    missing = [pl.lit(None).alias(c) for c in schema if c not in given.columns]
    return given.with_columns(missing).select(pl.col(c).cast(t) for c, t in schema.items())
