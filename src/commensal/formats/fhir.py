"""FHIR R4 read leniently: every resource that a study has a table for, every fault with its place.

A resource is read by the study's own codes where it has them, by its words where it has not. What cannot be
placed (a drug of no known class, a measurement of no known analyte) is a warning and is left out; what would
be wrong (a person without an id, a date that is none, a parenteral route) is an error.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from commensal.errors import InputError, Problem, SafetyError, nearest
from commensal.formats.fhir_codes import FROM_GENDER, SYSTEM, code_in, extended, system, words_of
from commensal.formats.files import decode, read_bytes
from commensal.formats.imported import Draft, Imported
from commensal.study import INPUTS, Manifest
from commensal.study.declaration import Column, Kind
from commensal.study.lists import codes_of
from commensal.vocabulary import convert, find_indication, read_route
from commensal.vocabulary.codes import plain
from commensal.vocabulary.units import analytes

Resource = Mapping[str, Any]
Row = dict[str, Any]
MAX_RESOURCES = 200_000
LARGEST = 2**31 - 1
OPTIONS = ("arm", "cohort", "indication")
_WHOLE_DATE = re.compile(r"(\d{4})(-\d{2})?(-\d{2})?")


def read_fhir(source: Path, *, mapping: Mapping[str, Any] | None = None) -> Imported:
    """Read a bundle, a resource, or lines of resources.

    ``mapping`` may say what a bundle does not: ``arm``, ``cohort`` and ``indication`` of its patients.
    """
    draft, manifest = draft_fhir(source, mapping=mapping)
    return draft.finish(manifest)


def draft_fhir(source: Path, *, mapping: Mapping[str, Any] | None = None) -> tuple[Draft, Manifest]:
    """Read FHIR and hand over what was read with its faults; see :func:`read_fhir`."""
    content = read_bytes(source)
    given = dict(mapping or {})
    if unknown := [k for k in given if k not in OPTIONS]:
        raise InputError(f"there is no option {unknown[0]!r} for FHIR", expected=nearest(unknown[0], OPTIONS))
    draft = Draft(source.name, sources={source.name: content})
    reader = _Reader(draft, {k: str(v) for k, v in given.items()})
    reader.read(_resources(decode(content, name=source.name), name=source.name))
    return draft, Manifest(origin=f"FHIR {source.name}")


def _resources(text: str, *, name: str) -> list[tuple[int, Resource]]:
    """The resources of a file with their places, from 1."""
    try:
        parsed = [json.loads(text)]
    except RecursionError as error:
        raise InputError(f"{name} is nested too deep", do="do not use this file") from error
    except ValueError as error:
        parsed = _lines(text, name, error)
    found: list[Any] = []
    for one in parsed:
        is_bundle = isinstance(one, dict) and one.get("resourceType") == "Bundle"
        entries = one.get("entry", []) if is_bundle else [{"resource": one}]
        if not isinstance(entries, list):
            raise InputError(f"{name}: entry is no list", expected="a Bundle")
        found += [e.get("resource") if isinstance(e, dict) else None for e in entries]
    if len(found) > MAX_RESOURCES:
        raise InputError(f"{name} holds {len(found):,} resources", expected=f"at most {MAX_RESOURCES:,}")
    return [(i, r if isinstance(r, dict) else {}) for i, r in enumerate(found, start=1)]


def _lines(text: str, name: str, error: ValueError) -> list[Any]:
    """Lines of JSON, one resource each, as bulk exports are written."""
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        return [json.loads(line) for line in lines] if len(lines) > 1 else _refuse(name, error)
    except (ValueError, RecursionError):
        return _refuse(name, error)


def _refuse(name: str, error: ValueError) -> list[Any]:
    raise InputError(f"{name} is no JSON: {error}", expected="a FHIR bundle or resource in JSON") from error


class _FaultError(Exception):
    """One fault of one resource: its element, the value, what is wrong, how grave it is."""

    def __init__(self, element: str, value: Any, why: str, severity: str = "error") -> None:
        self.element, self.value, self.why, self.severity = element, str(value or "")[:200], why, severity


class _Reader:
    """Reads resources into rows; people first, so that references can be told donor from patient."""

    def __init__(self, draft: Draft, options: Mapping[str, str]) -> None:
        self.draft, self.options = draft, options
        self.rows: dict[str, list[tuple[int, Row]]] = {}
        self.people: dict[str, tuple[str, str]] = {}
        self.visits: dict[str, str] = {}

    def read(self, resources: list[tuple[int, Resource]]) -> None:
        """Read every resource that there is a table for."""
        self._know(resources)
        unread: dict[str, int] = {}
        for place, resource in resources:
            kind = str(resource.get("resourceType") or "")
            reader = _READERS.get(kind)
            if reader is None:
                unread[kind] = unread.get(kind, 0) + 1
                continue
            try:
                for table, row in reader(self, resource):
                    self.rows.setdefault(table, []).append((place, self._completed(table, row, resource)))
            except _FaultError as fault:
                self._note(place, kind, fault)
            except SafetyError as error:
                self._note(place, kind, _FaultError("route", "", error.what, "safety"))
            except InputError as error:
                self._note(place, kind, _FaultError("", "", error.what))
        for kind, n in sorted(unread.items()):
            self.draft.notes.append(
                f"{n} resources of the type {kind or 'none'} have no table and were left out"
            )
        for table, rows in self.rows.items():
            schema = {c.name: c.storage for c in INPUTS[table].declared}
            frame = pl.DataFrame([{c: row.get(c) for c in schema} for _, row in rows], schema=schema)
            self.draft.add_rows(table, frame, places=[place for place, _ in rows], is_distinct=False)

    def _note(self, place: int, kind: str, fault: _FaultError) -> None:
        rule = {"safety": "parenteral_route", "warning": "left_out"}.get(fault.severity, "bad_element")
        self.draft.problems.append(
            Problem(kind, place, fault.element, fault.value, rule, fault.why, severity=fault.severity)
        )

    def _know(self, resources: list[tuple[int, Resource]]) -> None:
        for _, resource in resources:
            if resource.get("resourceType") == "Patient" and isinstance(resource.get("id"), str):
                table = "donors" if _is_donor(resource) else "patients"
                self.people[resource["id"]] = (table, _own_id(resource, table))
            if resource.get("resourceType") == "Encounter" and isinstance(resource.get("id"), str):
                self.visits[resource["id"]] = _own_id(resource, "visits")

    def _completed(self, table: str, row: Row, resource: Resource) -> Row:
        """The row with what the study's extensions say."""
        for column in INPUTS[table].declared:
            value = extended(resource, f"{table}.{column.name}")
            if value is not None:  # said on purpose: a day may differ from the date of its moment in UTC
                row[column.name] = _typed(value, column)
        return row

    def person(self, given: Any, *, table: str) -> str:
        """The id of the patient or donor a reference names."""
        found = self.anybody(given)
        if found is None or found[0] != table:
            raise _FaultError("subject", _reference(given), f"names none of the {table} of the bundle")
        return found[1]

    def anybody(self, given: Any) -> tuple[str, str] | None:
        """(table, id) of the person a reference names."""
        return self.people.get(_reference(given).rpartition("/")[2].rpartition(":")[2])


