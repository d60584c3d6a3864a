"""What a trained model expects of one recipient and each of many donors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from commensal.errors import InputError, RefusedError, nearest
from commensal.microbiome.prediction import CommunityModel, presence
from commensal.microbiome.prediction_features import (
    FEATURES,
    LEAST_COMMON,
    OFFERED,
    Pool,
    aligned,
    features,
    log_abundance,
)
from commensal.microbiome.prediction_triads import baseline_reads, donor_reads, ranked
from commensal.study import RESULTS, Study


def predict(
    model: CommunityModel,
    study: Study,
    *,
    recipient: str,
    donors: Sequence[str] | None = None,
    route: str | None = None,
    preparation: str | None = None,
) -> pl.DataFrame:
    """Return the probability of each taxon after FMT from each donor, in ``community_predictions``.

    ``donors`` are donors, batches or pools; by default all with a sample deep enough. Taxa are those of the
    model and those of the recipient and the donors. ``route`` and ``preparation`` are the planned ones.
    ``is_present`` and ``held_out`` are null: nothing was observed and nothing left out.

    Refuses: InputError for an unknown recipient; RefusedError for one without a baseline deep enough, for a
    donor named without a sample, and for taxa that hardly any training study knows.
    """
    patients = study.read("patients", columns=["patient_id"])["patient_id"]
    if recipient not in set(patients):
        raise InputError(f"there is no recipient {recipient!r}", expected=nearest(recipient, patients))
    profiles = ranked(study, rank=model.rank)
    baseline = baseline_reads(profiles, recipient, min_reads=model.min_reads)
    given = donor_reads(profiles, donors, min_reads=model.min_reads)
    if not given:
        raise RefusedError("no donor has a profile deep enough", expected=f"{model.min_reads:,} reads")
    pool = _asked(
        model, profiles.abundance.taxon_ids, profiles.parent_of, baseline, given, (route, preparation)
    )
    known = set(model.taxon_ids)
    seen = pool.baseline[0] > 0
    if np.mean([t in known for t, s in zip(pool.taxon_ids, seen, strict=True) if s]) < LEAST_COMMON:
        raise RefusedError("hardly a taxon of the recipient is known to the model", expected="one taxonomy")
    return _rows(recipient, tuple(given), pool, presence(model, pool), model.prevalence(pool.taxon_ids))


def _asked(
    model: CommunityModel,
    taxon_ids: Sequence[str],
    parent_of: Mapping[str, str],
    baseline: np.ndarray,
    given: Mapping[str, np.ndarray],
    planned: tuple[str | None, str | None],
) -> Pool:
    """Return the pairs asked for: one row a donor, on the model's taxa and those with reads here."""
    reads = np.stack([*given.values(), baseline])
    here = {t for t, total in zip(taxon_ids, reads.sum(axis=0), strict=True) if total > 0}
    taxa = tuple(sorted(here | set(model.taxon_ids)))
    parents = dict(parent_of) | dict(zip(model.taxon_ids, model.parents, strict=True))
    on_axis = aligned(reads, taxon_ids, taxa)
    n = len(given)
    return Pool(
        studies=("",),
        study=np.zeros(n, dtype=int),
        taxon_ids=taxa,
        parents=tuple(parents[t] for t in taxa),
        donor=on_axis[:-1],
        baseline=np.repeat(on_axis[-1:], n, axis=0),
        after=np.zeros((n, len(taxa))),
        routes=(planned[0],) * n,
        preparations=(planned[1],) * n,
    )


def _rows(
    recipient: str, donors: Sequence[str], pool: Pool, probability: np.ndarray, prevalence: np.ndarray
) -> pl.DataFrame:
    n, taxa = probability.shape
    frame = pl.DataFrame(
        {
            "patient_id": [recipient] * (n * taxa),
            "donor_id": np.repeat(np.array(donors, dtype=object), taxa).tolist(),
            "taxon_id": list(pool.taxon_ids) * n,
            "probability": probability.ravel(),
            "prevalence": np.tile(prevalence, n),
            "is_in_donor": (pool.donor > 0).ravel(),
            "is_in_baseline": (pool.baseline > 0).ravel(),
        }
    )
    return pl.concat([RESULTS["community_predictions"].empty(), frame], how="diagonal_relaxed")


