"""The data dictionary is written from the declarations, and the one in the docs is not stale."""

from pathlib import Path

from commensal.study import INPUTS, RESULTS
from commensal.study.dictionary import dictionary_markdown

WRITTEN = Path(__file__).parents[2] / "docs" / "reference" / "data-dictionary.md"


def test_the_written_dictionary_is_current():
    assert WRITTEN.read_text(encoding="utf-8") == dictionary_markdown(), (
        "stale: python -m commensal.study.dictionary > docs/reference/data-dictionary.md"
    )


def test_every_column_stands_in_its_table():
    text = dictionary_markdown()
    sections = dict(part.split("\n", 1) for part in text.split("\n### ")[1:])
    for table in (*INPUTS.values(), *RESULTS.values()):
        lines = [line for line in sections[table.name].split("\n") if line.startswith("| `")]
        assert [line.split("`")[1] for line in lines] == list(table.names)
        assert all(line.replace("\\|", "").count("|") == 7 for line in lines)


def test_every_declared_thing_is_said_in_words():
    for table in (*INPUTS.values(), *RESULTS.values()):
        assert table.row
        assert not table.row.endswith(".")
        for column in table:
            assert column.meaning.endswith((".", "…")), f"{table.name}.{column.name}"
            assert not column.references or column.references in INPUTS
