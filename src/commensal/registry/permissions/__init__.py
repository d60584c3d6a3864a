"""Who may open which page, as data: one table for each area, read once.

A page is looked up by the name of its address. ``read`` are the roles that may open it, ``write`` those that
may send its form; "everyone" is whoever has an account and works at a centre, "nobody signed in" also who
has not signed in, "holder" who holds the page's own single-use link. A page without an entry is refused.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from commensal.registry.models import Role

EVERYONE, ANYBODY, HOLDER = "everyone", "nobody signed in", "holder"
ROLES = tuple(Role.values)
READS = ("GET", "HEAD")
METHODS = (*READS, "POST")


@dataclass(frozen=True)
class Permission:
    """The roles that may read a page and those that may send its form."""

    read: frozenset[str]
    write: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        known = {*ROLES, EVERYONE, ANYBODY, HOLDER}
        if unknown := (self.read | self.write) - known:
            raise ValueError(f"unknown roles {sorted(unknown)}; known are {sorted(known)}")

    def roles(self, method: str) -> frozenset[str]:
        """The roles that may use a method; EVERYONE stands for all of them."""
        named = self.read if method in READS else self.write if method == "POST" else frozenset()
        return named - {EVERYONE} | set(ROLES) if EVERYONE in named else named

    @property
    def is_open(self) -> bool:
        """Whether the page is for who has not signed in."""
        return bool({ANYBODY, HOLDER} & (self.read | self.write))

    @property
    def methods(self) -> list[str]:
        """The methods that somebody may use."""
        return [method for method in METHODS if self.roles(method)]


@cache
def permissions() -> dict[str, Permission]:
    """Address name → permission, of all areas. A name stands in one area only."""
    found: dict[str, Permission] = {}
    for file in sorted(files(__name__).iterdir(), key=lambda f: f.name):
        if not file.name.endswith(".toml"):
            continue
        for name, entry in tomllib.loads(file.read_text(encoding="utf-8")).items():
            if name in found:
                raise ValueError(f"{file.name}: {name} has a permission already")
            found[name] = Permission(**{key: frozenset(value) for key, value in entry.items()})
    return found
