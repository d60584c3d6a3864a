"""What every request and every answer of the site have in common."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect

from commensal.registry.actions.reading import record_reads
from commensal.registry.actions.signing_in import needs_factor
from commensal.registry.backend import page_of
from commensal.registry.door import HAS_FACTOR, OWES_PASSWORD, leave, session_over
from commensal.registry.permissions import permissions
from commensal.registry.reading import opened_by
from commensal.registry.scope import sites_of

Answer = Callable[[HttpRequest], HttpResponse]
SHOWN = (200, 422)
"""Answers that show a record: a page, and a form that comes back with what to mend."""
BEFORE_ALL_ELSE = ("second-factor", "sign-in", "sign-out", "change-password")
"""Pages for who still owes a password of their own, or a second factor."""


def quiet_and_private(get_response: Answer) -> Answer:
    """Keep pages with health data out of every cache."""

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return respond


class Sessions:
    """End a session that was not used for a while, is too old, or was ended from elsewhere.

    Who was given a password is led to the page that changes it, then who must have a second factor and has
    none to the page that adds one; and to no other.
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Let a session go on, or sign its person out before the page is asked for."""
        if request.user.is_authenticated and (why := session_over(request.session, now=time.time())):
            leave(request, event=why)
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponse | None:
        """Send who still has to add a second factor there; None lets the view run."""
        if not request.user.is_authenticated or page_of(request) in BEFORE_ALL_ELSE:
            return None
        if request.session.get(OWES_PASSWORD):
            return redirect("change-password")
        if request.session.get(HAS_FACTOR) or not needs_factor(request.user):
            return None
        return redirect("second-factor")


class Reads:
    """Record whose record was opened, before the page goes out: a page that is not recorded is not shown."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, then record what was opened on the way."""
        response = self.get_response(request)
        people = opened_by(request)
        if people and response.status_code in SHOWN and request.user.is_authenticated:
            record_reads(actor=request.user.get_username(), page=page_of(request), people=people)
        return response


class Permitted:
    """Refuse a page to who has none of its roles; what a page shows is of the centres of those roles.

    ``request.sites`` are the centres where the person holds one of the roles of this page and method.
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on; what is refused is refused once its page is known."""
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponse | None:
        """Look the page up and set ``request.sites``; None lets the view run."""
        name = request.resolver_match.view_name if request.resolver_match else ""
        permission = permissions().get(name)
        if permission is None:
            raise PermissionDenied(f"The page {name!r} has no permission.")
        allowed = permission.roles(request.method or "")
        if not allowed:
            return HttpResponseNotAllowed(permission.methods)
        if not permission.is_open and request.user.is_authenticated:  # who is not is asked to sign in
            request.sites = sites_of(request.user, roles=allowed)  # type: ignore[attr-defined]
        return None
