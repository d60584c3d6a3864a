"""What went wrong in the bank, why, and what was done so that it does not happen again."""

from __future__ import annotations

from django.db.models import CheckConstraint, Q

from commensal.registry.fields import no_later
from commensal.registry.tables.bank import centre, who
from commensal.registry.tables.declaration import Owned
from commensal.study.declaration import Privacy, Table, code, date, flag, identifier, instant, text

SEVERITIES = ("minor", "major", "critical")
STEPS = ("corrective", "preventive")

DEVIATIONS = Owned(
    Table(
        "deviations",
        "one departure from how it should have been",
        ("deviation_id",),
        (
            identifier("deviation_id", "The deviation.", is_required=True),
            centre(),
            text("account", "What happened."),
            date("happened_on", "Day it happened."),
            date("found_on", "Day it was found.", is_required=True),
            who("found_by", "Who found it."),
            code("severity", SEVERITIES, "How grave it is.", is_required=True, privacy=Privacy.NONE),
            identifier("unit_id", "Unit it touches.", references="units"),
            identifier("batch_id", "Batch it touches.", references="batches"),
            identifier("donor_id", "Donor it touches.", references="donors"),
            identifier("equipment_id", "Equipment it touches.", references="equipment"),
            text("containment", "What was done at once."),
            text("root_cause", "Root cause, once it is known."),
            flag("is_effective", "What was done has worked."),
            text("effectiveness", "How it was checked that what was done has worked."),
            date("closed_on", "Day quality closed it."),
            instant("closed_at", "When quality signed."),
            who("closed_by", "Who of quality signed."),
        ),
    ),
    sites=("site",),
    constraints=(
        CheckConstraint(name="deviations_say_what_happened", condition=Q(account__isnull=False)),
        CheckConstraint(
            name="deviations_closed_only_when_done",
            condition=Q(closed_on__isnull=True)
            | Q(
                root_cause__isnull=False,
                is_effective=True,
                effectiveness__isnull=False,
                closed_by__isnull=False,
                closed_at__isnull=False,
            ),
        ),
        no_later("deviations", "happened_on", "found_on"),
        no_later("deviations", "found_on", "closed_on"),
    ),
)

REMEDIES = Owned(
    Table(
        "remedies",
        "one corrective or preventive action on a deviation",
        ("remedy_id",),
        (
            identifier("remedy_id", "The action.", is_required=True),
            identifier("deviation_id", "The deviation.", references="deviations", is_required=True),
            code("kind", STEPS, "Corrective or preventive.", is_required=True, privacy=Privacy.NONE),
            text("task", "What is to be done."),
            who("owner", "Who sees to it."),
            date("due_on", "By when.", is_required=True),
            date("done_on", "Day it was done."),
            who("done_by", "Who recorded it as done."),
            text("outcome", "What was done."),
        ),
    ),
    sites=("deviation__site",),
    constraints=(
        CheckConstraint(
            name="remedies_have_task_and_owner", condition=Q(task__isnull=False, owner__isnull=False)
        ),
        CheckConstraint(
            name="remedies_done_by_somebody",
            condition=Q(done_on__isnull=True) | Q(done_by__isnull=False, outcome__isnull=False),
        ),
    ),
)

OWNED = (DEVIATIONS, REMEDIES)