def _reference(given: Any) -> str:
    found = given.get("reference") if isinstance(given, dict) else None
    return found if isinstance(found, str) else ""


def _is_donor(resource: Resource) -> bool:
    meta = resource.get("meta")
    tags = meta.get("tag") if isinstance(meta, dict) else None
    return (
        any(isinstance(t, dict) and t.get("code") == "donor" for t in tags)
        if isinstance(tags, list)
        else False
    )


def _own_id(resource: Resource, table: str) -> str:
    """The study's identifier of a resource, else its id. A fault where it has neither."""
    wanted = system(table, INPUTS[table].key[0])
    given = resource.get("identifier")
    for identifier in given if isinstance(given, list) else [given]:
        if isinstance(identifier, dict) and identifier.get("system") == wanted and identifier.get("value"):
            return str(identifier["value"])
    if isinstance(resource.get("id"), str) and resource["id"]:
        return resource["id"]
    raise _FaultError("id", "", "the resource has no id: nothing would tell it again")


def _typed(value: Any, column: Column) -> Any:
    match column.kind:
        case Kind.DATE:
            return _date(value, column.name)
        case Kind.INSTANT:
            return _instant(value, column.name)
        case Kind.FLAG:
            wanted: type | tuple[type, ...] = bool
        case Kind.INTEGER | Kind.DAY:
            wanted = int
        case Kind.NUMBER:
            wanted = (int, float)
        case _:
            wanted = str
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise _FaultError(column.name, value, f"not a {column.kind.value}")
    if isinstance(value, int | float) and not abs(value) <= LARGEST:  # neither too large nor no number
        raise _FaultError(column.name, str(value)[:40], "not a number that can be kept")
    if column.kind is Kind.CODE and value not in codes_of(column):
        if column.codes == "routes":
            read_route(str(value))
        raise _FaultError(column.name, value, f"not a code; expected {nearest(str(value), codes_of(column))}")
    return float(value) if column.kind is Kind.NUMBER and isinstance(value, int | float) else value


