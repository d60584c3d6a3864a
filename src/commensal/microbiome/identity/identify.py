"""Whose is this sample? Wrong donors and swapped samples, told by what the communities resemble.

A flag asks a person to check labels and records. It never changes a label, and nothing in this platform
acts on it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl

from commensal.microbiome.abundance import Abundance, abundance_of, depths
from commensal.microbiome.comparability import Setting, caution, comparable_groups, settings_of
from commensal.microbiome.comparisons import Comparison, comparisons
from commensal.microbiome.identity.evidence import (
    Answer,
    Panel,
    donor_answers,
    subject_answers,
)
from commensal.microbiome.identity.strain_evidence import strain_answers
from commensal.microbiome.identity.strains import Calls, calls_of
from commensal.study import RESULTS, Study

# Design choices. A flag needs a likely other of at least this probability, and a recorded one below the
# second: with one label in a hundred wrong beforehand, "rather wrong than right" needs about that.
LIKELY = 0.8
RULED_OUT = 0.01

NO_PROFILE = "no abundance profile of this sample"
WITHIN_CASES = "strains compared with the own case alone, or in fewer than five patients"
UNKNOWN_PHASE = "before or after the transplant is unknown"
NO_OTHER = "no other sample of this patient of the same setting, or too few patients at this phase"


@dataclass(frozen=True)
class _Found:
    """What one sample's donor and patient look like, or why neither can be told."""

    donor: Answer | None = None
    subject: Answer | None = None
    reasons: tuple[str, ...] = ()


def identify(study: Study, *, seed: int = 0) -> pl.DataFrame:
    """Return for each recipient's sample the likely donor and patient, in the declared ``identity`` table.

    Samples are compared within their setting. Before transplant there is no donor to tell; comparators and
    autologous material have none. A patient without samples has one row with its reason. ``seed`` deals
    patients into the folds in which models are fitted to others.

    Refuses: InputError for abundances that are not as declared.

    Notes: probabilities hold among the candidates of the study, all alike beforehand: the record has no
    vote, and a stranger to the study is no candidate. With fewer than five patients to calibrate on there
    is no probability and the verdict is ``undetermined``.
    """
    abundance = abundance_of(study)
    read = depths(abundance, study.read("samples", columns=["sample_id", "n_reads"]))
    found = comparisons(study, depth=read, profiled=abundance.sample_ids)
    settings = settings_of(study)
    told: dict[str, _Found] = {}
    for panel in _panels(study, abundance, found, settings=settings, reads=read):
        told |= _told(panel, settings=settings, seed=seed)
    calls = calls_of(study)
    if calls.by_pair:
        told = _told_by_strains(study, calls, told, seed=seed)
    return _table(found, told)


def _told_by_strains(
    study: Study, calls: Calls, told: Mapping[str, _Found], *, seed: int
) -> dict[str, _Found]:
    """Return what is told, strains before communities where both speak of a sample."""
    depth = {sample: float(n) for sample, n in calls.n_by_sample.items()}
    found = comparisons(study, depth=depth, profiled=calls.n_by_sample)
    stools = {d: tuple(samples) for d, samples in _stools(study, set(calls.n_by_sample)).items()}
    donors, subjects = strain_answers(found, calls, stools, seed=seed)
    by_both = dict(told)
    for sample in calls.n_by_sample:
        before = told.get(sample, _Found())
        if sample in donors or sample in subjects:
            donor, subject = donors.get(sample, before.donor), subjects.get(sample, before.subject)
            by_both[sample] = _Found(donor, subject, before.reasons)
        elif sample not in told:
            by_both[sample] = _Found(reasons=(NO_PROFILE, WITHIN_CASES))
    return by_both


def _panels(
    study: Study,
    abundance: Abundance,
    found: list[Comparison],
    *,
    settings: Mapping[str, Setting],
    reads: Mapping[str, float],
) -> list[Panel]:
    """Return the samples of each setting that hold some patient's sample."""
    filled = {s for s, total in zip(abundance.sample_ids, abundance.totals, strict=True) if total > 0}
    mine = {c.sample_id: c for c in found if c.sample_id in filled and c.is_before is not None}
    stools, members = _stools(study, filled), _members(study)
    panels = []
    for group in comparable_groups({s: settings.get(s, Setting()) for s in sorted(filled)}):
        inside = set(group)
        here = {d: tuple(s for s in samples if s in inside) for d, samples in stools.items()}
        given = {d: samples for d, samples in here.items() if samples}
        own = tuple(mine[s] for s in group if s in mine)
        if own:
            used = sorted({c.sample_id for c in own if c.sample_id} | {s for v in given.values() for s in v})
            of = {d: members.get(d, frozenset((d,))) for d in given}
            panels.append(Panel(_seen(abundance.select(used)), own, given, of, reads))
    return panels


