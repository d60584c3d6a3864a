"""Result tables fit to leave the house: no rows of persons, no small counts, none that can be worked out."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from commensal.errors import InputError, nearest
from commensal.study.conform import conform
from commensal.study.declaration import Column, Kind, Privacy, Table
from commensal.study.results import RESULTS

Row = dict[str, Any]

PUBLIC_NAMES = frozenset({"taxon_id"})  # identifiers of things, not of persons or of their samples
SETTINGS = frozenset({"n_imputations", "n_iterations", "n_groups", "n_null"})  # counts of no persons
SCALES = frozenset({"level", "delta", "threshold", "df", "position", "time_days", "day"})
PARTS = {"n_events": "n", "n_missing": "n_due", "n_gained": "n_lacked", "n_recipients_have": "n_donors_had"}


def release(
    tables: Mapping[str, pl.DataFrame], *, minimum: int = 5
) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """Return the tables that may be released, and what was taken from them.

    A table that names persons, donors, units or samples is left out. A row with a count between 1 and
    ``minimum`` - 1, or with such a complement (n - n_events), loses all its counts and numbers, and says
    so in its ``reason``; so do as many rows of the same family (groups of one variable, levels of one
    characteristic, boxes from one box) as are needed that what is hidden cannot be found by subtraction.
    Curves keep steps of at least ``minimum`` events, without counts. Parts of a remark that hold
    a small number are hidden. Zero is not small: it is shown.

    The second frame has one row a table: ``table``, ``action`` (``released`` or ``left out``), ``n_rows``
    before and ``n_hidden`` rows hidden.

    Refuses (:class:`~commensal.errors.InputError`) a minimum below 2, and a name of no result table.

    References
    ----------
    Hundepool et al., Statistical Disclosure Control, Wiley 2012, doi:10.1002/9781118348239.
    """
    if minimum < 2:
        raise InputError(
            f"the smallest count to show is {minimum}", expected="2 or more", do="the usual is 5"
        )
    if unknown := [name for name in tables if name not in RESULTS]:
        raise InputError(f"there is no result table {unknown[0]!r}", expected=nearest(unknown[0], RESULTS))
    told = {n: _released(RESULTS[n], f, minimum) for n, f in tables.items() if not names_persons(RESULTS[n])}
    lines = [
        {
            "table": name,
            "action": "released" if name in told else "left out",
            "n_rows": frame.height,
            "n_hidden": told[name][1] if name in told else frame.height,
        }
        for name, frame in tables.items()
    ]
    schema = {"table": pl.String, "action": pl.String, "n_rows": pl.Int64, "n_hidden": pl.Int64}
    return {name: frame for name, (frame, _) in told.items()}, pl.DataFrame(lines, schema=schema)


def names_persons(table: Table) -> bool:
    """Whether a table's rows name a person, a donor, material, a sample or a run made for one of them."""
    return any(c.privacy is Privacy.PSEUDONYM and c.name not in PUBLIC_NAMES for c in table)


def counts_of(table: Table) -> tuple[str, ...]:
    """The columns of a table that count persons or their procedures."""
    return tuple(c.name for c in table if _is_count(c))


def _is_count(column: Column) -> bool:
    name = column.name
    return (
        column.kind is Kind.INTEGER
        and (name in ("n", "count") or name.startswith("n_"))
        and name not in SETTINGS
    )


def _released(table: Table, frame: pl.DataFrame, minimum: int) -> tuple[pl.DataFrame, int]:
    rows = [dict(row) for row in conform(frame, table).iter_rows(named=True)]
    if table.name in ("curves", "numbers_at_risk"):
        kept = _curves(rows, minimum) if table.name == "curves" else _at_risk(rows, minimum)
        return _frame(kept, table), len(rows) - len(kept)
    hidden = hidden_rows(table, rows, minimum=minimum)
    for i, row in enumerate(rows):
        _blank(row, table, minimum) if i in hidden else _scrub(row, table, minimum)
    return _frame(rows, table), len(hidden)


