"""Changes to who may do what, to passwords, and the first person of a new registry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from commensal.errors import InputError, RefusedError
from commensal.registry.actions.desk import Desk, action
from commensal.registry.actions.signing_in import forget_factor, note
from commensal.registry.audit import acting
from commensal.registry.models import MODELS, Membership, Role
from commensal.registry.permissions import ROLES


def first_person(*, username: str, password: str, site: str, site_name: str) -> Any:
    """Make the first person of an empty registry, in every role, and the centre. RefusedError later on."""
    if get_user_model().objects.exists():
        raise RefusedError("the registry has people already", do="ask one of quality to add an account")
    with acting(username, reason="first start"):
        user = _new_user(username, password)
        centre, _ = MODELS["sites"].objects.get_or_create(site_id=site, defaults={"name": site_name})
        for role in Role.values:
            Membership.objects.create(user=user, site=centre, role=role)
    return user


@action("quality")
def add_person(desk: Desk, *, username: str, password: str, site: str, roles: Iterable[str]) -> Any:
    """Make an account with roles at one of your centres."""
    centre = desk.one("sites", site)
    chosen = list(roles)
    if not chosen or set(chosen) - set(Role.values):
        raise InputError(f"roles {chosen}", expected="one or more of " + ", ".join(Role.values))
    user = _new_user(username, password)
    for role in chosen:
        Membership.objects.create(user=user, site=centre, role=role)
    note("password_set", account=username)
    return user


@action("quality", needs_reason=True)
def close_account(desk: Desk, *, username: str) -> Any:
    """Close an account and end its sessions; what the person recorded stays."""
    user = _one(desk, username)
    user.is_active = False
    user.save(update_fields=["is_active"])
    return user


@action("quality", needs_reason=True)
def renew_access(desk: Desk, *, username: str, password: str) -> Any:
    """Give somebody who cannot sign in a first password again, and take off a second factor that is lost.

    Every session of the account ends. Refuses (RefusedError) the person's own account.
    """
    user = _one(desk, username)
    if user.pk == desk.by.pk:
        raise RefusedError("this is your own account", do="change your password on the page of your account")
    _give_password(user, password)
    forget_factor(user.username)
    note("password_set", account=user.username)
    return user


@action(*ROLES)
def change_password(desk: Desk, *, password: str) -> Any:
    """Change the person's own password; every other session of the account ends."""
    if desk.by.check_password(password):
        raise InputError("the new password is the old one", expected="another password")
    _give_password(desk.by, password)
    note("password_changed", account=desk.name)
    return desk.by


def _one(desk: Desk, username: str) -> Any:
    """Return an account all of whose centres are the person's own. Refuses (InputError) any other."""
    user = get_user_model().objects.filter(username=username).first()
    centres = Membership.objects.filter(user=user).values_list("site_id", flat=True) if user else ()
    if user is None or not centres or not set(centres) <= set(desk.sites):
        raise InputError(f"no account {username!r} at your centres", do="check the name under People")
    return user


def _give_password(user: Any, password: str) -> None:
    _demand_strong(password, user=user)
    user.set_password(password)
    user.save(update_fields=["password"])


def _demand_strong(password: str, *, user: Any = None) -> None:
    """Refuse (InputError) a weak password."""
    try:
        validate_password(password, user=user)
    except ValidationError as error:
        raise InputError("the password is too weak", expected=" ".join(error.messages)) from error


def _new_user(username: str, password: str) -> Any:
    model = get_user_model()
    _demand_strong(password, user=model(username=username))
    if model.objects.filter(username=username).exists():
        raise InputError(f"{username!r} exists already", do="choose another name")
    return model.objects.create_user(username=username, password=password)
