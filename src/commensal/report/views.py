"""What a section of a page is made of: words, pictures and tables, as values."""

from __future__ import annotations

from dataclasses import dataclass

from commensal.report.charts.theme import Chart


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


@dataclass(frozen=True)
class Figure:
    """A picture with its caption, which is what a screen reader says for it too, and a table under it."""

    chart: Chart
    caption: str
    below: TableView | None = None


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