def _frame(rows: list[Row], table: Table) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=table.schema)


def hidden_rows(table: Table, rows: Sequence[Row], *, minimum: int) -> set[int]:
    """Return the positions of the rows to hide: small counts, and those that would give them away."""
    counts = counts_of(table)
    hidden = {i for i, row in enumerate(rows) if any(_is_small(v, minimum) for v in _revealed(row, counts))}
    families = [f for f in _families(table, rows) if len(f[0]) > 0]
    grew = True
    while grew:
        before = len(hidden)
        for members, totals in families:
            _protect(members, totals, rows, counts, hidden, minimum)
        grew = len(hidden) > before
    return hidden


def _revealed(row: Row, counts: Iterable[str]) -> Iterator[int | None]:
    """Every count of a row and every one that follows from two of them."""
    yield from (row[c] for c in counts)
    for part, whole in PARTS.items():
        if row.get(part) is not None and row.get(whole) is not None:
            yield row[whole] - row[part]
    if row.get("count") is not None:
        yield row["n"] - (row["n_missing"] or 0) - row["count"]
    if row.get("n_due") is not None and row.get("n") is not None:
        yield abs(row["n_due"] - row["n"])


def _is_small(value: int | None, minimum: int) -> bool:
    return value is not None and 0 < value < minimum


def _protect(
    members: list[int],
    totals: list[int],
    rows: Sequence[Row],
    counts: Sequence[str],
    hidden: set[int],
    minimum: int,
) -> None:
    """Hide more of a family until what its hidden members add up to tells nothing of any of them."""
    within = [i for i in members if i in hidden]
    if not within or (totals and all(t in hidden for t in totals)):
        return
    shown = sorted((i for i in members if i not in hidden), key=lambda i: (_size(rows[i]), i))
    while not _is_safe(within, rows, counts, minimum) and shown:
        within.append(shown.pop(0))
    hidden.update(within)
    if not _is_safe(within, rows, counts, minimum):
        hidden.update(totals)


def _size(row: Row) -> tuple[bool, int]:
    size = row.get("count") if row.get("count") is not None else row.get("n", row.get("n_patients"))
    return (not size, size or 0)  # an empty row protects nothing: it comes last


def _is_safe(within: Sequence[int], rows: Sequence[Row], counts: Sequence[str], minimum: int) -> bool:
    if sum(_size(rows[i])[1] > 0 for i in within) < 2:
        return False
    sums = {c: sum(rows[i][c] or 0 for i in within) for c in counts}
    return not any(
        _is_small(v, minimum) for v in _revealed({**dict.fromkeys(PARTS.values()), **sums}, counts)
    )


def _families(table: Table, rows: Sequence[Row]) -> list[tuple[list[int], list[int]]]:
    """Rows that add up to others: (members, rows with their total)."""
    return [family for by in _FAMILIES.get(table.name, (_by_group,)) for family in by(table, rows)]


def _by_group(table: Table, rows: Sequence[Row]) -> Iterator[tuple[list[int], list[int]]]:
    """Levels of one group variable add up to the row of all."""
    if "group_level" not in table.names:
        return
    others = [k for k in table.key if k not in ("group_variable", "group_level")]
    if "group_variable" not in table.names:
        yield from ((members, []) for members in _grouped(rows, others).values())
        return
    totals = _grouped([r if r["group_variable"] == "all" else {} for r in rows], others)
    for key, members in _grouped(rows, ["group_variable", *others]).items():
        if key[0] != "all":
            yield members, totals.get(key[1:], [])


def _by_level(table: Table, rows: Sequence[Row]) -> Iterator[tuple[list[int], list[int]]]:
    """Levels of one characteristic add up to those known."""
    others = [k for k in table.key if k != "level"]
    for members in _grouped(rows, others).values():
        if len(members) > 1:
            yield members, []


def _by_reason(table: Table, rows: Sequence[Row]) -> Iterator[tuple[list[int], list[int]]]:
    """Reasons add up to all who are missing."""
    others = [k for k in table.key if k != "reason"]
    yield from ((members, []) for members in _grouped(rows, others).values())


