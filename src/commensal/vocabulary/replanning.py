"""What may follow after a transplant: options per cell of engrafted by responded, each with its source.

Nothing here is a proven threshold: the week, the limits and the cells are this project's convention, and a
clinician signs what is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from commensal.errors import InputError, nearest
from commensal.vocabulary.codes import make
from commensal.vocabulary.protocols import Cited
from commensal.vocabulary.sources import check_citation, read_table

ANSWERS = ("yes", "no", "undetermined")
OPTIONS = (
    "observe",
    "repeat_same_donor",
    "repeat_other_donor",
    "other_route",
    "other_preparation",
    "stop",
    "retreat_now",
    "refer",
)
SITUATIONS = ("other", "cdi", "safety", "withdrawn")
GRADES = ("moderate", "low", "very low", "design choice")
_FILE = "replan.toml"


@dataclass(frozen=True, kw_only=True)
class Cell(Cited):
    """One option in the cells it is shown in.

    ``of`` is the situation: ``other`` diseases, ``cdi``, a ``safety`` stop or a patient who has
    ``withdrawn``. An axis that is empty is not read.
    """

    option: str
    of: str
    because: str
    evidence_grade: str
    engrafted: tuple[str, ...] = ()
    responded: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        closed = ((self.option, OPTIONS), (self.of, SITUATIONS), (self.evidence_grade, GRADES))
        axes = tuple((answer, ANSWERS) for answer in (*self.engrafted, *self.responded))
        for value, known in (*closed, *axes):
            if value not in known:
                raise InputError(f"re-plan cell {self.option}: {value!r}", expected=nearest(value, known))
        if self.of == "cdi" and self.engrafted:
            raise InputError(
                f"re-plan cell {self.option} reads engraftment in C. difficile infection",
                expected="options there that never depend on engraftment",
            )

    def holds(self, *, engrafted: str, responded: str) -> bool:
        """Whether the option is shown for two answers."""
        return (not self.engrafted or engrafted in self.engrafted) and (
            not self.responded or responded in self.responded
        )


@dataclass(frozen=True)
class EngraftedRule:
    """When a donor's community counts as settled: the measures in order, and their limits."""

    measures: tuple[str, ...]
    q_at_most: float
    least_difference: float


@dataclass(frozen=True)
class ReplanRules:
    """The library of re-plans: its version, the default week, and how far around its day a visit counts."""

    version: str
    week: int
    days_around: int
    engrafted: EngraftedRule
    given_again: tuple[str, ...]
    contents: tuple[tuple[str, str], ...]
    cells: tuple[Cell, ...]

    def __post_init__(self) -> None:
        if {code for code, _ in self.contents} != set(OPTIONS):
            raise InputError("the re-plan library does not word every option once")

    def cells_of(self, situation: str, *, engrafted: str, responded: str) -> tuple[Cell, ...]:
        """Return what is shown in one situation, in the order of ``OPTIONS``: no order of preference."""
        shown = [
            cell
            for cell in self.cells
            if cell.of == situation and cell.holds(engrafted=engrafted, responded=responded)
        ]
        return tuple(sorted(shown, key=lambda cell: OPTIONS.index(cell.option)))


@cache
def replan_rules() -> ReplanRules:
    """Return the library of re-plans."""
    table = read_table(_FILE)
    library, engrafted = table["library"], table["engrafted"]
    for section in (library, engrafted):
        check_citation(section["source"], section["confidence"])
    return ReplanRules(
        version=library["version"],
        week=library["week"],
        days_around=library["days_around"],
        engrafted=EngraftedRule(
            tuple(engrafted["measures"]), engrafted["q_at_most"], engrafted["least_difference"]
        ),
        given_again=tuple(table["given_again"]["options"]),
        contents=tuple(table["options"].items()),
        cells=tuple(make(Cell, row) for row in table["cell"]),
    )
