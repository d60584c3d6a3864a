"""The papers agree with the house: commands parse, words are unique, methods answer their questions."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer

from commensal.cli.app import app

ROOT = Path(__file__).parents[2]
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
PAPERS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
METHODS = sorted((ROOT / "docs" / "methods").glob("*.md"))
ROOMS = sorted(p.parent.name for p in (ROOT / "src" / "commensal").glob("*/__init__.py"))


def commands_of(path: Path) -> list[str]:
    """Every call of the program in the indented or fenced code of a page, and in backticks."""
    text = path.read_text(encoding="utf-8")
    lines = re.findall(
        r"^(?:\s*)(?:\.venv/bin/)?(commensal [a-z].*)$", "\n".join(_fenced(text)), re.MULTILINE
    )
    return [call for line in lines for call in re.split(r"\s*&&\s*", line.split("#")[0].strip())]


def _fenced(text: str) -> list[str]:
    return re.findall(r"^```(?:sh|bash|console)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", PAPERS, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_in_the_papers_parse(path):
    for call in commands_of(path):
        name, *arguments = shlex.split(call.removeprefix("commensal "))
        assert name in COMMANDS, call
        COMMANDS[name].make_context(name, arguments)


def test_the_readme_shows_the_path_of_a_study():
    names = {shlex.split(call)[1] for call in commands_of(ROOT / "README.md")}
    assert {"import", "check", "run", "report"} <= names


def test_make_targets_in_the_papers_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in PAPERS:
        for name in re.findall(
            r"(?:^|`)make ([a-z-]+)(?:`|\s+#|$)", path.read_text(encoding="utf-8"), re.MULTILINE
        ):
            assert name in targets, f"{path.name}: make {name}"


@pytest.mark.parametrize("path", PAPERS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_between_papers_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (path.parent / target).exists(), target


def test_no_paper_names_a_machine():
    for path in PAPERS:
        text = path.read_text(encoding="utf-8")
        assert str(ROOT) not in text, path.name


def test_one_word_has_one_meaning():
    lines = (ROOT / "GLOSSARY.md").read_text(encoding="utf-8").splitlines()
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in lines if line.startswith("| ")][1:]
    words = [row[0].casefold() for row in rows]
    assert len(words) > 30
    assert len(words) == len(set(words))
    assert words == sorted(words)
    assert all(len(row) == 2 and row[1] for row in rows)


@pytest.mark.parametrize("path", METHODS, ids=lambda p: p.stem)
def test_a_method_says_what_it_asks_and_when_it_refuses(path):
    text = path.read_text(encoding="utf-8")
    missing = [head for head in ("Question", "Refuses", "Tests") if f"**{head}.**" not in text]
    assert not missing
    assert text.startswith("# ")
    named = re.findall(r"`(tests/[a-z]+)/`", text.split("**Tests.**", 1)[1])
    assert named
    assert all((ROOT / folder).is_dir() for folder in named)


def test_every_function_of_the_evidence_has_its_page():
    from commensal import evidence

    pages = "\n".join(path.read_text(encoding="utf-8") for path in METHODS)
    assert len(evidence.__all__) == 24
    assert not [name for name in evidence.__all__ if f"`commensal.evidence.{name}`" not in pages]


def test_every_room_is_introduced():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert ROOMS
    assert not [room for room in ROOMS if room not in text]


def required() -> dict[str, set[str]]:
    """Lock file → names of the packages that the project asks for there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras, groups = project["project"]["optional-dependencies"], project["dependency-groups"]
    run = [*project["project"]["dependencies"], *extras["site"], *groups["build"]]
    dev = [*run, *(d for d in groups["dev"] if isinstance(d, str))]
    return {
        name: {_plain(re.split(r"[\[<>=!~; ]", text)[0]) for text in texts}
        for name, texts in {"run": run, "dev": dev, "spark": [*dev, *extras["spark"]]}.items()
    }


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("name", ["run", "dev", "spark"])
def test_everything_the_project_asks_for_is_pinned(name):
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    pinned = {
        _plain(found) for found in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==", text, re.MULTILINE)
    }
    assert not required()[name] - pinned


def test_locks_agree_with_each_other():
    pins: dict[str, set[frozenset[str]]] = {}
    for path in (ROOT / "requirements").glob("*.txt"):
        found: dict[str, set[str]] = {}
        for name, pin in re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", path.read_text(), re.MULTILINE):
            found.setdefault(_plain(name), set()).add(pin)
        for name, versions in found.items():
            pins.setdefault(name, set()).add(frozenset(versions))
    # A package may be pinned twice for two kinds of machine, in every file alike.
    assert not {name: sets for name, sets in pins.items() if len(sets) > 1}
