"""Engraftment taxon by taxon: PRDF at each time point over the recipients whose donor had the taxon."""

from __future__ import annotations

from collections import defaultdict

import polars as pl

from commensal.microbiome.abundance import Abundance, abundance_of, depths
from commensal.microbiome.comparisons import Comparison, comparisons
from commensal.microbiome.engraftment import composite, profiles_of
from commensal.microbiome.overlap import peds_feature, wilson
from commensal.study import RESULTS, Study

NOBODY = "no recipient has both a profile and a donor's profile"
UNNAMED_TIME = "time point unknown"


def taxon_engraftment(study: Study, *, level: float = 0.95) -> pl.DataFrame:
    """Return PRDF of each taxon at each time point, in the declared ``taxon_outcomes`` table.

    Of the recipients whose donor's reference sample had the taxon, the share who have it; each recipient
    counts once at a time point. A time point is the source's word; where a recipient has several samples
    under one word, its samples are told apart by their day ("postFMT, day 14"), and of several on one day
    the deepest stands. Taxa that no donor had are not listed. Without any pair there is one row with a
    reason.
    """
    abundance = abundance_of(study)
    depth = depths(abundance, study.read("samples", columns=["sample_id", "n_reads"]))
    found = [
        c
        for c in comparisons(study, depth=depth, profiled=abundance.sample_ids)
        if c.sample_id in abundance.rows and c.donor.sample_ids
    ]
    if not found:
        return _nobody()
    frames = [
        _at(timepoint, chosen, abundance, level=level)
        for timepoint, chosen in _timepoints(found, depth=depth).items()
    ]
    return pl.concat(frames).sort("timepoint", "taxon_id")


def _at(timepoint: str, chosen: list[Comparison], abundance: Abundance, *, level: float) -> pl.DataFrame:
    whole = profiles_of(abundance)
    own = whole[[abundance.rows[c.sample_id] for c in chosen if c.sample_id]]
    share = peds_feature(
        own.presence, composite([c.donor.sample_ids for c in chosen], whole, abundance).presence
    )
    lower, upper = wilson(share, level=level)
    frame = pl.DataFrame(
        {
            "taxon_id": abundance.taxon_ids,
            "n_donors_had": share.n,
            "n_recipients_have": share.n_events,
            "value": share.value,
            "lower": lower,
            "upper": upper,
        }
    ).filter(pl.col("n_donors_had") > 0)
    return _declared(frame.with_columns(timepoint=pl.lit(timepoint)))


def _timepoints(found: list[Comparison], *, depth: dict[str, float]) -> dict[str, list[Comparison]]:
    """Return for each time point one comparison of each recipient."""
    times = pl.DataFrame({"word": [c.timepoint for c in found], "who": [c.subject_id for c in found]})
    repeated = set(times.filter(times.is_duplicated())["word"])
    best: dict[tuple[str, str], Comparison] = {}
    for c in sorted(found, key=lambda c: (depth.get(c.sample_id or "", 0.0), c.sample_id or "")):
        best[_time_label(c, by_day=c.timepoint in repeated), c.subject_id] = c
    grouped = defaultdict(list)
    for (label, _), comparison in sorted(best.items()):
        grouped[label].append(comparison)
    return grouped


def _time_label(comparison: Comparison, *, by_day: bool) -> str:
    word = comparison.timepoint or UNNAMED_TIME
    day = "unknown" if comparison.day is None else comparison.day
    return f"{word}, day {day}" if by_day else word


def _nobody() -> pl.DataFrame:
    return _declared(pl.DataFrame({"reason": [NOBODY]}))


def _declared(frame: pl.DataFrame) -> pl.DataFrame:
    schema = RESULTS["taxon_outcomes"].schema
    absent = [pl.lit(None, dtype=t).alias(n) for n, t in schema.items() if n not in frame.columns]
    return frame.with_columns(absent).select(pl.col(n).cast(t) for n, t in schema.items())
