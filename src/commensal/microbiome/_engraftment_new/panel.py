"""Engraftment: each sample of each recipient against donor and own baseline, in one call.

What is estimated: for PEDS, of the features seen in the donor's reference sample the share also seen in
the recipient's sample. It is resemblance: a sample from before the transplant has it too. The panel puts
beside it what is adjusted for the baseline (``peds_gained`` and the fates of taxa), for depth
(``peds_at_depth``), and for what all healthy guts share (the null of donors the subject never received).
Nothing here is a fraction of the community that came from the donor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from commensal.errors import InputError
from commensal.microbiome.abundance import Abundance, abundance_of, depths, rarefy
from commensal.microbiome.comparability import Setting, settings_of
from commensal.microbiome.comparisons import (
    ONE_COURSE,
    Comparison,
    comparisons,
    donor_references,
    within_settings,
)
from commensal.microbiome.fates import FATES, IN_SAMPLE, n_fates, taxon_fates
from commensal.microbiome.panel_measures import Communities, communities, panel
from commensal.microbiome.panel_nulls import TO_ALL, judge
from commensal.microbiome.panel_rows import Measured, contexts, measure_rows, reason_rows
from commensal.microbiome.reference_panel import reference_panel
from commensal.microbiome.taxon_outcomes import outcomes_of
from commensal.microbiome.timepoints import one_a_subject
from commensal.study import RESULTS, Study

# What each measure is against, in the order of the rows of one sample.
AGAINST: Mapping[str, str] = {
    "peds": "donor",
    "peds_gained": "both",
    "peds_at_depth": "donor",
    "pprs": "baseline",
    "bray_curtis_to_donor": "donor",
    "jaccard_to_donor": "donor",
    "bray_curtis_to_baseline": "baseline",
    "jaccard_to_baseline": "baseline",
    "bray_curtis_to_donor_change": "both",
    "jaccard_to_donor_change": "both",
    "engraftment_index": "both",
    "engraftment_index_remainder": "both",
    "c2r": "both",
    **{f"taxa_{fate}": "both" for fate in FATES},
    **{f"share_{fate}": "both" for fate in IN_SAMPLE},
    "gained_still_there": "both",
    TO_ALL: "nothing",
    "richness": "nothing",
    "shannon": "nothing",
    "simpson": "nothing",
    "richness_minus_donor": "donor",
    "shannon_minus_donor": "donor",
}
MEASURES = tuple(AGAINST)
# Rows only for samples after a second course.
AFTER_SECOND_COURSE = ("peds_gained_latest_course", "pprs_latest_course")

# Design choice: below this many reads a gut sample visibly lacks features that were there. It is also the
# common depth of ``peds_at_depth``, the same in every study.
FEW_READS = 1000
# Above so many rows the fates of single taxa are listed of each subject's last sample alone.
MOST_FATES = 2_000_000

NO_PROFILE = "no abundance profile of this sample"


def engraft(
    study: Study,
    *,
    seed: int = 0,
    level: float = 0.95,
    rarefy_to: int | None = None,
    depth: int = FEW_READS,
    most_fates: int = MOST_FATES,
) -> dict[str, pl.DataFrame]:
    """Return the engraftment panel: every measure of every recipient's sample, with nulls and tests.

    Parameters: ``level`` is the confidence level of all intervals. ``rarefy_to`` draws every sample down
    to so many reads first, by ``seed``; by default nothing is drawn. ``depth`` is the depth in reads at
    which ``peds_at_depth`` is computed (nothing is drawn for it). ``seed`` also draws the arrangements of
    the global tests, and the donors of the nulls where there are above 500.

    Returns the declared tables ``engraftment``, ``engraftment_tests``, ``taxon_outcomes`` and
    ``taxon_fates``. A patient without a sample has one row; what cannot be measured is a row with its
    reason. The fates of single taxa are listed for all samples after transplant with donor and baseline
    or, where that would be more than ``most_fates`` rows, for the last of each subject; a sample left out
    says so in its rows ``taxa_…``, which count the fates of all.

    Refuses: InputError for abundances that are not as declared, a level or depth that is none;
    RefusedError for rarefying proportions.
    """
    if not 0 < level < 1:
        raise InputError(f"a level of {level}", expected="a number between 0 and 1")
    source = _source(study, seed=seed, rarefy_to=rarefy_to)
    donors = donor_references(study, depth=source.depth, profiled=source.abundance.sample_ids)
    given = communities(source.measured, source.abundance, others=donors, depth=depth)
    references = reference_panel(source.measured, donors, settings=source.settings, seed=seed)
    judged = judge(
        given,
        references,
        dict(panel(given, level=level, depth=depth)),
        settings=source.settings,
        depth=source.depth,
        seed=seed,
        level=level,
    )
    listed, fates = _fates(given, source, most=most_fates)
    return {
        "engraftment": _table(source, judged.measures, unlisted=_unlisted(given, listed, most=most_fates)),
        "engraftment_tests": judged.tests,
        "taxon_outcomes": outcomes_of(source.measured, source.abundance, depth=source.depth, level=level),
        "taxon_fates": fates,
    }


@dataclass(frozen=True, eq=False)
class _Source:
    """The samples of a study, sorted into those that can be measured and the others."""

    abundance: Abundance
    depth: dict[str, float]
    settings: Mapping[str, Setting]
    measured: list[Comparison]
    unmeasured: Sequence[tuple[list[Comparison], str | None]]


def _source(study: Study, *, seed: int, rarefy_to: int | None) -> _Source:
    full = abundance_of(study)
    abundance = rarefy(full, depth=rarefy_to, seed=seed) if rarefy_to is not None else full
    depth = depths(full, study.read("samples", columns=["sample_id", "n_reads"]))
    settings = settings_of(study)
    found = within_settings(comparisons(study, depth=depth, profiled=abundance.sample_ids), settings)
    sampled = [c for c in found if c.sample_id is not None]
    shallow = [c for c in sampled if c.sample_id in full.rows and c.sample_id not in abundance.rows]
    return _Source(
        abundance=abundance,
        depth=depth,
        settings=settings,
        measured=[c for c in sampled if c.sample_id in abundance.rows],
        unmeasured=(
            (shallow, f"fewer than {rarefy_to} reads: left out by rarefaction"),
            ([c for c in sampled if c.sample_id not in full.rows], NO_PROFILE),
            ([c for c in found if c.sample_id is None], None),
        ),
    )


def _table(source: _Source, measures: Mapping[str, Measured], *, unlisted: pl.DataFrame) -> pl.DataFrame:
    few = {s: _few(reads) for s, reads in source.depth.items() if reads < FEW_READS}
    context = contexts(source.measured, few)
    is_second = pl.Series([c.latest_course.reason != ONE_COURSE for c in source.measured], dtype=pl.Boolean)
    parts = [RESULTS["engraftment"].empty()]
    for measure, measured in measures.items():
        rows = measure_rows(context, measure, measured)
        parts.append(rows if measure in AGAINST else rows.filter(is_second))
    for found, reason in source.unmeasured:
        empty = contexts(found, {})
        for measure in MEASURES if reason else ("peds",):
            parts.append(reason_rows(empty, AGAINST[measure], measure, reason=reason))
    order = pl.col("measure").cast(pl.Enum((*MEASURES, *AFTER_SECOND_COURSE)))
    table = pl.concat(parts).join(unlisted, on=["sample_id", "measure"], how="left")
    noted = pl.concat_str("reason", "unlisted", separator="; ", ignore_nulls=True)
    table = table.with_columns(reason=pl.when(pl.col("unlisted").is_null()).then("reason").otherwise(noted))
    return table.drop("unlisted").sort("subject_id", "day", "sample_id", order, nulls_last=True)


def _few(reads: float) -> str:
    return f"only {reads:,.0f} reads: features are missed"


def _fates(given: Communities, source: _Source, *, most: int) -> tuple[np.ndarray, pl.DataFrame]:
    """Return the rows whose taxa are listed one by one, and that list."""
    rows = np.array([r for r in given.with_both if given.found[r].is_before is False], dtype=int)
    if n_fates(*given.among(rows)) > most:
        rows = np.array(one_a_subject(given.found, rows.tolist(), depth=source.depth), dtype=int)
    named = pl.DataFrame(
        {
            "sample_id": [given.found[r].sample_id for r in rows],
            "subject_id": [given.found[r].subject_id for r in rows],
            "day": [given.found[r].day for r in rows],
        },
        schema={n: RESULTS["taxon_fates"].schema[n] for n in ("sample_id", "subject_id", "day")},
    )
    return rows, taxon_fates(*given.among(rows), named=named, taxon_ids=source.abundance.taxon_ids)


def _unlisted(given: Communities, listed: np.ndarray, *, most: int) -> pl.DataFrame:
    """Return the note on samples whose taxa are counted but not listed one by one."""
    after = {r for r in given.with_both.tolist() if given.found[r].is_before is False}
    samples = [given.found[r].sample_id for r in sorted(after - set(listed.tolist()))]
    words = f"taxa not listed one by one: of more than {most:,} rows only each subject's last sample is"
    frame = pl.DataFrame({"sample_id": samples}, schema={"sample_id": pl.String})
    measures = pl.DataFrame({"measure": [f"taxa_{fate}" for fate in FATES]})
    return frame.join(measures, how="cross").with_columns(unlisted=pl.lit(words))
