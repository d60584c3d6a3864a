"""What a match run rests on, table by table, and which change of it calls for a new run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from commensal.bank.stock import picked
from commensal.matching.communities import Communities
from commensal.matching.lots import Lot
from commensal.matching.recipient import SEVERE_FROM_GRADE
from commensal.microbiome.abundance import Abundance
from commensal.study import Study

OF_UNITS = {
    "units": "a new lot, or another expiry, dose or pathway of one",
    "unit_donors": "another donor or donation in a lot",
    "custody": "a lot released, reserved, issued or given",
    "session_units": "a lot used in a session",
}
OF_DONORS = {
    "screenings": "a new test result or answer of a donor",
    "donations": "another day of a donation",
}
WHOLE = {
    "donors": "another status, food or serology of a donor",
    "holds": "a hold or recall placed or lifted",
    "sequencing_runs": "another assay, region, pipeline or kit of a run",
}
OF_RECIPIENT = {
    "patients": "the recipient's record",
    "consents": "a consent given or withdrawn",
    "dispositions": "the recipient withdrew, was lost or died",
    "adverse_events": "an adverse event of the recipient",
    "sessions": "a session of the recipient",
    "lab_results": "a laboratory value of the recipient",
    "exposures": "a drug of the recipient, an antibiotic among them",
}
REACTIONS = "adverse_events_of_donors"
OWN_SAMPLE = "own_sample"


@dataclass(frozen=True)
class Watched:
    """One input of a run: SHA-256 of the rows it rests on, how many, and the change that invalidates it."""

    input: str
    digest: str
    n_rows: int
    invalidated_by: str


def digest_of(frame: pl.DataFrame) -> str:
    """Return SHA-256 over the rows of a frame, whatever their order."""
    ordered = frame.sort(frame.columns, nulls_last=True) if frame.height > 1 else frame
    return hashlib.sha256(ordered.write_csv().encode()).hexdigest()


def watched(name: str, frame: pl.DataFrame, why: str) -> Watched:
    """Return a frame as an input of a run."""
    return Watched(name, digest_of(frame), frame.height, why)


def _of_profiles(abundance: Abundance, samples: Iterable[str]) -> tuple[str, int]:
    """Return SHA-256 over the profiles of some samples, and how many rows they have."""
    chosen = [s for s in sorted(set(samples)) if s in abundance.rows]
    values = abundance.values[[abundance.rows[s] for s in chosen]]
    taxa, place = np.unique(values.indices, return_inverse=True)
    names = "\n".join([*chosen, "", *(abundance.taxon_ids[t] for t in taxa)])
    digest = hashlib.sha256(f"{abundance.is_counts}\n{names}".encode())
    for part in (values.indptr.astype(np.int64), place.astype(np.int64), values.data.astype(float)):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest(), int(values.nnz)


def watched_stock(study: Study, lots: Sequence[Lot], communities: Communities) -> tuple[Watched, ...]:
    """Return what every run over these lots rests on."""
    units = sorted(lot.unit_id for lot in lots)
    donors = sorted({donor for lot in lots for donor in lot.donor_ids})
    samples = sorted({s for source in communities.materials for part in source for s in part})
    digest, n_rows = _of_profiles(communities.abundance, samples)
    seen = np.unique(communities.stools.indices)
    taxa = [communities.abundance.taxon_ids[i] for i in seen]
    names = picked(study, "taxa", key="taxon_id", values=taxa)
    return (
        *(watched(n, picked(study, n, key="unit_id", values=units), why) for n, why in OF_UNITS.items()),
        *(watched(n, picked(study, n, key="donor_id", values=donors), why) for n, why in OF_DONORS.items()),
        *(watched(n, study.read(n), why) for n, why in WHOLE.items()),
        watched(
            "samples", picked(study, "samples", key="sample_id", values=samples), "a new stool of a donor"
        ),
        Watched("abundances", digest, n_rows, "another profile of a donor's stool"),
        watched("taxa", names, "another name of a taxon"),
        watched(
            REACTIONS,
            _reactions(study, donors),
            "a serious or severe event in a patient given a donor's material",
        ),
    )


def _reactions(study: Study, donors: Sequence[str]) -> pl.DataFrame:
    """Return the serious and severe events of everybody who was given material of these donors."""
    severe = study.read("adverse_events").filter(
        pl.col("is_serious").fill_null(False) | (pl.col("grade") >= SEVERE_FROM_GRADE).fill_null(False)
    )
    given = picked(study, "unit_donors", key="donor_id", values=donors).select("unit_id")
    used = study.read("session_units", columns=["session_id", "unit_id"]).join(
        given, on="unit_id", how="semi"
    )
    treated = study.read("sessions", columns=["session_id", "patient_id"]).join(
        used, on="session_id", how="semi"
    )
    return severe.join(treated, on="patient_id", how="semi")


def watched_recipient(
    study: Study, *, recipient: str, sample: str | None, abundance: Abundance
) -> tuple[Watched, ...]:
    """Return what a run rests on of its recipient; ``sample`` is the one that lots are compared with."""
    samples = study.read("samples").filter(pl.col("patient_id") == recipient)
    digest, n_rows = _of_profiles(abundance, [sample] if sample else [])
    return (
        *(
            watched(name, study.read(name).filter(pl.col("patient_id") == recipient), why)
            for name, why in OF_RECIPIENT.items()
        ),
        watched("samples_of_recipient", samples, "a new sample of the recipient"),
        Watched(OWN_SAMPLE, digest, n_rows, "another profile of the recipient's sample"),
    )


def watched_evidence(evidence: Mapping[str, pl.DataFrame]) -> tuple[Watched, ...]:
    """Return the tables of evidence a run was given."""
    return tuple(watched(name, evidence[name], "another estimate of it") for name in sorted(evidence))
