"""Engraftment: each sample of each recipient against donor and own baseline, as one long table.

What is estimated: for PEDS, of the features seen in the donor's reference sample the share also seen in
the recipient's sample. It is resemblance. A sample from before the transplant has it too, and what rose
above that is what a transplant may have brought; nothing here is a fraction of the community that came
from the donor. Without rarefaction PEDS grows with the depth of the recipient's sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from commensal.microbiome import diversity
from commensal.microbiome.abundance import Abundance, Matrix, abundance_of, depths, rarefy
from commensal.microbiome.comparisons import Comparison, Reference, comparisons
from commensal.microbiome.overlap import Share, peds, wilson
from commensal.study import RESULTS, Study

MEASURES = (
    "peds",
    "pprs",
    "bray_curtis_to_donor",
    "jaccard_to_donor",
    "bray_curtis_to_baseline",
    "jaccard_to_baseline",
    "richness",
    "shannon",
    "simpson",
    "richness_minus_donor",
    "shannon_minus_donor",
)
TO_DONOR = frozenset(m for m in MEASURES if m == "peds" or m.endswith("_donor"))
TO_BASELINE = frozenset(m for m in MEASURES if m == "pprs" or m.endswith("_baseline"))

# Design choice: below this many reads a gut sample visibly lacks features that were there.
FEW_READS = 1000

NO_PROFILE = "no abundance profile of this sample"
WILSON = "Wilson score interval over features, which are not independent: a floor on the uncertainty"


@dataclass(frozen=True, eq=False)
class Profiles:
    """One row a community: proportions and presence, sparse, samples × taxa."""

    proportions: Matrix
    presence: Matrix

    def __getitem__(self, rows: Sequence[int]) -> Profiles:
        return Profiles(self.proportions[list(rows)], self.presence[list(rows)])


def profiles_of(abundance: Abundance) -> Profiles:
    """Return proportions and presence of all samples, in their order."""
    return Profiles(abundance.proportions, abundance.presence)


def engraft(
    study: Study, *, seed: int = 0, level: float = 0.95, rarefy_to: int | None = None
) -> pl.DataFrame:
    """Return every measure of every recipient's sample, in the declared ``engraftment`` table.

    ``level`` is the confidence level of the intervals of PEDS and PPRS. ``rarefy_to`` draws every sample
    down to so many reads first, by ``seed``; by default nothing is drawn. A patient without a sample has
    one row; what cannot be measured is a row with its reason.

    Refuses: InputError for abundances that are not as declared, RefusedError for rarefying proportions.
    """
    full = abundance_of(study)
    abundance = rarefy(full, depth=rarefy_to, seed=seed) if rarefy_to is not None else full
    depth = depths(full, study.read("samples", columns=["sample_id", "n_reads"]))
    found = comparisons(study, depth=depth, profiled=abundance.sample_ids)
    measured = [c for c in found if c.sample_id in abundance.rows]
    shallow = [c for c in found if c.sample_id in full.rows and c.sample_id not in abundance.rows]
    unread = [c for c in found if c.sample_id is not None and c.sample_id not in full.rows]
    parts = [
        _measure(measured, abundance, depth=depth, level=level),
        _unmeasured(shallow, MEASURES, reason=f"fewer than {rarefy_to} reads: left out by rarefaction"),
        _unmeasured(unread, MEASURES, reason=NO_PROFILE),
        _unmeasured([c for c in found if c.sample_id is None], ("peds",)),
    ]
    order = pl.col("measure").cast(pl.Enum(MEASURES))
    return pl.concat(parts).sort("subject_id", "day", "sample_id", order, nulls_last=True)


def _measure(
    found: list[Comparison], abundance: Abundance, *, depth: dict[str, float], level: float
) -> pl.DataFrame:
    """Return the rows of samples that have a profile."""
    whole = profiles_of(abundance)
    own = whole[[abundance.rows[c.sample_id] for c in found if c.sample_id is not None]]
    frames = [_alpha(found, own)]
    frames += [_compared(found, own, whole, abundance, which=w, level=level) for w in ("donor", "baseline")]
    few = {
        s: f"only {reads:,.0f} reads: features are missed" for s, reads in depth.items() if reads < FEW_READS
    }
    return pl.concat(frames).with_columns(
        pl.concat_str(
            "reason",
            _noted("sample_id", few, prefix=""),
            _noted("reference_sample_id", few, prefix="reference: "),
            separator="; ",
            ignore_nulls=True,
        ).replace("", None)
    )


def _noted(column: str, notes: dict[str, str], *, prefix: str) -> pl.Expr:
    """Return the note on the sample a column names; null where there is none."""
    return pl.lit(prefix) + pl.col(column).replace_strict(notes, default=None, return_dtype=pl.String)


def _alpha(found: list[Comparison], own: Profiles) -> pl.DataFrame:
    values = {
        "richness": diversity.richness(own.presence),
        "shannon": diversity.shannon(own.proportions),
        "simpson": diversity.simpson(own.proportions),
    }
    return pl.concat([_rows(found, [Reference()] * len(found), m, values=v) for m, v in values.items()])


def _compared(
    found: list[Comparison],
    own: Profiles,
    whole: Profiles,
    abundance: Abundance,
    *,
    which: str,
    level: float,
) -> pl.DataFrame:
    """Return the measures against ``donor`` or ``baseline``; where there is none, rows with the reason."""
    references: list[Reference] = [getattr(c, which) for c in found]
    known = [i for i, r in enumerate(references) if r.sample_ids]
    others = composite([references[i].sample_ids for i in known], whole, abundance)
    selected, kept = [found[i] for i in known], [references[i] for i in known]
    frames = []
    share = peds(own[known].presence, others.presence)
    frames.append(_share_rows(selected, kept, "peds" if which == "donor" else "pprs", share, level=level))
    for measure, function in _MEASURED[which].items():
        frames.append(_rows(selected, kept, measure, values=function(own[known], others)))
    absent = [found[i] for i, r in enumerate(references) if not r.sample_ids]
    frames.append(
        _unmeasured(absent, [m for m in MEASURES if m in (TO_DONOR if which == "donor" else TO_BASELINE)])
    )
    return pl.concat(frames)


_PairMeasure = Callable[[Profiles, Profiles], np.ndarray]
_MEASURED: dict[str, dict[str, _PairMeasure]] = {
    "donor": {
        "bray_curtis_to_donor": lambda a, b: diversity.bray_curtis(a.proportions, b.proportions),
        "jaccard_to_donor": lambda a, b: diversity.jaccard(a.presence, b.presence),
        "richness_minus_donor": lambda a, b: diversity.richness(a.presence) - diversity.richness(b.presence),
        "shannon_minus_donor": lambda a, b: (
            diversity.shannon(a.proportions) - diversity.shannon(b.proportions)
        ),
    },
    "baseline": {
        "bray_curtis_to_baseline": lambda a, b: diversity.bray_curtis(a.proportions, b.proportions),
        "jaccard_to_baseline": lambda a, b: diversity.jaccard(a.presence, b.presence),
    },
}


def composite(groups: Sequence[tuple[str, ...]], whole: Profiles, abundance: Abundance) -> Profiles:
    """Return one community for each group of samples: mean of the proportions, union of the presence."""
    members = [abundance.rows[sample] for group in groups for sample in group]
    owner = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    shape = (len(groups), whole.presence.shape[0])
    joining = sparse.csr_array((np.ones(len(members), dtype=np.int64), (owner, members)), shape=shape)
    size = np.asarray(joining.sum(axis=1)).ravel()
    weights = sparse.csr_array((1.0 / size[owner], (owner, members)), shape=shape)
    presence = sparse.csr_array(joining @ whole.presence)
    presence.data[:] = 1
    return Profiles(sparse.csr_array(weights @ whole.proportions), presence)


def _share_rows(
    found: list[Comparison], references: list[Reference], measure: str, share: Share, *, level: float
) -> pl.DataFrame:
    lower, upper = wilson(share, level=level)
    return _rows(found, references, measure, values=share.value).with_columns(
        lower=pl.Series(lower).fill_nan(None),
        upper=pl.Series(upper).fill_nan(None),
        level=pl.lit(level),
        n=pl.Series(share.n, dtype=pl.Int64),
        n_events=pl.Series(share.n_events, dtype=pl.Int64),
        method=pl.lit(WILSON),
    )


def _rows(
    found: list[Comparison], references: Sequence[Reference], measure: str, *, values: np.ndarray | None
) -> pl.DataFrame:
    """Return one row a comparison in the declared columns; without values each needs a reason."""
    schema = RESULTS["engraftment"].schema
    columns = {
        "sample_id": [c.sample_id for c in found],
        "subject_id": [c.subject_id for c in found],
        "donor_id": [r.label if measure in TO_DONOR else None for r in references],
        "reference_sample_id": [";".join(r.sample_ids) or None for r in references],
        "day": [c.day for c in found],
        "timepoint": [c.timepoint for c in found],
        "measure": [measure] * len(found),
        "value": values,
        "reason": [_reason(c, r, measure) for c, r in zip(found, references, strict=True)],
    }
    given = {
        name: pl.Series(column, dtype=schema[name]) for name, column in columns.items() if column is not None
    }
    empty = {n: pl.lit(None, dtype=t).alias(n) for n, t in schema.items() if n not in given}
    return pl.DataFrame(given).with_columns(**empty).select(list(schema))


def _reason(comparison: Comparison, reference: Reference, measure: str) -> str | None:
    """Return why there is no value or, with one, what to bear in mind."""
    if reference.reason:
        return reference.reason
    parts = [reference.caution] if reference.caution else []
    if measure == "peds" and comparison.is_before:
        parts.append("before the first transplant: resemblance, not engraftment")
    if measure == "peds" and comparison.is_before is None:
        parts.append("before or after the transplant is unknown")
    if len(reference.sample_ids) > 1:
        parts.append(f"reference is the union of {len(reference.sample_ids)} samples")
    return "; ".join(parts) or None


def _unmeasured(
    found: list[Comparison], measures: Sequence[str], *, reason: str | None = None
) -> pl.DataFrame:
    """Return rows without a value: the reason given, else that of the donor or the baseline."""
    frames = [RESULTS["engraftment"].empty()]
    for measure in measures:
        own = [c.baseline if measure in TO_BASELINE else c.donor for c in found]
        why = [Reference(label=r.label, reason=reason or r.reason) for r in own]
        frames.append(_rows(found, why, measure, values=None))
    return pl.concat(frames)
