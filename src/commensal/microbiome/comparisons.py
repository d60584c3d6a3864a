"""Which sample of a recipient is compared with which samples of donor and baseline, or why with none.

How the time of a sample is read: a source's own word for a sample before treatment ("baseline", "preFMT",
"postABX") wins over the day; else a sample up to and on the day of the first session was before it (stool
of that day is passed before the transplant); else it was after. The baseline is the last sample before the
first session, samples under or after antibiotics only where there is no other.

What a recipient was given by a day is every unit of every session up to that day; before the first session
it is what the first session brought. A pool is read by the deepest sample of its batch, where one was
sequenced, else as the union of its donors' samples; a single donor by the donor's deepest sample.

Repeated courses: the baseline is that of the first course. A sample after the start of a later course is
also compared with the last sample between the courses, where there is one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import polars as pl

from commensal.microbiome.abundance import deepest
from commensal.microbiome.comparability import Setting, caution, refusal
from commensal.study import Study

BEFORE_TREATMENT = frozenset(
    (
        *("baseline", "basal", "base", "pre", "prefmt", "pretreatment", "pretransplant"),
        *("recipientpre", "screening", "scr", "v0", "preabx"),
    )
)
AFTER_ANTIBIOTICS = frozenset(("postabx", "postantibiotic", "postantibiotics"))

NO_SAMPLE = "no sample of this patient"
NO_SESSION = "no session recorded"
COMPARATOR = "no donor: comparator patient"
AUTOLOGOUS = "no donor: autologous material"
UNKNOWN_DONOR = "donor unknown: a session up to this day has no donor recorded"
UNKNOWN_DAY = "day unknown: the donors given by then cannot be told"
NO_BASELINE = "no baseline sample with a profile"
AFTER_ANTIBIOTICS_ONLY = "the only baseline was taken under or after antibiotics"
IS_BASELINE = "this sample is the baseline"
ONE_COURSE = "not after a second course"
UNKNOWN = Setting()
NOTHING_BETWEEN = "no sample with a profile between the first session and the latest course"


@dataclass(frozen=True)
class Reference:
    """What a sample is compared with: a label, the samples, or why there are none.

    ``donor_ids`` are the donors known to be in it; ``is_pool`` says that a pool's own sample stands for it.
    """

    label: str | None = None
    sample_ids: tuple[str, ...] = ()
    reason: str | None = None
    caution: str | None = None
    donor_ids: frozenset[str] = frozenset()
    is_pool: bool = False


@dataclass(frozen=True)
class Comparison:
    """One sample of one recipient with its donor and baseline references.

    ``sample_id`` is None for a recipient without samples; ``is_before`` is None where nobody can tell.
    ``day`` is relative to the patient's index. ``latest_course`` is the last sample before the latest
    course, for a sample after a second one; ``ever_given`` are all donors and materials the subject
    received on any day, before or after this sample.
    """

    subject_id: str
    sample_id: str | None
    day: int | None
    timepoint: str | None
    is_before: bool | None
    donor: Reference
    baseline: Reference
    latest_course: Reference = Reference(reason=ONE_COURSE)
    ever_given: frozenset[str] = frozenset()
    is_comparator: bool = False


@dataclass(frozen=True)
class Given:
    """One unit given in one session: the day, the course, and what stands for it."""

    day: int | None
    material: Reference
    course_id: str | None = None


@dataclass
class _Recipient:
    """What the study knows of one recipient, gathered before the comparisons are made."""

    patient_id: str
    arm: str
    index_day: int | None
    given: list[Given] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)


def comparisons(study: Study, *, depth: Mapping[str, float], profiled: Iterable[str]) -> list[Comparison]:
    """Return one comparison for each sample of each patient, and one for a patient without samples.

    ``depth`` is the depth of each sample in reads, where known; ``profiled`` the samples with abundances.
    Ordered by patient, day and sample.
    """
    with_profile = set(profiled)
    recipients = _recipients(study, depth=depth, profiled=with_profile)
    made = [c for r in recipients for c in _compare(r, depth=depth, profiled=with_profile)]
    return sorted(made, key=_order)


def _order(comparison: Comparison) -> tuple[str, bool, int, str]:
    day = comparison.day
    return comparison.subject_id, day is None, day or 0, comparison.sample_id or ""


def _recipients(study: Study, *, depth: Mapping[str, float], profiled: set[str]) -> list[_Recipient]:
    patients = study.read("patients", columns=["patient_id", "arm", "index_day"])
    found = {row[0]: _Recipient(*row) for row in patients.iter_rows()}
    samples = study.read("samples").filter(pl.col("patient_id").is_not_null() & pl.col("control").is_null())
    for row in samples.iter_rows(named=True):
        if row["patient_id"] in found:
            found[row["patient_id"]].samples.append(row)
    for patient_id, given in _given(study, depth=depth, profiled=profiled):
        if patient_id in found:
            found[patient_id].given.append(given)
    return list(found.values())


def _given(study: Study, *, depth: Mapping[str, float], profiled: set[str]) -> Iterable[tuple[str, Given]]:
    """Yield (patient, what was given) for each unit of each session; a session without units is unknown."""
    materials = _materials(study, depth=depth, profiled=profiled)
    used = study.read("session_units", columns=["session_id", "unit_id"])
    sessions = study.read("sessions", columns=["session_id", "course_id", "patient_id", "administered_day"])
    rows = sessions.join(used, on="session_id", how="left").sort("session_id", "unit_id", nulls_last=True)
    unknown = Reference(reason=UNKNOWN_DONOR)
    for row in rows.iter_rows(named=True):
        material = materials.get(row["unit_id"], unknown)
        yield row["patient_id"], Given(row["administered_day"], material, row["course_id"])


def _materials(study: Study, *, depth: Mapping[str, float], profiled: set[str]) -> dict[str, Reference]:
    """Return what stands for each unit of material."""
    donors_of = defaultdict(set)
    for unit_id, donor_id in study.read("unit_donors", columns=["unit_id", "donor_id"]).iter_rows():
        donors_of[unit_id].add(donor_id)
    donors = study.read("donors", columns=["donor_id", "kind"])
    own = set(donors.filter(pl.col("kind") == "autologous")["donor_id"])
    by_donor, by_batch = _donor_samples(study, profiled=profiled)

    @cache
    def of_donors(members: tuple[str, ...]) -> Reference:
        return _union(
            Reference(reason=AUTOLOGOUS) if d in own else _of_donor(d, by_donor, depth=depth) for d in members
        )

    references = {}
    for unit_id, batch_id in study.read("units", columns=["unit_id", "batch_id"]).iter_rows():
        members = sorted(donors_of[unit_id])
        if len(members) != 1 and by_batch.get(batch_id):
            pool = _read_by(batch_id, by_batch[batch_id], depth=depth)
            references[unit_id] = replace(pool, donor_ids=frozenset(members), is_pool=True)
        else:
            references[unit_id] = of_donors(tuple(members))
    return references


def _donor_samples(
    study: Study, *, profiled: set[str]
) -> tuple[Mapping[str, list[str]], Mapping[str, list[str]]]:
    """Return the profiled samples of each donor, and those of each batch."""
    columns = ["sample_id", "patient_id", "donor_id", "batch_id", "control"]
    samples = study.read("samples", columns=columns).filter(
        pl.col("patient_id").is_null() & pl.col("control").is_null()
    )
    by_donor, by_batch = defaultdict(list), defaultdict(list)
    for row in samples.filter(pl.col("sample_id").is_in(list(profiled))).iter_rows(named=True):
        if row["donor_id"] is not None:
            by_donor[row["donor_id"]].append(row["sample_id"])
        elif row["batch_id"] is not None:
            by_batch[row["batch_id"]].append(row["sample_id"])
    return by_donor, by_batch


def _of_donor(donor_id: str, samples: Mapping[str, list[str]], *, depth: Mapping[str, float]) -> Reference:
    if not samples.get(donor_id):
        reason = f"no sample of donor {donor_id} with a profile"
        return Reference(label=donor_id, reason=reason, donor_ids=frozenset((donor_id,)))
    return replace(_read_by(donor_id, samples[donor_id], depth=depth), donor_ids=frozenset((donor_id,)))


def _read_by(label: str, sample_ids: list[str], *, depth: Mapping[str, float]) -> Reference:
    chosen = deepest(sample_ids, depth=depth)
    return Reference(label=label, sample_ids=(chosen,) if chosen else ())


def _union(references: Iterable[Reference]) -> Reference:
    """Return several references as one; one that is unknown makes the whole unknown, with the reasons."""
    parts = list(dict.fromkeys(references))
    if not parts:
        return Reference(reason=UNKNOWN_DONOR)
    reasons = [p.reason for p in parts if p.reason]
    labels = sorted({p.label for p in parts if p.label})
    samples = sorted({s for p in parts for s in p.sample_ids})
    return Reference(
        label=";".join(labels) or None,
        sample_ids=() if reasons else tuple(samples),
        reason="; ".join(dict.fromkeys(reasons)) or None,
        donor_ids=frozenset().union(*(p.donor_ids for p in parts)),
        is_pool=any(p.is_pool for p in parts),
    )


def _compare(
    recipient: _Recipient, *, depth: Mapping[str, float], profiled: set[str]
) -> Iterable[Comparison]:
    first = _first_day(recipient)
    if not recipient.samples:
        nothing = Reference(reason=NO_SAMPLE)
        yield Comparison(recipient.patient_id, None, None, None, None, nothing, nothing)
    before = {row["sample_id"]: is_before(row, first_day=first) for row in recipient.samples}
    candidates = [r for r in recipient.samples if before[r["sample_id"]] and r["sample_id"] in profiled]
    baseline = _baseline(candidates, depth=depth)
    ever = frozenset().union(*(_names(given.material) for given in recipient.given))
    for row in recipient.samples:
        sample_id, day = row["sample_id"], row["collected_day"]
        yield Comparison(
            subject_id=recipient.patient_id,
            sample_id=sample_id,
            day=None if day is None or recipient.index_day is None else day - recipient.index_day,
            timepoint=row["timepoint"],
            is_before=before[sample_id],
            donor=_donor_reference(recipient, day, is_before=before[sample_id]),
            baseline=Reference(reason=IS_BASELINE) if (sample_id,) == baseline.sample_ids else baseline,
            latest_course=_before_latest_course(recipient, day, depth=depth, profiled=profiled),
            ever_given=ever,
            is_comparator=not recipient.given and recipient.arm != "fmt",
        )


def _names(material: Reference) -> frozenset[str]:
    """Return the donors of a material and the material's own name."""
    return material.donor_ids | ({material.label} if material.label else set())


