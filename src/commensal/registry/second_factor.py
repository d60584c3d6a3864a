"""The second factor: time-based codes (RFC 6238, six digits, 30 seconds) and codes for recovery.

Nothing here knows Django or a database: secrets, keys, codes and the time are arguments.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from cryptography.fernet import Fernet
from cryptography.fernet import InvalidToken as Unsealed
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.twofactor import InvalidToken
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from commensal.errors import RefusedError

STEP, DIGITS, SECRET_BYTES, TOLERANCE = 30, 6, 20, 1
"""Clocks may differ by one step (RFC 6238, 5.2). SHA-1 is what authenticator programs understand."""
N_CODES, CODE_BYTES = 10, 10


@dataclass(frozen=True)
class Lock:
    """Seals secrets at rest and marks codes, under keys derived from the site's signing key."""

    _seal_key: bytes
    _mark_key: bytes

    @classmethod
    def of(cls, signing_key: str) -> Lock:
        """Return the lock that belongs to a signing key."""
        return cls(
            base64.urlsafe_b64encode(_derived(signing_key, "second factor")),
            _derived(signing_key, "recovery codes"),
        )

    def seal(self, secret: bytes) -> str:
        """Return a secret encrypted."""
        return Fernet(self._seal_key).encrypt(secret).decode()

    def open(self, sealed: str) -> bytes:
        """Return a sealed secret in clear. Refuses (RefusedError) what another signing key sealed."""
        try:
            return Fernet(self._seal_key).decrypt(sealed.encode())
        except Unsealed as error:
            raise RefusedError(
                "the second factor cannot be read: the signing key of the site is another",
                do="ask one of quality to take the second factor off your account, then add it again",
            ) from error

    def mark(self, code: str) -> str:
        """Return the keyed digest of a code for recovery, however it was typed."""
        plain = "".join(code.split()).replace("-", "").upper()
        return hmac.new(self._mark_key, plain.encode(), hashlib.sha256).hexdigest()


def _derived(key: str, purpose: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=f"commensal {purpose}".encode()).derive(key.encode())


def new_secret() -> bytes:
    """Return a fresh random secret."""
    return secrets.token_bytes(SECRET_BYTES)


def new_codes() -> list[str]:
    """Return fresh codes for recovery, 80 random bits each, in groups of four characters."""
    made = [base64.b32encode(secrets.token_bytes(CODE_BYTES)).decode() for _ in range(N_CODES)]
    return ["-".join(code[at : at + 4] for at in range(0, len(code), 4)) for code in made]


def address_of(secret: bytes, *, account: str, issuer: str = "Commensal") -> str:
    """Return the address that an authenticator program reads from a QR code."""
    return _totp(secret).get_provisioning_uri(account, issuer)


def typed(secret: bytes) -> str:
    """Return the secret as a person types it into an authenticator program."""
    text = base64.b32encode(secret).decode()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def step_of(code: str, *, secret: bytes, at: float, last_step: int | None = None) -> int | None:
    """Return the step a code belongs to, at a moment (seconds since 1970); None where it is not accepted.

    A code of the step before or after is accepted, one of a step already used is not.
    """
    plain = "".join(code.split())
    if len(plain) != DIGITS or not plain.isascii() or not plain.isdigit():
        return None
    now, totp = int(at) // STEP, _totp(secret)
    accepted = None
    for step in range(max(0, now - TOLERANCE), now + TOLERANCE + 1):
        try:
            totp.verify(plain.encode(), step * STEP)
        except InvalidToken:
            continue
        accepted = step
    if accepted is None or (last_step is not None and accepted <= last_step):
        return None
    return accepted


def _totp(secret: bytes) -> TOTP:
    return TOTP(secret, DIGITS, SHA1(), STEP)  # noqa: S303  RFC 6238
