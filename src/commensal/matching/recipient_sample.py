"""The sample of the recipient that lots are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from commensal.matching.community_parts import NO_OWN, OwnSample
from commensal.matching.stock import samples_of
from commensal.microbiome.abundance import Abundance
from commensal.microbiome.comparisons import AFTER_ANTIBIOTICS, is_before
from commensal.study import Study

ON_ANTIBIOTICS = (
    "the recipient's sample was taken under or after antibiotics (vancomycin among them): what is missing "
    "may be their doing"
)


def own_sample(study: Study, abundance: Abundance, recipient: str, *, on_day: int) -> OwnSample:
    """Return the recipient's sample that lots are compared with: the last up to the day with a profile.

    One taken under or after antibiotics stands only where there is no other, and says so. Without
    a day, or a calendar, a sample counts where its source calls it one from before treatment.
    """
    rows = samples_of(study, pl.Series([recipient])).sort("collected_day", "sample_id")
    usable = [
        row
        for row in rows.iter_rows(named=True)
        if row["sample_id"] in abundance.rows
        and abundance.totals[abundance.rows[row["sample_id"]]] > 0
        and _is_up_to(row, on_day, is_dated=study.manifest.clock == "calendar")
    ]
    undisturbed = [row for row in usable if not _is_disturbed(row)]
    chosen = (undisturbed or usable)[-1:]
    if not chosen:
        return OwnSample(None, reason=NO_OWN)
    return OwnSample(chosen[0]["sample_id"], caution=None if undisturbed else ON_ANTIBIOTICS)


def _is_up_to(row: Mapping[str, Any], on_day: int, *, is_dated: bool) -> bool:
    day = row["collected_day"]
    if is_dated and day is not None:
        return day <= on_day
    return is_before(row, first_day=None if is_dated else on_day) is True


def _is_disturbed(row: Mapping[str, Any]) -> bool:
    word = "".join(c for c in (row["timepoint"] or "").lower() if c.isalnum())
    return bool(row["is_on_antibiotics"]) or word in AFTER_ANTIBIOTICS
