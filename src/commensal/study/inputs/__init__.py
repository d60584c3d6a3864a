"""The input tables of a study: what a centre records, one declaration each.

Unknown is null, everywhere; a code for "unknown" exists only where somebody recorded just that.
"""

from __future__ import annotations

from commensal.study.declaration import Table
from commensal.study.inputs import care, material, people, samples
from commensal.study.inputs.material import CUSTODY_EVENTS, RELEASE_PATHWAYS

__all__ = ["CUSTODY_EVENTS", "INPUTS", "RELEASE_PATHWAYS"]

INPUTS: dict[str, Table] = {
    t.name: t
    for t in (
        people.SITES,
        people.PATIENTS,
        people.DISPOSITIONS,
        people.CONSENTS,
        people.DIAGNOSES,
        people.PROCEDURES,
        people.HOSPITALISATIONS,
        people.LAB_RESULTS,
        people.EXPOSURES,
        material.DONORS,
        material.SCREENINGS,
        material.DONATIONS,
        material.BATCHES,
        material.UNITS,
        material.UNIT_DONORS,
        material.CUSTODY,
        material.HOLDS,
        care.COURSES,
        care.SESSIONS,
        care.SESSION_UNITS,
        care.VISITS,
        care.ASSESSMENTS,
        care.DIARIES,
        care.REPORTED_OUTCOMES,
        care.ADVERSE_EVENTS,
        samples.SAMPLES,
        samples.SEQUENCING_RUNS,
        samples.TAXA,
        samples.ABUNDANCES,
        samples.STRAINS,
    )
}
