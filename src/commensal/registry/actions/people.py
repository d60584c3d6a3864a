"""Changes to who people are: the vault's entries, opening one, and whether two are one person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.crypto import salted_hmac

from commensal.errors import InputError, RefusedError
from commensal.registry.actions.desk import Desk, action
from commensal.registry.models import MODELS
from commensal.registry.vault import MARKED, Vault, VaultLockedError, marks_of, open_vault

SEALED = ("names", "contacts", "hospital_number", "national_number")


@dataclass(frozen=True)
class Match:
    """Two entries of the vault that may be one person; ``other_person`` is empty at another centre.

    ``other`` is a handle of the second entry: it names the entry here, and says nothing elsewhere.
    """

    identity_id: str
    other: str
    person: str
    other_person: str
    agrees: tuple[str, ...]


def the_vault() -> Vault:
    """Return the registry's vault. Refuses (VaultLockedError) where its key is lost or another one."""
    entries = MODELS["identities"].objects.filter(key_mark__isnull=False)
    is_empty = not entries.exists() and not MODELS["attachments"].objects.exists()
    vault = open_vault(settings.FOLDER, given=settings.VAULT_KEY, is_empty=is_empty)
    if entries.exclude(key_mark=vault.fingerprint).exists():
        raise VaultLockedError(
            "the vault's key is not the one that sealed its entries",
            expected="the key they were sealed with",
            do="put that key back; nothing was changed",
        )
    return vault


@action("coordinator", "physician")
def enter_identity(
    desk: Desk, *, patient: str | None = None, donor: str | None = None, **values: str | None
) -> list[Match]:
    """Enter or correct who a patient or donor is; what is left empty stays as it was.

    Returns the entries, of any centre, that may be the same person. Refuses (VaultLockedError) to write with
    another key than the entries before.
    """
    owner = _owner(desk, patient=patient, donor=donor)
    given = {name: text.strip() for name, text in values.items() if text and text.strip()}
    if not given or set(given) - set(SEALED):
        raise InputError("nothing to keep was entered", expected="a name, a contact or a number")
    vault = the_vault()
    mine = {"patient_id": patient} if patient else {"donor_id": donor}
    row = MODELS["identities"].objects.filter(**mine).first()
    known = {**(_opened(row, vault) if row else {}), **given}
    sealed = {name: vault.seal(text) for name, text in given.items()}
    marks = marks_of(known, born_on=owner.born_on, site=owner.site_id or "", vault=vault)
    marks |= {"key_mark": vault.fingerprint}
    row = desk.change(row, **sealed, **marks) if row else desk.add("identities", **mine, **sealed, **marks)
    return matches_of(row, sites=desk.sites)


@action("coordinator", "physician")
def open_identity(
    desk: Desk, *, purpose: str, patient: str | None = None, donor: str | None = None
) -> dict[str, str]:
    """Return who a patient or donor is, in clear; the look and its purpose are recorded first."""
    if not purpose.strip():
        raise InputError("no purpose was stated", do="say what the identity is needed for")
    owner = _owner(desk, patient=patient, donor=donor)
    mine = {"patient_id": patient} if patient else {"donor_id": donor}
    row = MODELS["identities"].objects.filter(**mine).first()
    if row is None:
        raise RefusedError("nobody has entered who this is", do="enter it first")
    desk.add(
        "accesses",
        seen_at=timezone.now(),
        actor=desk.name,
        kind="vault",
        page="identity",
        site_id=owner.site_id,
        purpose=purpose.strip(),
        **mine,
    )
    return _opened(row, the_vault())


@action("coordinator", "physician", needs_reason=True)
def correct_patient(desk: Desk, *, patient: str, **values: Any) -> Any:
    """Correct what stands in a patient's own row; the marks of the vault follow a date of birth."""
    row = desk.change(desk.one("patients", patient), **values)
    _mark_again(desk, row, {"patient_id": patient})
    return row


@action("coordinator", "physician", needs_reason=True)
def correct_donor(desk: Desk, *, donor: str, **values: Any) -> Any:
    """Correct what stands in a donor's own row, but not the status: that is decided."""
    if "status" in values or "deferred_until_on" in values:
        raise InputError("a donor's status is not corrected here", do="record a decision")
    row = desk.change(desk.one("donors", donor), **values)
    _mark_again(desk, row, {"donor_id": donor})
    return row


def _mark_again(desk: Desk, owner: Any, mine: Mapping[str, str]) -> None:
    entry = MODELS["identities"].objects.filter(**mine).first()
    if entry is not None:
        vault = the_vault()
        known = _opened(entry, vault)
        desk.change(entry, **marks_of(known, born_on=owner.born_on, site=owner.site_id or "", vault=vault))


