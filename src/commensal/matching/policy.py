"""How eligible lots are compared: weights and limits, read from a versioned file and checked."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, fields
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from commensal.errors import InputError, nearest
from commensal.vocabulary import indications, is_within

PARTS = {
    "complementarity": "common donor taxa that the recipient lacks and this donor has",
    "predicted_engraftment": "share of the donor's new taxa that a model expects to settle",
    "predicted_distance": "how near the community expected after FMT comes to the donors' own",
    "donor_record": "what became of earlier recipients of this donor, shrunken to the average",
    "predicted_response": "what a published outcome model expects",
    "pathobiont_load": "how little of the stool is Enterobacteriaceae, near families and Enterococcus",
    "stability": "how alike the donor's stools are",
    "freshness": "shelf life left",
    "stock": "eligible lots of the same donor, so that a course can stay with one donor",
}
SHIPPED = ("exploratory",)
SUFFIX = ".toml"


@dataclass(frozen=True)
class Validation:
    """A prospective trial that showed the order to improve outcome in an indication."""

    indication: str
    trial: str
    source: str
    recorded_on: date

    def __post_init__(self) -> None:
        known = [entry.code for entry in indications()]
        if self.indication not in known:
            raise InputError(
                f"a validation for {self.indication!r}", expected=nearest(self.indication, known)
            )
        if not (self.trial.strip() and self.source.strip()):
            raise InputError("a validation names no trial or no source", expected="both")


@dataclass(frozen=True)
class Policy:
    """Weights and limits of a ranking.

    ``weights`` gives each part of PARTS its weight (0 leaves it out); ``prevalence`` is the share of donors
    that makes a taxon common, ``min_donors`` how many donors with a profile that takes; ``donor_share`` the
    range of the donor's part in the community expected after FMT; ``pathobiont_ceiling`` the share of
    pathobionts at which that part is zero. Two lots differ credibly when the interval of their difference
    lies above ``smallest_difference`` (scores run from 0 to 1) at ``level``. ``weight_concentration`` is
    the concentration of the Dirichlet distribution around the weights; ``least_weight`` the share of the
    weights that must be known before lots are told apart. ``record_endpoint`` and ``record_landmark`` name
    the donor effects that are read, ``response_model`` the outcome model, where there are several.
    ``validations`` are the indications in which a strict order is given.

    Refuses (InputError) a value out of range and a part that does not exist.
    """

    name: str
    version: str
    weights: tuple[tuple[str, float], ...]
    prevalence: float = 0.5
    min_donors: int = 3
    donor_share: tuple[float, float] = (0.2, 0.6)
    pathobiont_ceiling: float = 0.1
    smallest_difference: float = 0.1
    level: float = 0.95
    weight_concentration: float = 50.0
    least_weight: float = 0.5
    record_endpoint: str = ""
    record_landmark: str = ""
    response_model: str = ""
    validations: tuple[Validation, ...] = ()

    def __post_init__(self) -> None:
        self._check_weights()
        low, high = self.donor_share
        limits = {
            "prevalence": 0 < self.prevalence <= 1,
            "min_donors": self.min_donors >= 1,
            "donor_share": 0 < low <= high < 1,
            "pathobiont_ceiling": 0 < self.pathobiont_ceiling <= 1,
            "smallest_difference": 0 <= self.smallest_difference < 1,
            "level": 0 < self.level < 1,
            "weight_concentration": 0 < self.weight_concentration < math.inf,
            "least_weight": 0 <= self.least_weight <= 1,
        }
        if wrong := [name for name, is_right in limits.items() if not is_right]:
            raise InputError(f"policy {self.name}: {wrong[0]} = {getattr(self, wrong[0])} is out of range")
        if not (self.name.strip() and self.version.strip()):
            raise InputError("a policy has no name or no version", expected="both")

    def _check_weights(self) -> None:
        given = dict(self.weights)
        if unknown := [name for name in given if name not in PARTS]:
            raise InputError(
                f"policy {self.name}: there is no part {unknown[0]!r}", expected=nearest(unknown[0], PARTS)
            )
        if missing := [name for name in PARTS if name not in given]:
            raise InputError(
                f"policy {self.name}: no weight for {', '.join(missing)}", expected="a weight, or 0, for each"
            )
        values = list(given.values())
        if not all(math.isfinite(value) and value >= 0 for value in values) or sum(values) <= 0:
            raise InputError(
                f"policy {self.name}: weights {given}", expected="none below zero, at least one above"
            )

    @property
    def label(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"

    def weight(self, part: str) -> float:
        """Return the part's share of all weights."""
        return dict(self.weights)[part] / sum(weight for _, weight in self.weights)

    def is_validated(self, indication: str | None) -> bool:
        """Whether a prospective validation is recorded for an indication."""
        return indication is not None and any(is_within(indication, v.indication) for v in self.validations)


def read_policy(policy: str | Path | None = None) -> Policy:
    """Read a policy: a shipped one by name, or a TOML file by its path; the default where None.

    Refuses (InputError) a name or file that is not there, unreadable TOML, and an unknown or missing key.
    """
    text, where = _text(policy or SHIPPED[0])
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where} is not TOML: {error}") from error
    return _policy(table, where)


def _text(policy: str | Path) -> tuple[str, str]:
    if isinstance(policy, str) and policy in SHIPPED:
        file = files("commensal.matching").joinpath("policies", policy + SUFFIX)
        return file.read_text(encoding="utf-8"), f"policy {policy}"
    path = Path(policy)
    if not path.is_file():
        raise InputError(
            f"there is no policy {str(policy)!r}", expected=f"{', '.join(SHIPPED)}, or a {SUFFIX} file"
        )
    try:
        return path.read_text(encoding="utf-8"), str(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def _policy(table: dict[str, Any], where: str) -> Policy:
    known = {field.name: field for field in fields(Policy) if field.name != "validations"}
    if unknown := [key for key in table if key not in known and key != "validation"]:
        raise InputError(f"{where}: unknown key {unknown[0]!r}", expected=nearest(unknown[0], known))
    if missing := [key for key in ("name", "version", "weights") if key not in table]:
        raise InputError(f"{where}: no {missing[0]}", expected="name, version and weights")
    given = {key: _value(key, value, where) for key, value in table.items() if key != "validation"}
    return Policy(**given, validations=tuple(_validation(v, where) for v in table.get("validation", [])))


def _value(key: str, value: Any, where: str) -> Any:
    """Return a value in its type. Refuses (InputError) another kind: text where a number is asked."""
    if key == "weights" and isinstance(value, dict):
        return tuple((name, _number(weight, f"{where}: weight of {name}")) for name, weight in value.items())
    if key == "donor_share" and isinstance(value, list) and len(value) == 2:
        return tuple(_number(share, f"{where}: {key}") for share in value)
    if key in ("name", "version", "record_endpoint", "record_landmark", "response_model"):
        if isinstance(value, str):
            return value
        raise InputError(f"{where}: {key} = {value!r}", expected="text")
    number = _number(value, f"{where}: {key}")
    if key == "min_donors" and number != int(number):
        raise InputError(f"{where}: {key} = {value!r}", expected="a whole number")
    return int(number) if key == "min_donors" else number


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{what} = {value!r}", expected="a number")
    return float(value)


def _validation(entry: dict[str, Any], where: str) -> Validation:
    asked = {field.name for field in fields(Validation)}
    if set(entry) != asked or not isinstance(entry["recorded_on"], date):
        raise InputError(f"{where}: a validation holds {sorted(entry)}", expected=", ".join(sorted(asked)))
    return Validation(**entry)
