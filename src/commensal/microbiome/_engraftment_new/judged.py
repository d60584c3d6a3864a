"""Nulls and global tests put beside the measures of the panel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from commensal.microbiome.comparability import Setting
from commensal.microbiome.comparisons import Comparison
from commensal.microbiome.global_tests import Finding, arm_test, donor_test
from commensal.microbiome.nulls import DIRECTIONS, Crossed, Null, against_all, discovery_rates, null_of
from commensal.microbiome.panel_measures import Communities
from commensal.microbiome.panel_rows import COMPARATORS, MISMATCHED, NO_NULL, Measured
from commensal.microbiome.reference_panel import ReferencePanel
from commensal.microbiome.timepoints import one_a_subject, time_labels
from commensal.study import RESULTS

DONOR_METHOD = (
    "own minus mean mismatched donor; donor labels permuted over subjects within a setting (one-sided); "
    "Student interval over subjects, those of one donor together"
)
ARM_METHOD = "recipients minus comparators; arms permuted over subjects (one-sided); Welch interval"
ALL_TIMES = "all"
CONTROL = "before the first transplant: a negative control"
TO_ALL = "peds_to_all_donors"


@dataclass(frozen=True, eq=False)
class Judged:
    """Measures with their nulls, and the global tests."""

    measures: dict[str, Measured]
    tests: pl.DataFrame


@dataclass(frozen=True, eq=False)
class _Frame:
    """What is the same for all measures: time points, groups and seeds."""

    found: Sequence[Comparison]
    panel: ReferencePanel
    families: np.ndarray
    moments: Mapping[str, tuple[list[int], str | None]]
    groups: np.ndarray
    comparators: list[int]
    seed: int
    level: float


def judge(
    given: Communities,
    panel: ReferencePanel,
    measures: Mapping[str, Measured],
    *,
    settings: Mapping[str, Setting],
    depth: Mapping[str, float],
    seed: int,
    level: float,
) -> Judged:
    """Return the measures with nulls, p and q, and every global test."""
    frame = _frame(given.found, panel, settings=settings, depth=depth, seed=seed, level=level)
    judged, rows = dict(measures), []
    for measure, values in against_all(_crossed(given, panel)):
        judged[measure] = _with_null(measures[measure], measure, values, frame)
        rows += _donor_rows(measures[measure].values, measure, values, frame)
        if measure == "peds":
            judged[TO_ALL] = _to_all_donors(values, panel)
    rows += _arm_rows(judged, frame, baseline_of=_first_rows(given))
    schema = RESULTS["engraftment_tests"].schema
    return Judged(judged, pl.DataFrame(rows, schema=schema))


def _crossed(given: Communities, panel: ReferencePanel) -> Crossed:
    places = np.array([given.keys[r.sample_ids] for r in panel.references], dtype=int)
    used, of = np.unique(given.baseline_of[given.baseline_of >= 0], return_inverse=True)
    baseline_of = np.full(given.baseline_of.size, -1)
    baseline_of[given.baseline_of >= 0] = of
    chances = None if given.chances is None else (given.chances[0], given.chances[1][places])
    return Crossed(given.own, given.references[places], chances, given.references[used], baseline_of)


def _frame(
    found: Sequence[Comparison],
    panel: ReferencePanel,
    *,
    settings: Mapping[str, Setting],
    depth: Mapping[str, float],
    seed: int,
    level: float,
) -> _Frame:
    labels = time_labels(found)
    keys = [f"{c.is_before}\t{label}" for c, label in zip(found, labels, strict=True)]
    axes = [settings.get(c.sample_id or "", Setting()).axis for c in found]
    place = {axis: i for i, axis in enumerate(dict.fromkeys(axes))}
    after = [i for i, c in enumerate(found) if c.is_comparator and c.is_before is False]
    return _Frame(
        found=found,
        panel=panel,
        families=np.unique(keys, return_inverse=True)[1] if keys else np.zeros(0, dtype=int),
        moments=_moments(found, labels, depth=depth),
        groups=np.array([place[axis] for axis in axes], dtype=int),
        comparators=one_a_subject(found, after, depth=depth),
        seed=seed,
        level=level,
    )


def _moments(
    found: Sequence[Comparison], labels: Sequence[str], *, depth: Mapping[str, float]
) -> dict[str, tuple[list[int], str | None]]:
    """Return for each time point one row of each subject with a donor, and a caution."""
    with_donor = [i for i, c in enumerate(found) if c.donor.sample_ids]
    after = [i for i in with_donor if found[i].is_before is False]
    moments: dict[str, tuple[list[int], str | None]] = {}
    moments[ALL_TIMES] = (one_a_subject(found, after, depth=depth), None)
    for label in sorted({labels[i] for i in after}):
        rows = one_a_subject(found, [i for i in after if labels[i] == label], depth=depth)
        moments[label] = (rows, None)
    before = [i for i in with_donor if found[i].is_before]
    for label in sorted({labels[i] for i in before}):
        rows = one_a_subject(found, [i for i in before if labels[i] == label], depth=depth)
        moments[label if label not in moments else f"{label} (before)"] = (rows, CONTROL)
    return moments


def _with_null(measured: Measured, measure: str, values: np.ndarray, frame: _Frame) -> Measured:
    direction = DIRECTIONS[measure]
    null = null_of(measured.values, values, frame.panel.mismatched, direction=direction)
    kind = np.where(null.n > 0, MISMATCHED, NO_NULL)
    null, kind = _else_comparators(null, kind, measured.values, values, frame, direction=direction)
    columns = {
        "null_mean": null.mean,
        "n_null": np.where(kind == NO_NULL, np.nan, null.n),
        "p": null.p,
        "q": discovery_rates(null.p, frame.families),
    }
    columns["null_mean"] = np.where(kind == NO_NULL, np.nan, columns["null_mean"])
    return replace(measured, columns={**measured.columns, **columns}, null_kind=kind)


def _else_comparators(
    null: Null, kind: np.ndarray, own: np.ndarray, values: np.ndarray, frame: _Frame, *, direction: int
) -> tuple[Null, np.ndarray]:
    """Return the null with comparator patients' samples in it where no mismatched donor was to be had."""
    rows = np.flatnonzero((kind == NO_NULL) & np.isfinite(own) & (frame.panel.column >= 0))
    if not rows.size or not frame.comparators:
        return null, kind
    columns = frame.panel.column[rows]
    theirs = values[frame.comparators][:, columns].T
    is_usable = frame.panel.comparable[frame.comparators][:, columns].T
    other = null_of(own[rows], theirs, is_usable, direction=direction)
    merged = Null(null.mean.copy(), null.n.copy(), null.p.copy())
    merged.mean[rows], merged.n[rows], merged.p[rows] = other.mean, other.n, other.p
    marked = kind.copy()
    marked[rows] = np.where(other.n > 0, COMPARATORS, NO_NULL)
    return merged, marked


