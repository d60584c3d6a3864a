"""How eligible lots are compared. Every figure here is a design choice, none a validated threshold."""

from __future__ import annotations

from dataclasses import dataclass

from commensal.errors import InputError

PARTS = {
    "complementarity": "common donor taxa that the recipient lacks and this donor has",
    "diversity": "Shannon diversity of the donor's stool",
    "freshness": "shelf life left",
    "stock": "eligible lots of the same donor, so that a course can stay with one donor",
}


@dataclass(frozen=True)
class Policy:
    """Weights and limits of a ranking.

    ``weights`` gives each part of PARTS its weight; ``prevalence`` is the share of donors that makes a taxon
    common; ``min_donors`` how many donors with a profile that takes. Two lots differ credibly when the
    interval of their difference lies above ``smallest_difference`` (scores run from 0 to 1) at ``level``.
    """

    name: str
    version: str
    weights: tuple[tuple[str, float], ...]
    prevalence: float = 0.5
    min_donors: int = 3
    smallest_difference: float = 0.1
    n_bootstrap: int = 200
    level: float = 0.95

    def __post_init__(self) -> None:
        if {name for name, _ in self.weights} != set(PARTS) or min(w for _, w in self.weights) < 0:
            raise InputError(
                f"policy {self.name}: weights {dict(self.weights)}",
                expected=f"one of each: {', '.join(PARTS)}",
            )
        if not (0 < self.level < 1 and 0 < self.prevalence <= 1 and self.n_bootstrap >= 1):
            raise InputError(f"policy {self.name}: a level, a prevalence or a number of draws out of range")


EXPLORATORY = Policy(
    name="exploratory",
    version="1",
    weights=(("complementarity", 0.4), ("diversity", 0.2), ("freshness", 0.2), ("stock", 0.2)),
)
