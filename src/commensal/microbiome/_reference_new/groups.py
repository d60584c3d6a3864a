"""Which samples can be compared with which part of a reference, or why with none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from commensal.microbiome.comparability import Setting, caution, refusal
from commensal.microbiome.reference import LEAST_FOR_DISTANCE, LEAST_SUBJECTS, Reference, Together
from commensal.microbiome.reference_scores import Basis
from commensal.study import Study

NO_PROFILE = "no abundance profile of this sample"
NO_REFERENCE = "no reference: the study has no donor or healthy subject with a profile (a pool is nobody's)"
MIXED = "not comparable: the reference mixes settings and that of the sample is unknown"


@dataclass(frozen=True, eq=False)
class Group:
    """Samples of one setting, with the part of the reference they are compared with.

    ``rows`` are their rows in the table, ``own`` the number of each one's subject in the basis (−1: not
    in it); ``basis`` is None where there is nothing to compare with, and ``reason`` says why.
    """

    rows: np.ndarray
    setting: Setting
    own: np.ndarray
    basis: Basis | None = None
    reference_rows: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=int))
    label: str | None = None
    reason: str | None = None
    caution: str | None = None


def sampled(study: Study) -> pl.DataFrame:
    """Return the samples of people and pools: sample_id, subject_id, donor_id, batch_id, day, timepoint.

    ``donor_id`` is the batch for a pool's own sample; ``day`` is relative to the patient's index, null for
    a donor. Ordered by sample; laboratory controls are left out.
    """
    index = study.read("patients", columns=["patient_id", "index_day"])
    samples = study.read("samples").filter(pl.col("control").is_null())
    return (
        samples.join(index, on="patient_id", how="left")
        .select(
            "sample_id",
            pl.col("patient_id").alias("subject_id"),
            pl.when(pl.col("patient_id").is_null())
            .then(pl.coalesce("donor_id", "batch_id"))
            .alias("donor_id"),
            pl.when(pl.col("donor_id").is_null()).then("batch_id").alias("batch_id"),
            (pl.col("collected_day") - pl.col("index_day")).alias("day"),
            "timepoint",
        )
        .sort("sample_id")
    )


def groups_of(
    study: Study,
    samples: pl.DataFrame,
    together: Together,
    reference: Reference | None,
    *,
    settings: Mapping[str, Setting],
    neighbours: int,
    draws: int,
    seed: int,
) -> list[Group]:
    """Return the profiled samples in groups that share a setting and a part of the reference."""
    pools = _members_of_pools(study) if together.is_own else {}
    keyed: dict[tuple[Setting, frozenset[str]], list[tuple[int, str | None]]] = defaultdict(list)
    rows = together.features.rows
    for sample, donor, batch in samples.select("sample_id", "donor_id", "batch_id").iter_rows():
        if sample in rows:
            key = settings.get(sample, Setting()), pools.get(batch, frozenset())
            keyed[key].append((rows[sample], donor if together.is_own else None))
    bases: dict[bytes, Basis] = {}
    proportions = together.compared.proportions
    made = []
    for (setting, without), listed in keyed.items():
        group = Group(np.array([r for r, _ in listed]), setting, np.full(len(listed), -1))
        if reference is None:
            made.append(_with(group, reason=NO_REFERENCE))
            continue
        usable, reason = _usable(setting, reference, without)
        if reason:
            made.append(_with(group, reason=reason))
            continue
        key = usable.tobytes()
        if key not in bases:
            part = together.reference_rows[usable]
            subjects = tuple(np.array(reference.subjects)[usable].tolist())
            bases[key] = Basis(proportions[part], subjects, neighbours=neighbours, draws=draws, seed=seed)
        made.append(
            Group(
                group.rows,
                setting,
                bases[key].numbers([donor for _, donor in listed]),
                basis=bases[key],
                reference_rows=together.reference_rows[usable],
                label=reference.label,
                caution=_cautions(setting, reference, usable, together.caution),
            )
        )
    return made


def _with(group: Group, *, reason: str) -> Group:
    return Group(group.rows, group.setting, group.own, reason=reason)


def _members_of_pools(study: Study) -> dict[str | None, frozenset[str]]:
    """Return the donors of each batch whose own sample may stand beside its donors'."""
    units = study.read("units", columns=["unit_id", "batch_id"]).drop_nulls()
    joined = units.join(study.read("unit_donors", columns=["unit_id", "donor_id"]), on="unit_id")
    members: dict[str | None, set[str]] = defaultdict(set)
    for batch, donor in joined.select("batch_id", "donor_id").iter_rows():
        members[batch].add(donor)
    return {batch: frozenset(donors) for batch, donors in members.items()}


def _usable(setting: Setting, reference: Reference, without: frozenset[str]) -> tuple[np.ndarray, str | None]:
    """Return which reference samples can be compared with, and why too few can."""
    refused = {other: refusal(setting, other) for other in set(reference.settings)}
    fits = np.array([refused[s] is None for s in reference.settings])
    usable = fits & np.array([s not in without for s in reference.subjects])
    left = {reference.settings[i] for i in np.flatnonzero(usable)}
    if any(refusal(a, b) for a in left for b in left):
        return usable, MIXED
    n = len({reference.subjects[i] for i in np.flatnonzero(usable)})
    if n >= LEAST_FOR_DISTANCE:
        return usable, None
    few = (
        f"{n} comparable reference subjects: at least {LEAST_FOR_DISTANCE} for a distance, "
        f"{LEAST_SUBJECTS} for a centile"
    )
    return usable, "; ".join(_once((*(r for r in refused.values() if r), few)))


def _cautions(setting: Setting, reference: Reference, usable: np.ndarray, overlap: str | None) -> str | None:
    used = {reference.settings[i] for i in np.flatnonzero(usable)}
    said = sorted(c for other in used if (c := caution(setting, other)))
    n_other = len(set(reference.subjects)) - len({reference.subjects[i] for i in np.flatnonzero(usable)})
    left = [f"{n_other} reference subjects left out: another setting, or part of the pool"] if n_other else []
    return "; ".join(_once([*said, *left, *([overlap] if overlap else [])])) or None


def _once(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))
