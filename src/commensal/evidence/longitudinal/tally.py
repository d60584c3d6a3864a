"""Counts of one score at one landmark in one group: every denominator and every reason, counted once."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import t as student

from commensal.evidence.longitudinal.measured import Measured
from commensal.evidence.longitudinal.words import NOBODY_DUE, counted, joined
from commensal.evidence.remission import DUE_UNKNOWN


@dataclass(frozen=True)
class Tally:
    """Patients of one group at one landmark.

    ``n_rows`` all of them, ``n_due`` those whose window had closed; of these ``n_died`` before it closed,
    ``n_without_baseline``, and ``changes`` where both scores are known. Of response and worsening: how many
    due could respond or worsen, how many were told, and of how many it is true.
    """

    n_rows: int
    n_due: int
    n_pending: int
    n_untold: int
    n_died: int
    n_without_baseline: int
    n_of_another_age: int
    changes: tuple[float, ...]
    response: tuple[int, int, int]
    worsening: tuple[int, int, int]

    @property
    def cautions(self) -> str | None:
        """What to print beside a figure: deaths, not yet due, no baseline, of another age."""
        return joined(
            counted(self.n_died, "due died"),
            counted(self.n_pending, "not yet due"),
            counted(self.n_untold, "of whom it is unknown whether they were due"),
            counted(self.n_without_baseline, "due without a baseline score"),
            counted(self.n_of_another_age, "of an age the instrument is not meant for"),
        )

    @property
    def why_nothing(self) -> str | None:
        """Why there is no figure, for reasons that lie before any score; None where there is none."""
        if self.n_due:
            return None
        if not self.n_rows:
            return "no treated patient of an age the instrument is meant for"
        return DUE_UNKNOWN if self.n_untold else NOBODY_DUE


EMPTY = Tally(0, 0, 0, 0, 0, 0, 0, (), (0, 0, 0), (0, 0, 0))
COUNTS = tuple(f.name for f in fields(Tally) if f.name.startswith("n_") and f.name != "n_of_another_age")


@dataclass(frozen=True)
class Tallied:
    """A score with its counts: of the treated by landmark, and of each arm where there is more than one."""

    measured: Measured
    landmarks: tuple[str, ...]

    @cached_property
    def treated(self) -> dict[str, Tally]:
        """By landmark, the treated patients of the indication."""
        rows = self.measured.rows.filter(~pl.col("is_comparator"))
        found = self._tallies(rows.with_columns(group=pl.lit("")))
        return {name: found.get(("", name), EMPTY) for name in self.landmarks}

    @cached_property
    def groups(self) -> dict[tuple[str, str, str], Tally]:
        """By group variable, level and landmark: the treated by indication, everybody by arm."""
        code = self.measured.indication
        found = {("indication", code, name): tally for name, tally in self.treated.items()}
        if self.measured.rows["is_comparator"].any():
            arms = self._tallies(self.measured.rows.with_columns(group="arm"))
            found |= {("arm", f"{code}: {arm}", name): tally for (arm, name), tally in sorted(arms.items())}
        return found

    def _tallies(self, rows: pl.DataFrame) -> dict[tuple[str, str], Tally]:
        due = pl.col("is_due")
        grouped = rows.group_by("group", "landmark").agg(
            n_rows=pl.len(),
            n_due=due.sum(),
            n_pending=(~due).sum(),
            n_untold=due.null_count(),
            n_died=(due & pl.col("has_died")).sum(),
            n_without_baseline=(due & pl.col("baseline").is_null()).sum(),
            changes=pl.col("change").filter(due).drop_nulls().sort(),
            **_of_kind("response", has_active=self.measured.has_active),
            **_of_kind("worsening", has_active=False),
        )
        return {(row["group"], row["landmark"]): self._tally(row) for row in grouped.iter_rows(named=True)}

    def _tally(self, row: dict[str, Any]) -> Tally:
        return Tally(
            **{name: row[name] for name in COUNTS},
            n_of_another_age=self.measured.n_of_another_age,
            changes=tuple(row["changes"]),
            response=(row["response_0"], row["response_1"], row["response_2"]),
            worsening=(row["worsening_0"], row["worsening_1"], row["worsening_2"]),
        )


def at_risk(kind: str, *, has_active: bool) -> pl.Expr:
    """Who can respond (active at baseline, if the instrument says what that is) or worsen (scored then)."""
    if kind == "response" and has_active:
        return pl.col("is_active").fill_null(False)
    return pl.col("baseline").is_not_null()


def _of_kind(kind: str, *, has_active: bool) -> dict[str, pl.Expr]:
    mine = pl.col("is_due").fill_null(False) & at_risk(kind, has_active=has_active)
    told = mine & pl.col(kind).is_not_null()
    return {
        f"{kind}_0": mine.sum(),
        f"{kind}_1": told.sum(),
        f"{kind}_2": (told & pl.col(kind).fill_null(False)).sum(),
    }


def mean_with_limits(values: tuple[float, ...], *, level: float) -> dict[str, float | None]:
    """Cells of a mean with t limits; without values all are null, with one value or all alike the limits."""
    cells: dict[str, float | None] = dict.fromkeys(("estimate", "se", "lower", "upper"))
    if not values:
        return cells
    x = np.array(values)
    mean = float(x.mean())
    if len(x) == 1:
        return cells | {"estimate": mean}
    if np.ptp(x) == 0:
        return cells | {"estimate": mean}
    se = float(x.std(ddof=1)) / len(x) ** 0.5
    half = float(student.ppf((1 + level) / 2, len(x) - 1)) * se
    return {"estimate": mean, "se": se, "lower": mean - half, "upper": mean + half}


def why_no_limits(values: tuple[float, ...]) -> str | None:
    """Why a mean of these values has no limits; None where it has."""
    if len(values) == 1:
        return "one patient has no spread"
    return f"all {len(values)} alike: no limits" if values and np.ptp(values) == 0 else None
