"""The vault's lock: what says who a person is leaves it only through the key, and is found without it.

One key, apart from the database and from the signing key, seals names, contacts and numbers (Fernet) and the
files that show them, and makes the keyed digests ("marks") by which one person is found twice. Without the
key nothing can be read and nobody found: it is never made anew for a vault that holds entries.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import tempfile
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from commensal.errors import CommensalError

KEY_FILE, KEY_NAME = "vault_key", "COMMENSAL_VAULT_KEY"
KEYS, KEY_FILES = "keys", (KEY_FILE, "secret_key")
"""Folder of a backup in which the registry's keys lie, if they do, and their files."""
BYTES = 32


class VaultLockedError(CommensalError):
    """The vault's key is lost, unreadable or not the one that sealed what is asked for."""


@dataclass(frozen=True)
class Vault:
    """Seals and opens text and files, and makes marks. ``fingerprint`` tells one key from another."""

    _fernet: Fernet
    _mark_key: bytes
    fingerprint: str

    @classmethod
    def of(cls, key: str) -> Vault:
        """Return the vault of a key. Refuses (VaultLockedError) text that is no key."""
        try:
            secret = base64.urlsafe_b64decode(key.strip())
        except ValueError as error:
            raise _no_key("is no base64 text") from error
        if len(secret) != BYTES:
            raise _no_key(f"is {len(secret)} bytes long")
        return cls(
            Fernet(base64.urlsafe_b64encode(_derived(secret, "seal"))),
            _derived(secret, "mark"),
            hashlib.sha256(_derived(secret, "fingerprint")).hexdigest()[:16],
        )

    def seal(self, text: str) -> str:
        """Return text encrypted."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Return sealed text in clear. Refuses (VaultLockedError) what another key sealed."""
        return self.open_bytes(sealed.encode()).decode()

    def seal_bytes(self, content: bytes) -> bytes:
        """Return the content of a file encrypted."""
        return self._fernet.encrypt(content)

    def open_bytes(self, sealed: bytes) -> bytes:
        """Return a sealed file in clear. Refuses (VaultLockedError) what another key sealed."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken as error:
            raise VaultLockedError(
                "an entry of the vault cannot be opened",
                expected="the key that sealed it",
                do=f"put back the file {KEY_FILE} (or {KEY_NAME}) of the day it was sealed",
            ) from error

    def mark(self, kind: str, *parts: str) -> str:
        """Return the keyed digest of some text of a kind."""
        message = "\x1f".join((kind, *parts)).encode()
        return hmac.new(self._mark_key, message, hashlib.sha256).hexdigest()


def _derived(secret: bytes, use: str) -> bytes:
    """A key of its own for each use, from the one that is kept."""
    return HKDF(SHA256(), BYTES, salt=None, info=f"commensal vault {use}".encode()).derive(secret)


def _no_key(why: str) -> VaultLockedError:
    return VaultLockedError(
        f"the vault's key {why}",
        expected=f"{BYTES} random bytes in URL-safe base64",
        do=f"put back the file {KEY_FILE} (or {KEY_NAME}) from where it was kept",
    )


def open_vault(folder: Path, *, given: str | None, is_empty: bool) -> Vault:
    """Return the registry's vault: its key is ``given``, or the file in the folder.

    An empty vault without a key gets one, readable by its owner alone. Refuses (VaultLockedError) a vault
    that holds entries and whose key is not there.
    """
    if given:
        return Vault.of(given)
    path = folder / KEY_FILE
    if not path.exists():
        if not is_empty:
            raise VaultLockedError(
                f"the vault holds entries, but its key is not in {folder.name}/{KEY_FILE}",
                expected="the key that sealed them",
                do=f"put the file back from where it was kept, or set {KEY_NAME}; "
                "no new key is made, because it could not read them",
            )
        _make_key(path)
    return Vault.of(path.read_text(encoding="ascii"))


def _make_key(path: Path) -> None:
    """Write a new key, whole or not at all; of two processes at once the first one's stays."""
    descriptor, draft = tempfile.mkstemp(
        dir=path.parent, prefix=f".{KEY_FILE}"
    )  # readable by the owner alone
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(base64.urlsafe_b64encode(os.urandom(BYTES)).decode())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()


MARKED = {
    "name_mark": "name and date of birth",
    "hospital_mark": "hospital number",
    "national_mark": "national number",
}
"""The marks of an entry and what agrees when two entries have the same one."""


def marks_of(
    identity: Mapping[str, str | None], *, born_on: date | None, site: str, vault: Vault
) -> dict[str, str | None]:
    """Return the marks of one person. What is not known, and a name without a date of birth, has none.

    A hospital number is one centre's own; a national number is the same everywhere.
    """
    name, hospital, national = (
        plain_name(identity.get("names") or ""),
        plain_number(identity.get("hospital_number") or ""),
        plain_number(identity.get("national_number") or ""),
    )
    return {
        "name_mark": vault.mark("name", name, born_on.isoformat()) if name and born_on else None,
        "hospital_mark": vault.mark("hospital", site, hospital) if hospital else None,
        "national_mark": vault.mark("national", national) if national else None,
    }


def plain_name(name: str) -> str:
    """Return a name without accents, case, punctuation and order of its parts."""
    folded = unicodedata.normalize("NFKD", name).casefold()
    letters = "".join(c for c in folded if not unicodedata.combining(c))
    parts = "".join(c if c.isalnum() else " " for c in letters).split()
    return " ".join(sorted(parts))


def plain_number(number: str) -> str:
    """Return a number's letters and digits, capitals, without leading zeros or signs between."""
    folded = unicodedata.normalize("NFKC", number).upper()
    return "".join(c for c in folded if c.isalnum()).lstrip("0")
