"""What a section of a page is made of: words, pictures and tables, as values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from commensal.report.charts.theme import Chart, drawing_of


@dataclass(frozen=True)
class TableView:
    """A printed table: head, rows of finished text, and which columns are numbers.

    A folded table opens on a click; it prints open. ``notes`` stand numbered below it.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    is_folded: bool = False
    notes: tuple[str, ...] = ()


class Notes:
    """Remarks of a table, numbered as they first occur, so that a cell holds a number and not a paragraph."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def mark(self, remark: str | None) -> str:
        """The number a remark stands under; nothing where there is none."""
        return f"note {self._numbers.setdefault(remark, len(self._numbers) + 1)}" if remark else ""

    @property
    def texts(self) -> tuple[str, ...]:
        """The remarks in the order of their numbers."""
        return tuple(self._numbers)


@dataclass(frozen=True)
class Figure:
    """A picture with its caption, which is what a screen reader says for it too, and a table under it.

    ``chart`` is an Altair chart, or its drawing where that was made before.
    """

    chart: Chart
    caption: str
    below: TableView | None = None

    @cached_property
    def drawing(self) -> str:
        """The picture as SVG in the light colours; drawn once for all documents that show it."""
        return self.chart if isinstance(self.chart, str) else drawing_of(self.chart)


@dataclass(frozen=True)
class Box:
    """One box of the flow diagram with the side boxes of those who left."""

    label: str
    n: str
    left: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Section:
    """One question of the report: a title, the answer first, pictures, tables."""

    anchor: str
    title: str
    lead: str = ""
    cautions: tuple[str, ...] = ()
    tiles: tuple[tuple[str, str], ...] = ()
    boxes: tuple[Box, ...] = ()
    branches: tuple[Box, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[TableView, ...] = ()

    def drawn(self) -> Section:
        """The same with every picture drawn, so that it can cross to another process."""
        return replace(self, figures=tuple(replace(f, chart=f.drawing) for f in self.figures))
