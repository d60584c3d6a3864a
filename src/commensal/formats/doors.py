"""The one entry: a format's name, a source, a new folder."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from commensal.errors import InputError, OutputExistsError, nearest
from commensal.formats.biom_tables import read_biom
from commensal.formats.files import read_text
from commensal.formats.imported import Imported
from commensal.formats.metaphlan import read_metaphlan
from commensal.formats.qza import read_qza
from commensal.formats.records import read_records
from commensal.formats.samestr import read_samestr
from commensal.formats.tidy import read_tidy
from commensal.study import Study, study_of
from commensal.study.check import demand_usable

_READERS: dict[str, Callable[..., Imported]] = {
    "tidy": read_tidy,
    "biom": read_biom,
    "qza": read_qza,
    "metaphlan": read_metaphlan,
    "samestr": read_samestr,
    "table": read_records,
}
FORMATS = tuple(_READERS)


def import_study(
    format_name: str, source: Path | str, folder: Path | str, *, mapping: Path | str | None = None
) -> Study:
    """Read ``source`` in a foreign format, check it, and write it as the study ``folder``.

    Parameters
    ----------
    format_name
        One of :data:`FORMATS`.
    source
        A file, or the folder that holds the files.
    folder
        Where the study goes; must not exist.
    mapping
        A TOML file: for ``table`` which column means what (required); for feature tables ``abundance``,
        ``assay`` and ``metadata``.

    Refuses
        ``ProblemsFoundError`` with every fault of every row (exit code 3 where a route is parenteral),
        ``InputError`` for a source that cannot be read, ``OutputExistsError``. Nothing is written then.
    """
    if Path(folder).exists():
        raise OutputExistsError(f"{folder} exists already", expected="a new folder", do="choose another name")
    imported = read(format_name, source, mapping=mapping)
    demand_usable(study_of(imported.frames, manifest=imported.manifest))
    return imported.write(folder)


def read(format_name: str, source: Path | str, *, mapping: Path | str | None = None) -> Imported:
    """Read ``source`` in a foreign format without writing anything; refuses as :func:`import_study`."""
    if format_name not in _READERS:
        raise InputError(f"there is no format {format_name!r}", expected=nearest(format_name, FORMATS))
    source = Path(source)
    if not source.exists():
        raise InputError(f"{source} does not exist", expected="a file or a folder", do="check the path")
    if mapping is None:
        return _READERS[format_name](source)
    text = read_text(Path(mapping))
    imported = _READERS[format_name](source, mapping=parse_mapping(text, name=Path(mapping).name))
    return _with_source(imported, Path(mapping).name, text.encode())


def parse_mapping(text: str, *, name: str) -> Mapping[str, Any]:
    """Parse a mapping file. InputError where it is no TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name} is not TOML: {error}", do="correct the line named") from error


def _with_source(imported: Imported, name: str, content: bytes) -> Imported:
    """The mapping is kept beside what it mapped: without it the import cannot be repeated."""
    return Imported(imported.frames, imported.manifest, {**imported.sources, name: content}, imported.notes)
