"""A match run: every candidate lot for one recipient, with each failed rule or a rank with its reasons.

A run is immutable. Its name is a hash of what went in: the same inputs and versions give the same bytes.
It ranks; it does not order treatment.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from commensal import __version__
from commensal.bank.stock import picked
from commensal.errors import RefusedError
from commensal.matching.gates import Gated, gate_rules, judge_lots
from commensal.matching.policy import EXPLORATORY, Policy
from commensal.matching.ranking import rank
from commensal.matching.recipient import read_recipient
from commensal.matching.scores import Communities
from commensal.matching.stock import candidate_lots, sources_of
from commensal.microbiome import abundance_of
from commensal.study import RESULTS, Study
from commensal.vocabulary import Route, read_route
from commensal.vocabulary.screening import Profile, screening_profile

EPOCH = date(1970, 1, 1)
STATEMENT = (
    "Research and decision support. Lots that fail or cannot answer a rule are not eligible; the others are "
    "ranked by exploratory measures that have not been shown to predict outcome. The run does not order "
    "treatment: a physician decides."
)
UNIT_TABLES = ("units", "unit_donors", "custody")
DONOR_TABLES = ("donors", "screenings", "donations")
RECIPIENT_TABLES = ("patients", "consents", "adverse_events", "sessions", "lab_results", "exposures")


@dataclass(frozen=True, eq=False)
class MatchRun:
    """An immutable match run: one row of ``match_runs`` and one row a candidate of ``rankings``."""

    match_run: pl.DataFrame
    rankings: pl.DataFrame

    @property
    def match_run_id(self) -> str:
        """The hash that names the run."""
        return self.match_run["match_run_id"][0]

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """The result tables, ready for ``write_results``."""
        return {"match_runs": self.match_run, "rankings": self.rankings}


def match(
    study: Study,
    *,
    recipient: str,
    on_day: int,
    profile: str | Profile = "STRICT",
    policy: Policy = EXPLORATORY,
    route: str | None = None,
    study_id: str | None = None,
    seed: int = 0,
) -> MatchRun:
    """Return a match run of every lot on the shelf for one recipient on one day.

    Parameters
    ----------
    study : the recipient's records, the stock and its donors; a live study of just these will do.
    on_day : day of the match, in days since 1970-01-01.
    profile : screening profile by which donors are judged: a code, or one a physician signed.
    route : enteral route planned, where it is known; the product and Helicobacter pylori gates need it.
    study_id : study or trial, where the recipient is treated in one that no consent names.

    Refuses: InputError for an unknown patient, profile or route; SafetyError for a parenteral route;
    RefusedError for a study without a calendar, since expiry and screening windows are dates.
    """
    if study.manifest.clock != "calendar":
        raise RefusedError(
            "this study has no calendar: days count from each patient's index",
            expected="a study with dates, since lots expire and screens age by the calendar",
        )
    on, planned = EPOCH + timedelta(days=on_day), _route(route)
    who = read_recipient(study, recipient=recipient, on_day=on_day, study_id=study_id)
    lots = candidate_lots(study, on_day=on_day)
    gated = judge_lots(study, lots, recipient=who, on=on, on_day=on_day, profile=profile, route=planned)
    communities = _communities(study, gated, recipient=recipient, on_day=on_day)
    rows = rank(gated, who, communities, policy=policy, on_day=on_day, seed=seed)
    inputs = _hash_inputs(study, gated, communities, recipient=recipient)
    settings = [recipient, on_day, planned, study_id, seed, asdict(policy), *_rules(profile, on=on)]
    name = hashlib.sha256(json.dumps([inputs, __version__, settings], sort_keys=True).encode()).hexdigest()
    run = {
        "matched_on": on,
        "matched_day": on_day,
        "policy": f"{policy.name} {policy.version}",
        "profile": profile if isinstance(profile, str) else _signed(profile),
        "input_hash": inputs,
        "software": f"commensal {__version__}",
        "n_candidates": len(gated),
        "n_eligible": sum(g.is_eligible for g in gated),
        "statement": STATEMENT,
    }
    same = {"match_run_id": name, "patient_id": recipient}
    return MatchRun(_declared("match_runs", [run], **same), _declared("rankings", rows, **same))


def _rules(profile: str | Profile, *, on: date) -> list[str]:
    """Return the screening profile and the gates in full: a changed rule gives a run another name."""
    screening = screening_profile(profile, on=on) if isinstance(profile, str) else profile
    return [repr(screening), *(repr(rule) for rule in gate_rules(on=on))]


def _signed(profile: Profile) -> str:
    return f"{profile.code}, signed by {profile.signed_by or 'nobody'}"


def _route(text: str | None) -> Route | None:
    if text is None:
        return None
    read = read_route(text)
    return read.code if read.code else Route(text)


def _communities(study: Study, gated: Sequence[Gated], *, recipient: str, on_day: int) -> Communities:
    abundance = abundance_of(study, samples=_samples(study, gated, recipient=recipient))
    profiled = set(abundance.sample_ids)
    own = study.read("samples").filter(
        (pl.col("patient_id") == recipient)
        & (pl.col("collected_day") <= on_day)
        & pl.col("control").is_null()
        & pl.col("sample_id").is_in(list(profiled))
    )
    last = own.sort("collected_day", "sample_id")["sample_id"].to_list()[-1:]
    return Communities(
        abundance,
        sources=sources_of(study, [g.lot for g in gated], profiled=profiled),
        recipient_sample=last[0] if last else None,
    )


def _samples(study: Study, gated: Sequence[Gated], *, recipient: str) -> list[str]:
    """Return the samples a run can look at: the recipient's, and those of the lots' donors and batches."""
    donors = sorted({d for g in gated for d in g.lot.donor_ids})
    batches = sorted({g.lot.unit["batch_id"] for g in gated} - {None})
    samples = study.read("samples", columns=["sample_id", "patient_id", "donor_id", "batch_id"])
    return samples.filter(
        (pl.col("patient_id") == recipient)
        | pl.col("donor_id").is_in(donors)
        | pl.col("batch_id").is_in(batches)
    )["sample_id"].to_list()


def _hash_inputs(study: Study, gated: Sequence[Gated], communities: Communities, *, recipient: str) -> str:
    """Return SHA-256 over the rows a run rests on: the lots, their donors, the recipient, their samples."""
    samples = {s for sources in communities.sources.values() for part in sources for s in part}
    of = {
        **dict.fromkeys(UNIT_TABLES, ("unit_id", sorted(g.lot.unit_id for g in gated))),
        **dict.fromkeys(DONOR_TABLES, ("donor_id", sorted({d for g in gated for d in g.lot.donor_ids}))),
        **dict.fromkeys(RECIPIENT_TABLES, ("patient_id", [recipient])),
    }
    own = [communities.recipient_sample] if communities.recipient_sample else []
    of["samples"] = of["abundances"] = ("sample_id", sorted({*samples, *own}))
    digest = hashlib.sha256(study.read("holds").sort(pl.all(), nulls_last=True).write_csv().encode())
    for name, (key, values) in of.items():
        frame = picked(study, name, key=key, values=values)
        digest.update(f"{name}\n{frame.sort(frame.columns, nulls_last=True).write_csv()}".encode())
    return digest.hexdigest()


def _declared(table: str, rows: Sequence[Mapping[str, Any]], **same: Any) -> pl.DataFrame:
    schema = RESULTS[table].schema
    return pl.DataFrame([{**dict.fromkeys(schema), **row, **same} for row in rows], schema=schema)
