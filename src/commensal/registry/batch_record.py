"""The record of one batch: one value, shown on the page and printed as a document."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from xml.sax.saxutils import escape

from django.utils import timezone
from django.utils.translation import gettext as _
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from commensal.registry.words import label_of

BODY = ParagraphStyle("body", fontName="Helvetica", fontSize=9, leading=11.5)
HEAD = ParagraphStyle("head", parent=BODY, fontName="Helvetica-Bold", fontSize=15, leading=20)
PART = ParagraphStyle("part", parent=BODY, fontName="Helvetica-Bold", fontSize=11, leading=15, spaceBefore=8)
LINE = HexColor("#999999")
WIDE = 174 * mm


@dataclass(frozen=True)
class Section:
    """One part of the record: a heading, column heads, rows of text; ``caution`` where something is amiss."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caution: str = ""


@dataclass(frozen=True)
class BatchRecord:
    """What is known of how a batch was made: rows of the registry."""

    batch: Any
    processing: Any
    parts: list[Any]
    shares: dict[str, float | None]
    lots: list[Any]
    equipment: list[Any]
    units: list[Any]
    samples: list[Any]

    @property
    def sections(self) -> tuple[Section, ...]:
        """The record in words, part by part."""
        return (
            self._making(),
            self._donations(),
            self._lots(),
            self._equipment(),
            self._units(),
            self._samples(),
        )

    def _making(self) -> Section:
        batch, processing = self.batch, self.processing
        facts = (
            (_("Product"), label_of("products", batch.product) if batch.product else None),
            (_("Produced on"), batch.produced_on),
            (_("Started"), processing and processing.started_at),
            (_("Ended"), (processing and processing.ended_at) or batch.processed_at),
            (_("Put into the freezer"), batch.frozen_at),
            (_("Room temperature, °C"), processing and processing.temperature_celsius),
            (_("Diluent"), batch.diluent),
            (_("Glycerol, %"), batch.glycerol_percent),
            (_("Atmosphere"), batch.atmosphere),
            (_("Viable units in each unit"), batch.cfu_per_unit),
            (_("Within specification"), batch.is_quality_passed),
            (_("Operator"), batch.operator),
            (_("Departures from the procedure"), processing and processing.departures),
        )
        return Section(_("Making"), (_("What"), _("Recorded")), tuple((name, words(v)) for name, v in facts))

    def _donations(self) -> Section:
        rows = tuple(
            (
                part.donation_id,
                part.donation.donor_id,
                words(part.donation.donated_on),
                words(part.mass_grams),
                _percent(self.shares.get(part.donation_id)),
            )
            for part in self.parts
        )
        heads = (_("Donation"), _("Donor"), _("Donated on"), _("Stool, g"), _("Share"))
        return Section(_("Donations"), heads, rows)

    def _lots(self) -> Section:
        rows = tuple(
            (words(lot.item), words(lot.description), lot.lot, words(lot.expires_on)) for lot in self.lots
        )
        return Section(
            _("Consumables"), (_("Item"), _("Description"), _("Lot"), _("May be used until")), rows
        )

    def _equipment(self) -> Section:
        on = self.batch.produced_on
        late = [
            piece.name
            for piece in self.equipment
            if on and piece.calibration_due_on and piece.calibration_due_on < on
        ]
        rows = tuple((p.name, words(p.kind), words(p.calibration_due_on)) for p in self.equipment)
        caution = (
            _("Calibration was overdue on the day: %(names)s.") % {"names": ", ".join(late)} if late else ""
        )
        return Section(_("Equipment"), (_("Name"), _("Kind"), _("Calibrated until")), rows, caution=caution)

    def _units(self) -> Section:
        rows = tuple(
            (
                u.pk,
                words(u.dose_grams),
                words(u.expires_on),
                words(u.custody_state),
                words(u.freezer_position),
            )
            for u in self.units
        )
        heads = (_("Unit"), _("Stool, g"), _("Expires"), _("Custody"), _("Position"))
        return Section(_("Units"), heads, rows)

    def _samples(self) -> Section:
        rows = tuple(
            (
                s.pk,
                words(s.kind),
                words(s.volume_millilitres),
                words(s.keep_until_on),
                words(s.fate or _("kept")),
            )
            for s in self.samples
        )
        heads = (_("Sample"), _("Of"), _("Volume, mL"), _("Keep until"), _("Fate"))
        return Section(_("Retention samples"), heads, rows)


def words(value: Any) -> str:
    """Return a recorded value in words; what was not recorded says so."""
    match value:
        case None | "":
            return _("not recorded")
        case bool():
            return _("yes") if value else _("no")
        case datetime():
            return f"{timezone.localtime(value):%Y-%m-%d %H:%M}"
        case date():
            return f"{value:%Y-%m-%d}"
        case float():
            return f"{value:g}"
        case _:
            return str(value).replace("_", " ")


def _percent(share: float | None) -> str:
    return words(None) if share is None else f"{100 * share:.1f} %"


def batch_pdf(record: BatchRecord, *, on: date) -> bytes:
    """Return the record as a PDF document with places to sign."""
    out = io.BytesIO()
    title = _("Batch record %(batch)s") % {"batch": record.batch.pk}
    page = SimpleDocTemplate(
        out,
        pagesize=A4,
        title=title,
        author="Commensal",
        leftMargin=18 * mm,
        rightMargin=18 * mm,
        topMargin=16 * mm,
        bottomMargin=16 * mm,
    )
    printed = _("Printed on %(day)s. For enteral use only.") % {"day": on.isoformat()}
    story = [Paragraph(escape(title), HEAD), Paragraph(escape(printed), BODY), Spacer(1, 4 * mm)]
    for section in record.sections:
        story += _part_of(section)
    signatures = [(_("Made by"), ""), (_("Checked by"), "")]
    heads = (_("Role"), _("Name, date and signature"))
    story.append(KeepTogether(_part_of(Section(_("Signatures"), heads, tuple(signatures)), height=12 * mm)))
    page.build(story)
    return out.getvalue()


def _part_of(section: Section, *, height: float | None = None) -> list[Any]:
    part: list[Any] = [Paragraph(escape(section.title), PART)]
    if section.caution:
        part.append(Paragraph(f"<b>{escape(section.caution)}</b>", BODY))
    if not section.rows:
        return [*part, Paragraph(escape(_("None recorded.")), BODY)]
    cells = [_cells(section.heads, is_bold=True), *(_cells(row) for row in section.rows)]
    n = len(section.heads)
    widths = [WIDE * 0.3, WIDE * 0.7] if n == 2 else [WIDE / n] * n
    table = Table(cells, colWidths=widths, repeatRows=1, hAlign="LEFT")
    style: list[Any] = [("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE), ("VALIGN", (0, 0), (-1, -1), "TOP")]
    if height is not None:
        style.append(("BOTTOMPADDING", (0, 1), (-1, -1), height))
    table.setStyle(TableStyle(style))
    return [*part, table]


def _cells(row: Iterable[str], *, is_bold: bool = False) -> list[Paragraph]:
    return [Paragraph(f"<b>{escape(text)}</b>" if is_bold else escape(text), BODY) for text in row]
