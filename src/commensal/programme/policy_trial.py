"""The trial of allocation policies on a simulated centre: what each gains, and what each claims wrongly.

Every policy meets the same recipients, with the same chance at each of them, in each replicate; differences
between policies are therefore paired. A policy sees outcomes only once they are due; the donors' true
effects are seen by the oracle alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from commensal import engine
from commensal.errors import InputError, RefusedError
from commensal.evidence.proportion import wilson
from commensal.matching.allocation import allocate
from commensal.programme.policies import ORACLE, POLICIES, PROTOCOL, Known, Policy, oracle
from commensal.simulate import Centre, open_centre
from commensal.study import RESULTS

LEVEL = 0.95
Z = 1.959963984540054
# One-sided error of the naive claim: a donor's rate tested against that of all others, no correction.
NAIVE_Z = Z

N_DONORS = 10
SETTINGS: Mapping[str, tuple[float, ...]] = {
    "null": (0.0,) * N_DONORS,
    "weak": tuple(np.linspace(-0.5, 0.5, N_DONORS)),
    "strong": tuple(np.linspace(-1.2, 1.2, N_DONORS)),
}


@dataclass(frozen=True)
class Design:
    """The simulated centre: 4-week steps, outcomes due after 12 weeks, a Poisson number of arrivals.

    ``units_per_step`` are made by each donor in each step and kept: with 9 for 30 arrivals no policy can
    give everybody the same donor.
    """

    n_steps: int = 16
    arrivals_per_step: float = 30.0
    units_per_step: int = 9
    step_days: int = 28
    outcome_after_days: int = 84

    def __post_init__(self) -> None:
        if self.n_steps < 1 or self.arrivals_per_step <= 0 or self.units_per_step < 1:
            raise InputError(f"a design of {self}", expected="steps, arrivals and units above zero")


@dataclass(frozen=True)
class Replicate:
    """One setting with one seed: what each policy is tried on."""

    setting: str
    log_odds: tuple[float, ...]
    design: Design


def policy_trial(
    *,
    seed: int,
    n_replicates: int = 200,
    settings: Mapping[str, Sequence[float]] = SETTINGS,
    design: Design | None = None,
    processes: int = 1,
    on_done: Callable[[int], None] | None = None,
) -> pl.DataFrame:
    """Return what each policy achieved in each setting, in the table ``policy_trials``.

    Parameters
    ----------
    settings : name → the donors' true effects (log-odds); which donor has which is drawn anew in each
        replicate.
    n_replicates : replicates of each setting; at least 2.

    Returns
    -------
    For each setting and policy: ``remission`` (share of the treated), ``gain_over_random`` and ``regret``
    (remissions per 100 recipients against random and oracle, paired), the ``largest_share`` of recipients
    that one donor got and the ``share_to_worst``, and
    at the end of the study the shares of replicates with a wrong claim of a much better donor, by the
    protocol's bar (``false_super_donor``) and by an uncorrected test (``false_super_donor_naive``), with the
    best donor found (``super_donor_found``) and the worst not found (``missed_bad_donor``). A claim is
    wrong where the donor's true odds ratio to the average donor is not beyond the protocol's.
    """
    if n_replicates < 2:
        raise RefusedError(f"{n_replicates} replicates have no Monte-Carlo error", expected="at least 2")
    shape = design or Design()
    work = [
        Replicate(name, tuple(float(e) for e in effects), shape)
        for name, effects in settings.items()
        for _ in range(n_replicates)
    ]
    done = engine.map(run_replicate, work, seed=seed, processes=processes, on_done=on_done)
    rows = []
    for position, name in enumerate(settings):
        mine = done[position * n_replicates : (position + 1) * n_replicates]
        differ = len(set(settings[name])) > 1
        for policy in (*POLICIES, ORACLE):
            rows += _rows(name, policy, [one[policy] for one in mine], seed=seed, do_donors_differ=differ)
    return pl.DataFrame(rows, schema=RESULTS["policy_trials"].schema, orient="row")


def run_replicate(item: Replicate, rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """Return the measures of every policy on one centre."""
    donors = [f"D{i:03d}" for i in range(1, len(item.log_odds) + 1)]
    truth = dict(zip(donors, rng.permutation(item.log_odds).tolist(), strict=True))
    seed = int(rng.integers(2**31))
    policies = {**POLICIES, ORACLE: oracle(truth)}
    results = {name: _follow(policy, truth, item.design, seed) for name, policy in policies.items()}
    found = {name: _measured(outcomes, truth) for name, outcomes in results.items()}
    for one in found.values():
        one["gain_over_random"] = 100 * (one["remission"] - found["random"]["remission"])
        one["regret"] = 100 * (found[ORACLE]["remission"] - one["remission"])
    return found


def _follow(policy: Policy, truth: Mapping[str, float], design: Design, seed: int) -> pl.DataFrame:
    """Let a policy run the centre and wait for the last outcomes; return all of them."""
    centre = open_centre(
        seed=seed,
        donor_log_odds=truth,
        arrivals_per_step=design.arrivals_per_step,
        units_per_step=design.units_per_step,
        outcome_after_days=design.outcome_after_days,
        step_days=design.step_days,
    )
    rng = np.random.default_rng([seed, 1])
    seen: list[pl.DataFrame] = []
    for _ in range(design.n_steps):
        centre, outcomes = centre.step(policy(_known(centre, seen), rng))
        seen.append(outcomes)
    while centre.pending.height:
        centre, outcomes = centre.step({})
        seen.append(outcomes)
    return pl.concat(seen)


def _known(centre: Centre, seen: Sequence[pl.DataFrame]) -> Known:
    columns = ["donor_id", "indication", "is_success"]
    schema = {"donor_id": pl.String, "indication": pl.String, "is_success": pl.Boolean}
    outcomes = pl.concat([one.select(columns) for one in seen]) if seen else pl.DataFrame(schema=schema)
    stock = dict(centre.donors.select("donor_id", "n_units").iter_rows())
    return Known(outcomes, stock, tuple(centre.waiting["recipient_id"]))


def _measured(outcomes: pl.DataFrame, truth: Mapping[str, float]) -> dict[str, float]:
    """Return the measures of one policy in one replicate; 0 or 1 for what did or did not happen."""
    known = Known(outcomes, dict.fromkeys(truth, 0), ())
    names, n, successes = known.by_donor()
    claims = allocate(known.counts(), donors=names, protocol=PROTOCOL)
    average = float(np.mean(list(truth.values())))
    margin = math.log(PROTOCOL.claim_odds_ratio)
    is_super = {d for d in names if truth[d] - average > margin}
    best, worst = max(names, key=lambda d: truth[d]), min(names, key=lambda d: truth[d])
    return {
        "n": float(n.sum()),
        "remission": float(successes.sum() / max(n.sum(), 1)),
        "largest_share": float(n.max() / max(n.sum(), 1)),
        "share_to_worst": float(n[names.index(worst)] / max(n.sum(), 1)),
        "false_super_donor": float(bool(set(claims.much_better) - is_super)),
        "false_super_donor_naive": float(bool(_naive_claims(names, n, successes) - is_super)),
        "super_donor_found": float(best in claims.much_better),
        "missed_bad_donor": float(worst not in claims.much_worse),
    }


def _naive_claims(names: Sequence[str], n: np.ndarray, successes: np.ndarray) -> set[str]:
    """Return the donors whose rate beats that of all others in an uncorrected test of two proportions."""
    others, wins = n.sum() - n, successes.sum() - successes
    rate = successes.sum() / max(n.sum(), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(rate * (1 - rate) * (1 / n + 1 / others))
        z = (successes / n - wins / others) / error
    return {name for name, value in zip(names, z, strict=True) if np.isfinite(value) and value > NAIVE_Z}


MEASURES = {
    "remission": "proportion",
    "gain_over_random": "remissions per 100 recipients",
    "regret": "remissions per 100 recipients",
    "largest_share": "proportion",
    "share_to_worst": "proportion",
    "false_super_donor": "share of replicates",
    "false_super_donor_naive": "share of replicates",
    "super_donor_found": "share of replicates",
    "missed_bad_donor": "share of replicates",
}
NEEDS_DIFFERENCE = frozenset(("share_to_worst", "super_donor_found", "missed_bad_donor"))


def _rows(
    setting: str, policy: str, found: Sequence[Mapping[str, float]], *, seed: int, do_donors_differ: bool
) -> list[dict[str, Any]]:
    rows = []
    for measure, unit in MEASURES.items():
        row: dict[str, Any] = {
            "setting": setting,
            "policy": policy,
            "measure": measure,
            "unit": unit,
            "n_replicates": len(found),
            "n_recipients": int(sum(one["n"] for one in found)),
            "seed": seed,
        }
        if measure in NEEDS_DIFFERENCE and not do_donors_differ:
            rows.append(row | {"verdict": "no donor differs in this setting"})
            continue
        estimate = _estimated(
            np.array([one[measure] for one in found]), is_share=unit == "share of replicates"
        )
        rows.append(
            row | estimate | {"verdict": _verdict(measure, lower=estimate["lower"], upper=estimate["upper"])}
        )
    return rows


def _estimated(values: np.ndarray, *, is_share: bool) -> dict[str, float]:
    """Return mean, Monte-Carlo error and interval: Wilson's for shares of replicates, else normal."""
    n, mean = len(values), float(values.mean())
    se = float(values.std(ddof=1) / math.sqrt(n))
    lower, upper = mean - Z * se, mean + Z * se
    if is_share:
        limits = wilson(int(values.sum()), n=n, level=LEVEL)
        lower, upper = limits.lower, limits.upper
    return {"estimate": mean, "se": se, "lower": float(lower), "upper": float(upper)}


def _verdict(measure: str, *, lower: float, upper: float) -> str | None:
    """Return what a figure says, in words; None for one that needs no verdict."""
    if measure == "gain_over_random":
        if lower > 0:
            return "better than random"
        return "worse than random" if upper < 0 else "not told from random"
    if measure == "regret":
        if lower > 0:
            return "behind the oracle"
        return "ahead of the oracle" if upper < 0 else "not told from the oracle"
    if measure.startswith("false_super_donor"):
        if upper <= 1 - PROTOCOL.claim_at:
            return "wrong claims are rarer than the bar promises"
        above = lower > 1 - PROTOCOL.claim_at
        return (
            "wrong claims are more frequent than one in twenty" if above else "compatible with one in twenty"
        )
    if measure == "missed_bad_donor":
        return "the worst donor is mostly missed" if lower > 0.5 else None
    if measure == "super_donor_found":
        return "the best donor is mostly not found" if upper < 0.5 else None
    return None
