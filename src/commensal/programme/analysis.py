"""The analysis file: what is estimated and how, fixed before the data are looked at."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from commensal.errors import InputError, nearest
from commensal.vocabulary.windows import landmarks

SECTIONS = {"safety": ("procedure_days", "patient_days"), "engraftment": ("rarefy_to",)}


@dataclass(frozen=True)
class Analysis:
    """A checked analysis file.

    ``name`` and ``sha256`` identify it; ``deviations`` are its changes to the default. ``windows`` maps a
    cohort to visit → (first day, last day). ``rarefy_to`` 0 draws nothing.
    """

    title: str
    level: float
    seed: int
    landmarks: tuple[str, ...]
    procedure_days: int
    patient_days: int
    rarefy_to: int
    windows: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)
    name: str = "default"
    sha256: str = ""
    deviations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0.5 <= self.level < 1:
            raise InputError(f"level = {self.level} is no confidence level", expected="0.5 to below 1")
        if not self.landmarks:
            raise InputError("landmarks is empty", expected="one or more of " + ", ".join(landmarks()))
        for name in self.landmarks:
            if name not in landmarks():
                raise InputError(f"there is no landmark {name!r}", expected=nearest(name, landmarks()))
        for name in ("procedure_days", "patient_days"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} = {getattr(self, name)}", expected="one day or more")
        if self.rarefy_to < 0 or self.seed < 0:
            raise InputError("rarefy_to and seed are not negative", expected="0 or more")


def read_analysis(path: Path | str | None = None) -> Analysis:
    """Read an analysis file; what it leaves out is as in the default. None is the default itself.

    Refuses (InputError) a file that is no TOML, unknown keys, and values of the wrong kind.
    """
    shipped = files("commensal.programme").joinpath("default_analysis.toml").read_bytes()
    default = tomllib.loads(shipped.decode())
    if path is None:
        return _analysis(default, name="default", content=shipped, deviations=())
    content = _bytes(Path(path))
    try:
        given = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}", expected="TOML in UTF-8") from error
    _check_keys(given, default)
    return _analysis(
        _over(default, given), name=Path(path).name, content=content, deviations=_changes(default, given)
    )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", expected="an analysis file") from error


def _check_keys(given: Mapping[str, Any], default: Mapping[str, Any]) -> None:
    for key, value in given.items():
        if key not in default:
            raise InputError(f"the analysis file has the unknown key {key!r}", expected=nearest(key, default))
        if isinstance(default[key], dict) != isinstance(value, dict):
            raise InputError(f"{key} is {value!r}", expected="a section" if key in SECTIONS else "a value")
        for inner in value if key in SECTIONS else ():
            if inner not in SECTIONS[key]:
                raise InputError(
                    f"section [{key}] has the unknown key {inner!r}", expected=nearest(inner, SECTIONS[key])
                )


def _over(default: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: {**value, **given.get(key, {})} if isinstance(value, dict) else given.get(key, value)
        for key, value in default.items()
    }


def _changes(default: Mapping[str, Any], given: Mapping[str, Any], at: str = "") -> tuple[str, ...]:
    """Every value that differs from the default, in words."""
    found: list[str] = []
    for key, value in given.items():
        before = default.get(key)
        if isinstance(value, dict):
            found += _changes(before if isinstance(before, dict) else {}, value, f"{at}{key}.")
        elif value != before and at + key != "title":
            found.append(f"{at}{key} = {value}" + (f" (default {before})" if before is not None else ""))
    return tuple(found)


def _analysis(
    table: Mapping[str, Any], *, name: str, content: bytes, deviations: tuple[str, ...]
) -> Analysis:
    plain = {**table, **table["safety"], **table["engraftment"]}
    kinds = {
        "title": str,
        "level": float,
        "seed": int,
        "procedure_days": int,
        "patient_days": int,
        "rarefy_to": int,
    }
    return Analysis(
        **{key: _typed(key, plain[key], kind) for key, kind in kinds.items()},
        landmarks=tuple(_typed("landmarks", table["landmarks"], list)),
        windows=_windows(table["windows"]),
        name=name,
        sha256=hashlib.sha256(content).hexdigest(),
        deviations=deviations,
    )


def _typed(key: str, value: Any, kind: type) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InputError(
            f"{key} = {value!r} in the analysis file", expected=f"a value of kind {kind.__name__}"
        )
    return value


def _windows(table: Mapping[str, Any]) -> dict[str, dict[str, tuple[int, int]]]:
    for cohort, changes in table.items():
        for visit, span in _typed(f"windows.{cohort}", changes, dict).items():
            if not (isinstance(span, list) and len(span) == 2 and all(type(day) is int for day in span)):
                raise InputError(f"windows.{cohort}.{visit} = {span!r}", expected="two days, as [78, 105]")
    return {cohort: {v: (s[0], s[1]) for v, s in changes.items()} for cohort, changes in table.items()}
