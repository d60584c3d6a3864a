"""Reporting checklists, each item filled from the results or left to the authors in so many words."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import polars as pl

from commensal.report.checklists.answers import ANSWERS
from commensal.report.views import Section, TableView

Tables = Mapping[str, pl.DataFrame]

BLANK = "To be written by the authors."
REST = "The rest is to be written by the authors."
CHECKLISTS = ("strobe", "record", "tripod_ai")


@dataclass(frozen=True)
class Item:
    """One item of a checklist: its number and heading, what it asks, and which answers may fill it."""

    number: str
    heading: str
    asks: str
    answers: tuple[str, ...]
    is_partly: bool = False

    def __post_init__(self) -> None:
        if unknown := [name for name in self.answers if name not in ANSWERS]:
            raise ValueError(f"item {self.number} is to be filled by {unknown[0]!r}, which nothing answers")


@dataclass(frozen=True)
class Checklist:
    """A checklist with its name, its publication and its items in order."""

    name: str
    reference: str
    items: tuple[Item, ...]


@cache
def checklist(code: str) -> Checklist:
    """Return a checklist: ``strobe`` (22 items), ``record`` (13 more) or ``tripod_ai`` (27)."""
    file = files("commensal.report") / "checklists" / f"{code}.toml"
    told = tomllib.loads(file.read_text(encoding="utf-8"))
    items = tuple(_item(*item) for item in told["items"])
    return Checklist(told["name"], told["reference"], items)


def _item(number: str, heading: str, asks: str, answers: list[str], partly: str = "") -> Item:
    return Item(number, heading, asks, tuple(answers), is_partly=bool(partly))


def filled(tables: Tables, code: str) -> pl.DataFrame:
    """Fill a checklist from the result tables.

    One row an item: ``checklist``, ``item``, ``heading``, ``asks``, ``answer``, ``status`` (``filled``,
    ``partly`` or ``authors``). What no table answers is said to be the authors'; nothing is made up.
    """
    asked = checklist(code)
    return pl.DataFrame([{"checklist": asked.name, **_row(tables, item)} for item in asked.items])


def _row(tables: Tables, item: Item) -> dict[str, str]:
    told = [answer for answer in (ANSWERS[name](tables) for name in item.answers) if answer]
    status = "authors" if not told else "partly" if item.is_partly else "filled"
    answer = " ".join([*told, REST] if status == "partly" else told) or BLANK
    asked = {"item": item.number, "heading": item.heading, "asks": item.asks}
    return {**asked, "answer": answer, "status": status}


def checklist_section(tables: Tables) -> Section:
    """The checklists as a section of a report; that of prediction models only where there is a model."""
    codes = [c for c in CHECKLISTS if c != "tripod_ai" or tables["performance"].height]
    return Section(
        "checklists",
        "Reporting checklists",
        "Each item is filled from the results, or left to the authors. A filled item is a draft to be read.",
        tables=tuple(_table(tables, code) for code in codes),
    )


def _table(tables: Tables, code: str) -> TableView:
    rows = filled(tables, code).select("item", "heading", "asks", "answer").rows()
    asked = checklist(code)
    head = ("Item", "Heading", "Asks for", "Answer")
    return TableView(asked.name, head, tuple(rows), is_folded=True, notes=(asked.reference,))