def _by_box(_: Table, rows: Sequence[Row]) -> Iterator[tuple[list[int], list[int]]]:
    """Boxes from one box add up to it."""
    place = {row["step_id"]: i for i, row in enumerate(rows)}
    for (parent,), members in _grouped(rows, ["parent_id"]).items():
        if parent is not None:
            yield members, [place[parent]] if parent in place else []


def _as_one(_: Table, rows: Sequence[Row]) -> Iterator[tuple[list[int], list[int]]]:
    """All rows add up to everyone."""
    yield list(range(len(rows))), []


_Families = Callable[[Table, Sequence[Row]], Iterator[tuple[list[int], list[int]]]]
_FAMILIES: dict[str, tuple[_Families, ...]] = {
    "baseline": (_by_group, _by_level),
    "missingness": (_by_group, _by_reason),
    "flow": (_by_box,),
    "evidence_status": (_as_one,),
}


def _grouped(rows: Sequence[Row], columns: Sequence[str]) -> dict[tuple[Any, ...], list[int]]:
    groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        if row:
            groups[tuple(row[c] for c in columns)].append(i)
    return groups


def _blank(row: Row, table: Table, minimum: int) -> None:
    """Take every count and number of a row that follows from patients."""
    for column in table:
        is_figure = column.kind in (Kind.INTEGER, Kind.NUMBER, Kind.FLAG) and column.name not in SCALES
        if column.name not in table.key and (is_figure or column.privacy is Privacy.FREE_TEXT):
            row[column.name] = None
    if "verdict" in row and "verdict" not in table.key:
        row["verdict"] = None
    if _remarks(table):
        row["reason"] = hidden_because(minimum)


def hidden_because(minimum: int) -> str:
    """What stands where a number was hidden."""
    return f"hidden: fewer than {minimum}"


def _remarks(table: Table) -> bool:
    return "reason" in table.names and "reason" not in table.key and table.name != "flow"


def _scrub(row: Row, table: Table, minimum: int) -> None:
    """Hide the parts of remarks and free texts that hold a small number."""
    texts = [c.name for c in table if c.privacy is Privacy.FREE_TEXT] + ["reason"] * _remarks(table)
    for name in texts:
        if row[name]:
            parts = [
                hidden_because(minimum) if _holds_small(p, minimum) else p for p in row[name].split("; ")
            ]
            row[name] = "; ".join(dict.fromkeys(parts))


def _holds_small(text: str, minimum: int) -> bool:
    return any(0 < int(n) < minimum for n in re.findall(r"(?<![\w.,-])\d+(?![\w.,]*\d)(?!\w)(?! ?%)", text))


def _curves(rows: Sequence[Row], minimum: int) -> list[Row]:
    """Keep of each curve the steps that close at least ``minimum`` events, while that many are at risk."""
    kept = []
    for members in _grouped(rows, ["curve", "group_variable", "group_level", "event"]).values():
        waiting = 0
        for i in sorted(
            members, key=lambda i: rows[i]["time_days"] if rows[i]["time_days"] is not None else -1
        ):
            row = rows[i]
            waiting += row["n_events"] or 0
            is_start = row["estimate"] is None or (row["estimate"] in (0.0, 1.0) and not waiting)
            if is_start or (waiting >= minimum and (row["n_at_risk"] or 0) >= minimum):
                kept.append({**row, "n_at_risk": None, "n_events": None, "se": None})
                waiting = 0
    return kept


def _at_risk(rows: Sequence[Row], minimum: int) -> list[Row]:
    """Keep of each curve the numbers that are not small and differ by no small number."""
    kept = []
    for members in _grouped(rows, ["curve", "group_variable", "group_level"]).values():
        last = None
        for i in sorted(members, key=lambda i: rows[i]["time_days"]):
            n = rows[i]["n_at_risk"]
            if n is None or _is_small(n, minimum) or (last is not None and _is_small(abs(last - n), minimum)):
                continue
            kept.append(rows[i])
            last = n
    return kept
