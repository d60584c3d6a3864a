"""Files kept beside the database: what may come in, where they lie, and that they are still the same."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from commensal.errors import CommensalError, InputError
from commensal.registry.vault import Vault

ATTACHMENTS = "attachments"
MAX_BYTES = 20_000_000
ENDS_WITHIN = 2048

# Type, how its content begins, and what stands near its end.
KINDS = (
    ("application/pdf", b"%PDF-", b"%%EOF"),
    ("image/png", b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"),
    ("image/jpeg", b"\xff\xd8\xff", b"\xff\xd9"),
)
SUFFIXES = {"application/pdf": "pdf", "image/png": "png", "image/jpeg": "jpg"}


class FileBrokenError(CommensalError):
    """A kept file is gone or no longer what was brought in."""


def media_type_of(content: bytes) -> str:
    """Return what a file is by its content, whatever it is called. Refuses (InputError) the rest."""
    if len(content) > MAX_BYTES:
        raise InputError(
            f"the file is {len(content) / 1e6:.0f} MB long",
            expected=f"at most {MAX_BYTES / 1e6:.0f} MB",
            do="scan it at a lower resolution",
        )
    for media_type, begins, ends in KINDS:
        if content.startswith(begins):
            if ends not in content[-ENDS_WITHIN:]:
                raise InputError("the file is cut off at its end", do="save or scan it again")
            return media_type
    raise InputError(
        "the content is no PDF, PNG or JPEG", expected="a PDF, PNG or JPEG file", do="save it as a PDF"
    )


def keep(content: bytes, *, folder: Path, vault: Vault) -> str:
    """Keep a file, sealed, under the SHA-256 of its content, and return that; twice is once."""
    digest = hashlib.sha256(content).hexdigest()
    path = path_of(digest, folder)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_whole(path, vault.seal_bytes(content))
    return digest


def fetch(digest: str, *, folder: Path, vault: Vault) -> bytes:
    """Return a kept file. Refuses (FileBrokenError) one that is gone or does not fit its digest."""
    try:
        content = vault.open_bytes(path_of(digest, folder).read_bytes())
    except FileNotFoundError as error:
        raise _broken(digest, "is not there") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise _broken(digest, "is not what was brought in")
    return content


def path_of(digest: str, folder: Path) -> Path:
    """Return where a file lies."""
    return folder / ATTACHMENTS / digest[:2] / digest


def _broken(digest: str, how: str) -> FileBrokenError:
    return FileBrokenError(
        f"the file {digest[:12]}… {how}",
        expected="the content whose SHA-256 was recorded",
        do="put it back from a backup and tell quality",
    )


def _write_whole(path: Path, content: bytes) -> None:
    descriptor, draft = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(draft).replace(path)
