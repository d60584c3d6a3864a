"""What is recorded of the work itself: who looked at whose record, and what left the house."""

from __future__ import annotations

from commensal.registry.tables.declaration import Owned
from commensal.study.declaration import Privacy, Table, code, identifier, instant, integer, text, word

ACCESSES = Owned(
    Table(
        "accesses",
        "one look at a person's record, or one export",
        ("access_id",),
        (
            identifier("access_id", "The entry.", is_required=True),
            instant("seen_at", "When."),
            word("actor", "Account that looked."),
            code(
                "kind", ("page", "export", "vault"), "A page, an export, or the vault.", privacy=Privacy.NONE
            ),
            word("page", "Name of the page or export."),
            identifier("site_id", "Centre of the record.", references="sites"),
            identifier("patient_id", "Patient whose record was opened.", references="patients"),
            identifier("donor_id", "Donor whose record was opened.", references="donors"),
            integer("n_rows", "Rows that left with an export.", minimum=0, privacy=Privacy.NONE),
            text("purpose", "What an export was for, as stated."),
        ),
    ),
    sites=("site",),
    is_append_only=True,
)

OWNED = (ACCESSES,)
