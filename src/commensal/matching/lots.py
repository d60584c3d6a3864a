"""The lots that could be given, each with its donors and donations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from commensal.bank import unit_states
from commensal.study import Study

# A unit without custody events may be on a shelf: it is looked at, and fails for want of a record.
ON_SHELF = ("none", "stored", "released", "reserved")

GONE = ("administered", "partly_administered", "rejected", "returned", "wasted", "destroyed", "expired")

# The bank's words for why it would not issue a unit → the bar they stand for. A hold, an expiry and a missing
# release have rules of their own.
BARS = {
    "the custody record has a fault": "faulty_record",
    "custody is": "not_in_store",
    "thawed on an earlier day": "thawed_earlier",
    "part of the unit was given": "given_before",
    "used in session": "given_before",
    "reserved for": "reserved",
    "on hold": "none",
    "not released": "none",
    "the expiry date is unknown": "none",
    "expired": "none",
    "historical": "none",
}


@dataclass(frozen=True)
class Lot:
    """One candidate: the unit's record, its state in the bank, and its donors with their donations.

    ``bar`` is what in its custody keeps it from being issued to anyone, None where no custody is recorded;
    ``bar_words`` are the bank's.
    """

    unit_id: str
    unit: Mapping[str, Any]
    donors: tuple[Mapping[str, Any], ...]
    donations: tuple[tuple[str, str | None], ...]
    is_released: bool | None
    reserved_for: str | None
    bar: str | None
    bar_words: str

    @property
    def donor_ids(self) -> tuple[str, ...]:
        """The donors, sorted, each once; several in a pool."""
        return tuple(sorted({donor_id for donor_id, _ in self.donations}))


def candidate_lots(study: Study, *, on_day: int) -> list[Lot]:
    """Return the lots on the shelf on a day, by unit; historical material and used units are none."""
    units = _not_gone(study, on_day=on_day)
    states = unit_states(study, on_day=on_day, units=units["unit_id"].to_list())
    used = pl.col("reason").fill_null("").str.starts_with("used in session")
    on_shelf = states.filter((pl.col("custody").is_in(ON_SHELF) & ~used) | pl.col("is_issuable"))
    rows = on_shelf.join(units, on="unit_id", how="inner", suffix="_declared").sort("unit_id")
    return _lots(study, rows)


def material_given(study: Study) -> list[Lot]:
    """Return one lot for each material of a study without a calendar: the first unit of each make-up.

    What was given long ago is no candidate for anybody; it stands for its donors in a comparison.
    """
    donors = study.read("unit_donors", columns=["unit_id", "donor_id"]).unique().sort("unit_id", "donor_id")
    made_of = donors.group_by("unit_id").agg(pl.col("donor_id").str.join(";").alias("made_of"))
    units = study.read("units").join(made_of, on="unit_id", how="left").sort("unit_id")
    pooled = pl.col("made_of").is_null() | pl.col("made_of").str.contains(";", literal=True)
    make = pl.when(pooled).then(pl.concat_str("batch_id", "made_of", separator="|", ignore_nulls=True))
    first = units.unique(
        make.otherwise(pl.col("made_of")).fill_null("").alias("make"), keep="first", maintain_order=True
    )
    silent = pl.lit(None)
    rows = first.drop("made_of").with_columns(
        custody=pl.lit("none"), is_released=silent, reserved_for=silent, reason=silent
    )
    return _lots(study, rows)


def _not_gone(study: Study, *, on_day: int) -> pl.DataFrame:
    """Return the units that may still be on a shelf: what was given or destroyed needs no fold to be known.

    A unit with an event taken back is kept: only the fold can tell where it is.
    """
    units = study.read("units").filter(pl.col("release_pathway") != "historical")
    events = study.read("custody", columns=["unit_id", "sequence", "event", "occurred_day"])
    past = events.filter(pl.col("occurred_day").is_null() | (pl.col("occurred_day") <= on_day))
    gone = past.group_by("unit_id").agg(
        pl.col("event").sort_by("sequence").last().is_in(GONE) & (pl.col("event") != "corrected").all()
    )
    return units.join(gone.filter("event"), on="unit_id", how="anti")


def _lots(study: Study, rows: pl.DataFrame) -> list[Lot]:
    donors = {row["donor_id"]: row for row in study.read("donors").iter_rows(named=True)}
    parts = _parts(study)
    return [_lot(row, parts[row["unit_id"]], donors) for row in rows.iter_rows(named=True)]


def _parts(study: Study) -> Mapping[str, list[tuple[str, str | None]]]:
    parts = defaultdict(list)
    rows = study.read("unit_donors", columns=["unit_id", "donor_id", "donation_id"])
    for unit_id, donor_id, donation_id in rows.sort("unit_id", "donor_id", "donation_id").iter_rows():
        parts[unit_id].append((donor_id, donation_id))
    return parts


def _lot(
    row: dict[str, Any], parts: list[tuple[str, str | None]], donors: Mapping[str, dict[str, Any]]
) -> Lot:
    distinct = sorted({donor_id for donor_id, _ in parts})
    words = row["reason"] or ""
    return Lot(
        unit_id=row["unit_id"],
        unit=row,
        donors=tuple(donors.get(d, {"donor_id": d}) for d in distinct),
        donations=tuple(parts),
        is_released=None if row["custody"] == "none" else row["is_released"],
        reserved_for=row["reserved_for"],
        bar=None if row["custody"] == "none" else _bar(words),
        bar_words=words,
    )


def _bar(words: str) -> str:
    """Return the bar that the bank's words stand for; words nobody foresaw bar as the gravest does."""
    if not words:
        return "none"
    return next((bar for start, bar in BARS.items() if words.startswith(start)), "faulty_record")


def sources_of(
    study: Study, lots: list[Lot], *, profiled: set[str]
) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Return, for each lot, the samples of each part of it: the batch's own of a pool, else each donor's.

    A lot of which one part has no sample with a profile has no sources: the rest would not be the lot.
    """
    columns = ["sample_id", "patient_id", "donor_id", "batch_id", "control"]
    samples = study.read("samples", columns=columns).filter(
        pl.col("patient_id").is_null()
        & pl.col("control").is_null()
        & pl.col("sample_id").is_in(sorted(profiled))
    )
    by_donor, by_batch = _grouped(samples, "donor_id"), _grouped(samples, "batch_id")
    found = {}
    for lot in lots:
        of_batch = by_batch.get(lot.unit["batch_id"] or "", ())
        if len(lot.donor_ids) != 1 and of_batch:
            found[lot.unit_id] = (of_batch,)
        else:
            parts = tuple(by_donor.get(d, ()) for d in lot.donor_ids)
            found[lot.unit_id] = parts if all(parts) else ()
    return found


def _grouped(samples: pl.DataFrame, key: str) -> dict[str, tuple[str, ...]]:
    rows = samples.filter(pl.col(key).is_not_null())
    if key == "batch_id":
        rows = rows.filter(pl.col("donor_id").is_null())
    groups = rows.sort("sample_id").group_by(key, maintain_order=True).agg("sample_id")
    return {name: tuple(ids) for name, ids in groups.iter_rows()}