def _date(value: Any, element: str) -> dt.date | None:
    """A date; of a month alone its 15th, as the study does; of a year alone none: too little is known."""
    if value is None:
        return None
    match = _WHOLE_DATE.match(value) if isinstance(value, str) else None
    if match is None:
        raise _FaultError(element, value, "not a date", "error")
    if match[2] is None:
        return None
    try:
        return dt.date.fromisoformat(f"{match[1]}{match[2]}{match[3] or '-15'}")
    except ValueError as error:
        raise _FaultError(element, value, "not a date") from error


def _instant(value: Any, element: str) -> dt.datetime | None:
    if not isinstance(value, str) or "T" not in value:
        return None
    try:
        found = dt.datetime.fromisoformat(value)
    except ValueError as error:
        raise _FaultError(element, value, "not a moment") from error
    if found.tzinfo is None:
        raise _FaultError(element, value, "a moment without a zone")
    return found.astimezone(dt.UTC)


def _when(resource: Resource, name: str) -> Any:
    """``nameDateTime``, or the start of ``namePeriod``."""
    period = resource.get(f"{name}Period")
    return resource.get(f"{name}DateTime") or (period.get("start") if isinstance(period, dict) else None)


Rows = list[tuple[str, Row]]


def _patient(reader: _Reader, resource: Resource) -> Rows:
    table = "donors" if _is_donor(resource) else "patients"
    row: Row = {
        INPUTS[table].key[0]: _own_id(resource, table),
        "born_on": _date(resource.get("birthDate"), "birthDate"),
    }
    said = extended(resource, f"{table}.sex")
    row["sex"] = (
        said
        if said in ("female", "male", "intersex", "unknown")
        else FROM_GENDER.get(str(resource.get("gender")))
    )
    if table == "donors":
        return [(table, row)]
    for option, value in reader.options.items():
        if extended(resource, f"patients.{option}") is None:
            row[option] = _typed(value, INPUTS["patients"][option])
    if row.get("arm") is None and extended(resource, "patients.arm") is None:
        raise _FaultError(
            "arm", "", 'which arm the patient is in is not said; say it in the mapping: arm = "fmt"'
        )
    made: Rows = [(table, row)]
    if dead := resource.get("deceasedDateTime"):
        when = {"occurred_on": _date(dead, "deceasedDateTime")}
        key = {
            "disposition_id": f"{row['patient_id']}-death",
            "patient_id": row["patient_id"],
            "kind": "death",
        }
        made.append(("dispositions", {**key, **when}))
    return made


