"""Changes at the door: sign-ins and failures, lock-out, the ends of sessions, the second factor.

Who has not signed in yet acts as "nobody signed in"; what was tried is recorded beside the account it was
tried on. A name that is nobody's is not kept: people type passwords there.
"""

from __future__ import annotations

import time
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils import timezone

from commensal.errors import InputError, RefusedError
from commensal.registry.actions.desk import Desk, action
from commensal.registry.audit import acting
from commensal.registry.models import MODELS, Membership
from commensal.registry.permissions import ROLES
from commensal.registry.second_factor import Lock, new_codes, step_of

NOBODY, SIGN_IN = "nobody signed in", "sign-in"
SIGNING = ("quality", "physician")
"""The roles whose signature releases material: their accounts need a second factor."""
FAILURES = ("wrong_password", "wrong_code")
MOST_FAILURES, LOCKED_FOR = 5, timedelta(minutes=15)
MOST_NOTED_OF_NOBODY, A_WHILE = 60, timedelta(minutes=1)
LONGEST = timedelta(hours=8)


def lock() -> Lock:
    """Return the lock of this site's second factors."""
    return Lock.of(settings.SECRET_KEY)


def timed_key(at: datetime) -> str:
    """Return a fresh key whose order is that of time."""
    return f"{int(at.timestamp() * 1000):013d}-{uuid.uuid4().hex}"


def note(event: str, *, account: str | None, page: str = "", device: str = "", key: str = "") -> str:
    """Record one event at the door and return its key."""
    now = timezone.now()
    with acting(account if event in ("signed_in", "signed_out") and account else NOBODY, reason="sign in"):
        made = MODELS["sign_ins"].objects.create(
            sign_in_id=key or timed_key(now),
            occurred_at=now,
            account=account,
            event=event,
            page=page or None,
            device=device[:120] or None,
        )
    return made.pk


# --- password and lock-out


def is_locked(account: str) -> bool:
    """Whether the last failures on an account are too many, too recent, and no sign-in came after them."""
    since = timezone.now() - LOCKED_FOR
    events = _recent(account, since=since).order_by("-pk").values_list("event", flat=True)
    failures = 0
    for event in events:
        if event == "signed_in":
            break
        failures += event in FAILURES
    return failures >= MOST_FAILURES


def _recent(account: str | None, *, since: datetime) -> Any:
    rows = MODELS["sign_ins"].objects.filter(pk__gte=f"{int(since.timestamp() * 1000):013d}")
    return rows.filter(account__isnull=True) if account is None else rows.filter(account=account)


def judge_password(user: Any, *, username: str, page: str, device: str) -> Any:
    """Return the user whose password was right and whose account is not locked, else None; note the rest."""
    account = _name_of(username)
    if account is None:
        if _recent(None, since=timezone.now() - A_WHILE).count() < MOST_NOTED_OF_NOBODY:
            note("wrong_password", account=None, page=page, device=device)
        return None
    if is_locked(account):
        _note_locked(account, page=page, device=device)
        return None
    if user is None:
        note("wrong_password", account=account, page=page, device=device)
    elif page != SIGN_IN:  # a sign-in is noted when it is complete
        note("password_given", account=account, page=page, device=device)
    return user


def _note_locked(account: str, *, page: str, device: str) -> None:
    """Note that a locked account was tried, once in a while: whoever tries on does not fill the disk."""
    tried = _recent(account, since=timezone.now() - A_WHILE).filter(event="locked")
    if not tried.exists():
        note("locked", account=account, page=page, device=device)


def _name_of(username: str) -> str | None:
    found = get_user_model().objects.filter(username=username).values_list("username", flat=True).first()
    return found or None


def open_account(pk: int) -> Any | None:
    """Return an account that is not closed, or None."""
    return get_user_model().objects.filter(pk=pk, is_active=True).first()


def owes_password(account: str) -> bool:
    """Whether somebody else knows an account's password: it was given, and not changed since."""
    events = MODELS["sign_ins"].objects.filter(
        account=account, event__in=("password_set", "password_changed")
    )
    return events.order_by("-pk").values_list("event", flat=True).first() == "password_set"


# --- sessions


def end_key(sign_in: str) -> str:
    """Return the key of the entry that ends a session: a session ends once."""
    return f"{sign_in}-end"


def end_session(sign_in: str, *, account: str, event: str) -> None:
    """Record the end of a session; it is not taken up again."""
    if not MODELS["sign_ins"].objects.filter(pk=end_key(sign_in)).exists():
        note(event, account=account, key=end_key(sign_in))


