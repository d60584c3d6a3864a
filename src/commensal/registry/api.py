"""The programming interface: read-only, in JSON, of the centres where the caller works; OpenAPI 3.1.

Who calls is the person of the session, or of a personal token (``Authorization: Bearer …``), which reads one
centre. Lists go on by key: ``after`` takes the last key of the page before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from ninja import NinjaAPI, Query, Schema
from ninja.errors import AuthenticationError, HttpError
from ninja.security import APIKeyCookie, HttpBearer
from pydantic import Field, create_model

from commensal import __version__
from commensal.registry.actions.exports import holder_of
from commensal.registry.fields import attribute_name
from commensal.registry.permissions import permissions
from commensal.registry.scope import seen, sites_of
from commensal.registry.views.pages import one
from commensal.study.declaration import Column, Kind, Table
from commensal.study.inputs import INPUTS

TABLES = ("patients", "donors", "units", "sessions", "visits", "adverse_events")
A_MINUTE, MOST = 300, 200
ROOT = "api/"
_TYPES: dict[Kind, Any] = {
    Kind.DATE: date,
    Kind.INSTANT: datetime,
    Kind.INTEGER: int,
    Kind.DAY: int,
    Kind.NUMBER: float,
    Kind.FLAG: bool,
}


class Fault(Schema):
    """Why there is no answer."""

    detail: str


class Misread(Schema):
    """What of the question cannot be read."""

    detail: list[dict[str, Any]]


class OfToken(HttpBearer):
    """A personal token; it reads the rows of one centre that its holder may read there."""

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        """Return the holder, or none. Refuses (HttpError) one who no longer works there, or is in haste."""
        row = holder_of(token.strip())
        person = (
            get_user_model().objects.filter(username=row.username, is_active=True).first() if row else None
        )
        if row is None or person is None:
            return None
        request.user = person
        request.sites = [s for s in _sites(request, person) if s == row.site_id]  # type: ignore[attr-defined]
        if not request.sites:  # type: ignore[attr-defined]
            raise HttpError(403, "The holder of this token no longer works at its centre.")
        return _patient(person)


class OfSession(APIKeyCookie):
    """The session of who is signed in."""

    param_name = settings.SESSION_COOKIE_NAME

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:  # noqa: ARG002  the middleware read it
        """Return who is signed in, or none. Refuses (HttpError) who may not, or is in haste."""
        if not request.user.is_authenticated:
            return None
        request.sites = _sites(request, request.user)  # type: ignore[attr-defined]
        return _patient(request.user)


def _sites(request: HttpRequest, person: Any) -> list[str]:
    name = request.resolver_match.view_name if request.resolver_match else ""
    try:
        return sites_of(person, roles=permissions()[name].roles("GET"))
    except PermissionDenied as error:
        raise HttpError(403, str(error)) from error


def _patient(person: Any) -> Any:
    """The person, who may ask again in a while (HttpError 429) after too many questions."""
    key = f"api-{person.get_username()}-{int(time.time()) // 60}"
    cache.add(key, 0, timeout=120)
    if cache.incr(key) > A_MINUTE:
        raise HttpError(429, f"More than {A_MINUTE} questions in a minute. Wait a minute.")
    return person


api = NinjaAPI(
    title="Commensal registry",
    version=__version__,
    description=__doc__ or "",
    urls_namespace="api",
    docs_url=None,
    openapi_url=None,
    auth=[OfToken(), OfSession()],
)


@api.exception_handler(AuthenticationError)
def _unknown(_: HttpRequest, __: Any) -> HttpResponse:
    refused = JsonResponse({"detail": "Sign in, or send a personal token."}, status=401)
    refused.headers["WWW-Authenticate"] = "Bearer"
    return refused


@api.exception_handler(Http404)
def _absent(_: HttpRequest, __: Any) -> HttpResponse:
    return JsonResponse({"detail": "No such row at your centres."}, status=404)


def _schema(table: Table) -> type[Schema]:
    """One row of a table, as the declaration says; what is not known is null."""
    fields: dict[str, Any] = {c.name: (_type(c), Field(..., description=c.meaning)) for c in table.declared}
    return create_model(_words(table.name), __base__=Schema, __doc__=f"{table.row}.", **fields)


def _type(column: Column) -> Any:
    known = _TYPES.get(column.kind, str)
    return known if column.is_required else known | None


def _words(table: str) -> str:
    return "".join(part.capitalize() for part in table.split("_"))


Key = Annotated[str, Field(max_length=64, pattern=r"^[^\x00]+$")]
FAULTS = {401: Fault, 403: Fault, 422: Misread, 429: Fault}


def _add(table: Table) -> None:
    row, key = _schema(table), table.key[0]
    names = [c.name for c in table.declared]
    page = create_model(
        f"{_words(table.name)}Page",
        __base__=Schema,
        items=(list[row], Field(..., description="The rows, by key.")),  # type: ignore[valid-type]
        next=(str | None, Field(..., description="Key to go on after; null on the last page.")),
    )
    name = table.name.replace("_", "-")

    @api.get(f"/{name}", response={200: page, **FAULTS}, url_name=f"api-{name}", tags=[name],
             operation_id=f"list_{table.name}", summary=f"Rows of {table.name}, by key")  # fmt: skip
    def rows_of(
        request: HttpRequest,
        after: Annotated[Key | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
    ) -> Any:
        rows = seen(request, table.name)
        rows = rows.filter(pk__gt=after) if after else rows
        found = list(rows.order_by("pk").values(*names)[: limit + 1])
        return {"items": found[:limit], "next": found[limit - 1][key] if len(found) > limit else None}

    @api.get(f"/{name}/{{key}}", response={200: row, **FAULTS, 404: Fault}, url_name=f"api-{name}-one",
             tags=[name], operation_id=f"get_{table.name}", summary=f"One of {table.name}")  # fmt: skip
    def one_of(request: HttpRequest, key: Key) -> Any:
        found = one(request, table.name, key)
        return {column: getattr(found, attribute_name(table[column])) for column in names}


for _table in TABLES:
    _add(INPUTS[_table])


def openapi(_: HttpRequest) -> HttpResponse:
    """The description of the interface."""
    return JsonResponse(api.get_openapi_schema(path_prefix=f"/{ROOT}"))


def addresses() -> list[URLPattern]:
    """The addresses of the interface, each by its own name, so that each has its permission."""
    made = [path(f"{ROOT}openapi.json", openapi, name="api-openapi")]
    for pattern in api.urls[0]:
        if str(pattern.name).startswith("api-") and pattern.name != "api-root":
            view: Callable[..., Any] = login_not_required(pattern.callback)
            made.append(path(f"{ROOT}{pattern.pattern}", view, name=pattern.name))
    return made
