"""Dysbiosis: several measures of each community side by side, each with its reference and uncertainty.

No measure is "balance". A distance says how unlike a reference cohort a community is, an index what its
authors saw in their cohorts; they disagree, and are printed together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from commensal.errors import InputError, RefusedError
from commensal.microbiome.abundance import abundance_of
from commensal.microbiome.comparability import Setting, settings_of
from commensal.microbiome.deficits import deficit_frames
from commensal.microbiome.dysbiosis_alpha import alphas_of
from commensal.microbiome.dysbiosis_columns import Column, frame_of, shallow_cautions, stood
from commensal.microbiome.dysbiosis_indices import IndexScores, index_scores
from commensal.microbiome.members import with_all_taxa
from commensal.microbiome.reference import Reference, Together, alone, put_together, reference_of
from commensal.microbiome.reference_groups import NO_PROFILE, Group, groups_of, sampled
from commensal.microbiome.reference_scores import Standing, SubjectMedian, weighted_mean
from commensal.study import RESULTS, Study
from commensal.vocabulary.taxon_functions import DysbiosisIndex

DISTANCES = {
    "bray_curtis_to_reference": "median Bray–Curtis to reference samples of other subjects",
    "cloud": "mean Bray–Curtis to the {k} nearest of these, over the cohort's own mean",
}
ALPHAS = {
    "richness_share": "taxa expected in {depth} reads, as share of the reference's median",
    "shannon_share": "Shannon entropy as share of the reference's median",
}
MEASURES = (*DISTANCES, "mhi_a", "md_index", "gmhi", "gmwi2", *ALPHAS)


@dataclass(frozen=True)
class Settings:
    """What the measures are asked with; see :func:`dysbiosis`."""

    level: float
    seed: int
    neighbours: int
    depth: int
    draws: int

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise InputError(f"a level of {self.level}", expected="a number between 0 and 1")
        for name in ("neighbours", "depth", "draws"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} of {getattr(self, name)}", expected="at least 1")


def dysbiosis(
    study: Study,
    *,
    reference: Study | Reference | None = None,
    level: float = 0.95,
    seed: int = 0,
    rank: str | None = None,
    neighbours: int = 5,
    depth: int = 1_000,
    draws: int = 200,
    gmwi2_coefficients: Mapping[str, float] | None = None,
) -> dict[str, pl.DataFrame]:
    """Return every measure of every sample against a reference, and its deficits and excesses.

    Parameters
    ----------
    study
        Its samples of recipients, donors and pools; laboratory controls are left out. A taxon not listed
        for a sample was not seen.
    reference
        A study whose donors and healthy subjects are the reference cohort, or a :class:`Reference`; None
        takes the study's own. A subject is never part of its own reference, nor a donor of a pool's.
    level, seed, draws
        Confidence level; seed and number of resamples.
    rank
        Rank compared at (genus, species … or ``feature``); None takes species where the table has them,
        else genus.
    neighbours
        k of CLOUD.
    depth
        Reads at which richness is compared; shallower samples have none.
    gmwi2_coefficients
        Clade → weight, the whole GMWI2 model; it is not shipped.

    Returns
    -------
    ``{"dysbiosis": …, "deficits": …}``: result tables of these names. In ``dysbiosis`` each sample has a row
    for each measure, with a value or the reason why not. In ``deficits`` each sample has a row for each
    function, and one for each taxon outside the reference's 5th to 95th centile.

    Refuses
    -------
    ``RefusedError`` for a reference of another taxonomy or named at another rank, ``InputError`` for
    settings out of range. A sample in another setting (assay, region, pipeline), or too few reference
    subjects, are rows with their reason.

    Notes
    -----
    Definitions stand in ``reference_scores`` and ``dysbiosis_indices``. Limits of distances and shares hold
    the choice of reference subjects (bootstrap), those of MHI-A and MD-index the sampling of reads; the
    method column says which. Donors in the reference make a recipient's sample after FMT resemble it: that
    is engraftment, not health.

    References
    ----------
    Lloyd-Price et al. 2019, doi:10.1038/s41586-019-1237-9; Montassier et al. 2018,
    doi:10.1186/s40168-018-0514-4; indices: see the vocabulary.
    """
    asked = Settings(level=level, seed=seed, neighbours=neighbours, depth=depth, draws=draws)
    samples = sampled(study)
    taxa = study.read("taxa")
    abundance = with_all_taxa(abundance_of(study, samples=samples["sample_id"].to_list()), taxa)
    cohort = _cohort(study, reference)
    together = (
        alone(abundance, taxa, rank=rank)
        if cohort is None
        else put_together(abundance, taxa, cohort, rank=rank)
    )
    groups = groups_of(
        study,
        samples,
        together,
        cohort,
        settings=settings_of(study),
        neighbours=neighbours,
        draws=draws,
        seed=seed,
    )
    indices = index_scores(
        together.features,
        together.lineages,
        level=level,
        seed=seed,
        draws=draws,
        coefficients=gmwi2_coefficients,
    )
    alphas = alphas_of(together.compared, depth=depth)
    frames = [_measured(group, together, indices, alphas, asked=asked) for group in groups]
    missing = samples.filter(~pl.col("sample_id").is_in(list(abundance.sample_ids)))
    frames += [_not_measured(missing["sample_id"], m) for m in MEASURES]
    return {
        "dysbiosis": _finished("dysbiosis", frames, samples),
        "deficits": _finished("deficits", deficit_frames(groups, together), samples),
    }


def _cohort(study: Study, reference: Study | Reference | None) -> Reference | None:
    """Return the reference cohort; None where the study has no healthy subject and none was given."""
    if isinstance(reference, Reference):
        return reference
    if reference is not None:
        return reference_of(reference)
    try:
        return reference_of(study)
    except RefusedError:
        return None


def _not_measured(sample_ids: pl.Series, measure: str) -> pl.DataFrame:
    return pl.DataFrame({"sample_id": sample_ids}, schema={"sample_id": pl.String}).with_columns(
        measure=pl.lit(measure), reason=pl.lit(NO_PROFILE)
    )


def _finished(table: str, frames: Sequence[pl.DataFrame], samples: pl.DataFrame) -> pl.DataFrame:
    """Return rows as the declared table, with whose the sample is, in the order of its key."""
    declared = RESULTS[table]
    rows = pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame({"sample_id": []})
    whose = samples.select("sample_id", "subject_id", "donor_id", "day", "timepoint")
    joined = rows.with_columns(pl.col("sample_id").cast(pl.String)).join(whose, on="sample_id", how="left")
    absent = [pl.lit(None).alias(n) for n in declared.schema if n not in joined.columns]
    typed = [pl.col(n).cast(t) for n, t in declared.schema.items()]
    return joined.with_columns(absent).select(typed).sort(declared.key)


def _measured(
    group: Group,
    together: Together,
    indices: Sequence[IndexScores],
    alphas: Mapping[str, np.ndarray],
    *,
    asked: Settings,
) -> pl.DataFrame:
    """Return the rows of every measure of one group of samples."""
    shallow = shallow_cautions(together.features, group.rows, depth=asked.depth)
    columns = [*_distances(group, together, asked=asked)]
    columns += [_of_index(group, scores) for scores in indices]
    columns += [_of_alpha(group, name, alphas[name], asked=asked) for name in ALPHAS]
    ids = [together.features.sample_ids[row] for row in group.rows]
    return pl.concat([frame_of(ids, c, shallow) for c in columns], how="diagonal_relaxed")


def _distances(group: Group, together: Together, *, asked: Settings) -> Iterator[Column]:
    nothing = np.full((len(group.rows), 3), np.nan)
    if group.basis is None:
        for name, method in DISTANCES.items():
            method = method.format(k=asked.neighbours)
            yield Column(name, nothing, None, method, None, reason=group.reason)
        return
    proportions = together.compared.proportions[group.rows]
    found = group.basis.scores(proportions, group.own, level=asked.level)
    medians, nearest = group.basis.own_scores
    own = {"bray_curtis_to_reference": medians, "cloud": nearest / weighted_mean(nearest, group.basis.codes)}
    resampled = f"; interval: reference subjects resampled {asked.draws} times, seed {asked.seed}"
    for name, method in DISTANCES.items():
        standing = Standing(own[name], group.basis.codes, high_is_unusual=True)
        text = f"{method.format(k=asked.neighbours)} ({together.rank}){resampled}"
        yield stood(
            Column(name, found[name], group.label, text, asked.level, caution=group.caution),
            group.own,
            standing,
        )


def _of_index(group: Group, scores: IndexScores) -> Column:
    index = scores.index
    name = f"{index.label}, {index.version}"
    scored = np.column_stack([scores.values, scores.lower, scores.upper])[group.rows]
    reason = scores.reason or _unsuited(index, group.setting)
    if reason:
        return Column(index.code, np.full_like(scored, np.nan), name, None, None, reason=reason)
    caution = (
        "; ".join(c for c in (_elsewhere(index, group.setting), scores.caution, group.caution) if c) or None
    )
    column = Column(
        index.code,
        scored,
        f"{name}; {group.label}" if group.label else name,
        scores.method,
        scores.level,
        caution=caution,
        undefined="none of the taxa of the index was found",
    )
    high_is_unusual = index.low_is == "healthy"
    if group.basis is None:
        own = Standing(np.zeros(0), np.zeros(0, dtype=int), high_is_unusual=high_is_unusual)
        return _without_cohort(column, group, own, threshold=index.threshold)
    own = Standing(scores.values[group.reference_rows], group.basis.codes, high_is_unusual=high_is_unusual)
    return stood(column, group.own, own, threshold=index.threshold)


def _without_cohort(column: Column, group: Group, own: Standing, *, threshold: float | None) -> Column:
    """Return an index without a cohort: only its published threshold, if it has one."""
    values = column.scores[:, 0]
    beyond = None if threshold is None else own.is_beyond(values, threshold)
    cautions = "; ".join(c for c in (column.caution, group.reason) if c) or None
    return replace(column, threshold=threshold, is_beyond=beyond, caution=cautions)


def _unsuited(index: DysbiosisIndex, setting: Setting) -> str | None:
    """Return why samples of a setting have no value of an index."""
    if index.assay and setting.assay not in {None, index.assay}:
        return f"{index.label} was made on {index.assay} profiles; this is {setting.assay}"
    return None


def _elsewhere(index: DysbiosisIndex, setting: Setting) -> str | None:
    """Return a caution where an index was made on another database than the samples."""
    if not index.database or index.database in (setting.pipeline or ""):
        return None
    return f"the index was made on {index.database}; these are {setting.pipeline or 'of unknown pipeline'}"


def _of_alpha(group: Group, name: str, alphas: np.ndarray, *, asked: Settings) -> Column:
    method = ALPHAS[name].format(depth=f"{asked.depth:,}")
    undefined = f"fewer than {asked.depth:,} reads"
    if group.basis is None:
        nothing = np.full((len(group.rows), 3), np.nan)
        return Column(name, nothing, None, method, None, reason=group.reason)
    reference = alphas[group.reference_rows]
    medians = SubjectMedian(reference, group.basis)
    if not medians.is_known:
        nothing = np.full((len(group.rows), 3), np.nan)
        return Column(name, nothing, group.label, method, None, reason=f"the reference has {undefined}")
    typical = medians.without(group.own)
    low, high = medians.limits(level=asked.level)
    values = alphas[group.rows]
    shares = values / typical
    scores = np.column_stack([shares, np.minimum(values / high, shares), np.maximum(values / low, shares)])
    text = f"{method}; interval: reference subjects resampled {asked.draws} times, seed {asked.seed}"
    standing = Standing(reference / medians.value, group.basis.codes, high_is_unusual=False)
    column = Column(name, scores, group.label, text, asked.level, caution=group.caution, undefined=undefined)
    return stood(column, group.own, standing)
