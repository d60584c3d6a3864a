"""Engraftment taxon by taxon: PRDF at each time point over the recipients whose donor had the taxon."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from commensal.microbiome.abundance import Abundance, Matrix, abundance_of, depths
from commensal.microbiome.comparability import settings_of
from commensal.microbiome.comparisons import Comparison, comparisons, within_settings
from commensal.microbiome.engraftment.overlap import Share, peds_feature, wilson
from commensal.microbiome.engraftment.timepoints import one_a_subject, time_labels
from commensal.microbiome.profiles import Profiles, composite, profiles_of
from commensal.study import RESULTS, Study

NOBODY = "no recipient has both a profile and a donor's profile"


def taxon_engraftment(study: Study, *, level: float = 0.95) -> pl.DataFrame:
    """Return PRDF of each taxon at each time point, in the declared ``taxon_outcomes`` table.

    Of the recipients whose donor's reference sample had the taxon, the share who have it (``value``); and
    of those with a baseline that lacked it, the share who have it now (``gained_value``). Each recipient
    counts once at a time point. A time point is the source's word; where a recipient has several samples
    under one word, its samples are told apart by their day ("postFMT, day 14"), and of several on one day
    the deepest stands. Taxa that no donor had are not listed. Without any pair there is one row with a
    reason.
    """
    abundance = abundance_of(study)
    depth = depths(abundance, study.read("samples", columns=["sample_id", "n_reads"]))
    found = within_settings(
        comparisons(study, depth=depth, profiled=abundance.sample_ids), settings_of(study)
    )
    return outcomes_of(found, abundance, depth=depth, level=level)


def outcomes_of(
    found: Iterable[Comparison], abundance: Abundance, *, depth: Mapping[str, float], level: float
) -> pl.DataFrame:
    """Return the same of comparisons already made; those without a profile or a donor do not count."""
    usable = [c for c in found if c.sample_id in abundance.rows and c.donor.sample_ids]
    if not usable:
        return _nobody()
    whole, labels = profiles_of(abundance), time_labels(usable)
    frames = []
    for label in sorted(set(labels)):
        rows = [i for i, own in enumerate(labels) if own == label]
        chosen = [usable[i] for i in one_a_subject(usable, rows, depth=depth)]
        frames.append(_at(label, chosen, whole, abundance, level=level))
    return pl.concat(frames).sort("timepoint", "taxon_id")


def _at(
    timepoint: str, chosen: list[Comparison], whole: Profiles, abundance: Abundance, *, level: float
) -> pl.DataFrame:
    own = whole[[abundance.rows[c.sample_id] for c in chosen if c.sample_id]].presence
    donors = _composite([c.donor.sample_ids for c in chosen], whole, abundance)
    shares = {"": peds_feature(own, donors), "gained_": _gained(chosen, own, donors, whole, abundance)}
    columns: dict[str, np.ndarray | tuple[str, ...]] = {"taxon_id": abundance.taxon_ids}
    for prefix, share in shares.items():
        lower, upper = wilson(share, level=level)
        columns |= {f"{prefix}value": share.value, f"{prefix}lower": lower, f"{prefix}upper": upper}
    columns |= {"n_donors_had": shares[""].n, "n_recipients_have": shares[""].n_events}
    columns |= {"n_lacked": shares["gained_"].n, "n_gained": shares["gained_"].n_events}
    frame = pl.DataFrame(columns).filter(pl.col("n_donors_had") > 0)
    return _declared(frame.with_columns(pl.selectors.float().fill_nan(None), timepoint=pl.lit(timepoint)))


def _gained(
    chosen: list[Comparison], own: Matrix, donors: Matrix, whole: Profiles, abundance: Abundance
) -> Share:
    """Return, of recipients with a baseline that lacked the taxon their donor had, those who have it."""
    rows = [i for i, c in enumerate(chosen) if c.baseline.sample_ids]
    before = _composite([chosen[i].baseline.sample_ids for i in rows], whole, abundance)
    had = donors[rows] - donors[rows].multiply(before)
    return peds_feature(own[rows], had)


def _composite(groups: list[tuple[str, ...]], whole: Profiles, abundance: Abundance) -> Matrix:
    return composite(groups, whole, rows=abundance.rows).presence


def _nobody() -> pl.DataFrame:
    return _declared(pl.DataFrame({"reason": [NOBODY]}))


def _declared(frame: pl.DataFrame) -> pl.DataFrame:
    schema = RESULTS["taxon_outcomes"].schema
    absent = [pl.lit(None, dtype=t).alias(n) for n, t in schema.items() if n not in frame.columns]
    return frame.with_columns(absent).select(pl.col(n).cast(t) for n, t in schema.items())
