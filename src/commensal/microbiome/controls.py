"""What the laboratory's controls say, and how many microbes there were.

A negative control holds no stool: what is found in it came from reagents, from neighbours on the plate or
from the index. A positive control holds a known community. Nothing here takes a taxon or a sample away:
suspects are named, and someone decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse
from scipy.stats import hypergeom

from commensal.errors import InputError, RefusedError
from commensal.microbiome.abundance import Abundance, Matrix, abundance_of
from commensal.microbiome.comparability import comparable_groups, settings_of
from commensal.microbiome.diversity import measures as diversity
from commensal.microbiome.diversity.distances import distance_matrix
from commensal.study import Study

# The threshold on the score that the prevalence method of decontam takes by default.
THRESHOLD = 0.1

# Fewer negative controls seldom see a rare contaminant (Davis 2018 advise five or six at least).
FEW_CONTROLS = 5

CONTAMINANTS = {
    "setting": pl.String,
    "taxon_id": pl.String,
    "n_controls": pl.Int64,
    "n_controls_with": pl.Int64,
    "n_samples": pl.Int64,
    "n_samples_with": pl.Int64,
    "p": pl.Float64,
    "is_suspected": pl.Boolean,
    "reason": pl.String,
}
RESEMBLANCE = {
    "sample_id": pl.String,
    "nearest_control_id": pl.String,
    "distance_to_control": pl.Float64,
    "nearest_sample_id": pl.String,
    "distance_to_sample": pl.Float64,
    "is_suspected": pl.Boolean,
    "reason": pl.String,
}
POSITIVE = {
    "sample_id": pl.String,
    "n_expected": pl.Int64,
    "n_found": pl.Int64,
    "unexpected_proportion": pl.Float64,
    "distance_to_expected": pl.Float64,
    "reason": pl.String,
}
NO_CONTROL = "no negative control with a profile in this setting"
NO_SAMPLE = "no sample of a person to compare with in this setting"
NOT_EXPECTED = "what the control should hold is not given"


@dataclass(frozen=True)
class _Group:
    """Profiled samples of one setting: those of people and the negative controls, by id."""

    setting: str
    samples: tuple[str, ...]
    controls: tuple[str, ...]


def contaminants(study: Study, *, threshold: float = THRESHOLD) -> pl.DataFrame:
    """Return each taxon seen in a negative control, and whether it is suspected to be a contaminant.

    One row a taxon and setting (assay, region, pipeline: others are not pooled): how many negative controls
    and how many samples of people have it, and ``p``. A setting without negative controls, or without
    samples, is a row with the reason; with few controls, the reason is a caution.

    Parameters
        threshold: taxa with ``p`` below it are suspected.

    Refuses
        RefusedError where the study has no profiled negative control; InputError for a threshold outside
        0 to 1.

    Notes
        The prevalence method: ``p`` is the one-sided probability (Fisher's exact test) that at least so
        many of the positives fall among the controls, if controls and samples had the taxon alike. decontam
        takes a chi-squared test where counts are large and Fisher's where they are small; here it is
        Fisher's throughout. The default threshold is decontam's; nothing is adjusted for the number of
        taxa, because a suspicion missed costs more than one too many.

    References
        Davis et al. 2018, doi:10.1186/s40168-018-0605-2.
    """
    if not 0 < threshold < 1:
        raise InputError(f"a threshold of {threshold}", expected="between 0 and 1")
    abundance = abundance_of(study)
    groups = _demanded(study, abundance)
    return pl.concat([_suspects(group, abundance, threshold=threshold) for group in groups])


def _demanded(study: Study, abundance: Abundance) -> list[_Group]:
    groups = list(_groups(study, abundance))
    if not any(group.controls for group in groups):
        raise RefusedError(
            "the study has no negative control with a profile",
            expected="at least one sample with control = 'negative'",
        )
    return groups


def _groups(study: Study, abundance: Abundance) -> Iterator[_Group]:
    """Yield the samples and negative controls of each setting; positive controls are neither."""
    control = dict(study.read("samples", columns=["sample_id", "control"]).iter_rows())
    settings = settings_of(study)
    filled = {s for s, total in zip(abundance.sample_ids, abundance.totals, strict=True) if total > 0}
    for group in comparable_groups({s: settings[s] for s in control if s in filled}):
        label = max((settings[s].label for s in group), key=len)
        people = tuple(s for s in group if control[s] is None)
        yield _Group(label, people, tuple(s for s in group if control[s] == "negative"))


def _suspects(group: _Group, abundance: Abundance, *, threshold: float) -> pl.DataFrame:
    n, m = len(group.controls), len(group.samples)
    if not n or not m:
        row = {"setting": group.setting, "n_controls": n, "n_samples": m}
        return pl.DataFrame([row | {"reason": NO_SAMPLE if n else NO_CONTROL}], schema=CONTAMINANTS)
    with_controls = _prevalence(abundance, group.controls)
    seen = np.flatnonzero(with_controls)
    mine, theirs = with_controls[seen], _prevalence(abundance, group.samples)[seen]
    p = np.clip(hypergeom.sf(mine - 1, n + m, mine + theirs, n), 0, 1)
    caution = f"only {n} negative controls: a contaminant may be missed" if n < FEW_CONTROLS else None
    columns = {
        "setting": group.setting,
        "taxon_id": [abundance.taxon_ids[i] for i in seen],
        "n_controls": n,
        "n_controls_with": mine,
        "n_samples": m,
        "n_samples_with": theirs,
        "p": p,
        "is_suspected": p < threshold,
        "reason": caution,
    }
    return pl.DataFrame(columns, schema=CONTAMINANTS).sort("p", "taxon_id")


def _prevalence(abundance: Abundance, sample_ids: Sequence[str]) -> np.ndarray:
    return np.asarray(abundance.select(sample_ids).presence.sum(axis=0)).ravel()


def resembling_controls(study: Study) -> pl.DataFrame:
    """Return every profiled sample of a person, and whether it resembles a negative control.

    It is suspected where its nearest negative control is at least as near (Bray–Curtis) as the nearest
    other sample of a person in the same setting: such a sample may hold little but contaminants. Where
    there is no control in its setting, or no other sample, the row has a reason and no verdict.

    Refuses: RefusedError where the study has no profiled negative control.
    """
    abundance = abundance_of(study)
    rows = [row for group in _demanded(study, abundance) for row in _resemblance(group, abundance)]
    return pl.DataFrame(rows, schema=RESEMBLANCE, orient="row").sort("sample_id")


def _resemblance(group: _Group, abundance: Abundance) -> Iterator[Mapping[str, object]]:
    if not group.controls or len(group.samples) < 2:
        reason = NO_SAMPLE if group.controls else NO_CONTROL
        yield from ({"sample_id": s, "reason": reason} for s in group.samples)
        return
    chosen = abundance.select((*group.samples, *group.controls))
    n = len(group.samples)
    apart = distance_matrix(chosen, distance="bray_curtis").values[:n].copy()
    np.fill_diagonal(apart, np.inf)
    for i, sample in enumerate(group.samples):
        j, k = int(apart[i, :n].argmin()), int(apart[i, n:].argmin())
        yield {
            "sample_id": sample,
            "nearest_control_id": group.controls[k],
            "distance_to_control": float(apart[i, n + k]),
            "nearest_sample_id": group.samples[j],
            "distance_to_sample": float(apart[i, j]),
            # Two samples with nothing in common with anything are 1 from all: that is no resemblance.
            "is_suspected": bool(apart[i, n + k] <= apart[i, j] and apart[i, n + k] < 1),
        }


def positive_controls(study: Study, *, expected: Mapping[str, float] | None = None) -> pl.DataFrame:
    """Return every positive control against what it should hold.

    ``expected`` gives the proportion of each taxon in the known community; the study's tables do not record
    it. Each row says how many of the expected taxa were found, the share of the profile that should not be
    there, and the Bray–Curtis distance to what was expected. Without ``expected``, or without a profile, the
    row has the reason.

    Refuses: InputError for expected proportions that are not above zero or do not sum to one (within 1 %).
    """
    shares = dict(expected or {})
    if shares and (min(shares.values()) <= 0 or abs(sum(shares.values()) - 1) > 0.01):
        raise InputError(
            f"the expected proportions sum to {sum(shares.values()):g}",
            expected="proportions above zero that sum to one",
        )
    abundance = abundance_of(study)
    samples = study.read("samples", columns=["sample_id", "control"]).filter(pl.col("control") == "positive")
    rows = [_against(s, abundance, shares) for s in sorted(samples["sample_id"])]
    return pl.DataFrame(rows, schema=POSITIVE, orient="row")


def _against(sample: str, abundance: Abundance, expected: Mapping[str, float]) -> dict[str, object]:
    row = abundance.rows.get(sample)
    if not expected or row is None or abundance.totals[row] <= 0:
        reason = NOT_EXPECTED if not expected else "no abundance profile of this sample"
        return {"sample_id": sample, "reason": reason}
    taxa = sorted({*expected, *abundance.taxon_ids})
    place = {taxon: i for i, taxon in enumerate(taxa)}
    own = abundance.proportions[[row]].tocoo()
    found = np.zeros(len(taxa))
    found[[place[abundance.taxon_ids[t]] for t in own.coords[1]]] = own.data
    wanted = np.zeros(len(taxa))
    wanted[[place[t] for t in expected]] = list(expected.values())
    both = sparse.csr_array(np.stack([found, wanted / wanted.sum()]))
    return {
        "sample_id": sample,
        "n_expected": len(expected),
        "n_found": int(((found > 0) & (wanted > 0)).sum()),
        "unexpected_proportion": float(found[wanted == 0].sum()),
        "distance_to_expected": float(diversity.bray_curtis(both[[0]], both[[1]])[0]),
    }


@dataclass(frozen=True, eq=False)
class Load:
    """Cells of each taxon in a gram of stool: ``values``, sparse, shape (samples, taxa).

    ``refused`` gives, for each sample whose load is not known, the reason; it has no row in ``values``.
    """

    values: Matrix
    sample_ids: tuple[str, ...]
    taxon_ids: tuple[str, ...]
    refused: Mapping[str, str]


def absolute(abundance: Abundance, samples: pl.DataFrame) -> Load:
    """Return absolute abundances: the proportions times the cells in a gram of stool, where measured.

    ``samples`` is the study's table of samples (``sample_id``, ``cells_per_gram``). A sample without a
    measured load is refused by name; a load is never guessed. Taxa differ in copies of the 16S gene and in
    how easily they break open: the figure carries both errors.

    Refuses: RefusedError where no sample has a measured load.
    References: Vandeputte et al. 2017, doi:10.1038/nature24460.
    """
    measured = dict(samples.select("sample_id", "cells_per_gram").drop_nulls().iter_rows())
    reasons = {s: r for s in abundance.sample_ids if (r := _no_load(s, abundance, measured))}
    kept = tuple(s for s in abundance.sample_ids if s not in reasons)
    if not kept:
        raise RefusedError(
            f"none of {len(abundance.sample_ids)} samples has a measured microbial load",
            expected="cells_per_gram in the table of samples",
        )
    chosen = abundance.select(kept)
    values = chosen.proportions
    values.data *= np.repeat([measured[s] for s in kept], np.diff(values.indptr))
    return Load(values, kept, chosen.taxon_ids, reasons)


def _no_load(sample: str, abundance: Abundance, measured: Mapping[str, float]) -> str | None:
    load = measured.get(sample)
    if load is None:
        return "microbial load not measured"
    if not (np.isfinite(load) and load > 0):
        return f"a microbial load of {load:g} cells a gram with a profile: check the measurement"
    return None if abundance.totals[abundance.rows[sample]] > 0 else "the profile of this sample is empty"