def _consent(reader: _Reader, resource: Resource) -> Rows:
    kind = code_in(resource.get("category"), "consents", "type")
    if kind is None:
        raise _FaultError(
            "category", words_of(resource.get("category")), "no consent of a known kind", "warning"
        )
    who = reader.anybody(resource.get("patient"))
    if who is None:
        raise _FaultError("patient", _reference(resource.get("patient")), "names nobody of the bundle")
    row = {"consent_id": _own_id(resource, "consents"), "type": kind, INPUTS[who[0]].key[0]: who[1]}
    return [("consents", {**row, "signed_on": _date(resource.get("dateTime"), "dateTime")})]


def _condition(reader: _Reader, resource: Resource) -> Rows:
    if _status(resource.get("verificationStatus")) in ("refuted", "entered-in-error"):
        return []
    words, indication = (
        words_of(resource.get("code")),
        code_in(resource.get("code"), "diagnoses", "indication"),
    )
    return [("diagnoses", {
        "diagnosis_id": _own_id(resource, "diagnoses"),
        "patient_id": reader.person(resource.get("subject"), table="patients"),
        "role": code_in(resource.get("category"), "diagnoses", "role") or "comorbidity",
        "indication": indication or _indication(words),
        "condition": _text_of(resource.get("code")) if indication else words,
        "diagnosed_on": _date(_when(resource, "onset") or resource.get("recordedDate"), "onsetDateTime"),
    })]  # fmt: skip


def _text_of(given: Any) -> str | None:
    text = given.get("text") if isinstance(given, dict) else None
    return text if isinstance(text, str) and text.strip() else None


def _status(given: Any) -> str:
    codings = given.get("coding") if isinstance(given, dict) else None
    return (
        str(codings[0].get("code"))
        if isinstance(codings, list) and codings and isinstance(codings[0], dict)
        else ""
    )


def _indication(words: str | None) -> str | None:
    try:
        return find_indication(words).code if words else None
    except InputError:
        return None


def _procedure(reader: _Reader, resource: Resource) -> Rows:
    if resource.get("status") in ("entered-in-error", "not-done"):
        return []
    patient = reader.person(resource.get("subject"), table="patients")
    words, when = words_of(resource.get("code")), _when(resource, "performed")
    if code_in(resource.get("category"), "sessions", "what") == "fmt" or _names_fmt(words):
        return [("sessions", {
            "session_id": _own_id(resource, "sessions"),
            "patient_id": patient,
            "administered_on": _date(when, "performedDateTime"),
            "administered_at": _instant(when, "performedDateTime"),
            "route": _route(resource, words),
        })]  # fmt: skip
    kind = code_in(resource.get("code"), "procedures", "kind")
    return [("procedures", {
        "procedure_id": _own_id(resource, "procedures"),
        "patient_id": patient,
        "kind": kind or "other",
        "performed_on": _date(when, "performedDateTime"),
        "detail": _text_of(resource.get("code")) if kind else words,
    })]  # fmt: skip


_FMT = ("fecal microbiota", "faecal microbiota", "stool transplant", "fmt")


def _names_fmt(words: str | None) -> bool:
    return any(
        name in plain(words or "").split() or (" " in name and name in plain(words or "")) for name in _FMT
    )


def _route(resource: Resource, words: str | None) -> str | None:
    """The enteral route said by code or in words; a parenteral one in any words is a safety error."""
    said = code_in(resource.get("code"), "sessions", "route")
    if said is not None:
        read_route(said)
        return _typed(said, INPUTS["sessions"]["route"])
    for text in (words, words_of(resource.get("method")), words_of(resource.get("bodySite"))):
        try:
            found = read_route(text) if text and plain(text) not in _FMT else None
        except SafetyError:
            raise
        except InputError:
            continue
        if found is not None and found.code is not None:
            return found.code.value
    return None


