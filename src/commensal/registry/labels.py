"""Labels on sheets of paper: a QR code, a Code 128 and the few words that must stand on a unit.

No label names a donor or a patient.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import segno
from django.utils.translation import gettext as _
from reportlab.graphics.barcode.code128 import Code128
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from commensal.registry.words import label_of
from commensal.vocabulary.materials import products

QUIET = 4
"""Blank modules around a QR code that a reader needs (ISO/IEC 18004)."""
MASK = 2
FONT, BOLD = "Helvetica", "Helvetica-Bold"
WIDEST_BAR = 0.38 * mm
DOT = 72 / 300
"""One dot of a printer of 300 dots to the inch, in points."""


@dataclass(frozen=True)
class Sheet:
    """A sheet of labels, in millimetres: columns and rows, the size of a label, margins, pitch, text size."""

    title: str
    n_columns: int
    n_rows: int
    width: float
    height: float
    left: float
    top: float
    step_across: float
    step_down: float
    points: float

    @property
    def n_labels(self) -> int:
        """Labels on one sheet."""
        return self.n_columns * self.n_rows


SHEETS = {
    "24": Sheet("A4, 24 labels of 63.5 × 33.9 mm", 3, 8, 63.5, 33.9, 7.2, 12.9, 66.0, 33.9, 6.5),
    "65": Sheet("A4, 65 labels of 38.1 × 21.2 mm", 5, 13, 38.1, 21.2, 4.7, 10.7, 40.6, 21.2, 4.2),
}


@dataclass(frozen=True)
class Label:
    """What stands on one label: the id in bars and large, an address in the QR code, lines of text."""

    code: str
    address: str
    lines: tuple[str, ...]


def unit_label(unit: Any, *, address: str) -> Label:
    """Return the label of a unit: product, dose, dates, temperature, and how it may be given."""
    dose = (
        f"{unit.dose_grams:g} g" if unit.dose_grams is not None else "",
        f"{unit.volume_millilitres:g} mL" if unit.volume_millilitres is not None else "",
        _("%(n)d capsules") % {"n": unit.n_capsules} if unit.n_capsules else "",
    )
    return Label(
        unit.pk,
        address,
        (
            label_of("products", unit.product) if unit.product else _("product not known"),
            " · ".join(part for part in dose if part) or _("dose not recorded"),
            _("Produced %(day)s") % {"day": unit.produced_on or _("not known")},
            _("Use by %(day)s") % {"day": unit.expires_on or _("not known")},
            storage_words(unit.product),
            _("FOR ENTERAL USE ONLY"),
        ),
    )


def storage_words(product: str | None) -> str:
    """Return how a product is stored, as printed on its label."""
    kept = products().get(product).storage if product in products().codes else ""
    return {
        "frozen": _("Store at -80 °C. Do not refreeze."),
        "refrigerated": _("Store at 2 to 8 °C."),
        "none": _("Fresh: use at once. Do not freeze."),
        "supplier": _("Store as the supplier's label says."),
    }.get(kept, _("Storage not known: ask the bank."))


def label_sheets(labels: Iterable[Label], *, sheet: str = "24", n_used: int = 0) -> bytes:
    """Return labels as a PDF document; ``n_used`` labels of the first sheet are gone already."""
    plan = SHEETS[sheet]
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, pageCompression=1)
    canvas.setTitle("Labels")
    for number, label in enumerate(labels, start=n_used):
        place = number % plan.n_labels
        if place == 0 and number > n_used:
            canvas.showPage()
        row, column = divmod(place, plan.n_columns)
        x = (plan.left + column * plan.step_across) * mm
        y = A4[1] - (plan.top + row * plan.step_down + plan.height) * mm
        _draw(canvas, label, plan, x=x, y=y)
    canvas.save()
    return out.getvalue()


def _draw(canvas: Canvas, label: Label, plan: Sheet, *, x: float, y: float) -> None:
    """The QR code on the left, the words beside it, the bars below."""
    margin, height = 1.3 * mm, plan.height * mm
    bars = 0.22 * height
    qr = height - bars - 2 * margin
    _draw_qr(canvas, label.address, x=x + margin, y=y + bars + margin, size=qr)
    left, room = x + margin + qr, plan.width * mm - qr - 2 * margin
    _draw_words(canvas, label, plan.points, x=left, top=y + height - margin, room=room)
    _draw_bars(canvas, label.code, x=x, y=y + margin, width=plan.width * mm, height=bars)


def _draw_qr(canvas: Canvas, text: str, *, x: float, y: float, size: float) -> None:
    """Draw the dark modules as rectangles of whole numbers, scaled: numbers are what a page is slow with.

    The mask is fixed. Choosing the best of eight takes most of the time of a code, and any can be read.
    """
    matrix = segno.make_qr(text, error="m", mask=MASK).matrix
    module = size / (len(matrix) + 2 * QUIET)
    drawn = [
        f"{QUIET + start} {QUIET + line} {length} 1 re"
        for line, row in enumerate(matrix)
        for start, length in _runs(row)
    ]
    canvas.saveState()
    canvas.translate(x, y + size)
    canvas.scale(module, -module)
    canvas.addLiteral(" ".join([*drawn, "f"]))
    canvas.restoreState()


def _runs(row: Sequence[int]) -> Iterable[tuple[int, int]]:
    """The dark stretches of one line: where each begins and how long it is."""
    start = None
    for place, dark in enumerate((*row, 0)):
        if dark and start is None:
            start = place
        elif not dark and start is not None:
            yield start, place - start
            start = None


def _draw_words(canvas: Canvas, label: Label, points: float, *, x: float, top: float, room: float) -> None:
    y = top - 1.6 * points
    canvas.setFont(BOLD, _fitting(label.code, BOLD, 1.7 * points, room))
    canvas.drawString(x, y, label.code)
    for line in label.lines:
        y -= 1.22 * points
        font = BOLD if line.isupper() else FONT
        canvas.setFont(font, _fitting(line, font, points, room))
        canvas.drawString(x, y, line)


def _fitting(text: str, font: str, points: float, room: float) -> float:
    return min(points, points * room / max(stringWidth(text, font, points), 1e-6))


def _draw_bars(canvas: Canvas, text: str, *, x: float, y: float, width: float, height: float) -> None:
    """Bars as wide as the label allows, each a whole number of the printer's dots, on the grid of the dots.

    Code 128 asks for ten bar widths of white on either side. Bars between two dots were misread.
    """
    plain = Code128(text, barWidth=1, quiet=0)
    room = min(WIDEST_BAR, (width - 2 * mm) / (plain.width + 20))
    bar = max(DOT, DOT * int(room / DOT))
    drawn = Code128(text, barWidth=bar, barHeight=height - 1.5 * mm, quiet=0)
    drawn.drawOn(canvas, DOT * round((x + (width - drawn.width) / 2) / DOT), y)
