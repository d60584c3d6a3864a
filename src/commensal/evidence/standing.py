"""The standing of FMT in each indication of the study, as guidelines and trials say."""

from __future__ import annotations

import polars as pl

from commensal.evidence.rows import rows_of
from commensal.vocabulary.indications import indication, indications


def evidence_status(cohort: pl.DataFrame) -> pl.DataFrame:
    """Return ``evidence_status`` rows, one per indication among the patients, with the number of patients."""
    counts = cohort.filter(pl.col("indication").is_not_null()).group_by("indication").len().sort("indication")
    rows = [
        {
            "indication": code,
            "label": indication(code).label,
            "status": indication(code).status,
            "statement": indication(code).stance,
            "source": indication(code).citation,
            "n_patients": n,
        }
        for code, n in counts.iter_rows()
        if code in indications()
    ]
    return rows_of("evidence_status", [pl.DataFrame(rows)] if rows else [])
