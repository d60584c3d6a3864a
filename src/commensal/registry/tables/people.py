"""Who people are, apart from what is known of their health, and whether two entries are one person."""

from __future__ import annotations

from django.db.models import CheckConstraint, F, Q, UniqueConstraint

from commensal.registry.tables.declaration import Owned, direct
from commensal.study.declaration import Privacy, Table, code, identifier, instant, text, word

OF_A_PERSON = Q(patient__isnull=False, donor__isnull=True) | Q(patient__isnull=True, donor__isnull=False)
RULINGS = ("same_person", "different_people")

IDENTITIES = Owned(
    Table(
        "identities",
        "who one patient or donor is: the vault",
        ("identity_id",),
        (
            identifier("identity_id", "The entry.", is_required=True),
            identifier("patient_id", "Patient of this entry.", references="patients"),
            identifier("donor_id", "Donor of this entry.", references="donors"),
            direct("names", "Name, encrypted."),
            direct("contacts", "Telephone, address and e-mail, encrypted."),
            direct("hospital_number", "Number of the person at the centre, encrypted."),
            direct("national_number", "National number of the person, encrypted."),
            word("name_mark", "Keyed digest of name and date of birth, for finding the same person twice."),
            word("hospital_mark", "Keyed digest of the centre and its hospital number."),
            word("national_mark", "Keyed digest of the national number."),
            word("key_mark", "Digest of the key that sealed the entry."),
        ),
    ),
    sites=("patient__site", "donor__site"),
    constraints=(
        CheckConstraint(name="identities_of_one_person", condition=OF_A_PERSON),
        UniqueConstraint(fields=["patient"], name="identities_once_for_a_patient"),
        UniqueConstraint(fields=["donor"], name="identities_once_for_a_donor"),
    ),
)

RULED_PAIRS = Owned(
    Table(
        "ruled_pairs",
        "one decision on whether two entries of the vault are one person",
        ("ruling_id",),
        (
            identifier("ruling_id", "The decision.", is_required=True),
            identifier("identity_id", "One entry.", references="identities", is_required=True),
            identifier("other_id", "The other entry.", references="identities", is_required=True),
            code("ruling", RULINGS, "What was decided.", is_required=True, privacy=Privacy.NONE),
            instant("ruled_at", "When."),
            text("ruled_by", "Who decided, as a pseudonym.", privacy=Privacy.PSEUDONYM),
            text("reason", "Why."),
        ),
    ),
    sites=(
        "identity__patient__site",
        "identity__donor__site",
        "other__patient__site",
        "other__donor__site",
    ),
    is_append_only=True,
    constraints=(CheckConstraint(name="ruled_pairs_of_two", condition=~Q(identity=F("other"))),),
)

OWNED = (IDENTITIES, RULED_PAIRS)
