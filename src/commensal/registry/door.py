"""Coming in and going out: what a session remembers of a sign-in, and when it is over."""

from __future__ import annotations

import time
from typing import Any

from django.contrib.auth import login, logout
from django.http import HttpRequest

from commensal.registry.actions.signing_in import end_session, factor_of, has_ended, note, owes_password
from commensal.registry.audit import acting
from commensal.registry.backend import device_of, page_of

SIGNED_IN, BEGAN, SEEN, HAS_FACTOR, HALF = "sign_in", "began", "seen", "has_factor", "half"
OWES_PASSWORD = "owes_password"
IDLE_SECONDS, LONGEST_SECONDS, HALF_SECONDS = 30 * 60, 8 * 3600, 5 * 60
SEEN_EVERY_SECONDS = 60
"""The time of the last page is written once a minute: a write for each page would be paid by each page."""


def wait_for_code(request: HttpRequest, user: Any, *, target: str) -> None:
    """Remember who gave the right password and still owes a code."""
    request.session.cycle_key()
    request.session[HALF] = [user.pk, time.time(), target]


def waiting(request: HttpRequest) -> tuple[int, str] | None:
    """Return who owes a code and where they want to go; None where nobody does, or too long ago."""
    pk, at, target = request.session.get(HALF, (None, 0.0, ""))
    return (pk, target) if pk is not None and time.time() - at < HALF_SECONDS else None


def enter(request: HttpRequest, user: Any) -> None:
    """Sign somebody in whose password, and code where there is one, were right."""
    account = user.get_username()
    with acting(account, reason="sign in"):
        login(request, user, backend="commensal.registry.backend.Accounts")
        key = note("signed_in", account=account, page=page_of(request), device=device_of(request))
    request.session.pop(HALF, None)
    request.session[SIGNED_IN] = key
    request.session[HAS_FACTOR] = factor_of(account) is not None
    request.session[OWES_PASSWORD] = owes_password(account)
    request.session[BEGAN] = request.session[SEEN] = time.time()


def leave(request: HttpRequest, *, event: str) -> None:
    """Sign somebody out and record why."""
    if key := request.session.get(SIGNED_IN):
        end_session(key, account=request.user.get_username(), event=event)
    logout(request)


def session_over(session: Any, *, now: float) -> str | None:
    """Return why a session may not go on, or None after noting that it is in use."""
    began, seen = session.get(BEGAN), session.get(SEEN)
    if began is None or seen is None:
        session[BEGAN] = session[SEEN] = now
        return None
    if now - seen > IDLE_SECONDS or now - began > LONGEST_SECONDS:
        return "timed_out"
    if SIGNED_IN in session and has_ended(session[SIGNED_IN]):
        return "ended"
    if now - seen > SEEN_EVERY_SECONDS:
        session[SEEN] = now
    return None
