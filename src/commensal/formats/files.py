"""Other people's files, opened with care: bounded size, known encoding, no archive that explodes."""

from __future__ import annotations

import codecs
import zipfile
from pathlib import Path

from commensal.errors import InputError

MAX_FILE_BYTES = 1 << 30
MAX_UNPACKED_BYTES = 1 << 30
MAX_ARCHIVE_ENTRIES = 10_000
MAX_KEPT_BYTES = 64 << 20
ENCODINGS = ("utf-8", "utf-16", "gb18030", "cp1252", "latin-1")

# First bytes of files that are no text, and what to do with each.
_SIGNATURES: dict[bytes, tuple[str, str]] = {
    b"PK\x03\x04": ("a zip archive (an Excel workbook or a QIIME 2 archive?)", "use the format made for it"),
    b"\x1f\x8b": ("compressed with gzip", "unpack it first"),
    b"BZh": ("compressed with bzip2", "unpack it first"),
    b"\x89HDF": ("an HDF5 file", "import it with the format biom"),
    b"%PDF": ("a PDF", "export the table as text"),
    b"\xd0\xcf\x11\xe0": ("an old Excel or Word document", "save it as .xlsx or as text"),
    b"PAR1": ("a Parquet file", "export the table as text"),
}


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes. InputError where it is absent, no file, empty or above 1 GiB."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise InputError(f"{path} is not a file", do="give the path of a file")
        if size == 0:
            raise InputError(f"{path.name} is empty", do="export or download the file again")
        if size > MAX_FILE_BYTES:
            raise InputError(f"{path.name} has {size:,} bytes", expected=f"at most {MAX_FILE_BYTES:,}")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be opened: {error}", do="check the path and the right to read it"
        ) from error


def read_text(path: Path, *, encoding: str | None = None) -> str:
    """Return a text file's content.

    UTF-8, with or without its byte-order mark, is read as it is. Any other encoding must be named:
    a guess can be wrong in silence. InputError names what the bytes look like.
    """
    return decode(read_bytes(path), name=path.name, encoding=encoding)


def decode(content: bytes, *, name: str, encoding: str | None = None) -> str:
    """Return ``content`` as text, as :func:`read_text` does; ``name`` is used in messages."""
    for signature, (what, do) in _SIGNATURES.items():
        if content.startswith(signature):
            raise InputError(f"{name} is {what}, not text", do=do)
    chosen = encoding or ("utf-8-sig" if content.startswith(codecs.BOM_UTF8) else "utf-8")
    if encoding is None and _looks_like_utf16(content):
        raise InputError(f"{name} is encoded in UTF-16", expected="UTF-8", do=_declare("utf-16"))
    try:
        text = content.decode(chosen)
    except (UnicodeDecodeError, LookupError) as error:
        raise InputError(
            f"{name} cannot be read as {chosen}: {error}", expected="UTF-8", do=_declare(_likely(content))
        ) from error
    if (at := text.find("\0")) >= 0:
        raise InputError(
            f"{name} holds a NUL byte at character {at + 1}: it is binary or damaged",
            expected="text",
            do="export or download the file again",
        )
    return text.removeprefix("\ufeff")


def _looks_like_utf16(content: bytes) -> bool:
    head = content[:1000]
    odd_nulls, even_nulls = head[1::2].count(0), head[0::2].count(0)
    return head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or (
        len(head) >= 4 and max(odd_nulls, even_nulls) > len(head) // 4
    )


def _likely(content: bytes) -> str:
    """The encoding to suggest: GB18030 where the high bytes pair up into Chinese characters."""
    try:
        text = content.decode("gb18030")
    except UnicodeDecodeError:
        return "cp1252"
    chinese = sum("\u4e00" <= c <= "\u9fff" for c in text)
    others = sum(ord(c) > 127 for c in text) - chinese
    return "gb18030" if chinese > others else "cp1252"


def _declare(encoding: str) -> str:
    return (
        f'save it as UTF-8; a table with a mapping file may say encoding = "{encoding}" there '
        "if that is what it is"
    )


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a zip archive after checking what it claims to unpack to.

    InputError where it is damaged, encrypted, has over 10,000 entries or unpacks to over 1 GiB.
    """
    read_bytes(path)
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(
            f"{path.name} is not a whole zip archive: {error}", do="download or export it again"
        ) from error
    entries = archive.infolist()
    unpacked = sum(e.file_size for e in entries)
    if len(entries) > MAX_ARCHIVE_ENTRIES or unpacked > MAX_UNPACKED_BYTES:
        archive.close()
        raise InputError(
            f"{path.name} would unpack to {unpacked:,} bytes in {len(entries):,} files",
            expected=f"at most {MAX_UNPACKED_BYTES:,} bytes in {MAX_ARCHIVE_ENTRIES:,} files",
            do="make sure that the file is what it should be",
        )
    return archive


def read_entry(archive: zipfile.ZipFile, entry: str, *, name: str) -> bytes:
    """Return one entry's bytes, never more than it claims. InputError where it is damaged."""
    try:
        limit = archive.getinfo(entry).file_size
        with archive.open(entry) as file:
            content = file.read(limit + 1)
    except Exception as error:  # zlib, CRC, encryption and struct errors of a damaged archive
        raise InputError(
            f"{name}: {entry} cannot be unpacked: {error}", do="download or export the file again"
        ) from error
    if len(content) > limit:
        raise InputError(f"{name}: {entry} is larger than the archive says", do="do not use this file")
    return content


def kept_sources(folder: Path, *, without: tuple[str, ...] = ()) -> tuple[dict[str, bytes], list[str]]:
    """Return the files of a folder that are kept as they are, and a note on each that is too large."""
    sources, notes = {}, []
    for path in sorted(p for p in folder.iterdir() if p.is_file() and p.name not in without):
        size = path.stat().st_size
        if size > MAX_KEPT_BYTES:
            notes.append(f"{path.name} ({size:,} bytes) is too large to keep in sources/")
        else:
            sources[path.name] = path.read_bytes()
    return sources, notes
