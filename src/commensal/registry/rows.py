"""Registry rows as declared tables: the same function feeds a freeze and a decision at the bedside."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
from django.db.models import QuerySet

from commensal.registry.models import MODELS
from commensal.registry.scope import within
from commensal.registry.tables import TABLES
from commensal.study import Manifest, Study, study_of
from commensal.study.inputs import INPUTS


def frame_of(table: str, rows: QuerySet) -> pl.DataFrame:
    """Return rows of a model as a frame of the declared table; day twins are made when the study is."""
    columns = INPUTS[table].declared
    schema = {column.name: column.storage for column in columns}
    return pl.DataFrame(list(rows.values_list(*schema)), schema=schema, orient="row")


def all_frames(*, sites: list[str] | None = None) -> dict[str, pl.DataFrame]:
    """Return every table the registry records, of some centres or of all."""
    return {
        table: frame_of(table, MODELS[table].objects.all() if sites is None else within(table, sites=sites))
        for table in TABLES
    }


def live_study(frames: Mapping[str, pl.DataFrame], *, on_day: int) -> Study:
    """Return a study in memory of registry rows, cut at a day."""
    return study_of(frames, manifest=Manifest(origin="registry", data_cut_day=on_day))


def unit_study(unit: str, *, on_day: int) -> Study:
    """Return a live study of one unit: its batch, donors, their donations, screenings and consents."""
    parts = MODELS["unit_donors"].objects.filter(unit=unit)
    donors = list(parts.values_list("donor_id", flat=True))
    batch = MODELS["units"].objects.filter(pk=unit).values("batch")
    of_donor = ("donations", "screenings", "consents")
    rows = {
        "units": MODELS["units"].objects.filter(pk=unit),
        "unit_donors": parts,
        "batches": MODELS["batches"].objects.filter(pk__in=batch),
        "donors": MODELS["donors"].objects.filter(pk__in=donors),
        "custody": MODELS["custody"].objects.filter(unit=unit),
        "holds": MODELS["holds"].objects.all(),
        **{table: MODELS[table].objects.filter(donor__in=donors) for table in of_donor},
    }
    return live_study({table: frame_of(table, found) for table, found in rows.items()}, on_day=on_day)


def donor_study(donor: str, *, on_day: int) -> Study:
    """Return a live study of one donor: the donor's row, screenings and consents."""
    rows = {
        "donors": MODELS["donors"].objects.filter(pk=donor),
        **{table: MODELS[table].objects.filter(donor=donor) for table in ("screenings", "consents")},
    }
    return live_study({table: frame_of(table, found) for table, found in rows.items()}, on_day=on_day)
