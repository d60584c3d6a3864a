"""How a table of the registry alone is declared: like a study's, with the way from a row to its centre."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db.models import BaseConstraint

from commensal.study.declaration import Table


@dataclass(frozen=True)
class Owned:
    """A table that the registry keeps for its own work and no study holds.

    ``sites`` are the paths from a row to its centre, any of which lets a person of that centre see the row;
    none means that a person sees a row only through the action or page made for it. ``is_append_only``
    tables take no change and no deletion, not even by an administrator of the database through the site.
    ``constraints`` are invariants between columns; limits and closed lists follow from the columns.
    """

    table: Table
    sites: tuple[str, ...]
    is_append_only: bool = False
    constraints: tuple[BaseConstraint, ...] = field(default=())

    def __post_init__(self) -> None:
        if len(self.table.key) != 1:
            raise ValueError(f"{self.table.name}: a table of the registry alone has a key of one column")
