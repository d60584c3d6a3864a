"""The analysis file: what is estimated and how, fixed before the data are looked at."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from commensal.errors import InputError, nearest
from commensal.evidence import (
    effects,
    longitudinal,
    missing,
    monitoring,
    participants,
    prediction,
    safety,
    survival,
)
from commensal.vocabulary.windows import landmarks


@dataclass(frozen=True)
class Engraftment:
    """Choices of the community analyses; ``rarefy_to`` reads a sample are drawn, 0 draws nothing."""

    rarefy_to: int = 0

    def __post_init__(self) -> None:
        if self.rarefy_to < 0:
            raise InputError(f"rarefy_to = {self.rarefy_to} is negative", expected="0 or more")


# Section of the file → the choices it fills: each room declares its own, with its defaults.
SECTIONS: Mapping[str, type] = {
    "participants": participants.Settings,
    "safety": safety.Settings,
    "survival": survival.Settings,
    "missing": missing.Settings,
    "longitudinal": longitudinal.Settings,
    "effects": effects.Settings,
    "prediction": prediction.Settings,
    "monitoring": monitoring.Settings,
    "engraftment": Engraftment,
}
PLAIN = {"title": str, "level": float, "seed": int, "landmarks": list}


@dataclass(frozen=True)
class Analysis:
    """A checked analysis file.

    ``sections`` maps each section to its room's settings; ``windows`` a cohort to visit → (first day, last
    day). ``name`` and ``sha256`` identify the file; ``deviations`` are its differences from the registered
    file, or from the default where none is registered, which ``compared_with`` names.
    """

    title: str
    level: float
    seed: int
    landmarks: tuple[str, ...]
    windows: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)
    sections: Mapping[str, Any] = field(default_factory=dict)
    name: str = "default"
    sha256: str = ""
    deviations: tuple[str, ...] = ()
    compared_with: str = "the default"

    def __post_init__(self) -> None:
        if not 0.5 <= self.level < 1:
            raise InputError(f"level = {self.level} is no confidence level", expected="0.5 to below 1")
        if not self.landmarks:
            raise InputError("landmarks is empty", expected="one or more of " + ", ".join(landmarks()))
        for name in self.landmarks:
            if name not in landmarks():
                raise InputError(f"there is no landmark {name!r}", expected=nearest(name, landmarks()))
        if self.seed < 0:
            raise InputError(f"seed = {self.seed} is negative", expected="0 or more")


def read_analysis(path: Path | str | None = None, *, registered: Path | str | None = None) -> Analysis:
    """Read an analysis file; what it leaves out is as in the default. None is the default itself.

    ``registered`` is the file as it was laid down before the data were locked: every difference from it is a
    deviation. Without it the differences from the default are listed.

    Refuses (InputError) a file that is no TOML, unknown keys, and values of the wrong kind or range.
    """
    shipped = files("commensal.programme").joinpath("default_analysis.toml").read_bytes()
    default = tomllib.loads(shipped.decode())
    content = shipped if path is None else _bytes(Path(path))
    given = _over(default, _parsed(content, path, default))
    against, compared = default, "the default"
    if registered is not None:
        earlier = _bytes(Path(registered))
        against = _over(default, _parsed(earlier, registered, default))
        compared = f"{Path(registered).name} (sha256 {hashlib.sha256(earlier).hexdigest()})"
    return Analysis(
        **{key: _alike(key, given[key], kind()) for key, kind in PLAIN.items() if key != "landmarks"},
        landmarks=tuple(_alike("landmarks", given["landmarks"], ())),
        windows=_windows(given["windows"]),
        sections={name: _settings(name, given.get(name, {})) for name in SECTIONS},
        name="default" if path is None else Path(path).name,
        sha256=hashlib.sha256(content).hexdigest(),
        deviations=_differences(against, given),
        compared_with=compared,
    )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", expected="an analysis file") from error


def _parsed(content: bytes, path: Path | str | None, default: Mapping[str, Any]) -> dict[str, Any]:
    try:
        given = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}", expected="TOML in UTF-8") from error
    for key, value in given.items():
        if key not in default:
            raise InputError(f"the analysis file has the unknown key {key!r}", expected=nearest(key, default))
        if isinstance(default[key], dict) != isinstance(value, dict):
            raise InputError(f"{key} is {value!r}", expected="a section" if key in SECTIONS else "a value")
    return given


def _over(default: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: {**value, **given.get(key, {})} if isinstance(value, dict) else given.get(key, value)
        for key, value in default.items()
    }


def _settings(section: str, given: Mapping[str, Any]) -> Any:
    """The room's settings with what the section gives; unknown keys and wrong kinds are refused."""
    declared = {f.name: f for f in fields(SECTIONS[section])}
    for key in given:
        if key not in declared:
            raise InputError(
                f"section [{section}] has the unknown key {key!r}", expected=nearest(key, declared)
            )
    typed = {key: _alike(f"{section}.{key}", value, _default(declared[key])) for key, value in given.items()}
    return SECTIONS[section](**typed)


def _default(declared: Field[Any]) -> Any:
    return declared.default_factory() if declared.default_factory is not MISSING else declared.default


def _alike(key: str, value: Any, like: Any) -> Any:
    """The value as the kind of thing its default is: a list as a tuple, 1 as 1.0 where a number is asked."""
    if isinstance(like, tuple | list) and isinstance(value, list):
        return tuple(value)
    if isinstance(like, Mapping) and isinstance(value, dict):
        return value
    if isinstance(like, float) and type(value) is int:
        return float(value)
    if type(value) is type(like):
        return value
    kind = "list" if isinstance(like, tuple) else type(like).__name__
    raise InputError(f"{key} = {value!r} in the analysis file", expected=f"a value of kind {kind}")


def _differences(before: Mapping[str, Any], after: Mapping[str, Any], at: str = "") -> tuple[str, ...]:
    """Every value that differs, in words."""
    found: list[str] = []
    for key in sorted({*before, *after} - ({"title"} if not at else set())):
        old, new = before.get(key), after.get(key)
        if isinstance(old, dict) or isinstance(new, dict):
            found += _differences(old or {}, new or {}, f"{at}{key}.")
        elif old != new:
            was = "" if old is None else f" (was {old})"
            found.append(f"{at}{key} = {new}{was}" if new is not None else f"{at}{key} is left out{was}")
    return tuple(found)


def _windows(table: Mapping[str, Any]) -> dict[str, dict[str, tuple[int, int]]]:
    for cohort, changes in table.items():
        for visit, span in _alike(f"windows.{cohort}", changes, {}).items():
            if not (isinstance(span, list) and len(span) == 2 and all(type(day) is int for day in span)):
                raise InputError(f"windows.{cohort}.{visit} = {span!r}", expected="two days, as [78, 105]")
    return {cohort: {v: (s[0], s[1]) for v, s in changes.items()} for cohort, changes in table.items()}
