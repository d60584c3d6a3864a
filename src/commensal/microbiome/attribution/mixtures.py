"""Mixtures of real communities whose sources are known, to learn and to judge source attribution by.

A sink is drawn from stools of several people in known shares. Of each source the model may be shown the
very stool that went in or another one of the same person; the last part comes from somebody it is not shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from commensal.errors import RefusedError


@dataclass(frozen=True, eq=False)
class Mixture:
    """One drawn sink.

    ``reads`` (taxa,); ``given`` and ``shown`` the rows of the stools mixed and shown, one a source;
    ``stranger`` the row of the unknown part; ``shares`` (sources + 1,), the unknown last, summing to one;
    ``left_out`` the people whom a background must not hold: the sources' and the stranger.
    """

    reads: np.ndarray
    given: tuple[int, ...]
    shown: tuple[int, ...]
    stranger: int
    shares: np.ndarray
    left_out: tuple[str, ...]


def draw_mixture(
    proportions: np.ndarray,
    *,
    sources: Sequence[Sequence[int]],
    people: Mapping[str, Sequence[int]],
    is_same: Sequence[bool],
    shares: np.ndarray,
    depth: int,
    seed: Sequence[int],
) -> Mixture:
    """Return a sink of ``depth`` reads from one stool of each source and of one stranger.

    ``proportions`` is (samples, taxa); ``sources`` the rows of each source's stools; ``people`` the rows of
    everybody; ``is_same`` whether the stool given is the one shown. A source with one stool shows that one.
    Refuses (RefusedError) where nobody is left to be the stranger.
    """
    generator = np.random.default_rng(seed)
    rows = {row for source in sources for row in source}
    known = [name for name in sorted(people) if rows.intersection(people[name])]
    strangers = [name for name in sorted(people) if name not in known]
    if not strangers:
        raise RefusedError("nobody is left to be the unknown source", expected="more people than sources")
    pairs = [_pair(source, same, generator) for source, same in zip(sources, is_same, strict=True)]
    given, shown = tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)
    name = strangers[generator.integers(len(strangers))]
    stranger = int(generator.choice(np.asarray(people[name])))
    mixed = shares @ proportions[[*given, stranger]]
    reads = generator.multinomial(depth, mixed / mixed.sum()).astype(float)
    return Mixture(reads, given, shown, stranger, np.asarray(shares, dtype=float), (*known, name))


def _pair(stools: Sequence[int], same: bool, generator: np.random.Generator) -> tuple[int, int]:
    order = generator.permutation(len(stools))
    return int(stools[order[0]]), int(stools[order[0 if same or len(stools) == 1 else 1]])
