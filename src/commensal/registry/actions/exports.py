"""What leaves the house: every export with its purpose and its number of rows on record; personal tokens."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.utils import timezone

from commensal.errors import InputError, nearest
from commensal.registry.actions.desk import Desk, action
from commensal.registry.exporting import KINDS, Circumstances, Export, export
from commensal.registry.models import MODELS
from commensal.registry.rows import all_frames
from commensal.registry.scope import roles_of, within
from commensal.registry.withheld import withhold

LONGEST_DAYS = 366
TOKEN_START = "cmsl_"


@action("data_manager", "quality")
def export_site(desk: Desk, *, site: str, kind: str, purpose: str) -> Export:
    """Return the tables of a centre as a file, without what a withdrawal forbids, and record that they left.

    Refuses (InputError) an export without a purpose.
    """
    centre = desk.one("sites", site)
    if kind not in KINDS:
        raise InputError(f"there is no export {kind!r}", expected=nearest(kind, KINDS))
    if not purpose.strip():
        raise InputError("no purpose given", expected="what the data are for", do="say it in words")
    frames, withheld = withhold(all_frames(sites=[centre.pk]), on=timezone.localdate())
    at = datetime.now(UTC)
    given = Circumstances(at=at, site=centre.pk, key=secrets.token_bytes(32), notes=withheld.notes)
    made = export(kind, frames, circumstances=given)
    desk.add(
        "accesses",
        seen_at=at,
        actor=desk.name,
        kind="export",
        page=kind,
        site_id=centre.pk,
        n_rows=made.n_rows,
        purpose=purpose.strip(),
    )
    return made


@action("coordinator", "physician", "lab", "data_manager", "quality", "monitor")
def make_token(desk: Desk, *, site: str, name: str, expires_on: date) -> str:
    """Make a personal token for one centre and return it; only its digest is kept.

    Refuses (InputError) one that would outlive a year.
    """
    centre = desk.one("sites", site)
    today = timezone.localdate()
    if not today <= expires_on <= today + timedelta(days=LONGEST_DAYS):
        raise InputError(f"it would expire on {expires_on}", expected="a day from today to a year ahead")
    token = TOKEN_START + secrets.token_urlsafe(32)
    desk.add(
        "tokens",
        site_id=centre.pk,
        username=desk.name,
        name=name.strip(),
        digest=digest_of(token),
        made_at=datetime.now(UTC),
        expires_on=expires_on,
    )
    return token


@action("coordinator", "physician", "lab", "data_manager", "quality", "monitor")
def revoke_token(desk: Desk, *, token: str) -> Any:
    """Take a token back: one's own, or, for quality, anybody's at the centre."""
    row = desk.one("tokens", token)
    if row.username != desk.name and "quality" not in roles_of(desk.by):
        raise InputError("this is another person's token", do="ask its holder, or quality")
    return row if row.revoked_at else desk.change(row, revoked_at=datetime.now(UTC))


def digest_of(token: str) -> str:
    """Return what is kept of a token: it has 256 random bits, so that a plain digest is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def holder_of(token: str) -> Any:
    """Return the row of a token that may be used today, or none."""
    found = MODELS["tokens"].objects.filter(digest=digest_of(token), revoked_at__isnull=True)
    return found.filter(expires_on__gte=timezone.localdate()).first()


def tokens_of(person: Any, *, sites: list[str]) -> list[Any]:
    """Return a person's own tokens, newest first."""
    return list(within("tokens", sites=sites).filter(username=person.get_username()).order_by("-made_at"))