def _seen(abundance: Abundance) -> Abundance:
    """Return the abundances without taxa that none of the samples has."""
    columns = np.flatnonzero(np.asarray(abundance.presence.sum(axis=0)).ravel())
    taxa = tuple(abundance.taxon_ids[k] for k in columns)
    return Abundance(abundance.values[:, columns], abundance.sample_ids, taxa, abundance.is_counts)


def _stools(study: Study, profiled: set[str]) -> dict[str, list[str]]:
    """Return the profiled samples of each donor, and of each batch where no donor is named."""
    columns = ["sample_id", "patient_id", "donor_id", "batch_id", "control"]
    found = defaultdict(list)
    for row in study.read("samples", columns=columns).sort("sample_id").iter_rows(named=True):
        label = row["donor_id"] or row["batch_id"]
        if label and row["patient_id"] is None and row["control"] is None and row["sample_id"] in profiled:
            found[label].append(row["sample_id"])
    own = study.read("donors", columns=["donor_id", "kind"]).filter(pl.col("kind") == "autologous")[
        "donor_id"
    ]
    return {label: samples for label, samples in found.items() if label not in set(own)}


def _members(study: Study) -> dict[str, frozenset[str]]:
    """Return the donors of each batch, with the batch itself."""
    units = study.read("units", columns=["unit_id", "batch_id"]).drop_nulls()
    donors = study.read("unit_donors", columns=["unit_id", "donor_id"])
    found = defaultdict(set)
    for batch_id, donor_id in units.join(donors, on="unit_id").select("batch_id", "donor_id").iter_rows():
        found[batch_id].add(donor_id)
    return {batch: frozenset({batch, *donors}) for batch, donors in found.items()}


def _told(panel: Panel, *, settings: Mapping[str, Setting], seed: int) -> dict[str, _Found]:
    donors, subjects = donor_answers(panel, seed=seed), subject_answers(panel, seed=seed)
    differing = cache(caution)
    told = {}
    for c in panel.comparisons:
        sample = c.sample_id or ""
        reasons = [donors] if isinstance(donors, str) and _may_have_donor(c) else []
        if isinstance(subjects, str):
            reasons.append(subjects)
        elif sample not in subjects:
            reasons.append(NO_OTHER)
        donor = donors.get(sample) if isinstance(donors, dict) and _may_have_donor(c) else None
        subject = subjects.get(sample) if isinstance(subjects, dict) else None
        reasons += _cautions(panel, sample, donor, subject, settings=settings, differing=differing)
        told[sample] = _Found(donor, subject, tuple(reasons))
    return told


def _may_have_donor(comparison: Comparison) -> bool:
    """Whether a donor is recorded with a profile, or one was given that nobody recorded."""
    reason = comparison.donor.reason or ""
    if comparison.is_before is not False:
        return False
    return bool(comparison.donor.sample_ids) or reason.startswith(("donor unknown", "day unknown"))


def _cautions(
    panel: Panel,
    sample: str,
    donor: Answer | None,
    subject: Answer | None,
    *,
    settings: Mapping[str, Setting],
    differing: Callable[[Setting, Setting], str | None],
) -> list[str]:
    """Return what differs between the sample's setting and those of all that speak for the likely ones."""
    others: list[str] = []
    if donor is not None:
        others += [s for part in donor.likely.split(";") for s in panel.stools.get(part, ())]
    if subject is not None:
        others += panel.samples_of.get(subject.likely, ())
    mine = settings.get(sample, Setting())
    said = [differing(mine, settings.get(o, Setting())) for o in others if o != sample]
    return list(dict.fromkeys(s for s in said if s)) if said and all(said) else []


def _table(found: list[Comparison], told: Mapping[str, _Found]) -> pl.DataFrame:
    given = {(c.subject_id, part) for c in found for part in (_recorded(c) or "").split(";") if part}
    verdicts = {s: _verdict(c, told[s], given=given) for c in found if (s := c.sample_id or "") in told}
    swapped = {s for s, verdict in verdicts.items() if verdict == "sample_swap"}
    owner = {c.sample_id: c.subject_id for c in found}
    exchanges = _exchanges(swapped, told, owner)
    rows = [_row(c, told, verdicts, exchanges) for c in found]
    table = pl.DataFrame(rows, schema=RESULTS["identity"].schema, orient="row")
    return table.sort("subject_id", "day", "sample_id", nulls_last=True)