@action("coordinator", "physician", needs_reason=True)
def rule_pair(desk: Desk, *, identity: str, other: str, ruling: str, note: str = "") -> Any:
    """Decide whether two entries that agree are one person. The last decision counts; none is taken back."""
    mine = desk.one("identities", identity)
    theirs = next((row for row in _agreeing_with(mine) if handle_of(row.pk) == other), None)
    if theirs is None:
        raise InputError("these two entries do not agree in anything", do="go back to the list")
    return desk.add(
        "ruled_pairs",
        identity_id=mine.pk,
        other_id=theirs.pk,
        ruling=ruling,
        ruled_at=timezone.now(),
        ruled_by=desk.name,
        reason=note or None,
    )


def _owner(desk: Desk, *, patient: str | None, donor: str | None) -> Any:
    if bool(patient) == bool(donor):
        raise InputError("an identity is of one patient or one donor")
    return desk.one("patients", patient) if patient else desk.one("donors", donor)


def _opened(row: Any, vault: Vault) -> dict[str, str]:
    return {name: vault.open(getattr(row, name)) for name in SEALED if getattr(row, name)}


# --- the same person twice. Marks are compared across centres; what is told of another centre is nothing.


def matches_of(entry: Any, *, sites: Iterable[str]) -> list[Match]:
    """Return the other entries that agree with one in a mark and were not ruled different people."""
    entry, ruled = _with_owners().get(pk=entry.pk), rulings()
    return [
        _match(entry, other, set(sites))
        for other in _agreeing_with(entry)
        if not _is_declared(entry, other) and ruled.get(frozenset((entry.pk, other.pk))) != "different_people"
    ]


def _agreeing_with(entry: Any) -> Any:
    """The entries of any centre that have a mark of this one."""
    same = Q(pk__in=[])
    for name in MARKED:
        if value := getattr(entry, name):
            same |= Q(**{name: value})
    return _with_owners().filter(same).exclude(pk=entry.pk)


def handle_of(identity: str) -> str:
    """Return what names an entry in an address without being its key."""
    return salted_hmac("commensal pair", identity, algorithm="sha256").hexdigest()[:24]


def open_pairs(*, sites: Iterable[str]) -> list[Match]:
    """Return the pairs, one of them at these centres, that agree in a mark and wait for a decision."""
    own, ruled = set(sites), rulings()
    pairs: dict[frozenset[str], Match] = {}
    for name in MARKED:
        filled = MODELS["identities"].objects.filter(**{f"{name}__isnull": False})
        twice = filled.values(name).annotate(n=Count("pk")).filter(n__gt=1).values_list(name, flat=True)
        groups: dict[str, list[Any]] = {}
        for row in _with_owners().filter(**{f"{name}__in": list(twice)}).order_by("pk"):
            groups.setdefault(getattr(row, name), []).append(row)
        for group in groups.values():
            for first, second in _pairs(group):
                key = frozenset((first.pk, second.pk))
                if key not in ruled and key not in pairs and not _is_declared(first, second):
                    ordered = (first, second) if _site(first) in own else (second, first)
                    if _site(ordered[0]) in own:
                        pairs[key] = _match(*ordered, own)
    return sorted(pairs.values(), key=lambda match: (match.person, match.other_person))


def rulings() -> dict[frozenset[str], str]:
    """Return the last decision on each pair of entries."""
    rows = MODELS["ruled_pairs"].objects.order_by("ruled_at", "pk")
    return {
        frozenset((i, o)): ruling for i, o, ruling in rows.values_list("identity_id", "other_id", "ruling")
    }


def people_twice() -> list[tuple[str, str]]:
    """Return the pairs of pseudonyms that were ruled one person."""
    names = {row.pk: _person(row) for row in _with_owners()} if MODELS["ruled_pairs"].objects.exists() else {}
    return sorted(
        tuple(sorted(names[pk] for pk in pair))  # type: ignore[misc]
        for pair, ruling in rulings().items()
        if ruling == "same_person"
    )


def _pairs(rows: list[Any]) -> Iterable[tuple[Any, Any]]:
    return ((a, b) for i, a in enumerate(rows) for b in rows[i + 1 :])


def _with_owners() -> Any:
    return MODELS["identities"].objects.select_related("patient", "donor")


def _match(entry: Any, other: Any, sites: set[str]) -> Match:
    return Match(
        entry.pk,
        handle_of(other.pk),
        _person(entry) if _site(entry) in sites else "",
        _person(other) if _site(other) in sites else "",
        tuple(MARKED[name] for name in _agreeing(entry, other)),
    )


def _agreeing(one: Any, other: Any) -> list[str]:
    return [name for name in MARKED if getattr(one, name) and getattr(one, name) == getattr(other, name)]


def _is_declared(one: Any, other: Any) -> bool:
    """Whether one is the autologous donor of the other: known to be one person."""
    return any(
        a.donor_id and b.patient_id and a.donor.kind == "autologous" and a.donor.patient_id == b.patient_id
        for a, b in ((one, other), (other, one))
    )


def _site(entry: Any) -> str | None:
    return (entry.patient or entry.donor).site_id


def _person(entry: Any) -> str:
    return f"patient {entry.patient_id}" if entry.patient_id else f"donor {entry.donor_id}"
