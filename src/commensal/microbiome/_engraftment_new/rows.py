"""From arrays of measures to rows of the declared ``engraftment`` table, with reasons and cautions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from commensal.microbiome.comparisons import Comparison, Reference
from commensal.study import RESULTS

# Measures of resemblance to a donor, which a sample from before the transplant has too.
RESEMBLANCE = frozenset(
    ("peds", "peds_gained", "peds_at_depth", "share_gained_from_donor", "engraftment_index")
)
BEFORE = "before the first transplant: resemblance, not engraftment"
BEFORE_UNKNOWN = "before or after the transplant is unknown"

NO_NULL, MISMATCHED, COMPARATORS = 0, 1, 2
NULL_WORDS = (
    None,
    "null: references of donors the subject never received, all of them",
    "null: last samples of comparator patients against this donor",
)


@dataclass(frozen=True, eq=False)
class Measured:
    """One measure of all samples; NaN where it is not defined.

    ``against`` says with what it compares: nothing, donor, baseline, both or latest_course. ``undefined``
    are the words for a sample that has its references and still no value, ``why`` such words sample by
    sample. ``columns`` are further columns of the table, NaN where there is nothing; ``interval`` says how
    the limits were made and ``null_kind`` what the null of each sample is made of.
    """

    against: str
    values: np.ndarray
    undefined: str = "not defined for this sample"
    why: Sequence[str | None] | None = None
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    interval: str | None = None
    null_kind: np.ndarray | None = None


Contexts = Mapping[str, pl.DataFrame]


def contexts(found: Sequence[Comparison], few: Mapping[str, str]) -> Contexts:
    """Return the columns that all measures against one thing share: nothing, donor, baseline, both …

    ``few`` holds a caution for each sample that was read too shallowly. Beside the declared columns are
    ``absent`` (why there is no reference), ``note`` (what to bear in mind) and ``note_resemblance``.
    """
    shared = pl.DataFrame(
        {
            "sample_id": pl.Series([c.sample_id for c in found], dtype=pl.String),
            "subject_id": pl.Series([c.subject_id for c in found], dtype=pl.String),
            "day": pl.Series([c.day for c in found], dtype=pl.Int64),
            "timepoint": pl.Series([c.timepoint for c in found], dtype=pl.String),
        }
    )
    return {
        against: shared.with_columns(_context([(c, *parts(c)) for c in found], few))
        for against, parts in _PARTS.items()
    }


_PARTS: Mapping[str, Callable[[Comparison], tuple[tuple[Reference, ...], str | None]]] = {
    "nothing": lambda _: ((), None),
    "donor": lambda c: ((c.donor,), c.donor.label),
    "baseline": lambda c: ((c.baseline,), None),
    "both": lambda c: ((c.donor, c.baseline), c.donor.label),
    "latest_course": lambda c: ((c.donor, c.latest_course), c.donor.label),
    "own_latest_course": lambda c: ((c.latest_course,), None),
}

_Part = tuple[Comparison, tuple[Reference, ...], str | None]


def _context(parts: list[_Part], few: Mapping[str, str]) -> list[pl.Series]:
    notes = [_notes(c, references, few) for c, references, _ in parts]
    columns = {
        "donor_id": [label for *_, label in parts],
        "reference_sample_id": [
            ";".join(s for r in references for s in r.sample_ids) or None for _, references, _ in parts
        ],
        "absent": [_joined([r.reason for r in references]) for _, references, _ in parts],
        "note": [_joined(n) for n in notes],
        "note_resemblance": [_joined([_when(c), *n]) for (c, *_), n in zip(parts, notes, strict=True)],
    }
    return [pl.Series(name, values, dtype=pl.String) for name, values in columns.items()]


def _when(comparison: Comparison) -> str | None:
    if comparison.is_before is None:
        return BEFORE_UNKNOWN
    return BEFORE if comparison.is_before else None


def _notes(
    comparison: Comparison, references: tuple[Reference, ...], few: Mapping[str, str]
) -> list[str | None]:
    said: list[str | None] = [r.caution for r in references]
    said += [
        f"reference is the union of {len(r.sample_ids)} samples" for r in references if len(r.sample_ids) > 1
    ]
    said.append(few.get(comparison.sample_id or ""))
    said += [f"reference: {few[s]}" for r in references for s in r.sample_ids if s in few]
    return said


def _joined(parts: Sequence[str | None]) -> str | None:
    return "; ".join(dict.fromkeys(p for p in parts if p)) or None


def measure_rows(context: Contexts, measure: str, measured: Measured) -> pl.DataFrame:
    """Return one row a sample of one measure, in the declared columns."""
    schema = RESULTS["engraftment"].schema
    columns = {"value": measured.values, **measured.columns}
    series = [_nullable(name, array, schema[name]) for name, array in columns.items()]
    why = pl.Series("why", measured.why, dtype=pl.String) if measured.why else pl.lit(None).alias("why")
    note = "note_resemblance" if measure in RESEMBLANCE else "note"
    undefined = pl.coalesce("absent", "why", pl.lit(measured.undefined))
    made = context[measured.against].with_columns(*series, why, pl.lit(measure).alias("measure"))
    return declared(
        made.with_columns(
            method=_method(measured, made.columns),
            reason=pl.when(pl.col("value").is_null()).then(undefined).otherwise(pl.col(note)),
        )
    )


def _method(measured: Measured, columns: Sequence[str]) -> pl.Expr:
    parts = []
    if measured.interval:
        given = pl.col("lower" if "lower" in columns else "value").is_not_null()
        parts.append(pl.when(given).then(pl.lit(measured.interval)))
    if measured.null_kind is not None:
        words = pl.Series(NULL_WORDS, dtype=pl.String)
        parts.append(pl.lit(words.gather(measured.null_kind)))
    if not parts:
        return pl.lit(None, dtype=pl.String)
    return pl.concat_str(parts, separator="; ", ignore_nulls=True).replace("", None)


def _nullable(name: str, values: np.ndarray, kind: pl.DataType) -> pl.Series:
    return pl.Series(name, np.asarray(values, dtype=float)).fill_nan(None).cast(kind)


def reason_rows(context: Contexts, against: str, measure: str, *, reason: str | None) -> pl.DataFrame:
    """Return rows without a value: the reason given, else why there is no reference."""
    words = pl.col("absent") if reason is None else pl.lit(reason)
    unread = context[against].with_columns(
        measure=pl.lit(measure),
        reference_sample_id=pl.lit(None, dtype=pl.String),
        reason=words,
    )
    return declared(unread)


def declared(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame in the declared columns of ``engraftment``, absent ones null."""
    schema = RESULTS["engraftment"].schema
    absent = [pl.lit(None, dtype=t).alias(n) for n, t in schema.items() if n not in frame.columns]
    return frame.with_columns(absent).select(pl.col(n).cast(t) for n, t in schema.items())
