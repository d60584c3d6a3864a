"""What every request and every answer of the site have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from commensal.registry.permissions import permissions
from commensal.registry.scope import sites_of

Answer = Callable[[HttpRequest], HttpResponse]
ASSETS = "/static/"


def quiet_and_private(get_response: Answer) -> Answer:
    """Keep pages with health data out of every cache."""

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return respond


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