def _donor_rows(own: np.ndarray, measure: str, values: np.ndarray, frame: _Frame) -> Iterator[dict[str, Any]]:
    for label, (rows, caution) in frame.moments.items():
        finding = donor_test(
            values[rows],
            own[rows],
            frame.panel.column[rows],
            frame.panel.mismatched[rows],
            frame.groups[rows],
            direction=DIRECTIONS[measure],
            seed=frame.seed,
            level=frame.level,
        )
        yield _row(finding, measure, label, DONOR_METHOD, caution=caution, level=frame.level)


def _row(
    finding: Finding, measure: str, label: str, method: str, *, caution: str | None, level: float
) -> dict[str, Any]:
    reason = "; ".join(part for part in (finding.reason, caution) if part) or None
    return {
        "measure": measure,
        "timepoint": label,
        "method": method,
        "estimate": finding.estimate,
        "lower": finding.lower,
        "upper": finding.upper,
        "level": level if finding.lower is not None else None,
        "p": finding.p,
        "n": finding.n,
        "n_null": finding.n_null or None,
        "reason": reason,
    }


def _to_all_donors(values: np.ndarray, panel: ReferencePanel) -> Measured:
    """Return the mean PEDS over all single donors: it needs no record of who was given what."""
    usable = panel.comparable & panel.is_single[None, :] & np.isfinite(values)
    n = usable.sum(axis=1)
    mean = np.where(usable, values, 0.0).sum(axis=1) / np.maximum(n, 1)
    words = "mean PEDS over the references of all single donors of a comparable setting"
    return Measured(
        "nothing",
        np.where(n > 0, mean, np.nan),
        undefined="no single donor with a profile of a comparable setting",
        interval=words,
    )


def _first_rows(given: Communities) -> np.ndarray:
    """Return the row of each sample's baseline among the samples; −1 without one."""
    row_of = {c.sample_id: i for i, c in enumerate(given.found)}
    return np.array([row_of.get(next(iter(c.baseline.sample_ids), None), -1) for c in given.found], dtype=int)


def _arm_rows(
    measures: Mapping[str, Measured], frame: _Frame, *, baseline_of: np.ndarray
) -> Iterator[dict[str, Any]]:
    """Yield recipients against comparators: last samples, and their change since baseline."""
    if not frame.comparators:
        return
    values = measures[TO_ALL].values
    before = np.where(baseline_of >= 0, values[np.maximum(baseline_of, 0)], np.nan)
    given = [i for i, c in enumerate(frame.found) if c.is_before is False and not c.is_comparator]
    depth = {c.sample_id or "": 0.0 for c in frame.found}
    recipients = one_a_subject(frame.found, given, depth=depth)
    for name, scores in ((TO_ALL, values), (f"{TO_ALL}_change", values - before)):
        arms = [scores[rows][np.isfinite(scores[rows])] for rows in (recipients, frame.comparators)]
        finding = arm_test(*arms, seed=frame.seed, level=frame.level)
        left = len(recipients) + len(frame.comparators) - sum(a.size for a in arms)
        caution = f"{left} subject(s) without a value" if left else None
        yield _row(finding, name, ALL_TIMES, ARM_METHOD, caution=caution, level=frame.level)
