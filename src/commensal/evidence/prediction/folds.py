"""Who is held out together: patients, those of one donor, a later cohort, a site."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from commensal.errors import RefusedError
from commensal.evidence.material import UNKNOWN

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Split:
    """One validation: ``rows`` (m,) of the patients who take part, their ``folds`` (m,), who is ``held`` out.

    ``caution`` says what the split is not.
    """

    rows: Array
    folds: Array
    held: tuple[int, ...]
    caution: str | None = field(default=None)


def by_patient(success: pl.Series, *, folds: int, generator: np.random.Generator) -> Split:
    """Hold out patients at random, successes and failures spread evenly; the unobserved too."""
    found = np.empty(len(success), dtype=int)
    strata = success.cast(pl.Int8).fill_null(2).to_numpy()
    for stratum in range(3):
        here = np.flatnonzero(strata == stratum)
        found[generator.permutation(here)] = np.arange(len(here)) % folds
    return Split(np.arange(len(success)), found, tuple(range(folds)))


def by_donor(
    rows: pl.DataFrame, received: pl.DataFrame, *, folds: int, generator: np.random.Generator
) -> Split:
    """Hold out the patients of whole groups of donors: nobody held out shares a donor with the training set.

    Pools chain donors together. Where the chains join more than half of the patients into one group, the
    patients of whole main donors are held out instead, and the caution says how large the group is. Patients
    whose main donor is unknown are held out together.

    Refuses (RefusedError) fewer than three donors and a donor unknown of more than half, with the counts.
    """
    seen = np.flatnonzero(rows["success"].is_not_null().to_numpy())
    observed = rows[seen]
    known = observed.filter(pl.col("main_donor") != UNKNOWN)
    n_donors = known["main_donor"].n_unique()
    if n_donors < 3:
        raise RefusedError(f"{n_donors} known donors among {len(seen)} patients: at least three are needed")
    if 2 * known.height < len(seen):
        raise RefusedError(f"the donor is not known of {len(seen) - known.height} of {len(seen)} patients")
    groups = _chains(observed["patient_id"], received)
    largest = int(np.bincount(groups).max())
    caution = None
    if 2 * largest > len(seen):
        groups = _codes(observed["main_donor"])
        caution = (
            f"pools chain {largest} of {len(seen)} patients together, so the patients of whole main donors "
            "were held out; they may share minor donors with the training set"
        )
    dealt = _dealt(groups, folds=folds, generator=generator)
    return Split(seen, dealt, tuple(int(k) for k in np.unique(dealt)), caution)


def _codes(values: pl.Series) -> Array:
    return np.unique(values.to_numpy().astype(str), return_inverse=True)[1]


def _chains(patients: pl.Series, received: pl.DataFrame) -> Array:
    """Connected groups of patients who share donors; an unknown donor joins all of whom one is unknown."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    order = pl.DataFrame({"patient_id": patients, "place": np.arange(len(patients))})
    edges = order.join(received, on="patient_id", how="left").with_columns(
        pl.col("donor_id").fill_null(UNKNOWN)
    )
    place, donor = edges["place"].to_numpy(), _codes(edges["donor_id"]) + len(patients)
    size = len(patients) + int(edges["donor_id"].n_unique())
    graph = coo_matrix((np.ones(len(place)), (place, donor)), shape=(size, size))
    return connected_components(graph, directed=False)[1][: len(patients)]


def _dealt(groups: Array, *, folds: int, generator: np.random.Generator) -> Array:
    """Deal whole groups to folds, the largest first to the emptiest fold; ties in random order."""
    sizes = np.bincount(groups)
    order = generator.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    held = np.zeros(min(folds, int((sizes > 0).sum())))
    fold_of = np.zeros(len(sizes), dtype=int)
    for group in order:
        fold_of[group] = int(np.argmin(held))
        held[fold_of[group]] += sizes[group]
    return fold_of[groups]


def temporal(rows: pl.DataFrame, *, folds: int, generator: np.random.Generator) -> Split:
    """Hold out the prospective cohort, observed; fit on those before it.

    Refuses (RefusedError) where nobody prospective is due or observed, with the counts.
    """
    is_later = (rows["cohort"] == "prospective").fill_null(False)
    due, observed = rows["is_due"].fill_null(False), rows["success"].is_not_null()
    n, n_due, n_seen = int(is_later.sum()), int((is_later & due).sum()), int((is_later & observed).sum())
    if not n_due or not n_seen:
        raise RefusedError(f"{n} prospective patients, {n_due} due, {n_seen} observed: nobody to validate on")
    return _against_rest(observed, is_later, rows["success"], folds=folds, generator=generator)


def one_site(rows: pl.DataFrame, site: str, *, folds: int, generator: np.random.Generator) -> Split:
    """Hold out the observed patients of one site; fit on those of the others."""
    is_here = (rows["site_id"] == site).fill_null(False)
    observed = rows["success"].is_not_null()
    return _against_rest(observed, is_here, rows["success"], folds=folds, generator=generator)


def _against_rest(
    observed: pl.Series, is_new: pl.Series, success: pl.Series, *, folds: int, generator: np.random.Generator
) -> Split:
    seen = np.flatnonzero(observed.to_numpy())
    new = is_new.to_numpy()[seen]
    found = np.full(len(seen), folds)
    inner = by_patient(success.gather(seen[~new]), folds=folds, generator=generator)
    found[~new] = inner.folds
    return Split(seen, found, (folds,))
