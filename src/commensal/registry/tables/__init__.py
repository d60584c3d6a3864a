"""Every table of the registry: those of a study that it records, and those it keeps for its own work."""

from __future__ import annotations

from commensal.registry.tables import oversight
from commensal.study.declaration import Table
from commensal.study.inputs import INPUTS

TABLES = (
    "sites",
    "patients",
    "donors",
    "donations",
    "batches",
    "units",
    "courses",
    "sessions",
    "visits",
    "dispositions",
    "consents",
    "diagnoses",
    "procedures",
    "hospitalisations",
    "lab_results",
    "exposures",
    "screenings",
    "unit_donors",
    "custody",
    "holds",
    "session_units",
    "assessments",
    "diaries",
    "reported_outcomes",
    "adverse_events",
)
"""The tables of a study that the registry records, those referred to before those that refer."""

OWNED = {owned.table.name: owned for owned in oversight.OWNED}
"""The tables the registry keeps for itself; a freeze leaves them out."""

DECLARED: dict[str, Table] = {
    **{name: INPUTS[name] for name in TABLES},
    **{name: owned.table for name, owned in OWNED.items()},
}
