"""A study's tables as a FHIR R4B bundle: people, material, what was done, found, answered and went wrong.

A row becomes one resource under its own id. What FHIR has no place for stands in extensions of the study, so
that reading the bundle again gives the same rows.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import polars as pl

from commensal.formats.fhir_codes import GENDERS, UCUM, concept, extension, system
from commensal.formats.texts import text_of
from commensal.study import INPUTS
from commensal.study.declaration import Column, Kind

Resource = dict[str, Any]
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_PLAIN: dict[Kind, str] = {
    Kind.FLAG: "valueBoolean",
    Kind.DATE: "valueDate",
    Kind.INSTANT: "valueInstant",
    Kind.INTEGER: "valueInteger",
    Kind.NUMBER: "valueDecimal",
    Kind.CODE: "valueCode",
}


def write_bundle(frames: Mapping[str, pl.DataFrame], *, created_at: dt.datetime) -> Resource:
    """Return a collection bundle of everything FHIR has a resource for."""
    moment = created_at.astimezone(dt.UTC).isoformat(timespec="seconds")
    entries = [
        {"fullUrl": f"urn:commensal:{r['resourceType']}:{r['id']}", "resource": r} for r in _all(frames)
    ]
    bundle: Resource = {"resourceType": "Bundle", "type": "collection", "timestamp": moment}
    return bundle | ({"entry": entries} if entries else {})


def _all(frames: Mapping[str, pl.DataFrame]) -> Iterator[Resource]:
    for table, made in _WRITERS.items():
        for row in frames[table].iter_rows(named=True) if table in frames else ():
            yield _kept(made(row), table, row)
    yield from _responses(frames)


def _kept(resource: Resource, table: str, row: Mapping[str, Any]) -> Resource:
    """The resource with an extension for every value of the row that nothing in it says."""
    taken = _SAID.get(table, ())
    more = [
        _extension(table, column, row[column.name])
        for column in INPUTS[table].declared
        if column.name not in (*taken, *INPUTS[table].key) and row.get(column.name) is not None
    ]
    made = {k: v for k, v in resource.items() if v is not None and v != []}
    return made | ({"extension": more} if more else {})


def _extension(table: str, column: Column, value: Any) -> dict[str, Any]:
    key = _PLAIN.get(column.kind, "valueString")
    plain = text_of(value, column) if column.kind in (Kind.DATE, Kind.INSTANT) else value
    if key == "valueString":
        plain = _printable(str(value))
    return extension(f"{table}.{column.name}", **{key: plain})


def _printable(text: str) -> str:
    """FHIR text is never empty and holds no control characters but line ends and tabs."""
    return re.sub(r"[^\t\n\r\u0020-\U0010ffff]", "\ufffd", text) or "\ufffd"


def identified(kind: str, table: str, value: str) -> Resource:
    """Return the head of a resource: its id where FHIR admits it, always its identifier."""
    given = {
        "resourceType": kind,
        "identifier": [{"system": system(table, INPUTS[table].key[0]), "value": value}],
    }
    return {**given, "id": value if _ID.fullmatch(value) else _hexed(value)}


def _hexed(value: str) -> str:
    """An id FHIR does not admit (a sign, too long) stands as a digest; the identifier says it as it is."""
    import hashlib

    return "x" + hashlib.sha256(value.encode()).hexdigest()[:40]


def to(kind: str, value: str | None) -> Resource | None:
    """Return a reference to a resource of the bundle."""
    if value is None:
        return None
    return {
        "reference": f"{kind}/{value if _ID.fullmatch(value) else _hexed(value)}",
        "display": _printable(value),
    }


def _day(value: dt.date | None) -> str | None:
    return None if value is None else value.isoformat()


def _at(value: dt.datetime | None) -> str | None:
    return None if value is None else value.astimezone(dt.UTC).isoformat(timespec="microseconds")


def _patient(row: Mapping[str, Any]) -> Resource:
    return {
        **identified("Patient", "patients", row["patient_id"]),
        "gender": GENDERS.get(row["sex"]) if row["sex"] else None,
        "birthDate": _day(row["born_on"]),
    }


def _donor(row: Mapping[str, Any]) -> Resource:
    tag = {"system": system("donors", "role"), "code": "donor"}
    return {
        **identified("Patient", "donors", row["donor_id"]),
        "meta": {"tag": [tag]},
        "gender": GENDERS.get(row["sex"]) if row["sex"] else None,
        "birthDate": _day(row["born_on"]),
    }


def _consent(row: Mapping[str, Any]) -> Resource:
    who = row["patient_id"] or row["donor_id"]
    return {
        **identified("Consent", "consents", row["consent_id"]),
        "status": "inactive" if row["withdrawn_on"] else "active",
        "scope": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "research"}]
        },
        "category": [concept("consents", "type", row["type"])],
        "patient": to("Patient", who),
        "dateTime": _day(row["signed_on"]),
        "policyRule": {"text": "consent of the centre"},
    }


def _diagnosis(row: Mapping[str, Any]) -> Resource:
    words = _printable(row["condition"]) if row["condition"] else None
    return {
        **identified("Condition", "diagnoses", row["diagnosis_id"]),
        "subject": to("Patient", row["patient_id"]),
        "category": [concept("diagnoses", "role", row["role"])],
        "code": concept("diagnoses", "indication", row["indication"], words=words),
        "onsetDateTime": _day(row["diagnosed_on"]),
    }


def _procedure(row: Mapping[str, Any]) -> Resource:
    words = _printable(row["detail"]) if row["detail"] else None
    return {
        **identified("Procedure", "procedures", row["procedure_id"]),
        "status": "completed",
        "subject": to("Patient", row["patient_id"]),
        "code": concept("procedures", "kind", row["kind"], words=words),
        "performedDateTime": _day(row["performed_on"]),
    }


def _session(row: Mapping[str, Any]) -> Resource:
    return {
        **identified("Procedure", "sessions", row["session_id"]),
        "status": "completed",
        "category": concept("sessions", "what", "fmt", words="fecal microbiota transplantation"),
        "code": concept("sessions", "route", row["route"], words="fecal microbiota transplantation"),
        "subject": to("Patient", row["patient_id"]),
        "performedDateTime": _at(row["administered_at"]) or _day(row["administered_on"]),
    }


def _exposure(row: Mapping[str, Any]) -> Resource:
    period = {k: v for k, v in (("start", _day(row["started_on"])), ("end", _day(row["stopped_on"]))) if v}
    return {
        **identified("MedicationStatement", "exposures", row["exposure_id"]),
        "status": "completed" if row["stopped_on"] else "unknown",
        "medicationCodeableConcept": concept(
            "exposures", "exposure", row["exposure"], words=row["agent"] or None
        ),
        "subject": to("Patient", row["patient_id"]),
        "effectivePeriod": period or None,
    }


def _lab_result(row: Mapping[str, Any]) -> Resource:
    sign = {"below": "<", "above": ">"}.get(row["bound"] or "")
    value = {
        "value": row["value"],
        "unit": row["unit"],
        "system": UCUM,
        "code": row["unit"],
        "comparator": sign,
    }
    return {
        **identified("Observation", "lab_results", row["lab_result_id"]),
        "status": "final",
        "code": concept("lab_results", "analyte", row["analyte"]),
        "subject": to("Patient", row["patient_id"]),
        "effectiveDateTime": _day(row["collected_on"]),
        "valueQuantity": {k: v for k, v in value.items() if v is not None}
        if row["value"] is not None
        else None,
    }


def _screening(row: Mapping[str, Any]) -> Resource:
    said = concept("screenings", "result", row["result"])
    return {
        **identified("Observation", "screenings", row["result_id"]),
        "status": "registered" if row["result"] == "pending" else "final",
        "code": concept("screenings", "analyte", row["analyte"]),
        "subject": to("Patient", row["donor_id"]),
        "effectiveDateTime": _day(row["collected_on"]),
        "valueCodeableConcept": said,
    }


def _donation(row: Mapping[str, Any]) -> Resource:
    collected = _at(row["passed_at"]) or _day(row["donated_on"])
    return {
        **identified("Specimen", "donations", row["donation_id"]),
        "type": concept("donations", "what", "stool", words="stool"),
        "subject": to("Patient", row["donor_id"]),
        "collection": {"collectedDateTime": collected} if collected else None,
    }


def _sample(row: Mapping[str, Any]) -> Resource:
    collected = _day(row["collected_on"])
    return {
        **identified("Specimen", "samples", row["sample_id"]),
        "type": concept("samples", "what", "stool", words="stool sample"),
        "subject": to("Patient", row["patient_id"] or row["donor_id"]),
        "collection": {"collectedDateTime": collected} if collected else None,
    }


def _unit(row: Mapping[str, Any]) -> Resource:
    return {
        **identified("BiologicallyDerivedProduct", "units", row["unit_id"]),
        "productCategory": "biologicalAgent",
        "productCode": concept("units", "product", row["product"]),
        "quantity": 1,
    }


def _visit(row: Mapping[str, Any]) -> Resource:
    kind = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
    period = {"start": _day(row["visited_on"])} if row["visited_on"] else None
    return {
        **identified("Encounter", "visits", row["visit_id"]),
        "status": "finished" if row["status"] == "attended" else "cancelled",
        "class": kind,
        "subject": to("Patient", row["patient_id"]),
        "period": period,
    }


def _adverse_event(row: Mapping[str, Any]) -> Resource:
    words = _printable(row["term_as_recorded"]) if row["term_as_recorded"] else None
    serious = {True: "Serious", False: "Non-serious"}.get(row["is_serious"])
    rated = {"system": "http://terminology.hl7.org/CodeSystem/adverse-event-seriousness", "code": serious}
    return {
        **identified("AdverseEvent", "adverse_events", row["adverse_event_id"]) | {"identifier": {
            "system": system("adverse_events", "adverse_event_id"), "value": row["adverse_event_id"]}},
        "actuality": "actual",
        "event": concept("adverse_events", "term", row["term"], words=words),
        "subject": to("Patient", row["patient_id"]),
        "date": _day(row["began_on"]),
        "seriousness": {"coding": [rated]} if serious else None,
        "outcome": None,
    }  # fmt: skip


_WRITERS: dict[str, Callable[[Mapping[str, Any]], Resource]] = {
    "patients": _patient,
    "donors": _donor,
    "consents": _consent,
    "diagnoses": _diagnosis,
    "procedures": _procedure,
    "donations": _donation,
    "units": _unit,
    "samples": _sample,
    "sessions": _session,
    "visits": _visit,
    "exposures": _exposure,
    "lab_results": _lab_result,
    "screenings": _screening,
    "adverse_events": _adverse_event,
}
_SAID = {
    "patients": ("born_on",),
    "donors": ("born_on",),
    "consents": ("type", "signed_on"),
    "diagnoses": ("role", "indication", "diagnosed_on", "condition"),
    "procedures": ("kind", "performed_on", "detail"),
    "donations": (),
    "units": ("product",),
    "samples": ("collected_on",),
    "sessions": ("route",),
    "exposures": ("exposure", "agent", "started_on", "stopped_on"),
    "lab_results": ("analyte", "value", "unit", "bound", "collected_on"),
    "screenings": ("analyte", "result", "collected_on"),
    "adverse_events": ("term", "term_as_recorded", "began_on"),
}
"""What the resource itself says of a row; all else, and every id but its own, is said by extensions."""


def _responses(frames: Mapping[str, pl.DataFrame]) -> Iterator[Resource]:
    """One QuestionnaireResponse for each instrument answered at a visit."""
    if "assessments" not in frames:
        return
    keys = ["visit_id", "instrument", "occurrence"]
    for (visit, instrument, occurrence), rows in frames["assessments"].group_by(keys, maintain_order=True):
        yield {
            "resourceType": "QuestionnaireResponse",
            "id": _hexed(f"{visit}|{instrument}|{occurrence}"),
            "questionnaire": f"urn:commensal:instrument:{instrument}",
            "status": "completed",
            "subject": to("Patient", rows["patient_id"][0]),
            "encounter": to("Encounter", str(visit)),
            "item": [_answer(row) for row in rows.iter_rows(named=True)],
            "extension": [extension("assessments.occurrence", valueInteger=occurrence)],
        }


def _answer(row: Mapping[str, Any]) -> Resource:
    item: Resource = {"linkId": row["item"]}
    return item if row["value"] is None else {**item, "answer": [{"valueDecimal": row["value"]}]}