def _verdict(comparison: Comparison, found: _Found, *, given: set[tuple[str, str]]) -> str:
    """Return what donor and patient together say; a swap speaks before a wrong donor, which it explains.

    A sample that looks like another patient's, but surely holds the taxa of recorded donors none of whom
    that patient had, is undetermined. ``given`` are pairs of patient and donor.
    """
    recorded = _recorded(comparison)
    donor, subject = _judged(found.donor, recorded), _judged(found.subject, comparison.subject_id)
    if subject is False and found.subject is not None:
        parts = (recorded or "").split(";")
        is_torn = bool(donor) and not any((found.subject.likely, part) in given for part in parts)
        return "undetermined" if is_torn else "sample_swap"
    if donor is False:
        return "wrong_donor"
    return "consistent" if donor or subject else "undetermined"


def _recorded(comparison: Comparison) -> str | None:
    """Return the donors recorded, each named once; None where none has a profile."""
    label = comparison.donor.label if comparison.donor.sample_ids else None
    return ";".join(sorted(set(label.split(";")))) if label else None


def _judged(answer: Answer | None, recorded: str | None) -> bool | None:
    """Return whether the record is borne out; None where it cannot be told."""
    if answer is None or recorded is None or answer.recorded_probability is None:
        return None
    if answer.likely == recorded:
        return True if answer.probability >= LIKELY else None
    is_other = answer.probability >= LIKELY and answer.recorded_probability < RULED_OUT
    return False if is_other else None


def _exchanges(
    swapped: set[str], told: Mapping[str, _Found], owner: Mapping[str | None, str]
) -> dict[str, list[str]]:
    """Return for each swapped sample those which look like its patient's while it looks like theirs."""
    by_pair = defaultdict(list)
    for sample in sorted(swapped):
        subject = told[sample].subject
        if subject is not None:
            by_pair[owner[sample], subject.likely].append(sample)
    pairs = {s: pair for pair, samples in by_pair.items() for s in samples}
    return {s: by_pair.get((there, here), []) for s, (here, there) in pairs.items()}


def _row(
    comparison: Comparison,
    told: Mapping[str, _Found],
    verdicts: Mapping[str, str],
    exchanges: Mapping[str, list[str]],
) -> tuple[object, ...]:
    sample = comparison.sample_id or ""
    found = told.get(sample, _Found(reasons=(_untold(comparison),)))
    verdict = verdicts.get(sample, "undetermined")
    donor, subject = found.donor, found.subject
    after = comparison.is_before is False
    return (
        *(comparison.sample_id, comparison.subject_id, comparison.day, comparison.timepoint),
        *(
            (_recorded(comparison) or comparison.donor.label) if after else None,
            donor and donor.likely,
            donor and donor.probability,
        ),
        *(donor and donor.recorded_probability, subject and subject.likely, subject and subject.probability),
        *(subject and subject.recorded_probability, verdict),
        sum(a.n_candidates for a in (donor, subject) if a is not None) or None,
        "; ".join(dict.fromkeys(a.method for a in (donor, subject) if a is not None)) or None,
        _reason(comparison, found, verdict, exchanges.get(sample, [])),
    )


def _untold(comparison: Comparison) -> str:
    if comparison.sample_id is None:
        return comparison.donor.reason or NO_PROFILE
    return UNKNOWN_PHASE if comparison.is_before is None else NO_PROFILE


def _reason(comparison: Comparison, found: _Found, verdict: str, exchanged: list[str]) -> str | None:
    parts = list(found.reasons)
    if verdict == "sample_swap":
        other = " or ".join(exchanged)
        parts.insert(
            0, f"check the labels: exchange with {other}?" if other else "check the label of this tube"
        )
    if verdict == "wrong_donor":
        parts.insert(0, "check which material was given, and the labels of the donor's samples")
    if comparison.is_before is False and comparison.donor.reason:
        parts.append(comparison.donor.reason)
    if verdict == "undetermined" and _judged(found.subject, comparison.subject_id) is False:
        parts.insert(0, "it resembles another patient, but holds what the recorded donor gave")
    if verdict == "undetermined" and not parts:
        parts.append("no candidate stands out")
    return "; ".join(dict.fromkeys(parts)) or None