def _medication(reader: _Reader, resource: Resource) -> Rows:
    if resource.get("status") in ("entered-in-error", "not-taken", "not-done"):
        return []
    said = resource.get("medicationCodeableConcept")
    exposure = code_in(said, "exposures", "exposure")
    if exposure is None:
        raise _FaultError(
            "medication", words_of(said), "of no known class; its class is not guessed", "warning"
        )
    period = resource.get("effectivePeriod")
    period = period if isinstance(period, dict) else {}
    start = period.get("start") or resource.get("effectiveDateTime")
    return [("exposures", {
        "exposure_id": _own_id(resource, "exposures"),
        "patient_id": reader.person(resource.get("subject"), table="patients"),
        "exposure": exposure,
        "agent": _text_of(said),
        "started_on": _date(start, "effective"),
        "stopped_on": _date(period.get("end"), "effectivePeriod.end"),
    })]  # fmt: skip


def _observation(reader: _Reader, resource: Resource) -> Rows:
    if resource.get("status") in ("entered-in-error", "cancelled"):
        return []
    who = reader.anybody(resource.get("subject"))
    if who is None:
        raise _FaultError("subject", _reference(resource.get("subject")), "names nobody of the bundle")
    on = _date(_when(resource, "effective"), "effectiveDateTime")
    if who[0] == "donors":
        return _screened(resource, who[1], on)
    analyte = code_in(resource.get("code"), "lab_results", "analyte") or _analyte(
        words_of(resource.get("code"))
    )
    if analyte is None:
        raise _FaultError("code", words_of(resource.get("code")), "of no known analyte", "warning")
    value, unit = _quantity(resource, analyte)
    sign = (resource.get("valueQuantity") or {}).get("comparator")
    return [("lab_results", {
        "lab_result_id": _own_id(resource, "lab_results"),
        "patient_id": who[1],
        "analyte": analyte,
        "value": value,
        "unit": unit,
        "bound": {"<": "below", "<=": "below", ">": "above", ">=": "above"}.get(str(sign)),
        "collected_on": on,
    })]  # fmt: skip


def _screened(resource: Resource, donor: str, on: dt.date | None) -> Rows:
    analyte = code_in(resource.get("code"), "screenings", "analyte")
    if analyte is None:
        raise _FaultError("code", words_of(resource.get("code")), "of no known screening analyte", "warning")
    return [("screenings", {
        "result_id": _own_id(resource, "screenings"),
        "donor_id": donor,
        "analyte": analyte,
        "result": code_in(resource.get("valueCodeableConcept"), "screenings", "result"),
        "collected_on": on,
    })]  # fmt: skip


def _analyte(words: str | None) -> str | None:
    known = {plain(analytes().get(code).label): code for code in analytes().codes}
    return known.get(plain(words or ""))


def _quantity(resource: Resource, analyte: str) -> tuple[float | None, str | None]:
    given = resource.get("valueQuantity")
    if not isinstance(given, dict) or given.get("value") is None:
        raise _FaultError("valueQuantity", "", "no measured value", "warning")
    value, unit = given["value"], str(given.get("code") or given.get("unit") or "")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _FaultError("valueQuantity", value, "not a number")
    if not abs(value) <= LARGEST:
        raise _FaultError("valueQuantity", "", "not a number that can be kept")
    try:
        return convert(float(value), analyte=analyte, unit=unit), analytes().get(analyte).unit
    except InputError as error:
        raise _FaultError("valueQuantity", f"{value} {unit}", error.what) from error


