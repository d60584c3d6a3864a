"""Where material stands: shelves, racks and boxes, what stood where and when, and how cold it was."""

from __future__ import annotations

from django.db.models import CheckConstraint, Q, UniqueConstraint

from commensal.registry.fields import no_later
from commensal.registry.tables.bank import who
from commensal.registry.tables.declaration import Owned
from commensal.study.declaration import (
    Privacy,
    Table,
    code,
    date,
    identifier,
    instant,
    integer,
    number,
    text,
    word,
)

PLACES_KINDS = ("shelf", "rack", "box")
DISPOSITIONS = ("usable", "discard")
OCCUPIED = Q(until_at__isnull=True)

PLACES = Owned(
    Table(
        "places",
        "one shelf, rack or box",
        ("place_id",),
        (
            identifier("place_id", "The place.", is_required=True),
            identifier("equipment_id", "Freezer it is in.", references="equipment", is_required=True),
            identifier("parent_id", "Shelf or rack it stands in.", references="places"),
            code("kind", PLACES_KINDS, "Shelf, rack or box.", is_required=True, privacy=Privacy.NONE),
            word("name", "Name on the label."),
            integer("n_rows", "Rows of a box.", minimum=1, maximum=26, privacy=Privacy.NONE),
            integer("n_columns", "Columns of a box.", minimum=1, maximum=40, privacy=Privacy.NONE),
        ),
    ),
    sites=("equipment__site",),
    constraints=(
        UniqueConstraint(fields=["equipment", "parent", "name"], name="places_named_once_in_a_place"),
        UniqueConstraint(
            fields=["equipment", "name"],
            condition=Q(parent__isnull=True),
            name="places_named_once_in_a_freezer",
        ),
        CheckConstraint(
            name="places_that_are_boxes_have_a_grid",
            condition=Q(kind="box", n_rows__isnull=False, n_columns__isnull=False)
            | (~Q(kind="box") & Q(n_rows__isnull=True, n_columns__isnull=True)),
        ),
        CheckConstraint(name="places_have_a_name", condition=Q(name__isnull=False)),
    ),
)

PLACEMENTS = Owned(
    Table(
        "placements",
        "one stay of a unit or a retention sample at one position of a box",
        ("placement_id",),
        (
            identifier("placement_id", "The stay.", is_required=True),
            identifier("box_id", "The box.", references="places", is_required=True),
            integer("box_row", "Row, from 1.", minimum=1, maximum=26, is_required=True, privacy=Privacy.NONE),
            integer(
                "box_column", "Column, from 1.", minimum=1, maximum=40, is_required=True, privacy=Privacy.NONE
            ),
            identifier("unit_id", "Unit that stands there.", references="units"),
            identifier("sample_id", "Retention sample that stands there.", references="retention_samples"),
            instant("since_at", "Put there."),
            instant("until_at", "Taken away; empty while it stands there."),
            identifier("ended_by", "Custody event that took it away.", references="custody"),
        ),
    ),
    sites=("box__equipment__site",),
    constraints=(
        UniqueConstraint(
            fields=["box", "box_row", "box_column"], condition=OCCUPIED, name="placements_one_at_a_position"
        ),
        UniqueConstraint(fields=["unit"], condition=OCCUPIED, name="placements_one_position_of_a_unit"),
        UniqueConstraint(fields=["sample"], condition=OCCUPIED, name="placements_one_position_of_a_sample"),
        CheckConstraint(
            name="placements_of_one_thing",
            condition=Q(unit__isnull=False, sample__isnull=True) | Q(unit__isnull=True, sample__isnull=False),
        ),
        CheckConstraint(name="placements_begin", condition=Q(since_at__isnull=False)),
        no_later("placements", "since_at", "until_at"),
    ),
)

TEMPERATURES = Owned(
    Table(
        "temperatures",
        "one reading of the temperature inside a freezer or refrigerator",
        ("reading_id",),
        (
            identifier("reading_id", "The reading.", is_required=True),
            identifier("equipment_id", "Freezer or refrigerator.", references="equipment", is_required=True),
            instant("read_at", "When."),
            number(
                "celsius",
                "Temperature read.",
                unit="°C",
                minimum=-200,
                maximum=60,
                is_required=True,
                privacy=Privacy.NONE,
            ),
            who("read_by", "Who read it."),
        ),
    ),
    sites=("equipment__site",),
    is_append_only=True,
)

EXCURSIONS = Owned(
    Table(
        "excursions",
        "one time in which a freezer or refrigerator was too warm",
        ("excursion_id",),
        (
            identifier("excursion_id", "The excursion.", is_required=True),
            identifier("equipment_id", "Freezer or refrigerator.", references="equipment", is_required=True),
            instant("began_at", "From when it was too warm, at the earliest."),
            instant("ended_at", "Until when; empty while it lasts or where it is not known."),
            number("peak_celsius", "Warmest temperature known.", unit="°C", minimum=-200, maximum=60),
            text("account", "What happened."),
            who("recorded_by", "Who recorded it."),
        ),
    ),
    sites=("equipment__site",),
    constraints=(no_later("excursions", "began_at", "ended_at"),),
)

EXCURSION_UNITS = Owned(
    Table(
        "excursion_units",
        "one unit that an excursion may have warmed",
        ("excursion_unit_id",),
        (
            identifier("excursion_unit_id", "The entry.", is_required=True),
            identifier("excursion_id", "The excursion.", references="excursions", is_required=True),
            identifier("unit_id", "The unit.", references="units", is_required=True),
            identifier("hold_id", "The hold placed on it.", references="holds", is_required=True),
            code("disposition", DISPOSITIONS, "What quality decided.", privacy=Privacy.NONE),
            date("decided_on", "Day of the decision."),
            who("decided_by", "Who decided."),
            text("rationale", "Why."),
        ),
    ),
    sites=("excursion__equipment__site",),
    constraints=(
        UniqueConstraint(fields=["excursion", "unit"], name="excursion_units_once"),
        CheckConstraint(
            name="excursion_units_decided_with_a_reason",
            condition=Q(disposition__isnull=True)
            | Q(decided_on__isnull=False, decided_by__isnull=False, rationale__isnull=False),
        ),
    ),
)

OWNED = (PLACES, PLACEMENTS, TEMPERATURES, EXCURSIONS, EXCURSION_UNITS)
