"""The engraftment panel: communities, strains where there are any, and the names of the taxa."""

from __future__ import annotations

import polars as pl

from commensal.microbiome import engraft, strain_engraftment, taxon_names
from commensal.study import Study


def panel(study: Study, *, seed: int, level: float, rarefy_to: int | None = None) -> dict[str, pl.DataFrame]:
    """Return the engraftment panel; where the study has strain calls, their rows stand in it too."""
    tables = engraft(study, seed=seed, level=level, rarefy_to=rarefy_to)
    tables["taxon_names"] = taxon_names(study, taxa=tables["taxon_outcomes"]["taxon_id"].unique())
    if not study.has("strains"):
        return tables
    rows = [tables["engraftment"], strain_engraftment(study, level=level)]
    return {**tables, "engraftment": pl.concat(rows)}
