"""The reference is written from what the program does; a page that no longer says so is stale."""

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
SPEC = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
assert SPEC is not None
assert SPEC.loader is not None
generate = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(generate)
# The data dictionary has its own test, beside those of the declarations.
PAGES = {name: text for name, text in generate.pages().items() if name != "data-dictionary.md"}


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_current(name):
    path = DOCS / "reference" / name
    assert path.is_file(), "missing: make docs"
    assert path.read_text(encoding="utf-8") == PAGES[name], "stale: make docs"


def test_no_page_was_left_behind():
    written = {p.name for p in (DOCS / "reference").glob("*.md")}
    assert written == set(generate.pages())


@pytest.mark.parametrize("name", PAGES)
def test_rows_have_the_cells_of_their_heading(name):
    width = 0
    for line in PAGES[name].splitlines():
        n_cells = line.replace("\\|", "").count("|") if line.startswith("|") else 0
        assert not (width and n_cells) or n_cells == width, line
        width = n_cells


def test_every_rule_and_requirement_stands_on_a_page():
    from commensal.vocabulary import profile_codes, rule_set, screening_profile
    from commensal.vocabulary.eligibility import RULE_SETS

    rules = [rule.id for name in RULE_SETS for rule in rule_set(name)]
    assert all(f"| {rule} |" in PAGES["rules.md"] for rule in rules)
    strict = screening_profile("STRICT", on=generate.LAST_DAY)
    assert all(f"| {r.label} |" in PAGES["donor-screening.md"] for r in strict.requirements)
    assert all(f"| {r.sentence} |" in PAGES["donor-screening.md"] for r in strict.rules)
    assert all(code in PAGES["donor-screening.md"] for code in profile_codes())
