"""Whose is this sample, by strains: two samples of one gut, or of a donor and a recipient, share strains.

Strains tell people apart far better than species do: of pairs of strangers hardly any share more than a
few. Here too a flag asks a person to check labels; it changes none.

References: Podlesny 2022, doi:10.1186/s40168-022-01251-w.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import nbinom, poisson

from commensal.errors import InputError, RefusedError
from commensal.microbiome.comparisons import Comparison
from commensal.microbiome.identity.evidence import LEAST_PATIENTS, N_FOLDS, Answer, parts_of, weights_of
from commensal.microbiome.identity.model import Floats, folds_of, tempered
from commensal.microbiome.identity.strains import OTHER, SHARED, Calls

METHOD = "strains shared with the candidate's samples, of those analysable; calibrated on other patients"
LIKELY, UNLIKELY = 0.95, 0.05


@dataclass(frozen=True)
class SharedStrains:
    """What the strains of one sample say: the probability that it belongs to the other, and the verdict."""

    other_probability: float
    verdict: str


def judge_shared_strains(own: Sequence[float], other: Sequence[float]) -> list[SharedStrains]:
    """Return for each sample whether it belongs to the other case rather than its own.

    ``own`` and ``other`` are the mean numbers of strains it shares with the other samples of its recorded
    case, and with those of the other case. Counts are read as Poisson at one of two rates: that of related
    samples (median over samples of the larger of the two) and that of strangers (median of the smaller), so
    the log-odds are (other - own) log(related / strangers), either alike beforehand. Verdicts:
    ``sample_swap`` from .95, ``consistent`` below .05, else ``undetermined``.

    Refuses: InputError for a negative or missing count; RefusedError for fewer than three samples, and
    where strangers share as much as relatives.
    """
    pairs = np.column_stack([np.asarray(own, dtype=float), np.asarray(other, dtype=float)])
    _checked(pairs)
    # Half a strain stands for "none seen": a rate of zero would make any shared strain proof.
    related = float(np.median(pairs.max(axis=1)))
    strangers = max(float(np.median(pairs.min(axis=1))), 0.5)
    if related <= strangers:
        raise RefusedError(
            f"relatives share {related:g} strains, strangers {strangers:g}", expected="more among relatives"
        )
    odds = (pairs[:, 1] - pairs[:, 0]) * np.log(related / strangers)
    return [SharedStrains(p, _verdict(p)) for p in (1 / (1 + np.exp(-odds))).tolist()]


def _verdict(probability: float) -> str:
    if probability >= LIKELY:
        return "sample_swap"
    return "consistent" if probability < UNLIKELY else "undetermined"


def judge_baselines(shared_with_donor: Sequence[float]) -> list[float]:
    """Return for each sample from before FMT the probability of so many of the donor's strains by chance.

    ``shared_with_donor`` are the (mean) numbers of strains each shares with the donor it had not yet met.
    Each is held against the others: negative binomial with their mean and variance (Poisson where they vary
    no more than that), upper tail. A very small value says that the tube holds a stool from after FMT, or
    that donor and recipient had met.

    Refuses: InputError for a negative or missing count, RefusedError for fewer than five samples.
    """
    counts = np.asarray(shared_with_donor, dtype=float)
    _checked(counts[:, None])
    if len(counts) < LEAST_PATIENTS:
        raise RefusedError(
            f"{len(counts)} samples", expected=f"at least {LEAST_PATIENTS} to hold each against"
        )
    return [_tail(value, np.delete(counts, k)) for k, value in enumerate(counts.tolist())]


def _tail(value: float, others: Floats) -> float:
    mean, variance = float(others.mean()), float(others.var(ddof=1))
    mean = max(mean, 1 / (2 * len(others)))
    if variance <= mean:
        return float(poisson.sf(np.ceil(value) - 1, mean))
    return float(nbinom.sf(np.ceil(value) - 1, mean**2 / (variance - mean), mean / variance))


def _checked(counts: Floats) -> None:
    if not (np.isfinite(counts).all() and (counts >= 0).all()):
        raise InputError("a number of shared strains is negative or missing", expected="0 or more")
    if len(counts) < 3:
        raise RefusedError(f"{len(counts)} samples", expected="at least three")


def strain_answers(
    found: Sequence[Comparison], calls: Calls, stools: Mapping[str, tuple[str, ...]], *, seed: int
) -> tuple[dict[str, Answer], dict[str, Answer]]:
    """Return the likely donors and the likely patients of samples, by strains.

    A sample is judged only where it was compared with its recorded donor (or patient) and with another; a
    table that compares within cases alone tells nothing, and neither do fewer than five patients.
    """
    own: dict[str, list[str]] = defaultdict(list)
    for c in found:
        if c.sample_id in calls.n_by_sample:
            own[c.subject_id].append(c.sample_id or "")
    donors = {c.sample_id or "": _donor_choices(c, stools) for c in found if c.is_before is False}
    patients = {
        c.sample_id or "": {c.subject_id: own[c.subject_id]}
        | {p: s for p, s in own.items() if p != c.subject_id}
        for c in found
        if c.sample_id
    }
    return tuple(_judged(found, calls, choices, seed=seed) for choices in (donors, patients))  # pyright: ignore


def _donor_choices(comparison: Comparison, stools: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """Return the recorded donors first, as one, then each other donor or batch."""
    label = comparison.donor.label if comparison.donor.sample_ids else None
    parts = parts_of(label, stools) if label else ()
    if not parts:
        return {}
    rest = {name: list(samples) for name, samples in sorted(stools.items()) if name not in parts}
    return {";".join(parts): [s for p in parts for s in stools[p]]} | rest


def _judged(
    found: Sequence[Comparison],
    calls: Calls,
    choices: Mapping[str, Mapping[str, Sequence[str]]],
    *,
    seed: int,
) -> dict[str, Answer]:
    counted = {
        c.sample_id: _counts(c.sample_id or "", choices.get(c.sample_id or "", {}), calls) for c in found
    }
    told = [c for c in found if _is_told(c, counted[c.sample_id], choices)]
    if len({c.subject_id for c in told}) < LEAST_PATIENTS:
        return {}
    tables = [counted[c.sample_id] for c in told]
    firsts = [next(iter(choices[c.sample_id or ""])) for c in told]
    log_shared, log_other = _log_rates(tables, firsts)
    width = max(len(t) for t in tables)
    scores = np.full((len(told), width), -np.inf)
    names = [[first, *(n for n in t if n != first)] for first, t in zip(firsts, tables, strict=True)]
    for k, (row, table) in enumerate(zip(names, tables, strict=True)):
        scores[k, : len(row)] = [
            (table[n][0] * log_shared + (table[n][1] - table[n][0]) * log_other) / table[n][2] for n in row
        ]
    fold = folds_of([c.subject_id for c in told], n_folds=N_FOLDS, seed=seed)
    places = np.array([fold[c.subject_id] for c in told])
    first = np.zeros(len(told), dtype=int)
    weight = weights_of(told, np.ones(len(told), dtype=bool))
    chances = tempered(scores, first, weight=weight, places=places, seed=seed)
    return {
        c.sample_id or "": Answer(row[int(p.argmax())], float(p.max()), float(p[0]), len(row), METHOD)
        for c, row, p in zip(told, names, chances, strict=True)
    }


def _counts(
    sample_id: str, choices: Mapping[str, Sequence[str]], calls: Calls
) -> dict[str, tuple[int, int, int]]:
    """Return for each candidate compared: strains shared, species analysable, samples they were of."""
    counts = {}
    for name, samples in choices.items():
        said = [list(calls.between(sample_id, [s]).values()) for s in samples if s != sample_id]
        used = [row for row in ([c for c in row if c in (SHARED, OTHER)] for row in said) if row]
        if used:
            counts[name] = (sum(row.count(SHARED) for row in used), sum(map(len, used)), len(used))
    return counts


def _is_told(
    comparison: Comparison,
    counts: Mapping[str, tuple[int, int, int]],
    choices: Mapping[str, Mapping[str, Sequence[str]]],
) -> bool:
    first = next(iter(choices.get(comparison.sample_id or "", {})), None)
    return first in counts and len(counts) > 1


def _log_rates(
    tables: Sequence[Mapping[str, tuple[int, int, int]]], firsts: Sequence[str]
) -> tuple[float, float]:
    """Return what one shared and one other strain add to the log-odds of being related."""
    own = np.sum([t[first][:2] for first, t in zip(firsts, tables, strict=True)], axis=0)
    rest = np.sum(
        [v[:2] for first, t in zip(firsts, tables, strict=True) for n, v in t.items() if n != first], axis=0
    )
    related, strangers = ((shared + 1) / (n + 2) for shared, n in (own, rest))
    return float(np.log(related / strangers)), float(np.log((1 - related) / (1 - strangers)))