@dataclass(frozen=True, eq=False)
class DonorTerms:
    """What donors bring to the odds of engraftment, worked out ahead of any recipient.

    ``odds`` is a CSR array (donors, taxa): for each taxon a donor has, the odds of finding it in a
    recipient who lacks it, without the recipient's own factor. ``has`` has ones in the same places.
    """

    odds: Any
    has: Any
    taxon_ids: tuple[str, ...]


def donor_terms(
    model: CommunityModel, donors: Any, *, taxon_ids: Sequence[str], parents: Sequence[str]
) -> DonorTerms:
    """Return the donors' terms; valid for one model and these samples.

    ``donors`` holds reads, shape (donors, taxa), dense or sparse; ``parents`` the group above each taxon.
    """
    reads = sparse.csr_array(donors, dtype=float)
    reads.eliminate_zeros()
    known = model.rates_of(taxon_ids, parents)
    # Pairs that the donor alone has, without either abundance: what the donors' taxa have in common.
    shape = (1, len(taxon_ids))
    alone = features(np.ones(shape), np.zeros(shape), known)[0]
    alone[:, FEATURES.index("baseline_abundance")] = 0.0
    alone[:, OFFERED[0]], alone[:, OFFERED[1]] = 0.0, 3.0
    constant = alone @ model.coefficients[: len(FEATURES)]
    slope = model.coefficients[list(OFFERED)].sum()
    depth = np.repeat(np.asarray(reads.sum(axis=1)).ravel(), np.diff(reads.indptr))
    odds, has = reads.copy(), reads.copy()
    odds.data = np.exp(constant[reads.indices] + slope * np.log10((reads.data + 0.5) / (depth + 1.0)))
    has.data = np.ones_like(reads.data)
    return DonorTerms(odds, has, tuple(taxon_ids))


def expected_engraftment(
    model: CommunityModel,
    recipient: np.ndarray,
    donors: DonorTerms,
    *,
    route: str | None = None,
    preparation: str | None = None,
) -> np.ndarray:
    """Return for each donor the expected share of the offered taxa found after FMT, shape (donors,).

    ``recipient`` holds the reads of the baseline, shape (taxa,), on the donors' axis. Offered are the taxa
    which the donor's stool has and the baseline lacks. A donor who offers none has 0.

    Notes: the mean over offered taxa of P(present after FMT); see ``CommunityModel.share_error`` for how
    far one recipient's share lies from it.
    """
    gained, offered = expected_gain(model, recipient, donors, route=route, preparation=preparation)
    return np.divide(gained, offered, out=np.zeros_like(gained), where=offered > 0)


def expected_gain(
    model: CommunityModel,
    recipient: np.ndarray,
    donors: DonorTerms,
    *,
    route: str | None = None,
    preparation: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return for each donor the expected number of offered taxa found after FMT, and how many are offered.

    Arguments as in ``expected_engraftment``; both of shape (donors,).
    """
    if recipient.shape != (len(donors.taxon_ids),):
        raise InputError(f"the recipient has {recipient.shape} taxa", expected=f"{len(donors.taxon_ids)}")
    own = _recipient_term(model, recipient, {"route": route, "preparation": preparation})
    lacking = (recipient == 0).astype(float)
    # P = odds · e^own / (1 + odds · e^own), without an exponential for each of millions of entries.
    chance = donors.odds.data / (donors.odds.data + np.exp(-own))
    gained = sparse.csr_array((chance, donors.odds.indices, donors.odds.indptr), shape=donors.odds.shape)
    return gained @ lacking, donors.has @ lacking


def _recipient_term(model: CommunityModel, recipient: np.ndarray, planned: Mapping[str, str | None]) -> float:
    """Return what the recipient and the plan add to the log-odds of every taxon the baseline lacks."""
    absent = float(log_abundance(np.array([0.0, recipient.sum()]))[0])
    term = model.intercept + model.coefficients[FEATURES.index("baseline_abundance")] * absent
    slopes = model.coefficients[len(FEATURES) :]
    for (name, value), mean, slope in zip(model.levels, model.level_means, slopes, strict=True):
        term += slope * (mean if planned[name] is None else float(planned[name] == value))
    return float(term)
