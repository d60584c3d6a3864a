"""What the stool samples say, in order: engraftment, strains, sources, identity, reference, plane."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from commensal.microbiome import (
    attribute,
    dysbiosis,
    engraft,
    identify,
    ordinate,
    strain_engraftment,
    taxon_names,
)
from commensal.study import Study

OnProgress = Callable[[str, float], None]


def panel(study: Study, *, seed: int, level: float, rarefy_to: int | None = None) -> dict[str, pl.DataFrame]:
    """Return the engraftment panel; where the study has strain calls, their rows stand in it too."""
    tables = engraft(study, seed=seed, level=level, rarefy_to=rarefy_to)
    tables["taxon_names"] = taxon_names(study, taxa=tables["taxon_outcomes"]["taxon_id"].unique())
    if not study.has("strains"):
        return tables
    rows = [tables["engraftment"], strain_engraftment(study, level=level)]
    return {**tables, "engraftment": pl.concat(rows)}


def communities(
    study: Study, *, seed: int, level: float, rarefy_to: int | None, told: OnProgress
) -> dict[str, pl.DataFrame]:
    """Return every table of communities; ``told`` hears what is under way and the share of this part done."""
    told("engraftment", 0.0)
    tables = panel(study, seed=seed, level=level, rarefy_to=rarefy_to)
    told("sources of the communities", 0.35)
    tables["attributions"] = attribute(study, level=level)
    told("whose sample is whose", 0.55)
    tables["identity"] = identify(study, seed=seed)
    told("against the reference", 0.7)
    tables |= dysbiosis(study, level=level, seed=seed)
    told("the plane of the communities", 0.9)
    tables["ordination"] = ordinate(study)
    return tables
