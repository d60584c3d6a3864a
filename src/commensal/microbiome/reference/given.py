"""What the stool given had to offer that the patient lacked: complementarity, patient by patient."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from scipy import sparse

from commensal.microbiome.abundance import Abundance, Matrix, abundance_of, depths
from commensal.microbiome.comparability import Setting, settings_of
from commensal.microbiome.comparisons import (
    IS_BASELINE,
    UNKNOWN,
    Comparison,
    Reference,
    comparisons,
    donor_references,
    within_settings,
)
from commensal.study import Study

# As in the ranking of donors: common is what half of the donors have, and three show what is common.
COMMON = 0.5
LEAST_DONORS = 3
SCHEMA = {"subject_id": pl.String, "sample_id": pl.String, "day": pl.Int64, "value": pl.Float64}


def complementarity_given(
    study: Study, *, common: float = COMMON, least_donors: int = LEAST_DONORS
) -> pl.DataFrame:
    """Return [subject_id, sample_id, day, value], a row for each patient with a baseline sample.

    ``value`` is the complementarity (:func:`complementarity`) of the stool of the first session to that
    sample: of the taxa that a share ``common`` of the study's donors (and pools that were sequenced) have and
    the patient lacked, those the stool had, weighted by how many have them. Another pool has what any of its
    donors has. Null where the stool was not sequenced or cannot be compared, where fewer than
    ``least_donors`` stools show what is common, and where nothing common is lacking. Sorted by patient.

    Notes
    -----
    Both samples are from before the transplant or of the material given: it could be known when the donor is
    chosen. Donors and the stool given are compared within one assay, region and pipeline.
    """
    abundance = abundance_of(study)
    depth = depths(abundance, study.read("samples", columns=["sample_id", "n_reads"]))
    settings = settings_of(study)
    found = within_settings(comparisons(study, depth=depth, profiled=abundance.rows), settings)
    last = [c for c in found if c.baseline.reason == IS_BASELINE]
    materials = _materials(last, donor_references(study, depth=depth, profiled=abundance.rows))
    values = np.full(len(last), np.nan)
    by_axis: dict[Setting, list[int]] = defaultdict(list)
    for place, one in enumerate(last):
        if one.donor.sample_ids:
            by_axis[settings.get(one.sample_id or "", UNKNOWN).axis].append(place)
    for axis, places in by_axis.items():
        alike = [m for m in materials if _is_on(axis, m, settings)]
        if len(alike) >= least_donors:
            values[places] = _values(abundance, [last[i] for i in places], alike, common=common)
    rows = [(c.subject_id, c.sample_id, c.day) for c in last]
    frame = pl.DataFrame(rows, schema=list(SCHEMA.items())[:3], orient="row")
    return frame.with_columns(value=pl.Series(values, dtype=pl.Float64).fill_nan(None)).sort("subject_id")


def _materials(last: Sequence[Comparison], donors: Sequence[Reference]) -> list[Reference]:
    """The stools that show what is common: each donor's, and each pool's that was sequenced itself."""
    pools = [c.donor for c in last if c.donor.is_pool]
    distinct = {r.sample_ids: r for r in (*donors, *pools) if r.sample_ids}
    return [distinct[key] for key in sorted(distinct)]


def _is_on(axis: Setting, material: Reference, settings: Mapping[str, Setting]) -> bool:
    return all(settings.get(s, UNKNOWN).axis == axis for s in material.sample_ids)


def _values(
    abundance: Abundance, last: Sequence[Comparison], donors: Sequence[Reference], *, common: float
) -> np.ndarray:
    """Return the complementarity of each, (patients,); NaN where nothing common is lacking."""
    prevalence = np.asarray(_held(abundance, donors).mean(axis=0)).ravel()
    weights = np.where(prevalence >= common, prevalence, 0.0)
    own = abundance.presence[[abundance.rows[c.sample_id or ""] for c in last]]
    given = _held(abundance, [c.donor for c in last])
    lacking = weights.sum() - own @ weights
    supplied = given @ weights - given.multiply(own) @ weights
    is_lacking = lacking > 1e-9
    return np.where(is_lacking, supplied / np.where(is_lacking, lacking, 1.0), np.nan)


def _held(abundance: Abundance, references: Sequence[Reference]) -> Matrix:
    """Return 1 where any sample of a reference has the taxon, CSR (references, taxa)."""
    rows = [i for i, r in enumerate(references) for _ in r.sample_ids]
    columns = [abundance.rows[s] for r in references for s in r.sample_ids]
    shape = (len(references), len(abundance.sample_ids))
    held = sparse.csr_array((np.ones(len(rows), dtype=np.int64), (rows, columns)), shape=shape)
    found = sparse.csr_array(held @ abundance.presence)
    found.data[:] = 1
    return found
