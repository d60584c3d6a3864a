"""The manifest of a study folder: what is in it, where it came from, how time is counted."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from commensal import __version__
from commensal.errors import InputError

FORMAT_VERSION = 1
CLOCKS = ("calendar", "patient")


@dataclass(frozen=True)
class Manifest:
    """What a study folder says of itself.

    ``clock`` is ``calendar`` (days count from 1970-01-01 and dates are known) or ``patient`` (a
    published study without dates: days count from each patient's index session, dates are null).
    ``data_cut_day`` is the last day data were collected, on that clock; null where nobody says.
    ``tables`` maps a table's name to its number of rows and the SHA-256 of its file; ``files`` a kept file
    (``sources/…``, ``truth/…``) to its SHA-256.
    """

    origin: str
    clock: str = "calendar"
    data_cut_day: int | None = None
    seed: int | None = None
    notes: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    code_version: str = __version__
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        if self.clock not in CLOCKS:
            raise InputError(f"clock {self.clock!r} does not exist", expected="one of " + ", ".join(CLOCKS))

    def to_json(self) -> str:
        """The manifest as the text of ``manifest.json``."""
        return json.dumps(asdict(self), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @property
    def data_hash(self) -> str:
        """SHA-256 over the hashes of all tables: the identity of the data."""
        listed = "\n".join(f"{name} {facts['sha256']}" for name, facts in sorted(self.tables.items()))
        return hashlib.sha256(listed.encode()).hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """Read ``manifest.json`` of a study folder. Raises :class:`InputError` where it is not one."""
    path = folder / "manifest.json"
    if not path.is_file():
        raise InputError(
            f"{folder} is not a study folder: it has no manifest.json",
            expected="a folder written by `commensal import`, `simulate`, `merge` or `freeze`",
            do="import your files first: commensal import --help",
        )
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        _check_version(fields, path)
        fields["notes"], fields["changes"] = tuple(fields["notes"]), tuple(fields["changes"])
        return Manifest(**fields)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read: {error}", do="write the study again from its source"
        ) from error


def _check_version(fields: dict[str, Any], path: Path) -> None:
    # Looked at before anything else: a newer format may have fields this version does not know.
    version = fields["format_version"]
    if version != FORMAT_VERSION:
        raise InputError(
            f"{path} has format version {version}",
            expected=f"version {FORMAT_VERSION}",
            do="open it with the version of commensal that wrote it, or update this one",
        )


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
