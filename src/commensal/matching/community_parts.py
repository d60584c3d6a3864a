"""Parts of a score that rest on communities: of the lots' donors, and of the recipient.

Another stool of the same donor may be in the lot than the one that was sequenced. So the variance of a part
told by stools is s² (1 + 1/n) for a donor with n of them, s² the variance between stools of one donor,
pooled over donors with several. Where no donor has two, it cannot be told and the reason says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl
from scipy import sparse

from commensal.errors import InputError, RefusedError
from commensal.matching.columns import Column, column_of
from commensal.matching.communities import NO_MATERIAL, Communities
from commensal.matching.parts import LeftOut, Made, Part, measured
from commensal.matching.policy import Policy
from commensal.microbiome import Complementarity
from commensal.microbiome import complementarity as offered
from commensal.microbiome.abundance import Matrix

NO_PROFILE = "no sample with a profile of every donor of the lot"
NO_OWN = "no sample of the recipient with a profile up to this day"
ONE_STOOL = "one stool a donor: variation between stools is not in the interval"


@dataclass(frozen=True)
class OwnSample:
    """The recipient's sample that lots are compared with, what to bear in mind, or why there is none."""

    sample_id: str | None
    caution: str | None = None
    reason: str | None = None


@dataclass(frozen=True, eq=False)
class Setup:
    """What the parts of one run share: communities, the materials of the lots, the recipient's sample.

    ``material`` (lots,) is the material of each lot compared, -1 where it has none. ``refused`` and
    ``cautions`` are by material.
    """

    communities: Communities
    material: np.ndarray
    own: OwnSample
    refused: Column
    cautions: Column

    @cached_property
    def is_refused(self) -> np.ndarray:
        """Materials that cannot be compared with the recipient's sample, shape (materials,)."""
        return np.array([word is not None for word in self.refused.values], dtype=bool)[self.refused.codes]

    def lots_of(
        self,
        name: str,
        values: np.ndarray,
        variance: np.ndarray,
        words: pl.Series,
        *,
        reasons: Column,
    ) -> Part:
        """Return a part told by materials as a part of the lots; NaN and a reason where a lot has none.

        ``reasons`` say by material why it is unknown, or what to bear in mind.
        """
        at = self.material
        has = at != NO_MATERIAL
        notes = pl.Series([*reasons.values, NO_PROFILE], dtype=pl.String)
        said = np.where(has, reasons.codes[at], len(reasons.values))
        return Part(
            name,
            np.where(has, np.append(values, np.nan)[at], np.nan),
            np.append(variance, 0.0)[at],
            np.where(has, at, len(values) + np.arange(at.size)),
            pl.concat([words, pl.Series([""])]).gather(np.where(has, at, len(values))),
            notes.gather(said),
        )

    def cohort_rows(self) -> np.ndarray:
        """Rows of the donors' cohort that can be compared with the recipient's sample, as weights.

        Each donor counts once, whatever the number of stools. Shape (stools,).
        """
        c = self.communities
        usable = ~self.is_refused[c.of_stool] & c.in_cohort
        return np.where(usable, 1.0 / c.n_stools[c.of_stool], 0.0)


def setup(communities: Communities, lots: np.ndarray, own: OwnSample) -> Setup:
    """Return what the parts of a run share; ``lots`` are the places of the lots compared."""
    nothing = column_of([None] * len(communities.materials))
    refused, cautions = communities.against(own.sample_id) if own.sample_id else (nothing, nothing)
    return Setup(communities, communities.of_lot[lots], own, refused, cautions)


def by_material(values: np.ndarray, communities: Communities) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return the mean of each material over its rows, its variance, and whether that could be told."""
    mean = communities.mean @ values
    n = communities.n_stools
    freedom = int((n - 1).sum())
    if not freedom:
        return mean, np.zeros(len(mean)), False
    spread = float(((values - mean[communities.of_stool]) ** 2).sum()) / freedom
    return mean, spread * (1 + 1 / n), True


def pathobiont_load(made: Setup, *, policy: Policy) -> Made:
    """Return one minus the share of pathobionts over the policy's ceiling, not below zero."""
    shares = made.communities.pathobionts
    if isinstance(shares, str):
        return LeftOut("pathobiont_load", shares)
    if not _any(made):
        return LeftOut("pathobiont_load", NO_PROFILE)
    ceiling = policy.pathobiont_ceiling
    values, variance, is_told = by_material(1 - np.minimum(1, shares / ceiling), made.communities)
    of_reads = np.divide(shares * (1 - shares), made.communities.reads, out=np.zeros_like(shares),
                         where=made.communities.reads > 0)  # fmt: skip
    variance = variance + made.communities.mean @ of_reads / ceiling**2 / made.communities.n_stools
    words = measured("{} % pathobionts in {} stools", np.round(100 * (made.communities.mean @ shares), 2),
                     made.communities.n_stools)  # fmt: skip
    note = column_of([None if is_told else ONE_STOOL] * len(values))
    return made.lots_of("pathobiont_load", values, variance, words, reasons=note)


