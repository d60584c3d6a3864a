"""Principal coordinates: samples in the plane that keeps most of the distances between them.

Samples whose settings cannot be compared are never drawn in one plane: each group of comparable samples
has its own, and the table says which. A plane shows resemblance; it proves nothing, and distances on it
are not the distances that were measured.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from commensal.errors import InputError, RefusedError, nearest
from commensal.microbiome.abundance import Abundance, abundance_of, unclassified
from commensal.microbiome.comparability import (
    BETTER_SHARED,
    MUST_SHARE,
    Setting,
    comparable_groups,
    settings_of,
)
from commensal.microbiome.comparisons import comparisons
from commensal.microbiome.diversity.distances import (
    DISTANCES,
    MAX_SAMPLES,
    ON_TREE,
    Distances,
    distance_matrix,
)
from commensal.microbiome.diversity.phylogeny import AS_WRITTEN, Tree, tree_of
from commensal.study import RESULTS, Study

# Up to here all axes are computed; above, the first two alone, by iteration from a fixed start.
ALL_AXES_UP_TO = 2_000

# Two samples lie on a line whatever they are.
FEWEST_SAMPLES = 3

NO_PROFILE = "no abundance profile of this sample"
EMPTY = "the profile of this sample is empty"
CONTROL = "a {} control of the laboratory: not drawn with samples of people"
TOO_FEW = "fewer than 3 samples of this setting"
TOO_MANY = f"more than {MAX_SAMPLES:,} samples of this setting"
ALL_ALIKE = "all samples of this setting are alike"
BOUND = "share explained may be overstated: only two axes were computed"


@dataclass(frozen=True, eq=False)
class Plane:
    """Coordinates on the two main axes, shape (samples, 2), and the share of the variation on each.

    ``explained`` is None where all samples are alike. ``is_bound``: the shares are upper bounds.
    """

    axes: np.ndarray
    explained: tuple[float, float] | None
    is_bound: bool = False


def principal_coordinates(distances: Distances) -> Plane:
    """Return the two main axes of classical scaling (PCoA).

    With A = −D²/2 centred by rows and columns (Gower), the axes are eigenvectors of A scaled by the roots
    of their eigenvalues. The share explained is an eigenvalue over the sum of the positive ones; above
    2,000 samples, where only two are computed, over the trace, which is at most that sum. Samples are taken
    in the order of their ids and each axis points to where its farthest sample (the first of them) is
    positive, so that the order in which samples come changes nothing.

    Refuses (RefusedError) fewer than 3 samples.
    References: Gower 1966, doi:10.1093/biomet/53.3-4.325.
    """
    n = len(distances.sample_ids)
    if n < FEWEST_SAMPLES:
        raise RefusedError(f"{n} samples in an ordination", expected="at least 3")
    order = sorted(range(n), key=distances.sample_ids.__getitem__)
    centred = _centred(distances.values[np.ix_(order, order)])
    if n <= ALL_AXES_UP_TO:
        values, vectors = np.linalg.eigh(centred)
        whole = float(values[values > 0].sum())
        values, vectors = values[:-3:-1], vectors[:, :-3:-1]
    else:
        values, vectors = _two_axes(centred)
        whole = float(np.trace(centred))
    # What is left of numbers that cancel is no variation.
    if not values[0] > n * np.finfo(float).eps:
        return Plane(np.zeros((n, 2)), None)
    axes = np.empty((n, 2))
    axes[order] = _pointed(vectors) * np.sqrt(np.maximum(values, 0))
    first, second = (min(max(float(value) / whole, 0.0), 1.0) for value in values)
    return Plane(axes, (first, second), is_bound=n > ALL_AXES_UP_TO)


def _centred(distance: np.ndarray) -> np.ndarray:
    """Return −D²/2 with the means of rows and columns taken out; ``distance`` is used up."""
    squares = np.multiply(distance, distance, out=distance)
    squares *= -0.5
    means = squares.mean(axis=0)
    squares -= means[None, :]
    squares -= means[:, None]
    squares += means.mean()
    return squares


def _two_axes(centred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the two largest eigenvalues and their vectors, the same at each call."""
    from scipy.sparse.linalg import eigsh

    # The start is not orthogonal to any axis but by accident, and hangs on nothing but the size.
    start = np.random.default_rng(centred.shape[0]).standard_normal(centred.shape[0])
    values, vectors = eigsh(centred, k=2, which="LA", v0=start)
    falling = np.argsort(values)[::-1]
    return values[falling], vectors[:, falling]


def _pointed(vectors: np.ndarray) -> np.ndarray:
    size = np.abs(vectors)
    # Among samples that are equally far (to rounding) the first by id decides.
    farthest = (size > size.max(axis=0) * (1 - 1e-9)).argmax(axis=0)
    return vectors * np.where(vectors[farthest, [0, 1]] < 0, -1.0, 1.0)


