"""What leaves the house, as files: a study's tables in the forms that others read."""

from __future__ import annotations

import datetime as dt
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from commensal.formats.deidentified import deidentify
from commensal.formats.fhir_write import write_bundle
from commensal.formats.odm import write_odm
from commensal.formats.redcap import write_project
from commensal.formats.redcap_study import ROOTS, project_of
from commensal.formats.texts import is_words, text_of, unspreadable
from commensal.study.inputs import INPUTS

Frames = Mapping[str, pl.DataFrame]
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Export:
    """One file that leaves: its name, its type, its content and how many rows went with it."""

    name: str
    media_type: str
    content: bytes
    n_rows: int


@dataclass(frozen=True)
class Circumstances:
    """What an export is made with: when, of which centre, and the key of its pseudonyms."""

    at: dt.datetime
    site: str
    key: bytes
    notes: tuple[str, ...] = ()


def export(kind: str, frames: Frames, *, circumstances: Circumstances) -> Export:
    """Return the tables as a file of a kind of ``KINDS``."""
    return _EXPORTS[kind]({n: f for n, f in frames.items() if f.height}, circumstances)


def _redcap(frames: Frames, given: Circumstances) -> Export:
    files, n_rows = {}, 0
    for root in ROOTS:
        project = project_of(frames, root=root)
        files |= {f"{root}/{name}": text for name, text in write_project(project).items()}
        n_rows += len(project.entries)
    return Export(f"{_stem(given)}-redcap.zip", "application/zip", _zipped(files), n_rows)


def _odm(frames: Frames, given: Circumstances) -> Export:
    text = "".join(write_odm(frames, created_at=given.at, name=f"Commensal {given.site}"))
    n_rows = text.count("<ItemGroupData ")
    return Export(f"{_stem(given)}-odm.xml", "application/xml", text.encode(), n_rows)


def _fhir(frames: Frames, given: Circumstances) -> Export:
    bundle = write_bundle(frames, created_at=given.at)
    text = json.dumps(bundle, ensure_ascii=False, allow_nan=False)
    return Export(
        f"{_stem(given)}-fhir.json", "application/fhir+json", text.encode(), len(bundle.get("entry", ()))
    )


def _deidentified(frames: Frames, given: Circumstances) -> Export:
    made = deidentify(frames, key=given.key, on=given.at.date())
    files = {f"{name}.csv": _csv(frame, name) for name, frame in made.frames.items()}
    files["small_cells.csv"] = made.small_cells.write_csv()
    files["README.txt"] = _READ_ME.format(
        left_out="\n".join(f"  {name}" for name in made.left_out),
        n=made.small_cells.height,
        notes="\n".join(f"  {note}" for note in given.notes) or "  nothing",
    )
    n_rows = sum(frame.height for frame in made.frames.values())
    return Export(f"commensal-deidentified-{given.at:%Y%m%d}.zip", "application/zip", _zipped(files), n_rows)


_READ_ME = """De-identified tables of a programme of fecal microbiota transplantation.

Pseudonyms are keyed digests of this export alone. Every person's dates are moved back by a number of whole
weeks of their own: intervals between two dates of one person are exact, dates of two persons do not compare.
Birth is a year (1 July). Patients who are alike in sex, year of birth and indication with fewer than five
others: {n} combinations in small_cells.csv. Who receives these tables agrees not to look for anybody.

Left out for a withdrawal:
{notes}

Columns left out because somebody typed them, or because they name staff or places:
{left_out}
"""


def _csv(frame: pl.DataFrame, table: str) -> str:
    """A table as CSV that no spreadsheet program takes for formulas."""
    columns = {c.name: c for c in INPUTS[table].declared if c.name in frame.columns}
    return frame.select(
        [
            pl.Series(
                name, [_cell(text_of(v, column), words=is_words(column)) for v in frame[name].to_list()]
            )
            for name, column in columns.items()
        ]
    ).write_csv()


def _cell(text: str, *, words: bool) -> str | None:
    return (unspreadable(text) if words else text) or None


def _zipped(files: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, text)
    return out.getvalue()


def _stem(given: Circumstances) -> str:
    return f"commensal-{given.site}-{given.at:%Y%m%d}"


_EXPORTS: dict[str, Callable[[Frames, Circumstances], Export]] = {
    "deidentified": _deidentified,
    "redcap": _redcap,
    "odm": _odm,
    "fhir": _fhir,
}
KINDS = tuple(_EXPORTS)
