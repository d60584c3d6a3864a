"""The bar at the top of every page: the pages a person may open, in the order of the day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from commensal.registry.permissions import permissions
from commensal.registry.scope import roles_of


@dataclass(frozen=True)
class Stop:
    """One entry of the bar: the page it opens, its words, and the beginnings of the paths it stands for."""

    page: str
    words: Any
    paths: tuple[str, ...]


STOPS = (
    Stop("today", _("Today"), ()),
    Stop("patients", _("Patients"), ("/patients", "/visits")),
    Stop("donors", _("Donors"), ("/donors", "/donations", "/results")),
    Stop("units", _("Units"), ("/units", "/custody", "/holds")),
    Stop("trace", _("Trace"), ("/trace",)),
    Stop("people", _("People"), ("/people",)),
)


def bar(request: HttpRequest) -> dict[str, Any]:
    """Context of every page: the entries a person may open and which of them is here."""
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return {"bar": []}
    held = roles_of(request.user)
    return {
        "bar": [
            {
                "href": reverse(stop.page),
                "words": stop.words,
                "is_here": request.path == reverse(stop.page) or request.path.startswith(stop.paths),
            }
            for stop in STOPS
            if permissions()[stop.page].roles("GET") & held
        ]
    }
