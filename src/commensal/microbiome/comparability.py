"""Which samples can be compared: the assay, region, pipeline, kit and run each was read with.

Two samples read by another assay, over another region of the 16S gene, or named against another reference
database do not share an axis of taxa, whatever the names in the table say: a distance between them mostly
measures the laboratory. Another run or kit shifts a community less and is said beside the figure. What
nobody recorded is unknown: unknown on both sides (most published studies, all of one make) needs no word,
unknown on one side does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from commensal.errors import InputError
from commensal.study import Study

# What two samples must share, and the words for it.
MUST_SHARE = {"assay": "assay", "region": "16S region", "pipeline": "pipeline"}
# What two samples better share.
BETTER_SHARED = {"kit": "extraction kit", "run_id": "sequencing run"}


@dataclass(frozen=True)
class Setting:
    """How a sample was read; each part is None where nobody recorded it.

    ``assay`` is 16s, shotgun, virome or strain_calls; ``region`` the region of the 16S gene; ``pipeline``
    the classifier and reference database with their versions; ``kit`` the extraction kit; ``run_id`` the
    sequencing run. Refuses (InputError) a part that is empty: unknown is None.
    """

    assay: str | None = None
    region: str | None = None
    pipeline: str | None = None
    kit: str | None = None
    run_id: str | None = None

    def __post_init__(self) -> None:
        for part in (*MUST_SHARE, *BETTER_SHARED):
            value = getattr(self, part)
            if value is not None and not value.strip():
                raise InputError(f"a setting's {part} is empty", expected="a word, or None where unknown")

    @property
    def label(self) -> str:
        """Assay, region and pipeline in words; an unknown part is left out."""
        known = [part for part in (self.assay, self.region, self.pipeline) if part is not None]
        return ", ".join(known) or "setting unknown"

    @property
    def axis(self) -> Setting:
        """The parts without which two samples share no axis of taxa."""
        return Setting(*(_plain(getattr(self, part)) for part in MUST_SHARE))


def settings_of(study: Study) -> Mapping[str, Setting]:
    """Return the setting of every sample of the study, by its id.

    A sample without a run, and a run that ``sequencing_runs`` does not list, are of unknown setting (the
    second keeps its run's id).
    """
    columns = ["run_id", *MUST_SHARE, "kit"]
    runs = {
        row["run_id"]: Setting(**{part: value or None for part, value in row.items()})
        for row in study.read("sequencing_runs", columns=columns).iter_rows(named=True)
    }
    samples = study.read("samples", columns=["sample_id", "run_id"])
    return {s: runs.get(run, Setting(run_id=run or None)) for s, run in samples.iter_rows()}


def refusal(first: Setting, second: Setting) -> str | None:
    """Return why two samples cannot be compared; None where they can.

    They cannot where assay, 16S region or pipeline (classifier and reference database) are known of both
    and differ. Capitals and spaces make no difference.
    """
    for part, words in MUST_SHARE.items():
        one, other = getattr(first, part), getattr(second, part)
        if one is not None and other is not None and _plain(one) != _plain(other):
            return f"not comparable: another {words} ({one} and {other})"
    return None


def caution(first: Setting, second: Setting) -> str | None:
    """Return what to bear in mind when two samples are compared; None where there is nothing.

    Another kit or run, known of both; and each part that is known of one of them alone.
    """
    parts = MUST_SHARE | BETTER_SHARED
    pairs = {p: (_plain(getattr(first, p)), _plain(getattr(second, p))) for p in parts}
    other = [words for p, words in BETTER_SHARED.items() if None not in pairs[p] and len(set(pairs[p])) == 2]
    unknown = [words for p, words in parts.items() if pairs[p].count(None) == 1]
    said = [f"another {' and '.join(other)}"] if other else []
    said += [f"{' and '.join(unknown)} unknown of one of the two"] if unknown else []
    return "; ".join(said) or None


def comparable_groups(settings: Mapping[str, Setting]) -> list[tuple[str, ...]]:
    """Return the samples in groups within which none refuses another; each sample is in one group.

    Samples with unknown parts join the group they fit, where it is one; samples that fit several groups
    which refuse each other are a group of their own. Groups and samples are in the order of the ids.
    """
    axes = {sample: setting.axis for sample, setting in settings.items()}
    fits = {axis: [o for o in set(axes.values()) if refusal(axis, o) is None] for axis in set(axes.values())}
    torn = {axis for axis, others in fits.items() if _any_refusal(others)}
    groups: dict[frozenset[Setting], list[str]] = {}
    for sample in sorted(settings):
        axis = axes[sample]
        key = frozenset((axis,) if axis in torn else (o for o in fits[axis] if o not in torn))
        groups.setdefault(key, []).append(sample)
    return [tuple(samples) for samples in groups.values()]


def _any_refusal(settings: Iterable[Setting]) -> bool:
    listed = list(settings)
    return any(refusal(a, b) for i, a in enumerate(listed) for b in listed[:i])


def _plain(value: str | None) -> str | None:
    return None if value is None else " ".join(value.split()).casefold()
