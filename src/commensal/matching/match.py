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

import numpy as np
import polars as pl

from commensal import __version__
from commensal.errors import RefusedError
from commensal.matching.gates import Gated, gate_rules, judge_lots
from commensal.matching.policy import EXPLORATORY, Policy
from commensal.matching.recipient import Recipient, read_recipient
from commensal.matching.scores import Communities, Scores, bands, score_lots
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
ANY_DONOR = "any eligible donor: no order, since donor effects are not clinically relevant in CDI"
NO_PROFILE = "cannot tell: no sample with a profile of every donor of the lot"
NO_ELIGIBLE = "not eligible"
STOCK_TABLES = (
    "units",
    "unit_donors",
    "custody",
    "holds",
    "donors",
    "screenings",
    "donations",
    "session_units",
)
RECIPIENT_TABLES = ("patients", "consents", "adverse_events", "sessions", "lab_results")


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
    who = read_recipient(study, recipient=recipient, on=on, on_day=on_day, study_id=study_id)
    lots = candidate_lots(study, on_day=on_day)
    gated = judge_lots(study, lots, recipient=who, on=on, on_day=on_day, profile=profile, route=planned)
    communities = _communities(study, gated, recipient=recipient, on_day=on_day)
    settings = {
        "recipient": recipient,
        "on_day": on_day,
        "route": planned.value if planned else None,
        "study_id": study_id,
        "seed": seed,
        "policy": asdict(policy),
        "profile": repr(screening_profile(profile, on=on) if isinstance(profile, str) else profile),
        "gates": [repr(rule) for rule in gate_rules(on=on)],
    }
    inputs = _hash_inputs(study, communities, recipient=recipient)
    run_id = hashlib.sha256(json.dumps([inputs, __version__, settings], sort_keys=True).encode()).hexdigest()
    rows = _rank(gated, who, communities, policy=policy, on_day=on_day, seed=seed)
    rankings = _declared("rankings", rows, match_run_id=run_id, patient_id=recipient)
    code = (
        profile if isinstance(profile, str) else f"{profile.code}, signed by {profile.signed_by or 'nobody'}"
    )
    run = {
        "matched_on": on,
        "matched_day": on_day,
        "policy": f"{policy.name} {policy.version}",
        "profile": code,
        "input_hash": inputs,
        "software": f"commensal {__version__}",
        "n_candidates": len(gated),
        "n_eligible": sum(g.is_eligible for g in gated),
        "statement": STATEMENT,
    }
    return MatchRun(_declared("match_runs", [run], match_run_id=run_id, patient_id=recipient), rankings)


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


def _rank(
    gated: Sequence[Gated],
    who: Recipient,
    communities: Communities,
    *,
    policy: Policy,
    on_day: int,
    seed: int,
) -> list[dict[str, Any]]:
    eligible = [g for g in gated if g.is_eligible]
    refused = [_refused(g) for g in gated if not g.is_eligible]
    if not eligible:
        return refused
    if who.is_any_donor_enough:
        return [_unordered(g) for g in eligible] + refused
    profiled = [g for g in eligible if communities.sources[g.lot.unit_id]] or eligible
    scores = score_lots([g.lot for g in profiled], communities, policy=policy, on_day=on_day, seed=seed)
    unknown = [_row(g, explanation=_warned(g), reason=NO_PROFILE) for g in eligible if g not in profiled]
    return _scored(profiled, scores, policy=policy) + unknown + refused


def _row(gated: Gated, **more: Any) -> dict[str, Any]:
    return {
        "unit_id": gated.lot.unit_id,
        "donor_id": ";".join(gated.lot.donor_ids) or None,
        "is_eligible": gated.is_eligible,
        **more,
    }


def _refused(gated: Gated) -> dict[str, Any]:
    return _row(
        gated,
        failed_rules=";".join(rule for rule, _ in gated.failed),
        explanation=" ".join(text for _, text in gated.failed),
        reason=NO_ELIGIBLE,
    )


def _unordered(gated: Gated) -> dict[str, Any]:
    return _row(gated, explanation=_warned(gated), rank=1, band="1", reason=ANY_DONOR)


def _warned(gated: Gated) -> str:
    return " ".join(["Every gate is met.", *gated.warnings])


def _scored(eligible: Sequence[Gated], scores: Scores, *, policy: Policy) -> list[dict[str, Any]]:
    band = bands(scores, policy=policy)
    lower, upper = scores.interval(level=policy.level)
    rows = []
    for i in np.argsort(-scores.values, kind="stable"):
        gated = eligible[i]
        rows.append(
            _row(
                gated,
                explanation=" ".join([f"{scores.words[i]}.", *gated.warnings]),
                rank=int((scores.values > scores.values[i]).sum()) + 1,
                score=float(scores.values[i]),
                lower=float(lower[i]),
                upper=float(upper[i]),
                band=str(band[i]),
                reason=_why(eligible, scores, band, i),
            )
        )
    return rows


def _why(eligible: Sequence[Gated], scores: Scores, band: np.ndarray, i: int) -> str | None:
    """Return what limits the order: lots without a credible difference, and parts nobody could compute."""
    others = {g.lot.donor_ids for g, b in zip(eligible, band, strict=True) if b == band[i]} - {
        eligible[i].lot.donor_ids
    }
    shared = [f"no credible difference from {len(others)} other donors in the band"] if others else []
    return "; ".join([*shared, *(f"left out: {part}" for part in scores.left_out)]) or None


def _hash_inputs(study: Study, communities: Communities, *, recipient: str) -> str:
    """Return SHA-256 over the rows a run can depend on: the stock, the recipient, and their samples."""
    samples = {s for sources in communities.sources.values() for part in sources for s in part}
    samples |= {communities.recipient_sample} - {None}
    frames: Mapping[str, pl.DataFrame] = {
        **{name: study.read(name) for name in STOCK_TABLES},
        **{name: study.read(name).filter(pl.col("patient_id") == recipient) for name in RECIPIENT_TABLES},
        **{
            n: study.read(n).filter(pl.col("sample_id").is_in(list(samples)))
            for n in ("samples", "abundances")
        },
    }
    digest = hashlib.sha256()
    for name, frame in frames.items():
        digest.update(f"{name}\n{frame.sort(frame.columns, nulls_last=True).write_csv()}".encode())
    return digest.hexdigest()


def _declared(table: str, rows: Sequence[Mapping[str, Any]], **same: Any) -> pl.DataFrame:
    schema = RESULTS[table].schema
    return pl.DataFrame([{**dict.fromkeys(schema), **row, **same} for row in rows], schema=schema)
