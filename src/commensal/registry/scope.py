"""Who may see and change what: every query of a page goes through ``seen``, of an action through its desk.

A person works at centres, in roles. A row belongs to a centre by the path below; a person without a centre
sees nothing and is told so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from commensal.registry.models import MODELS, Membership
from commensal.registry.tables import OWNED

OF_PATIENT, OF_DONOR, OF_UNIT = "patient__site", "donor__site", "unit__site"
SITE_OF: dict[str, tuple[str, ...]] = {
    "sites": ("pk",),
    "patients": ("site",),
    "donors": ("site",),
    "donations": (OF_DONOR,),
    "batches": (),
    "units": ("site",),
    "courses": (OF_PATIENT,),
    "sessions": (OF_PATIENT,),
    "visits": (OF_PATIENT,),
    "dispositions": (OF_PATIENT,),
    "consents": (OF_PATIENT, OF_DONOR),
    "diagnoses": (OF_PATIENT,),
    "procedures": (OF_PATIENT,),
    "hospitalisations": (OF_PATIENT,),
    "lab_results": (OF_PATIENT,),
    "exposures": (OF_PATIENT,),
    "screenings": (OF_DONOR,),
    "unit_donors": (OF_UNIT,),
    "custody": (OF_UNIT,),
    "holds": (OF_UNIT, OF_DONOR),
    "session_units": ("session__patient__site",),
    "assessments": (OF_PATIENT,),
    "diaries": (OF_PATIENT,),
    "reported_outcomes": (OF_PATIENT,),
    "adverse_events": (OF_PATIENT,),
    **{name: owned.sites for name, owned in OWNED.items()},
}
BATCH_OF = {"batches": "pk__in", "holds": "batch__in"}
Person = AbstractBaseUser | Any


def sites_of(person: Person, *, roles: Iterable[str] | None = None) -> list[str]:
    """Return the centres where a person works (in one of the roles). Refuses one who works nowhere."""
    held = Membership.objects.filter(user=person, user__is_active=True)
    if roles is not None:
        held = held.filter(role__in=list(roles))
    sites = sorted(set(held.values_list("site_id", flat=True)))
    if not sites:
        wanted = "" if roles is None else " as " + " or ".join(sorted(roles))
        raise PermissionDenied(f"{person.get_username()} works at no centre{wanted}.")
    return sites


def roles_of(person: Person) -> set[str]:
    """Return every role a person holds anywhere."""
    return set(Membership.objects.filter(user=person).values_list("role", flat=True))


def colleagues(person: Person) -> list[tuple[str, str, str, bool]]:
    """Return who works at a person's centres: name, centre, role, whether the account is open."""
    held = Membership.objects.filter(site__in=sites_of(person)).select_related("user")
    return sorted((m.user.username, m.site_id, m.role, m.user.is_active) for m in held)


def seen(request: HttpRequest, table: str) -> QuerySet[Model]:
    """Return the rows of a table that the person may see on this page: of the centres of the page's roles."""
    return within(table, sites=request.sites)  # type: ignore[attr-defined]


def within(table: str, *, sites: Iterable[str]) -> QuerySet[Model]:
    """Return the rows of a table that belong to some centres."""
    sites = list(sites)
    mine = Q(pk__in=[])
    for path in SITE_OF[table]:
        mine |= Q(**{f"{path}__in": sites})
    if table in BATCH_OF:
        batches = MODELS["units"].objects.filter(site__in=sites, batch__isnull=False).values("batch")
        mine |= Q(**{BATCH_OF[table]: batches})
    return MODELS[table].objects.filter(mine)
