"""Changes to who may do what, and the first person of a new registry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from commensal.errors import InputError, RefusedError
from commensal.registry.actions.desk import Desk, action
from commensal.registry.audit import acting
from commensal.registry.models import MODELS, Membership, Role


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
    return user


@action("quality", needs_reason=True)
def close_account(desk: Desk, *, username: str) -> Any:
    """Close an account; what the person recorded stays."""
    user = get_user_model().objects.get(username=username)
    centres = Membership.objects.filter(user=user).values_list("site_id", flat=True)
    for site in set(centres):
        desk.one("sites", site)
    user.is_active = False
    user.save(update_fields=["is_active"])
    return user


def _new_user(username: str, password: str) -> Any:
    try:
        validate_password(password)
    except ValidationError as error:
        raise InputError("the password is too weak", expected=" ".join(error.messages)) from error
    model = get_user_model()
    if model.objects.filter(username=username).exists():
        raise InputError(f"{username!r} exists already", do="choose another name")
    return model.objects.create_user(username=username, password=password)