def stability(made: Setup) -> Made:
    """Return how alike the donor's stools are: one minus the mean Bray–Curtis between them."""
    values, variance = made.communities.likeness
    if not _any(made) or np.isnan(values[made.material[made.material != NO_MATERIAL]]).all():
        return LeftOut("stability", "no donor of these lots has two stools with a profile")
    reasons = column_of([None if n > 1 else "one stool only" for n in made.communities.n_stools])
    words = measured("mean likeness of {} stools", made.communities.n_stools)
    return made.lots_of("stability", values, variance, words, reasons=reasons)


def _any(made: Setup) -> bool:
    return bool((made.material != NO_MATERIAL).any())


def _untold(made: Setup) -> str | None:
    """Return why nothing can be said against the recipient's sample, or None."""
    if made.own.sample_id is None:
        return made.own.reason or NO_OWN
    at = made.material[made.material != NO_MATERIAL]
    if not at.size:
        return NO_PROFILE
    words = {made.refused.values[code] for code in np.unique(made.refused.codes[at])}
    return words.pop() if len(words) == 1 else None


def _noted(made: Setup, *notes: str | None) -> Column:
    """Return by material what refuses it, or else what to bear in mind, the same notes for all."""
    said = made.cautions.map(
        lambda caution: "; ".join(dict.fromkeys(w for w in (caution, made.own.caution, *notes) if w)) or None
    )
    return _first(made.refused, said)


def _first(*columns: Column) -> Column:
    """Return by material the first word that a column has."""
    values: list[str | None] = [None]
    codes = np.zeros(columns[0].codes.size, dtype=np.int32)
    for column in columns:
        has = np.array([v is not None for v in column.values], dtype=bool)[column.codes] & (codes == 0)
        codes[has] = len(values) + column.codes[has]
        values += column.values
    return Column(tuple(values), codes)


def complementarity(made: Setup, *, policy: Policy) -> Made:
    """Return the share of common donor taxa missing in the recipient that a lot's stool holds.

    Taxa are weighted by their prevalence, as in ``complementarity``. They are a sample of those that
    could be missing: with M taxa of equal weight the variance of the share is v (1 - v) / (M + 4), v
    moved towards one half by two taxa held and two not. Two lots are told apart over the same taxa.
    """
    name = "complementarity"
    if why := _untold(made):
        return LeftOut(name, why)
    c, rows = made.communities, made.cohort_rows()
    n_donors = round(float(rows.sum()))
    if n_donors < policy.min_donors:
        return LeftOut(name, f"{n_donors} donors with a profile, at least {policy.min_donors} are needed")
    own = _row(c.abundance.presence, c, made.own.sample_id)
    common = np.minimum((c.presence.T @ rows) / n_donors, 1.0)
    try:
        found = offered(own, c.held, prevalence=common, least_prevalence=policy.prevalence)
    except RefusedError as error:
        return LeftOut(name, error.what)
    weights = np.zeros(own.size)
    weights[found.lacking] = found.weights / found.weights.sum()
    _, between, is_told = by_material(c.presence @ weights, c)
    centred = (found.values * found.effective + 2) / (found.effective + 4)
    variance = centred * (1 - centred) / (found.effective + 4) + between
    words = measured(f"holds {{}} of {found.n_lacking} common donor taxa the recipient lacks ({{}} stools)",
                     np.round(found.n_supplied, 1), c.n_stools)  # fmt: skip
    values = np.where(made.is_refused, np.nan, found.values)
    reasons = _noted(made, None if is_told else ONE_STOOL)
    part = made.lots_of(name, values, variance, words, reasons=reasons)
    return _paired(part, made, weights, found)


def _paired(part: Part, made: Setup, weights: np.ndarray, found: Complementarity) -> Part:
    """Return the part with the covariance of lots: they are told apart over the same taxa."""
    at, held = made.material, made.communities.held

    def overlap(lot: int) -> np.ndarray:
        leader = at[lot]
        if leader == NO_MATERIAL or not part.is_known[lot]:
            return np.zeros(at.size)
        product = held @ (held[[leader]].toarray().ravel() * weights)
        covariance = (product - found.values * found.values[leader]) / (found.effective + 4)
        return np.where(part.is_known, np.append(covariance, 0.0)[at], 0.0)

    return replace(part, overlap=overlap)


def _row(matrix: Matrix, communities: Communities, sample: str | None) -> np.ndarray:
    if sample is None:
        raise InputError("there is no sample of the recipient", expected="one, before it is looked at")
    return np.asarray(matrix[[communities.abundance.rows[sample]]].toarray(), dtype=float).ravel()


