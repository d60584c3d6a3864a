"""The data dictionary: every table and column in words, written from the declarations alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from commensal.study.declaration import Column, Kind, Table
from commensal.study.inputs import INPUTS
from commensal.study.results import RESULTS

_HEAD = """# Data dictionary

Written from the declarations in `commensal.study`; do not edit by hand. To write it again:
`python -m commensal.study.dictionary > docs/reference/data-dictionary.md`.

A table is a Parquet file of its name. Unknown is null everywhere: never zero, never a word. A date
(`…_on`) has an integer day (`…_day`) behind it: days since 1970-01-01 on a calendar clock, days since the
patient's index day on a patient clock, where dates are null. Instants (`…_at`) are in UTC. The key of a table
names its rows: no two rows share it.
"""

_TYPES = {
    Kind.ID: "text (identifier)",
    Kind.TEXT: "text",
    Kind.CODE: "text (code)",
    Kind.DATE: "date",
    Kind.DAY: "32-bit integer",
    Kind.INSTANT: "timestamp, µs, UTC",
    Kind.INTEGER: "64-bit integer",
    Kind.NUMBER: "64-bit float",
    Kind.FLAG: "boolean",
}


def dictionary_markdown() -> str:
    """The data dictionary of all input and result tables, as Markdown."""
    return "\n".join(
        [
            _HEAD,
            *_part("Tables of a study", INPUTS),
            *_part("Tables of results", RESULTS),
        ]
    )


def _part(title: str, tables: Mapping[str, Table]) -> Iterable[str]:
    yield f"## {title}\n"
    yield "| table | one row is | key |\n|---|---|---|"
    for table in tables.values():
        yield f"| [{table.name}](#{table.name}) | {table.row} | {', '.join(f'`{k}`' for k in table.key)} |"
    yield ""
    for table in tables.values():
        yield from _table(table)


def _table(table: Table) -> Iterable[str]:
    yield f"### {table.name}\n"
    yield f"One row is {table.row}. Key: {', '.join(f'`{k}`' for k in table.key)}.\n"
    yield "| column | type | unit | constraint | privacy | meaning |\n|---|---|---|---|---|---|"
    for column in table:
        cells = (
            f"`{column.name}`",
            _TYPES[column.kind],
            column.unit,
            _constraint(column),
            column.privacy.value,
            column.meaning,
        )
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _constraint(column: Column) -> str:
    parts = ["required"] if column.is_required else []
    if column.references:
        parts.append(f"a row of [{column.references}](#{column.references})")
    if isinstance(column.codes, str):
        parts.append(f"a code of the vocabulary's list *{column.codes}*")
    elif column.codes:
        parts.append("one of " + ", ".join(f"`{code}`" for code in column.codes))
    if column.minimum is not None:
        parts.append(f"≥ {column.minimum:g}")
    if column.maximum is not None:
        parts.append(f"≤ {column.maximum:g}")
    return "; ".join(parts)


if __name__ == "__main__":
    import sys

    sys.stdout.write(dictionary_markdown())
