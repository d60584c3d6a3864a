"""CDISC ODM 1.3.2: a study's tables written so that CDISC's own schema accepts them, and read leniently.

One form and one item group for each table, one repeat for each row; the subject is the patient or donor.
Other writers' documents (REDCap's among them) are read into one sheet, whatever their namespaces and order.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import polars as pl

from commensal.errors import InputError, Problem
from commensal.formats.files import read_bytes
from commensal.formats.imported import Draft, Imported
from commensal.formats.mapping import read_plan
from commensal.formats.records import read_by_plan
from commensal.formats.redcap_study import ROOTS, tables_of
from commensal.formats.sheets import Sheet
from commensal.formats.texts import text_of, value_of
from commensal.study import INPUTS, Manifest
from commensal.study.declaration import Column, Kind, Table
from commensal.study.lists import codes_of

NAMESPACE = "http://www.cdisc.org/ns/odm/v1.3"
STUDY, VERSION = "ST.COMMENSAL", "MDV.1"
_TYPES = {
    Kind.DATE: "date",
    Kind.INSTANT: "datetime",
    Kind.INTEGER: "integer",
    Kind.NUMBER: "double",
    Kind.FLAG: "boolean",
}
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
MAX_DEPTH = 60


def write_odm(frames: Mapping[str, pl.DataFrame], *, created_at: dt.datetime, name: str) -> Iterator[str]:
    """Return an ODM document piece by piece: the metadata of every table, then each subject's rows.

    A value nobody knows has no ItemData; characters XML cannot hold become U+FFFD.
    """
    moment = created_at.astimezone(dt.UTC).isoformat(timespec="seconds")
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield (
        f'<ODM xmlns="{NAMESPACE}" ODMVersion="1.3.2" FileType="Snapshot" '
        f'FileOID={_q(f"COMMENSAL.{moment}")} CreationDateTime="{moment}" SourceSystem="Commensal">\n'
    )
    yield from _metadata(name)
    yield f'<ClinicalData StudyOID="{STUDY}" MetaDataVersionOID="{VERSION}">\n'
    for root in ROOTS:
        yield from _subjects(frames, root)
    yield "</ClinicalData>\n</ODM>\n"


def _q(text: str) -> str:
    return quoteattr(_ILLEGAL.sub("\ufffd", text))


def _metadata(name: str) -> Iterator[str]:
    words = escape(_ILLEGAL.sub("\ufffd", name))
    yield f'<Study OID="{STUDY}"><GlobalVariables><StudyName>{words}</StudyName>'
    yield f"<StudyDescription>{words}</StudyDescription><ProtocolName>{words}</ProtocolName>"
    yield "</GlobalVariables>\n"
    yield f'<MetaDataVersion OID="{VERSION}" Name="Commensal tables">\n<Protocol>'
    yield "".join(f'<StudyEventRef StudyEventOID="SE.{root}" Mandatory="No"/>' for root in ROOTS)
    yield "</Protocol>\n"
    for root in ROOTS:
        refs = "".join(f'<FormRef FormOID="F.{t.name}" Mandatory="No"/>' for t in tables_of(root))
        head = f'<StudyEventDef OID="SE.{root}" Name="{root}" Repeating="No" Type="Common">'
        yield f"{head}{refs}</StudyEventDef>\n"
    tables = {t.name: t for root in ROOTS for t in tables_of(root)}
    for table in tables.values():
        yield f'<FormDef OID="F.{table.name}" Name="{table.name}" Repeating="No">'
        yield f'<ItemGroupRef ItemGroupOID="IG.{table.name}" Mandatory="No"/></FormDef>\n'
    for table in tables.values():
        refs = "".join(
            f'<ItemRef ItemOID="{_oid(table, c)}" Mandatory="{_needed(c)}"/>' for c in table.declared
        )
        head = f'<ItemGroupDef OID="IG.{table.name}" Name="{table.name}" Repeating="Yes">'
        yield f"{head}{refs}</ItemGroupDef>\n"
    for table in tables.values():
        yield from (_item(table, column) for column in table.declared)
    for table in tables.values():
        yield from (_code_list(table, c) for c in table.declared if c.kind is Kind.CODE)
    yield "</MetaDataVersion></Study>\n"


def _oid(table: Table, column: Column) -> str:
    return f"IT.{table.name}.{column.name}"


def _needed(column: Column) -> str:
    return "Yes" if column.is_required else "No"


def _item(table: Table, column: Column) -> str:
    kind = _TYPES.get(column.kind, "text")
    length = ' Length="4000"' if kind == "text" else ""
    unit = f" ({column.unit})" if column.unit else ""
    question = f"<Question><TranslatedText>{escape(column.meaning + unit)}</TranslatedText></Question>"
    listed = f'<CodeListRef CodeListOID="CL.{table.name}.{column.name}"/>' if column.kind is Kind.CODE else ""
    limits = "".join(
        f'<RangeCheck Comparator="{sign}" SoftHard="Hard"><CheckValue>{limit:g}</CheckValue></RangeCheck>'
        for sign, limit in (("GE", column.minimum), ("LE", column.maximum))
        if limit is not None
    )
    head = f'<ItemDef OID="{_oid(table, column)}" Name="{column.name}" DataType="{kind}"{length}>'
    return f"{head}{question}{limits}{listed}</ItemDef>\n"


def _code_list(table: Table, column: Column) -> str:
    codes = "".join(
        f'<CodeListItem CodedValue="{code}"><Decode><TranslatedText>{escape(code.replace("_", " "))}'
        "</TranslatedText></Decode></CodeListItem>"
        for code in codes_of(column)
    )
    name = f"{table.name}.{column.name}"
    return f'<CodeList OID="CL.{name}" Name="{name}" DataType="text">{codes}</CodeList>\n'


def _subjects(frames: Mapping[str, pl.DataFrame], root: str) -> Iterator[str]:
    key = ROOTS[root]
    rows: dict[str, dict[str, list[str]]] = {}
    for table in tables_of(root):
        for row in frames[table.name].iter_rows(named=True) if table.name in frames else ():
            if row.get(key) is not None:
                mine = rows.setdefault(row[key], {}).setdefault(table.name, [])
                mine.append(_group(table, row, len(mine) + 1))
    for subject, forms in rows.items():
        yield f'<SubjectData SubjectKey={_q(subject)}><StudyEventData StudyEventOID="SE.{root}">'
        for table, groups in forms.items():
            yield f'<FormData FormOID="F.{table}">{"".join(groups)}</FormData>'
        yield "</StudyEventData></SubjectData>\n"


def _group(table: Table, row: Mapping[str, Any], number: int) -> str:
    items = "".join(
        f'<ItemData ItemOID="{_oid(table, c)}" Value={_q(_written(row[c.name], c))}/>'
        for c in table.declared
        if row.get(c.name) is not None
    )
    return (
        f'<ItemGroupData ItemGroupOID="IG.{table.name}" ItemGroupRepeatKey="{number}">{items}</ItemGroupData>'
    )


def _written(value: Any, column: Column) -> str:
    if column.kind is Kind.FLAG:
        return "true" if value else "false"
    return text_of(value, column)


@dataclass(frozen=True)
class Group:
    """One item group of one subject: where it stands and its values by item."""

    subject: str
    event: str
    form: str
    group: str
    repeat: str
    values: Mapping[str, str]


def read_groups(content: bytes, *, name: str) -> list[Group]:
    """Return every item group of a document, in order. What is marked null, or has no value, is left out.

    InputError where it is no XML, holds a document type or entities, or is no ODM.
    """
    root = _parse(content, name)
    if _local(root) != "ODM":
        raise InputError(f"{name} is no ODM: its root is {_local(root)!r}", expected="an ODM document")
    found: list[Group] = []
    _walk(root, {}, found, 0, name)
    return found


def _parse(content: bytes, name: str) -> Any:
    try:
        from defusedxml.common import DefusedXmlException
        from defusedxml.ElementTree import ParseError, fromstring
    except ImportError as error:
        raise InputError("ODM cannot be read here", do="install it: pip install 'commensal[site]'") from error
    try:
        return fromstring(content, forbid_dtd=True)
    except DefusedXmlException as error:
        raise InputError(f"{name} holds a document type or entities", do="do not use this file") from error
    except (ParseError, ValueError, LookupError) as error:
        raise InputError(f"{name} is no well-formed XML: {error}", do="export it again") from error


def _local(element: Any) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


_KEYS = {
    "SubjectData": ("subject", "SubjectKey"),
    "StudyEventData": ("event", "StudyEventOID"),
    "FormData": ("form", "FormOID"),
    "ItemGroupData": ("group", "ItemGroupOID"),
}


def _walk(element: Any, place: dict[str, str], found: list[Group], depth: int, name: str) -> None:
    if depth > MAX_DEPTH:
        raise InputError(f"{name} is nested {MAX_DEPTH} deep", do="do not use this file")
    kind = _local(element)
    if kind in _KEYS:
        key, attribute = _KEYS[kind]
        place = {**place, key: element.get(attribute, "")}
    if kind != "ItemGroupData":
        for child in element:
            _walk(child, place, found, depth + 1, name)
        return
    names = ("subject", "event", "form", "group")
    where = {key: place.get(key, "") for key in names}
    found.append(Group(**where, repeat=element.get("ItemGroupRepeatKey", ""), values=_values(element)))


def _values(group: Any) -> dict[str, str]:
    """Item → value: ``Value`` of ItemData, or the text of a typed element (ItemDataString …)."""
    values = {}
    for item in group:
        if not _local(item).startswith("ItemData") or item.get("IsNull") == "Yes":
            continue
        value = item.get("Value") if item.get("Value") is not None else (item.text or "")
        if value != "":
            values[item.get("ItemOID", "")] = value
    return values


def read_odm(source: Path, *, mapping: Mapping[str, Any] | None = None) -> Imported:
    """Read an ODM document: a study's own without a mapping file, any other with one.

    With a mapping, each item group is a row of a sheet: columns ``subject``, ``event``, ``form``, ``group``,
    ``repeat`` and one for each item.
    """
    draft, manifest = draft_odm(source, mapping=mapping)
    return draft.finish(manifest)


def draft_odm(source: Path, *, mapping: Mapping[str, Any] | None = None) -> tuple[Draft, Manifest]:
    """Read an ODM document and hand over what was read with its faults; see :func:`read_odm`."""
    content = read_bytes(source)
    groups = read_groups(content, name=source.name)
    draft = Draft(source.name, sources={source.name: content})
    if mapping is not None:
        return draft, read_by_plan(sheet_of(groups, name=source.name), read_plan(mapping), draft)
    if not groups or any(g.group.removeprefix("IG.") not in INPUTS for g in groups):
        raise InputError(
            f"{source.name} was not written from a study's tables",
            do="give a mapping file: which item is which column of which table",
        )
    _read_own(groups, draft)
    return draft, Manifest(origin=f"ODM {source.name}")


def sheet_of(groups: list[Group], *, name: str) -> Sheet:
    """Return item groups as a sheet, one row each."""
    places = ("subject", "event", "form", "group", "repeat")
    items = list(dict.fromkeys(item for g in groups for item in g.values))
    columns: dict[str, list[str | None]] = {p: [getattr(g, p) or None for g in groups] for p in places}
    columns |= {item: [g.values.get(item) for g in groups] for item in items if item not in places}
    return Sheet(name, columns, len(groups))


def _read_own(groups: list[Group], draft: Draft) -> None:
    rows: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for number, group in enumerate(groups, start=1):
        table = INPUTS[group.group.removeprefix("IG.")]
        made = {}
        for item, text in group.values.items():
            column = item.rpartition(".")[2]
            if column in table.names:
                made[column] = _read(text, table[column], draft, number)
            else:
                draft.problems.append(
                    Problem(draft.name, number, item, text, "column_unknown", f"no column of {table.name}")
                )
        rows.setdefault(table.name, []).append((number, made))
    for name, found in rows.items():
        schema = {c.name: c.storage for c in INPUTS[name].declared}
        frame = pl.DataFrame([{c: row.get(c) for c in schema} for _, row in found], schema=schema)
        draft.add_rows(name, frame, places=[number for number, _ in found], is_distinct=False)


def _read(text: str, column: Column, draft: Draft, number: int) -> Any:
    try:
        return value_of(text, column)
    except InputError as error:
        is_safety = error.exit_code == 3
        rule, severity = ("parenteral_route", "safety") if is_safety else ("bad_cell", "error")
        message = "; expected ".join(part for part in (error.what, error.expected) if part)
        draft.problems.append(
            Problem(draft.name, number, column.name, text, rule, message, severity=severity)
        )
        return None