def has_ended(sign_in: str) -> bool:
    """Whether a session was ended."""
    return MODELS["sign_ins"].objects.filter(pk=end_key(sign_in)).exists()


def open_sessions(account: str) -> list[Any]:
    """Return the sign-ins of an account whose sessions may still be open, newest first."""
    since = timezone.now() - LONGEST
    events = list(_recent(account, since=since).order_by("-pk"))
    ended = {event.pk for event in events}
    return [e for e in events if e.event == "signed_in" and end_key(e.pk) not in ended]


@action(*ROLES)
def end_own_session(desk: Desk, *, sign_in: str) -> None:
    """End one of the person's own sessions, on whatever device it is."""
    if sign_in not in {entry.pk for entry in open_sessions(desk.name)}:
        raise InputError("this session is not one of yours, or has ended", do="look at the list again")
    end_session(sign_in, account=desk.name, event="ended")


# --- second factor


def factor_of(account: str) -> Any | None:
    """Return the second factor of an account, or None."""
    return MODELS["second_factors"].objects.filter(account=account).first()


def needs_factor(user: Any) -> bool:
    """Whether an account must have a second factor: it signs, and the site is one people reach over HTTPS."""
    held = Membership.objects.filter(user=user, role__in=SIGNING)
    return settings.IS_SECOND_FACTOR_REQUIRED and held.exists()


def codes_left(account: str) -> int:
    """Return how many codes for recovery an account has left."""
    return MODELS["recovery_codes"].objects.filter(account=account, used_at__isnull=True).count()


def accept_code(account: str, code: str, *, page: str, device: str) -> bool:
    """Whether a code of the account's authenticator, or one for recovery, is right; it is used up then."""
    if is_locked(account):
        _note_locked(account, page=page, device=device)
        return False
    with acting(account, reason="second factor"):
        is_right = _use_step(account, code) or _use_recovery(account, code)
    if not is_right:
        note("wrong_code", account=account, page=page, device=device)
    return is_right


def _use_step(account: str, code: str) -> bool:
    factor = factor_of(account)
    if factor is None:
        return False
    step = step_of(code, secret=lock().open(factor.secret), at=time.time(), last_step=factor.last_step)
    if step is None:
        return False
    unused = MODELS["second_factors"].objects.filter(pk=factor.pk, last_step__lt=step)
    return unused.update(last_step=step) == 1


def _use_recovery(account: str, code: str) -> bool:
    unused = MODELS["recovery_codes"].objects.filter(
        account=account, mark=lock().mark(code), used_at__isnull=True
    )
    return unused.update(used_at=timezone.now()) == 1


@action(*ROLES)
def add_factor(desk: Desk, *, secret: bytes, code: str) -> list[str]:
    """Give the person's account a second factor, proven by a code; return fresh codes for recovery."""
    if factor_of(desk.name):
        raise RefusedError("your account has a second factor", do="remove it before you add another")
    step = step_of(code, secret=secret, at=time.time())
    if step is None:
        raise InputError("the code does not fit", do="check the clock of the device, and give a fresh code")
    MODELS["second_factors"].objects.create(
        factor_id=uuid.uuid4().hex,
        account=desk.name,
        secret=lock().seal(secret),
        confirmed_at=timezone.now(),
        last_step=step,
    )
    return _fresh_codes(desk.name)


@action(*ROLES)
def renew_codes(desk: Desk) -> list[str]:
    """Replace the person's codes for recovery and return the new ones."""
    if factor_of(desk.name) is None:
        raise RefusedError("your account has no second factor", do="add one first")
    return _fresh_codes(desk.name)


def _fresh_codes(account: str) -> list[str]:
    MODELS["recovery_codes"].objects.filter(account=account).delete()
    codes = new_codes()
    for code in codes:
        MODELS["recovery_codes"].objects.create(
            code_id=uuid.uuid4().hex, account=account, mark=lock().mark(code)
        )
    return codes


@action(*ROLES)
def remove_factor(desk: Desk) -> None:
    """Take the second factor and its codes off the person's own account."""
    forget_factor(desk.name)


def forget_factor(account: str) -> None:
    """Delete the second factor of an account and its codes, within an action."""
    MODELS["second_factors"].objects.filter(account=account).delete()
    MODELS["recovery_codes"].objects.filter(account=account).delete()
