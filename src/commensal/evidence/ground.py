"""What every analysis of a study stands on: cohort, outcomes, covariates and material, read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from commensal.evidence.cohort import cohort_of
from commensal.evidence.covariates import covariates_of
from commensal.evidence.landmarks import due_at, windows_of
from commensal.evidence.material import donors_received
from commensal.evidence.outcomes import Records, records_of
from commensal.evidence.remission import outcome_rows
from commensal.study import Study


@dataclass(frozen=True)
class Ground:
    """A study read once for all analyses.

    ``records`` holds the cohort (one row per patient), who is due, attended visits and scored instruments;
    ``outcomes`` every patient's outcome by every endpoint and landmark (:func:`remission.outcome_rows`);
    ``windows`` are those of the analysis (:func:`landmarks.windows_of`);
    ``covariates`` what is known at index (:func:`covariates.covariates_of`); ``received`` the donors of the
    sessions planned at index (:func:`material.donors_received`).
    """

    study: Study
    landmarks: tuple[str, ...]
    windows: pl.DataFrame
    records: Records
    outcomes: pl.DataFrame
    covariates: pl.DataFrame
    received: pl.DataFrame

    @property
    def cohort(self) -> pl.DataFrame:
        """One row per patient: :func:`cohort.cohort_of`."""
        return self.records.cohort

    @property
    def treated(self) -> pl.DataFrame:
        """The patients of the cohort who received FMT."""
        return self.cohort.filter(pl.col("is_treated") & ~pl.col("is_comparator"))


def ground_of(
    study: Study,
    *,
    landmarks: Sequence[str],
    windows: Mapping[str, Mapping[str, Sequence[int]]] | None = None,
) -> Ground:
    """Read a study for the analyses; ``windows`` are changes to the vocabulary's (:func:`windows_of`)."""
    cohort, used = cohort_of(study), windows_of(windows)
    due = due_at(cohort, windows=used, at=landmarks)
    records = records_of(study, cohort, due)
    return Ground(
        study=study,
        landmarks=tuple(landmarks),
        windows=used,
        records=records,
        outcomes=outcome_rows(records, landmarks=landmarks),
        covariates=covariates_of(study, cohort, records.assessed),
        received=donors_received(study, cohort),
    )
