"""What the bank keeps beside the study's tables: how a batch was made, with what, and deliveries."""

from __future__ import annotations

from django.db.models import CheckConstraint, F, Q, UniqueConstraint

from commensal.registry.fields import no_later
from commensal.registry.tables.declaration import Owned
from commensal.study.declaration import (
    Column,
    Privacy,
    Table,
    code,
    date,
    flag,
    identifier,
    instant,
    integer,
    number,
    text,
    word,
)

EQUIPMENT_KINDS = (
    "freezer",
    "refrigerator",
    "safety_cabinet",
    "anaerobic_chamber",
    "centrifuge",
    "water_bath",
    "balance",
    "other",
)
ITEMS = ("diluent", "glycerol", "filter", "capsule", "container", "label", "other")
SAMPLE_KINDS = ("product", "raw_stool")
FATES = ("tested", "thrown_away")


def centre() -> Column:
    """The centre a row of the bank belongs to."""
    return identifier("site_id", "Centre.", references="sites", is_required=True)


def who(name: str, meaning: str) -> Column:
    """Declare the account of a person of the staff."""
    return text(name, meaning, privacy=Privacy.PSEUDONYM)


EQUIPMENT = Owned(
    Table(
        "equipment",
        "one piece of equipment of a centre",
        ("equipment_id",),
        (
            identifier("equipment_id", "The piece.", is_required=True),
            centre(),
            code("kind", EQUIPMENT_KINDS, "What it is.", is_required=True, privacy=Privacy.NONE),
            word("name", "Name on the door or the plate."),
            word("serial", "Serial number."),
            date("calibration_due_on", "Day by which it is calibrated or serviced again."),
            number(
                "warmest_celsius",
                "Warmest temperature allowed inside; a warmer reading is an excursion.",
                unit="°C",
                minimum=-200,
                maximum=60,
            ),
            date("retired_on", "Day it was taken out of use."),
        ),
    ),
    sites=("site",),
    constraints=(
        UniqueConstraint(fields=["site", "name"], name="equipment_named_once_at_a_centre"),
        CheckConstraint(name="equipment_has_a_name", condition=Q(name__isnull=False)),
    ),
)

CONSUMABLE_LOTS = Owned(
    Table(
        "consumable_lots",
        "one lot of something used in processing",
        ("lot_id",),
        (
            identifier("lot_id", "The entry.", is_required=True),
            centre(),
            code("item", ITEMS, "What it is.", is_required=True, privacy=Privacy.NONE),
            word("description", "Name and strength, as on the package."),
            word("lot", "Lot number on the package."),
            word("supplier", "Supplier."),
            date("received_on", "Day it arrived."),
            date("expires_on", "Last day it may be used.", is_required=True),
            date("used_up_on", "Day the last of it was used or thrown away."),
        ),
    ),
    sites=("site",),
    constraints=(
        UniqueConstraint(fields=["site", "item", "lot"], name="consumable_lots_once_at_a_centre"),
        CheckConstraint(name="consumable_lots_have_a_number", condition=Q(lot__isnull=False)),
    ),
)

PROCESSINGS = Owned(
    Table(
        "processings",
        "how one batch was made",
        ("processing_id",),
        (
            identifier("processing_id", "The record.", is_required=True),
            identifier("batch_id", "The batch.", references="batches", is_required=True),
            centre(),
            instant("started_at", "Start of processing."),
            instant("ended_at", "End of processing."),
            number(
                "temperature_celsius",
                "Temperature of the room while processing.",
                unit="°C",
                minimum=-30,
                maximum=60,
            ),
            integer("n_donations", "Donations in the batch.", minimum=1, privacy=Privacy.NONE),
            text("departures", "What was done otherwise than the procedure says."),
            who("recorded_by", "Who recorded it."),
        ),
    ),
    sites=("site",),
    constraints=(
        UniqueConstraint(fields=["batch"], name="processings_once_for_a_batch"),
        no_later("processings", "started_at", "ended_at"),
    ),
)

BATCH_DONATIONS = Owned(
    Table(
        "batch_donations",
        "one donation's part in one batch",
        ("part_id",),
        (
            identifier("part_id", "The part.", is_required=True),
            identifier("batch_id", "The batch.", references="batches", is_required=True),
            identifier("donation_id", "The donation.", references="donations", is_required=True),
            number("mass_grams", "Stool that went in.", unit="g", minimum=0, maximum=2000),
        ),
    ),
    sites=("donation__donor__site",),
    constraints=(
        UniqueConstraint(fields=["batch", "donation"], name="batch_donations_once"),
        CheckConstraint(
            name="batch_donations_of_some_mass", condition=Q(mass_grams__isnull=True) | Q(mass_grams__gt=0)
        ),
    ),
)

