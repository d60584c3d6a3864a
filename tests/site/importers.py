"""A program that imports 2,000 patients, to be killed in the middle; and one that counts what is left."""

import sys

from commensal.registry.site import open_registry

N = 2_000
MAPPING = """
[[tables]]
table = "patients"
columns = { patient_id = "Patient", arm = { constant = "fmt" } }
[[tables]]
table = "sessions"
columns = { session_id = { template = "{Patient}-1" }, patient_id = "Patient", route = "Route" }
"""


def import_all():
    """Lay the file before the registry, say when writing begins, import it."""
    from commensal.registry.actions import accounts, interchange

    ann = accounts.first_person(
        username="ann", password="correct horse battery", site="S1", site_name="North"
    )
    lines = "".join(f"A-{i},enema\n" for i in range(N))
    row = interchange.lay_before(
        by=ann,
        site="S1",
        content=f"Patient,Route\n{lines}".encode(),
        file_name="a.csv",
        format_name="table",
        source="old sheet",
        has_registry_ids=False,
        mapping=MAPPING,
    )
    found = interchange.dry_run(by=ann, upload=row.pk)
    compared = interchange._compared

    def told(upload):
        made = compared(upload)
        sys.stdout.write("writing\n")
        sys.stdout.flush()
        return made

    interchange._compared = told
    interchange.apply_upload(by=ann, upload=row.pk, digest=found.digest, reason="old records")


def count():
    """Print the rows that are there and whether the audit trail is whole."""
    from commensal.registry import audit
    from commensal.registry.models import MODELS

    audit.verify()
    counts = [MODELS[t].objects.count() for t in ("patients", "sessions", "origins")]
    stage = MODELS["uploads"].objects.get().stage
    sys.stdout.write(" ".join([*map(str, counts), stage, "whole"]))


if __name__ == "__main__":
    open_registry()
    import_all() if sys.argv[1] == "import" else count()
