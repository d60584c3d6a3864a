"""How a name and a password are judged, wherever the site asks for them: at the door and at a signature."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from commensal.registry.actions.signing_in import NOBODY, judge_password
from commensal.registry.audit import acting


class Accounts(ModelBackend):
    """Django's accounts, with failures counted and recorded in the database: five lock for a while."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **_: Any
    ) -> Any:
        """Return the user, or None. The password is hashed for any name, so that time tells nothing."""
        if not username or password is None:
            return None
        with acting(NOBODY, reason="password hashed anew at sign-in"):
            user = super().authenticate(request, username=username, password=password)
        return judge_password(user, username=username, page=page_of(request), device=device_of(request))


def page_of(request: HttpRequest | None) -> str:
    """Return the name of the page a request is for."""
    match = getattr(request, "resolver_match", None)
    return match.view_name if match else ""


def device_of(request: HttpRequest | None) -> str:
    """Return what the browser says it is."""
    return request.headers.get("User-Agent", "") if request else ""