def ordinate(
    study: Study, *, distance: str = "bray_curtis", samples: Collection[str] | None = None
) -> pl.DataFrame:
    """Return the declared ``ordination`` table: every sample of the study, drawn or with the reason why not.

    One plane for each group of samples that can be compared (assay, 16S region, pipeline); coordinates of
    two groups have nothing to do with each other. Samples of several runs or kits are drawn together and
    say so. Controls, samples without a profile or with an empty one, and groups of fewer than 3 samples
    are rows with a reason. ``samples`` restricts the study to some of its samples.

    Refuses: InputError for an unknown distance, abundances not as declared, a tree that lacks a taxon;
    RefusedError for UniFrac without a tree, and for aitchison of proportions.
    """
    if distance not in DISTANCES:
        raise InputError(f"{distance!r} is no distance", expected=nearest(distance, DISTANCES))
    people = _people(study, samples)
    abundance = abundance_of(study)
    reasons = dict(zip(people["sample_id"], _reasons(people, abundance), strict=True))
    settings = settings_of(study)
    drawn = {s: settings[s] for s, reason in reasons.items() if reason is None}
    tree = tree_of(study) if distance in ON_TREE else None
    notes = unclassified(abundance)
    parts = [
        _group(group, abundance, drawn, notes, distance=distance, tree=tree)
        for group in comparable_groups(drawn)
    ]
    table = RESULTS["ordination"]
    refused = pl.DataFrame([(s, r) for s, r in reasons.items() if r], schema=_SHORT, orient="row")
    empty = table.empty().select("sample_id", "setting", "reason", pl.selectors.matches("^(axis|explained)_"))
    whole = pl.concat([empty, *parts, refused], how="diagonal").with_columns(distance=pl.lit(distance))
    joined = people.drop("control").join(whole, on="sample_id", how="left").sort("sample_id")
    phases = {c.sample_id: c.is_before for c in comparisons(study, depth={}, profiled=())}
    phase = pl.col("sample_id").replace_strict(phases, default=None, return_dtype=pl.Boolean)
    joined = joined.with_columns(is_before=phase)
    return joined.with_columns(setting=_labels(joined, settings)).select(
        pl.col(name).cast(dtype) for name, dtype in table.schema.items()
    )


_SHORT = {"sample_id": pl.String, "reason": pl.String}


def _people(study: Study, samples: Collection[str] | None) -> pl.DataFrame:
    """Return one row for each sample: whose it is and when it was taken."""
    columns = ["sample_id", "patient_id", "donor_id", "batch_id", "control", "collected_day", "timepoint"]
    rows = study.read("samples", columns=columns)
    if samples is not None:
        known = set(rows["sample_id"])
        if unknown := sorted(set(samples) - known):
            raise InputError(f"{unknown[0]!r} is no sample", expected=nearest(unknown[0], known))
        rows = rows.filter(pl.col("sample_id").is_in(list(samples)))
    return rows.select(
        "sample_id",
        "timepoint",
        "control",
        pl.col("patient_id").alias("subject_id"),
        pl.coalesce("donor_id", "batch_id").alias("donor_id"),
        pl.col("collected_day").alias("day"),
    )


def _reasons(people: pl.DataFrame, abundance: Abundance) -> Iterable[str | None]:
    for sample, control in people.select("sample_id", "control").iter_rows():
        row = abundance.rows.get(sample)
        if control is not None:
            yield CONTROL.format(control)
        elif row is None:
            yield NO_PROFILE
        else:
            yield None if abundance.totals[row] > 0 else EMPTY


def _group(
    group: Sequence[str],
    abundance: Abundance,
    settings: Mapping[str, Setting],
    notes: Mapping[str, str],
    *,
    distance: str,
    tree: Tree | None,
) -> pl.DataFrame:
    """Return the rows of samples that can be compared."""
    frame = pl.DataFrame({"sample_id": group})
    label = _joint_label([settings[s] for s in group])
    frame = frame.with_columns(setting=pl.lit(label))
    if len(group) < FEWEST_SAMPLES or len(group) > MAX_SAMPLES:
        return frame.with_columns(reason=pl.lit(TOO_FEW if len(group) < FEWEST_SAMPLES else TOO_MANY))
    plane = principal_coordinates(distance_matrix(abundance.select(group), distance=distance, tree=tree))
    if plane.explained is None:
        return frame.with_columns(reason=pl.lit(ALL_ALIKE))
    shared = _cautions([settings[s] for s in group], tree=tree, is_bound=plane.is_bound)
    return frame.with_columns(
        axis_1=pl.Series(plane.axes[:, 0]),
        axis_2=pl.Series(plane.axes[:, 1]),
        explained_1=pl.lit(plane.explained[0]),
        explained_2=pl.lit(plane.explained[1]),
        reason=pl.Series(
            ["; ".join([*shared, *([notes[s]] if s in notes else [])]) or None for s in group],
            dtype=pl.String,
        ),
    )


def _cautions(settings: Sequence[Setting], *, tree: Tree | None, is_bound: bool) -> list[str]:
    said = [BOUND] if is_bound else []
    if tree is not None and tree.rooting != AS_WRITTEN:
        said.append(f"tree {tree.rooting}")
    for part, words in (MUST_SHARE | BETTER_SHARED).items():
        values = {getattr(s, part) for s in settings}
        known = values - {None}
        if part in BETTER_SHARED and len(known) > 1:
            said.append(f"samples of {len(known)} {words}s are drawn together")
        if known and None in values:
            said.append(f"{words} unknown of some of the samples")
    return said


def _joint_label(settings: Sequence[Setting]) -> str:
    """Return what is known of the setting of samples that can be compared."""
    parts = {p: next((v for s in settings if (v := getattr(s, p)) is not None), None) for p in MUST_SHARE}
    return Setting(**parts).label


def _labels(rows: pl.DataFrame, settings: Mapping[str, Setting]) -> pl.Series:
    """Return the plane's setting, else the sample's own."""
    given = zip(rows["sample_id"], rows["setting"], strict=True)
    return pl.Series([label or settings[sample].label for sample, label in given], dtype=pl.String)
