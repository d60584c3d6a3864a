"""Files laid before the registry: bounded, sealed by the vault's key, and gone once they are decided on."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from commensal.errors import InputError
from commensal.formats.doors import parse_mapping
from commensal.formats.fhir import draft_fhir
from commensal.formats.files import open_archive
from commensal.formats.imported import Draft
from commensal.formats.mapping import read_plan
from commensal.formats.odm import draft_odm, read_groups, sheet_of
from commensal.formats.records import draft_records
from commensal.formats.redcap_study import draft_redcap, redcap_sheet
from commensal.formats.sheets import WORKBOOKS, Sheet, read_sheet
from commensal.registry.vault import Vault

FOLDER = "imports"
MAX_BYTES = 20_000_000
MAX_UNPACKED = 200_000_000
MAX_ROWS = 50_000
MAX_CELLS = 3_000_000
CHUNK = 1 << 20
SUFFIXES = (".csv", ".tsv", ".txt", ".json", ".xml", ".zip", *WORKBOOKS)
WITHOUT_MAPPING = ("redcap", "fhir", "odm")
"""Formats that may say themselves which table each row is of."""


def keep(content: bytes, *, name: str, folder: Path, vault: Vault) -> None:
    """Keep a file under its name until it is decided on; readable by the registry alone."""
    home = folder / FOLDER
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=home)
    with os.fdopen(descriptor, "wb") as file:
        file.write(vault.seal_bytes(content))
    Path(draft).replace(home / name)


def drop(name: str, *, folder: Path) -> None:
    """Remove a kept file; it may be gone already."""
    with suppress(FileNotFoundError):
        (folder / FOLDER / name).unlink()


@contextmanager
def opened(name: str, *, as_name: str, folder: Path, vault: Vault) -> Iterator[Path]:
    """Give a kept file in clear, in a folder of its own that is gone afterwards.

    Refuses (InputError) a file that is no longer kept.
    """
    path = folder / FOLDER / name
    if not path.is_file():
        raise InputError("the file is no longer kept", do="bring it in again")
    with tempfile.TemporaryDirectory(prefix="commensal-import-") as room:
        clear = Path(room) / as_name
        clear.write_bytes(vault.open_bytes(path.read_bytes()))
        yield clear


def demand_bounded(content: bytes, *, name: str) -> None:
    """Refuse (InputError) a file that is too large, of an unknown kind, or that unpacks to too much."""
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(
            f"a file that ends in {suffix or 'nothing'}", expected="one of " + ", ".join(SUFFIXES)
        )
    if not content:
        raise InputError(f"{name} is empty", do="export or download the file again")
    if len(content) > MAX_BYTES:
        raise InputError(
            f"{name} is {len(content) / 1e6:.0f} MB", expected=f"at most {MAX_BYTES / 1e6:.0f} MB",
            do="bring it in in parts, or use `commensal import`",
        )  # fmt: skip
    if content.startswith(b"PK\x03\x04"):
        with tempfile.TemporaryDirectory(prefix="commensal-import-") as room:
            path = Path(room) / "archive.zip"
            path.write_bytes(content)
            _demand_small(path, name)


def _demand_small(path: Path, name: str) -> None:
    """Unpack an archive once, counting: what it says of its own size may be a lie."""
    total = 0
    with open_archive(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_UNPACKED:
            raise _explodes(name)
        for entry in archive.infolist():
            try:
                with archive.open(entry) as file:
                    while chunk := file.read(CHUNK):
                        total += len(chunk)
                        if total > MAX_UNPACKED:
                            raise _explodes(name)
            except (
                zipfile.BadZipFile,
                OSError,
                RuntimeError,
                NotImplementedError,
                EOFError,
                ValueError,
            ) as error:
                raise _damaged(name, error) from error
            except Exception as error:  # zlib.error has no base of its own
                if isinstance(error, InputError):
                    raise
                raise _damaged(name, error) from error


def _explodes(name: str) -> InputError:
    return InputError(
        f"{name} unpacks to over {MAX_UNPACKED / 1e6:.0f} MB", do="make sure that it is what it should be"
    )


def _damaged(name: str, error: Exception) -> InputError:
    return InputError(f"{name} cannot be unpacked: {error}", do="save it again")


def read_draft(path: Path, *, format_name: str, mapping: str | None) -> Draft:
    """Read a file with its faults, by its mapping where it has one.

    Refuses (InputError) what is no such file, a mapping with faults, a clock without dates, too many rows.
    """
    parsed = parse_mapping(mapping, name="the mapping") if mapping else None
    if parsed is not None and format_name != "fhir" and read_plan(parsed).clock != "calendar":
        raise InputError("the mapping counts days from each patient's index", expected='clock = "calendar"')
    draft = _read(path, format_name, parsed)
    rows = sum(frame.height for frame in draft.frames.values())
    cells = sum(frame.height * frame.width for frame in draft.frames.values())
    if rows > MAX_ROWS or cells > MAX_CELLS:
        raise InputError(
            f"the file makes {rows:,} rows of {cells:,} cells",
            expected=f"at most {MAX_ROWS:,} rows and {MAX_CELLS:,} cells",
            do="bring it in in parts",
        )
    return draft


def peek(path: Path, *, format_name: str, mapping: str | None) -> Sheet:
    """Return a file as a sheet, to see its columns. Refuses (InputError) what is no sheet."""
    said = parse_mapping(mapping, name="the mapping") if mapping else {}
    if format_name == "redcap":
        return redcap_sheet(path, encoding=said.get("encoding"))
    if format_name == "odm":
        return sheet_of(read_groups(path.read_bytes(), name=path.name), name=path.name)
    how = {key: said.get(key) for key in ("encoding", "delimiter", "sheet")}
    return read_sheet(path, problems=[], **how)


def _read(path: Path, format_name: str, mapping: Any) -> Draft:
    match format_name:
        case "redcap":
            return draft_redcap(path, mapping=mapping)[0]
        case "odm":
            return draft_odm(path, mapping=mapping)[0]
        case "fhir":
            return draft_fhir(path, mapping=mapping)[0]
        case "table" if mapping is None:
            raise InputError("the columns of the file are not mapped yet", do="map them first")
        case _:
            return draft_records(path, mapping=mapping)[0]