def _before_latest_course(
    recipient: _Recipient, day: int | None, *, depth: Mapping[str, float], profiled: set[str]
) -> Reference:
    """Return the last sample between the first session and the course that was latest on ``day``."""
    starts: dict[str | None, int] = {}
    for given in recipient.given:
        if given.day is not None:
            starts[given.course_id] = min(given.day, starts.get(given.course_id, given.day))
    begun = sorted(start for start in starts.values() if day is not None and start < day)
    if len(begun) < 2:
        return Reference(reason=ONE_COURSE)
    between = [
        row
        for row in recipient.samples
        if row["sample_id"] in profiled
        and row["collected_day"] is not None
        and begun[0] < row["collected_day"] <= begun[-1]
    ]
    return _baseline(between, depth=depth) if between else Reference(reason=NOTHING_BETWEEN)


def donor_references(study: Study, *, depth: Mapping[str, float], profiled: Iterable[str]) -> list[Reference]:
    """Return every donor's reference, given to anybody or not; autologous donors are left out."""
    by_donor, _ = _donor_samples(study, profiled=set(profiled))
    donors = study.read("donors", columns=["donor_id", "kind"])
    own = set(donors.filter(pl.col("kind") == "autologous")["donor_id"])
    return [_of_donor(d, by_donor, depth=depth) for d in sorted(by_donor) if d not in own]