def predicted_distance(made: Setup, *, policy: Policy) -> Made:
    """Return one minus the Bray–Curtis distance to the donors' mean of the community expected after FMT.

    Expected is φ donor + (1 - φ) recipient, φ in the policy's range: the value is the mean of its ends, and
    half their difference over √3 is what moves all lots alike. A donor is no part of the mean it is
    compared with.
    """
    name = "predicted_distance"
    if why := _untold(made):
        return LeftOut(name, why)
    c, rows = made.communities, made.cohort_rows()
    n_donors = round(float(rows.sum()))
    if n_donors < policy.min_donors:
        return LeftOut(name, f"{n_donors} donors with a profile, at least {policy.min_donors} are needed")
    own = _row(c.abundance.proportions, c, made.own.sample_id)
    centre = (c.stools.T @ rows) / n_donors
    is_member = np.zeros(len(c.materials), dtype=bool)
    is_member[c.of_stool[rows > 0]] = True
    ends = _near(c.profile, own, centre, policy.donor_share, is_member=is_member, n_donors=n_donors)
    values = np.where(made.is_refused, np.nan, (ends[0] + ends[1]) / 2)
    between, is_told = _between_stools(c, own, centre, sum(policy.donor_share) / 2)
    words = measured(
        "distance to the donors' mean {} to {}", np.round(1 - ends[1], 2), np.round(1 - ends[0], 2)
    )
    reasons = _noted(made, None if is_told else ONE_STOOL)
    part = made.lots_of(name, values, between, words, reasons=reasons)
    shared = np.append((ends[1] - ends[0]) / (2 * np.sqrt(3)), 0.0)[made.material]
    return Part(part.name, part.values, part.variance, part.group, part.measured, part.reasons, shared=shared)


def _between_stools(
    c: Communities, own: np.ndarray, centre: np.ndarray, share: float
) -> tuple[np.ndarray, bool]:
    if (c.n_stools < 2).all():
        return np.zeros(len(c.materials)), False
    (each,) = _near(c.stools, own, centre, [share])
    _, variance, is_told = by_material(each, c)
    return variance, is_told


def _sum(values: np.ndarray) -> float:
    """Return a sum to which zeros add nothing: not even another rounding, with other taxa on the axis."""
    return float(values[values > 0].sum())


def _near(
    profile: Matrix,
    own: np.ndarray,
    centre: np.ndarray,
    shares: Sequence[float],
    *,
    is_member: np.ndarray | None = None,
    n_donors: int = 1,
) -> list[np.ndarray]:
    """Return Σ min(expected, centre) of each row for each share of the donor: one minus Bray–Curtis of two
    communities that sum to one.

    For a member the centre is the mean without it, (N centre - row) / (N - 1). Only the taxa of a row are
    walked through: the sum over all others is the same for all rows.
    """
    members = np.zeros(profile.shape[0], dtype=bool) if is_member is None else is_member
    without = n_donors / (n_donors - 1) if n_donors > 1 else 1.0
    scale = np.repeat(np.where(members, without, 1.0), np.diff(profile.indptr))
    taken = np.repeat(np.where(members, 1 / max(n_donors - 1, 1), 0.0), np.diff(profile.indptr))
    taxa, data = profile.indices, profile.data
    full = scale * centre[taxa]
    near = np.maximum(full - taken * data, 0.0)
    mine, found = own[taxa], []
    for share in shares:
        kept = (1 - share) * own
        rest = np.array([_sum(np.minimum(kept, centre)), _sum(np.minimum(kept, without * centre))])
        here = (1 - share) * mine
        gain = np.minimum(share * data + here, near) - np.minimum(here, full)
        gains = sparse.csr_array((gain, taxa, profile.indptr), shape=profile.shape)
        found.append(rest[members.astype(int)] + gains @ np.ones(profile.shape[1]))
    return found


def predicted_engraftment(made: Setup, *, route: str | None) -> Made:
    """Return the share of the donor's new taxa that a trained model expects after FMT.

    The variance is the square of the model's error in one recipient's share. Part of that error is common to
    all donors of a recipient; how much is not known, so none is taken off where two lots are told apart.
    """
    from commensal.microbiome.prediction.donors import expected_engraftment
    from commensal.microbiome.prediction.features import LEAST_COMMON

    name, offers = "predicted_engraftment", made.communities.offers
    if offers is None:
        return LeftOut(name, "no trained model of communities was given")
    if why := _untold(made):
        return LeftOut(name, why)
    reads = offers.reads_of.get(made.own.sample_id or "")
    if reads is None:
        return LeftOut(name, f"the recipient's sample has fewer than {offers.model.min_reads:,} reads")
    known = set(offers.model.taxon_ids)
    seen = [t in known for t, r in zip(offers.terms.taxon_ids, reads, strict=True) if r > 0]
    if not seen or np.mean(seen) < LEAST_COMMON:
        return LeftOut(name, "hardly a taxon of the recipient is known to the model")
    share = expected_engraftment(offers.model, reads, offers.terms, route=route)
    shallow = column_of(offers.reasons)
    is_shallow = np.array([w is not None for w in shallow.values], dtype=bool)[shallow.codes]
    values = np.where(made.is_refused | is_shallow, np.nan, share)
    variance = np.full(len(values), offers.model.share_error**2)
    trained = f"trained on {offers.model.n_recipients} recipients"
    words = measured(f"expected share of offered taxa, {trained}: {{}}", np.round(values, 2))
    reasons = _first(made.refused, shallow, _noted(made))
    return made.lots_of(name, values, variance, words, reasons=reasons)