BATCH_LOTS = Owned(
    Table(
        "batch_lots",
        "one lot of a consumable used in one batch",
        ("use_id",),
        (
            identifier("use_id", "The use.", is_required=True),
            identifier("batch_id", "The batch.", references="batches", is_required=True),
            identifier("lot_id", "The lot.", references="consumable_lots", is_required=True),
        ),
    ),
    sites=("lot__site",),
    constraints=(UniqueConstraint(fields=["batch", "lot"], name="batch_lots_once"),),
)

BATCH_EQUIPMENT = Owned(
    Table(
        "batch_equipment",
        "one piece of equipment used in one batch",
        ("use_id",),
        (
            identifier("use_id", "The use.", is_required=True),
            identifier("batch_id", "The batch.", references="batches", is_required=True),
            identifier("equipment_id", "The piece.", references="equipment", is_required=True),
        ),
    ),
    sites=("equipment__site",),
    constraints=(UniqueConstraint(fields=["batch", "equipment"], name="batch_equipment_once"),),
)

RETENTION_SAMPLES = Owned(
    Table(
        "retention_samples",
        "one sample kept of a batch or of its stool",
        ("sample_id",),
        (
            identifier("sample_id", "The sample.", is_required=True),
            identifier("batch_id", "The batch.", references="batches", is_required=True),
            identifier("donation_id", "The donation, for a sample of raw stool.", references="donations"),
            centre(),
            code("kind", SAMPLE_KINDS, "Of the product or of the raw stool.", is_required=True),
            number("volume_millilitres", "Volume.", unit="mL", minimum=0, maximum=500),
            date("taken_on", "Day it was taken."),
            date("keep_until_on", "First day it may be thrown away."),
            code("fate", FATES, "Used for a test, or thrown away.", privacy=Privacy.NONE),
            date("gone_on", "Day it was used up or thrown away."),
            text("gone_reason", "What it was used for, or why it was thrown away."),
        ),
    ),
    sites=("site",),
    constraints=(
        CheckConstraint(
            name="retention_samples_of_stool_name_a_donation",
            condition=~Q(kind="raw_stool") | Q(donation__isnull=False),
        ),
        CheckConstraint(
            name="retention_samples_kept_long_enough",
            condition=Q(fate__isnull=True)
            | Q(fate="tested", gone_on__isnull=False)
            | Q(fate="thrown_away", gone_on__gte=F("keep_until_on")),
        ),
    ),
)

RECEIPTS = Owned(
    Table(
        "receipts",
        "one delivery of a supplier's product",
        ("receipt_id",),
        (
            identifier("receipt_id", "The delivery.", is_required=True),
            centre(),
            word("supplier", "Supplier."),
            word("supplier_lot", "Supplier's lot."),
            code("product", "products", "Product delivered.", is_required=True, privacy=Privacy.NONE),
            integer("n_units", "Units delivered.", minimum=1, maximum=500, privacy=Privacy.NONE),
            date("received_on", "Day of arrival.", is_required=True),
            number("arrival_celsius", "Temperature on arrival.", unit="°C", minimum=-200, maximum=60),
            word("certificate", "Number of the supplier's certificate for the lot."),
            flag("is_accepted", "Packages whole, temperature kept, papers complete."),
            text("remark", "What was wrong or remarkable."),
            who("received_by", "Who took it in."),
        ),
    ),
    sites=("site",),
    constraints=(
        CheckConstraint(
            name="receipts_name_supplier_and_lot",
            condition=Q(supplier__isnull=False, supplier_lot__isnull=False),
        ),
    ),
)

SHIPMENTS = Owned(
    Table(
        "shipments",
        "one unit on its way to another place",
        ("shipment_id",),
        (
            identifier("shipment_id", "The shipment.", is_required=True),
            identifier("unit_id", "Unit sent.", references="units", is_required=True),
            identifier("from_site_id", "Centre that sent it.", references="sites", is_required=True),
            identifier("to_site_id", "Centre it goes to.", references="sites"),
            word("to_place", "Hospital it goes to, where that is no centre of this registry."),
            instant("shipped_at", "When it left."),
            who("shipped_by", "Who sent it."),
            word("carrier", "Carrier and number of the parcel."),
            instant("received_at", "When it arrived."),
            who("received_by", "Who took it in."),
            number("arrival_celsius", "Temperature on arrival.", unit="°C", minimum=-200, maximum=60),
            flag("is_cold_chain_unbroken", "The temperature was kept all the way."),
        ),
    ),
    sites=("from_site", "to_site"),
    constraints=(
        CheckConstraint(
            name="shipments_go_to_one_place",
            condition=Q(to_site__isnull=False, to_place__isnull=True)
            | Q(to_site__isnull=True, to_place__isnull=False),
        ),
        UniqueConstraint(
            fields=["unit"], condition=Q(received_at__isnull=True), name="shipments_one_at_a_time"
        ),
    ),
)

OWNED = (
    EQUIPMENT,
    CONSUMABLE_LOTS,
    PROCESSINGS,
    BATCH_DONATIONS,
    BATCH_LOTS,
    BATCH_EQUIPMENT,
    RETENTION_SAMPLES,
    RECEIPTS,
    SHIPMENTS,
)
