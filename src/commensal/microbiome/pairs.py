"""Which rows are compared with which: baselines, mismatched donors, pairs of a group."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import combinations

from commensal.errors import InputError


def baseline_rows(
    subjects: Sequence[Hashable], times: Sequence[float], *, baseline: float
) -> list[int | None]:
    """Return, for each row, the row of its subject's sample at the baseline time.

    None for the baseline itself and for a subject without one. Refuses (InputError) a subject with two
    samples at the baseline time: which one is meant must be said.
    """
    at_baseline: dict[Hashable, int] = {}
    for row, (subject, time) in enumerate(zip(subjects, times, strict=True)):
        if time == baseline and subject in at_baseline:
            raise InputError(f"subject {subject!r} has two samples at time {baseline}", expected="one")
        if time == baseline:
            at_baseline[subject] = row
    return [
        None if time == baseline else at_baseline.get(subject)
        for subject, time in zip(subjects, times, strict=True)
    ]


def mismatched_pairs(donors: Sequence[Hashable]) -> list[tuple[int, Hashable]]:
    """Return every (row, donor) where the donor is another row's and not the row's own."""
    distinct = list(dict.fromkeys(donors))
    return [(row, other) for row, own in enumerate(donors) for other in distinct if other != own]


def pairs_within(groups: Sequence[Hashable | None]) -> list[tuple[int, int]]:
    """Return every pair of rows of one group, group by group; rows without a group are left out."""
    distinct = [group for group in dict.fromkeys(groups) if group is not None]
    members = {group: [row for row, own in enumerate(groups) if own == group] for group in distinct}
    return [pair for group in distinct for pair in combinations(members[group], 2)]
