"""The registry's tables: one model for each declared table, made from the declaration.

What is added by hand is the projection of a unit's custody (written with the event, proven equal to the
fold), who may see which centre, and the invariants that hold between columns.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint

from commensal.registry.fields import constraints_of, field_name, make_field, model_name, no_later
from commensal.registry.tables import DECLARED, OWNED
from commensal.study.declaration import Privacy


class Projection(models.Model):
    """Where a unit stands: the fold of its custody events, written in the same transaction."""

    custody_state = models.CharField(max_length=40, default="none", editable=False)
    is_released = models.BooleanField(default=False, editable=False)
    fraction_left = models.FloatField(default=1.0, editable=False)
    reserved_for = models.CharField(max_length=64, null=True, editable=False)

    class Meta:
        abstract = True


PROJECTION = ("custody_state", "is_released", "fraction_left", "reserved_for")
for _name in PROJECTION:
    Projection._meta.get_field(_name).privacy = (
        Privacy.PSEUDONYM if _name == "reserved_for" else Privacy.HEALTH
    )

EXTRA: dict[str, list[models.BaseConstraint]] = {
    "units": [
        CheckConstraint(
            name="units_given_only_if_released",
            condition=~Q(custody_state__in=["issued"]) | Q(is_released=True),
        ),
        CheckConstraint(
            name="units_historical_never_issued",
            condition=~Q(release_pathway="historical") | ~Q(custody_state__in=["reserved", "issued"]),
        ),
        CheckConstraint(
            name="units_fraction_left_is_a_share",
            condition=Q(fraction_left__gte=0) & Q(fraction_left__lte=1),
        ),
        no_later("units", "produced_on", "expires_on"),
    ],
    "custody": [
        UniqueConstraint(fields=["unit", "sequence"], name="custody_one_event_at_a_time"),
        UniqueConstraint(
            fields=["corrects"], condition=Q(corrects__isnull=False), name="custody_corrected_once"
        ),
        CheckConstraint(
            name="custody_administration_names_a_patient",
            condition=~Q(event__in=["administered", "partly_administered"]) | Q(patient__isnull=False),
        ),
        CheckConstraint(
            name="custody_release_is_signed_by_a_second_person",
            condition=~Q(event="released")
            | Q(signed_by__isnull=True)
            | ~Q(signed_by=models.F("recorded_by")),
        ),
    ],
    "holds": [
        CheckConstraint(
            name="holds_name_one_thing",
            condition=(
                Q(unit__isnull=False, batch__isnull=True, donor__isnull=True)
                | Q(unit__isnull=True, batch__isnull=False, donor__isnull=True)
                | Q(unit__isnull=True, batch__isnull=True, donor__isnull=False)
            ),
        ),
        no_later("holds", "placed_on", "lifted_on"),
    ],
    "consents": [
        CheckConstraint(
            name="consents_of_one_person",
            condition=(
                Q(patient__isnull=False, donor__isnull=True) | Q(patient__isnull=True, donor__isnull=False)
            ),
        ),
    ],
    "adverse_events": [no_later("adverse_events", "began_on", "resolved_on")],
    "exposures": [no_later("exposures", "started_on", "stopped_on")],
}


def _model(name: str) -> type[models.Model]:
    table = DECLARED[name]
    fields: dict[str, Any] = {field_name(c): make_field(c, table) for c in table.declared}
    meta = type(
        "Meta",
        (),
        {
            "db_table": name,
            "app_label": "registry",
            "constraints": [*constraints_of(table), *EXTRA.get(name, []), *_own(name)],
            "verbose_name": table.row[:100],
        },
    )
    bases = (Projection,) if name == "units" else (models.Model,)
    attributes = {"__module__": __name__, "__doc__": f"{table.row}.", "Meta": meta, **fields}
    return type(model_name(name), bases, attributes)


def _own(name: str) -> tuple[models.BaseConstraint, ...]:
    return OWNED[name].constraints if name in OWNED else ()


MODELS: dict[str, type[models.Model]] = {name: _model(name) for name in DECLARED}


class Role(models.TextChoices):
    """What a person does at a centre."""

    COORDINATOR = "coordinator"
    PHYSICIAN = "physician"
    LAB = "lab"
    DATA_MANAGER = "data_manager"
    QUALITY = "quality"
    MONITOR = "monitor"


class Membership(models.Model):
    """One role of one person at one centre."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="memberships")
    site = models.ForeignKey("registry.Sites", on_delete=models.PROTECT, related_name="+")
    role = models.CharField(max_length=20, choices=Role.choices)

    class Meta:
        db_table = "memberships"
        constraints = [
            UniqueConstraint(fields=["user", "site", "role"], name="memberships_once"),
            CheckConstraint(name="memberships_role_is_listed", condition=Q(role__in=Role.values)),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.role} at {self.site_id}"


class Audit(models.Model):
    """One change of one row, written by a database trigger; never changed, sealed to the one before."""

    seq = models.BigIntegerField(primary_key=True)
    at = models.TextField()
    actor = models.TextField()
    reason = models.TextField()
    tbl = models.TextField()
    pk_value = models.TextField()
    op = models.TextField()
    old = models.TextField(null=True)
    new = models.TextField(null=True)
    previous = models.TextField()
    digest = models.TextField()

    class Meta:
        db_table = "audit"
        managed = True
        indexes = [models.Index(fields=["tbl", "pk_value", "seq"], name="audit_of_a_row")]

    def __str__(self) -> str:
        return f"{self.seq} {self.op} {self.tbl} {self.pk_value}"