def within_settings(found: Iterable[Comparison], settings: Mapping[str, Setting]) -> list[Comparison]:
    """Return the comparisons with references of another setting refused, in words, and cautions added."""
    return [_within_setting(c, settings) for c in found]


def _within_setting(comparison: Comparison, settings: Mapping[str, Setting]) -> Comparison:
    if comparison.sample_id is None:
        return comparison
    setting = settings.get(comparison.sample_id, UNKNOWN)
    references = (comparison.donor, comparison.baseline, comparison.latest_course)
    donor, baseline, latest = (_checked(r, setting, settings) for r in references)
    if (donor, baseline, latest) == references:
        return comparison
    return replace(comparison, donor=donor, baseline=baseline, latest_course=latest)


def _checked(reference: Reference, setting: Setting, settings: Mapping[str, Setting]) -> Reference:
    others = [other for s in reference.sample_ids if (other := settings.get(s, UNKNOWN)) != setting]
    if not others:
        return reference
    if refused := [r for other in others if (r := refusal(setting, other))]:
        return replace(reference, sample_ids=(), reason="; ".join(dict.fromkeys(refused)))
    said = [reference.caution, *(caution(setting, other) for other in others)]
    words = "; ".join(dict.fromkeys(word for word in said if word)) or None
    return reference if words == reference.caution else replace(reference, caution=words)


