"""Time points: the source's words, told apart by day where one word covers several samples of a subject."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from commensal.microbiome.comparisons import Comparison

UNNAMED_TIME = "time point unknown"


def time_labels(found: Sequence[Comparison]) -> list[str]:
    """Return the time point of each comparison.

    Where a recipient has several samples under one word, all samples under that word are told apart by
    their day ("postFMT, day 14").
    """
    times = Counter((c.timepoint, c.subject_id) for c in found)
    repeated = {word for (word, _), n in times.items() if n > 1}
    return [_label(c, by_day=c.timepoint in repeated) for c in found]


def _label(comparison: Comparison, *, by_day: bool) -> str:
    word = comparison.timepoint or UNNAMED_TIME
    day = "unknown" if comparison.day is None else comparison.day
    return f"{word}, day {day}" if by_day else word


def one_a_subject(
    found: Sequence[Comparison], rows: Sequence[int], *, depth: Mapping[str, float]
) -> list[int]:
    """Return of each subject among ``rows`` the row of its last sample, the deepest of that day.

    A sample of unknown day stands only where the subject has no dated one.
    """

    def rank(row: int) -> tuple[bool, int, float, str]:
        c = found[row]
        return c.day is not None, c.day or 0, depth.get(c.sample_id or "", 0.0), c.sample_id or ""

    best: dict[str, int] = {}
    for row in sorted(rows, key=rank):
        best[found[row].subject_id] = row
    return [best[subject] for subject in sorted(best)]