def _specimen(reader: _Reader, resource: Resource) -> Rows:
    who = reader.anybody(resource.get("subject"))
    collection = resource.get("collection")
    when = _when(collection, "collected") if isinstance(collection, dict) else None
    if code_in(resource.get("type"), "donations", "what") and who is not None and who[0] == "donors":
        return [("donations", {
            "donation_id": _own_id(resource, "donations"),
            "donor_id": who[1],
            "donated_on": _date(when, "collectedDateTime"),
            "passed_at": _instant(when, "collectedDateTime"),
        })]  # fmt: skip
    is_stool = code_in(resource.get("type"), "samples", "what") or "stool" in plain(
        words_of(resource.get("type")) or ""
    )
    if not is_stool or who is None:
        raise _FaultError(
            "type", words_of(resource.get("type")), "no stool sample of anybody here", "warning"
        )
    row = {"sample_id": _own_id(resource, "samples"), "collected_on": _date(when, "collectedDateTime")}
    return [("samples", {**row, INPUTS[who[0]].key[0]: who[1]})]


def _product(_: _Reader, resource: Resource) -> Rows:
    row = {
        "unit_id": _own_id(resource, "units"),
        "product": code_in(resource.get("productCode"), "units", "product"),
    }
    pathway = None if extended(resource, "units.release_pathway") else "historical"
    return [("units", {**row, "release_pathway": pathway})]


def _adverse_event(reader: _Reader, resource: Resource) -> Rows:
    if resource.get("actuality") == "potential":
        return []
    event = resource.get("event")
    term = code_in(event, "adverse_events", "term")
    serious = {"Serious": True, "Non-serious": False}.get(_status(resource.get("seriousness")))
    return [("adverse_events", {
        "adverse_event_id": _own_id(resource, "adverse_events"),
        "patient_id": reader.person(resource.get("subject"), table="patients"),
        "term": term,
        "term_as_recorded": _text_of(event) if term else words_of(event),
        "began_on": _date(resource.get("date"), "date"),
        "is_serious": serious,
    })]  # fmt: skip


def _encounter(reader: _Reader, resource: Resource) -> Rows:
    if extended(resource, "visits.status") is None:
        raise _FaultError("class", "", "no visit of the study", "warning")
    patient = reader.person(resource.get("subject"), table="patients")
    return [("visits", {"visit_id": _own_id(resource, "visits"), "patient_id": patient})]


def _response(reader: _Reader, resource: Resource) -> Rows:
    instrument = str(resource.get("questionnaire") or "").removeprefix(f"{SYSTEM}instrument:")
    if instrument not in codes_of(INPUTS["assessments"]["instrument"]):
        raise _FaultError("questionnaire", instrument, "no instrument of the vocabulary", "warning")
    visit = reader.visits.get(_reference(resource.get("encounter")).rpartition("/")[2])
    if visit is None:
        raise _FaultError("encounter", _reference(resource.get("encounter")), "names no visit of the bundle")
    patient = reader.person(resource.get("subject"), table="patients")
    occurrence = extended(resource, "assessments.occurrence")
    key = {"visit_id": visit, "patient_id": patient, "instrument": instrument}
    items = resource.get("item")
    return [
        (
            "assessments",
            {**key, "item": str(item.get("linkId")), "occurrence": occurrence or 1, "value": _answered(item)},
        )
        for item in (items if isinstance(items, list) else [])
        if isinstance(item, dict)
    ]


def _answered(item: Resource) -> float | None:
    answers = item.get("answer")
    if not isinstance(answers, list) or not answers:
        return None
    first = answers[0] if isinstance(answers[0], dict) else {}
    value = next((first[k] for k in ("valueDecimal", "valueInteger") if k in first), None)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _FaultError(str(item.get("linkId")), value, "not a number")
    if not abs(value) <= LARGEST:
        raise _FaultError(str(item.get("linkId")), "", "not a number that can be kept")
    return float(value)


_READERS: dict[str, Callable[[_Reader, Resource], Rows]] = {
    "Patient": _patient,
    "Consent": _consent,
    "Condition": _condition,
    "Procedure": _procedure,
    "MedicationStatement": _medication,
    "MedicationAdministration": _medication,
    "Observation": _observation,
    "Specimen": _specimen,
    "BiologicallyDerivedProduct": _product,
    "AdverseEvent": _adverse_event,
    "Encounter": _encounter,
    "QuestionnaireResponse": _response,
}
