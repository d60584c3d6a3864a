"""Who people are, apart from what is known of their health."""

from __future__ import annotations

from django.db.models import CheckConstraint, Q, UniqueConstraint

from commensal.registry.tables.declaration import Owned, direct
from commensal.study.declaration import Table, identifier, word

OF_A_PERSON = Q(patient__isnull=False, donor__isnull=True) | Q(patient__isnull=True, donor__isnull=False)

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
            word("hospital_mark", "Keyed digest of the hospital number."),
            word("national_mark", "Keyed digest of the national number."),
        ),
    ),
    sites=("patient__site", "donor__site"),
    constraints=(
        CheckConstraint(name="identities_of_one_person", condition=OF_A_PERSON),
        UniqueConstraint(fields=["patient"], name="identities_once_for_a_patient"),
        UniqueConstraint(fields=["donor"], name="identities_once_for_a_donor"),
    ),
)

OWNED = (IDENTITIES,)
