"""The donor references of a study side by side, and which of them a sample can be held against as a null."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from commensal.microbiome.comparability import Setting, refusal
from commensal.microbiome.comparisons import Comparison, Reference

# Design choice: more mismatched donors than this say no more about one sample.
MOST_REFERENCES = 500


@dataclass(frozen=True, eq=False)
class ReferencePanel:
    """Distinct donor references, and how the samples stand to them.

    ``column`` is the column of each sample's own reference, −1 where it has none or it was not drawn.
    ``mismatched`` (samples × references) marks those a sample can be held against: of a donor the subject
    received on no day, of a comparable setting, and of the same make. ``single`` marks one donor's sample.
    """

    references: tuple[Reference, ...]
    column: np.ndarray
    mismatched: np.ndarray
    comparable: np.ndarray
    is_single: np.ndarray
    is_drawn: bool


def reference_panel(
    found: Sequence[Comparison],
    donors: Sequence[Reference],
    *,
    settings: Mapping[str, Setting],
    seed: int,
) -> ReferencePanel:
    """Return the panel: every reference used and every donor's; above ``MOST_REFERENCES`` a seeded draw."""
    usable = [r for r in (*(c.donor for c in found), *donors) if r.sample_ids]
    distinct = {r.sample_ids: r for r in sorted(usable, key=lambda r: r.sample_ids)}
    ordered = [distinct[key] for key in sorted(distinct)]
    is_drawn = len(ordered) > MOST_REFERENCES
    if is_drawn:
        drawn = np.random.default_rng(seed).choice(len(ordered), MOST_REFERENCES, replace=False)
        ordered = [ordered[i] for i in sorted(drawn)]
    place = {r.sample_ids: i for i, r in enumerate(ordered)}
    column = np.array([place.get(c.donor.sample_ids, -1) for c in found], dtype=int)
    comparable = _comparable(found, ordered, settings)
    mismatched = comparable & _same_make(found, ordered) & ~_received(found, ordered)
    is_single = np.array([_make(r) == (False, 1) for r in ordered], dtype=bool)
    return ReferencePanel(tuple(ordered), column, mismatched, comparable, is_single, is_drawn)


def _make(reference: Reference) -> tuple[bool, int]:
    """Return whether a pool's own sample is in it, and how many samples: richness hangs on both."""
    return reference.is_pool, len(reference.sample_ids)


def _same_make(found: Sequence[Comparison], references: Sequence[Reference]) -> np.ndarray:
    makes = {make: k for k, make in enumerate(dict.fromkeys(_make(r) for r in references))}
    of_sample = np.array([makes.get(_make(c.donor), -1) for c in found], dtype=int)
    of_reference = np.array([makes[_make(r)] for r in references], dtype=int)
    return of_sample[:, None] == of_reference[None, :]


def _received(found: Sequence[Comparison], references: Sequence[Reference]) -> np.ndarray:
    """Return whether the subject ever received anything that is in the reference."""
    names = sorted({name for r in references for name in _names(r)})
    place = {name: i for i, name in enumerate(names)}
    held = _marks([_names(r) for r in references], place)
    groups = list(dict.fromkeys(c.ever_given for c in found))
    given = _marks(groups, place) @ held.T > 0
    index = {group: i for i, group in enumerate(groups)}
    return given[[index[c.ever_given] for c in found]].reshape(len(found), len(references))


def _names(reference: Reference) -> frozenset[str]:
    return reference.donor_ids | ({reference.label} if reference.label else set())


def _marks(groups: Sequence[frozenset[str]], place: Mapping[str, int]) -> np.ndarray:
    marks = np.zeros((len(groups), len(place)), dtype=np.float32)
    for row, group in enumerate(groups):
        marks[row, [place[name] for name in group if name in place]] = 1
    return marks


def _comparable(
    found: Sequence[Comparison], references: Sequence[Reference], settings: Mapping[str, Setting]
) -> np.ndarray:
    own = [settings.get(c.sample_id or "", Setting()).axis for c in found]
    theirs = [tuple(settings.get(s, Setting()).axis for s in r.sample_ids) for r in references]
    axes = {axis: i for i, axis in enumerate(dict.fromkeys(own))}
    makes = {make: i for i, make in enumerate(dict.fromkeys(theirs))}
    allowed = np.array(
        [[all(refusal(axis, other) is None for other in make) for make in makes] for axis in axes],
        dtype=bool,
    ).reshape(len(axes), len(makes))
    rows = np.array([axes[axis] for axis in own], dtype=int)
    columns = np.array([makes[make] for make in theirs], dtype=int)
    return allowed[np.ix_(rows, columns)]
