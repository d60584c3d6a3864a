"""Everything a match run rests on, and whether a run still stands."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

import polars as pl

from commensal.matching.communities import communities_of
from commensal.matching.gates import recipient_rules
from commensal.matching.lots import candidate_lots, material_given
from commensal.matching.policy import Policy
from commensal.matching.recipient_sample import own_sample
from commensal.matching.scores import Score, name_of
from commensal.matching.stock import gate_rules, samples_of
from commensal.matching.watch import Watched, watched_recipient, watched_stock
from commensal.study import Study
from commensal.vocabulary import Route
from commensal.vocabulary.screening import Profile, screening_profile

if TYPE_CHECKING:
    from commensal.microbiome.prediction.model import CommunityModel


def hash_of(value: Any) -> str:
    """Return SHA-256 over a value written as JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


@cache
def _rules(route: Route | None, on: date | None) -> str:
    """Return the rules in full, hashed: they do not change while the program runs."""
    return hash_of([repr(r) for r in (*gate_rules(on=on), *recipient_rules(route=route, on=on))])


def settings_of_run(
    policy: Policy,
    profile: str | Profile,
    route: Route | None,
    study_id: str | None,
    answers: Mapping[str, Any],
    score: Score | None,
    model: CommunityModel | None,
    seed: int,
    *,
    on_day: int,
    on: date | None,
) -> tuple[Watched, ...]:
    """Return the settings of a run and its rules in full: a changed rule gives a run another name."""
    screening = screening_profile(profile, on=on) if isinstance(profile, str) and on else profile
    said = {
        "day": (on_day, "another day: lots expire, screens age"),
        "policy": (repr(policy), "another policy"),
        "profile": (repr(screening), "another screening profile"),
        "rules": (_rules(route, on), "another rule"),
        "plan": (
            [route.value if route else None, study_id, sorted(answers.items())],
            "another route, trial or answer",
        ),
        "score": ([name_of(score) if score else None, seed], "another score or seed"),
        "model": (model.as_json() if model else None, "another model of communities"),
    }
    return tuple(Watched(name, hash_of(value), 1, why) for name, (value, why) in said.items())


def changed_inputs(tables: Mapping[str, pl.DataFrame], study: Study) -> list[str]:
    """Return the inputs of a run, by its tables, that are other ones in a study now."""
    row = tables["match_runs"].row(0, named=True)
    then = dict(tables["match_watch"].select("input", "digest").iter_rows())
    now = _rests_on(study, row["patient_id"], row["matched_day"])
    return [w.input for w in now if then.get(w.input) != w.digest]


def _rests_on(study: Study, recipient: str, on_day: int) -> list[Watched]:
    is_dated = study.manifest.clock == "calendar"
    lots = candidate_lots(study, on_day=on_day) if is_dated else material_given(study)
    samples = samples_of(study, pl.Series([recipient]))["sample_id"].to_list()
    communities = communities_of(study, lots, own=samples)
    own = own_sample(study, communities.abundance, recipient, on_day=on_day)
    of_recipient = watched_recipient(
        study, recipient=recipient, sample=own.sample_id, abundance=communities.abundance
    )
    return [*watched_stock(study, lots, communities), *of_recipient]