def _first_day(recipient: _Recipient) -> int | None:
    """Return the day of the first session; for a patient without sessions the index day."""
    days = [given.day for given in recipient.given if given.day is not None]
    return min(days) if days else recipient.index_day


def is_before(sample: Mapping[str, Any], *, first_day: int | None) -> bool | None:
    """Return whether a sample was taken before the first session; None where nobody can tell."""
    word = _word(sample)
    if word in BEFORE_TREATMENT or word in AFTER_ANTIBIOTICS:
        return True
    day = sample["collected_day"]
    if day is None or first_day is None:
        return False if word.startswith("post") else None
    return day <= first_day


def _word(sample: Mapping[str, Any]) -> str:
    return re.sub(r"[^a-z0-9]", "", (sample["timepoint"] or "").lower())


def _baseline(candidates: list[dict[str, Any]], *, depth: Mapping[str, float]) -> Reference:
    undisturbed = [row for row in candidates if not _is_after_antibiotics(row)]
    rows = undisturbed or candidates
    if not rows:
        return Reference(reason=NO_BASELINE)
    last = max((row["collected_day"] for row in rows if row["collected_day"] is not None), default=None)
    chosen = _read_by("baseline", [r["sample_id"] for r in rows if r["collected_day"] == last], depth=depth)
    return chosen if undisturbed else replace(chosen, caution=AFTER_ANTIBIOTICS_ONLY)


def _is_after_antibiotics(sample: Mapping[str, Any]) -> bool:
    return bool(sample["is_on_antibiotics"]) or _word(sample) in AFTER_ANTIBIOTICS


def _donor_reference(recipient: _Recipient, day: int | None, *, is_before: bool | None) -> Reference:
    if not recipient.given:
        return Reference(reason=NO_SESSION if recipient.arm == "fmt" else COMPARATOR)
    first = _first_day(recipient)
    ever = list(dict.fromkeys(given.material for given in recipient.given))
    if len(ever) == 1:
        return ever[0]
    until = first if is_before else day
    if until is None or any(given.day is None for given in recipient.given):
        return Reference(reason=UNKNOWN_DAY)
    return _union(given.material for given in recipient.given if (given.day or 0) <= until)
