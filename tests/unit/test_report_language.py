"""The report in Chinese: what is known is exchanged, what is not stays in English, nothing is lost."""

import ast
from pathlib import Path

import pytest

from commensal.errors import InputError
from commensal.report import views, words
from commensal.report.language import is_known, section_in, translate
from commensal.report.language.catalogue import _catalogue

REPORT = Path(views.__file__).parent


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("Adverse events", "不良事件"),
        ("Week 8", "第 8 周"),
        ("1,204 not yet due; note 3", "1,204 人未到随访时间；见注 3"),
        ("Ulcerative colitis (n = 522)", "溃疡性结肠炎（n = 522）"),
        ("Sex: Female", "性别：女"),
        ("Clinical remission, without steroids", "临床缓解，无激素"),
        ("Study report: Kump 2017", "研究报告：Kump 2017"),
        ("Fibromyalgia *", "纤维肌痛 *"),
        ("12 of 30 people were seen.", "30 人中随访到 12 人。"),
        ("115/317: 36.3 %\n(31.2 to 41.7)", "115/317: 36.3 %\n（31.2 至 41.7）"),
        ("Peery et al., Gastroenterology 2024;166:409", "Peery et al., Gastroenterology 2024;166:409"),
        ("001-P0001", "001-P0001"),
    ],
)
def test_words_numbers_and_names(english, chinese):
    assert translate(english, "zh") == chinese
    assert translate(english, "en") == english


def test_every_number_of_a_sentence_is_kept_in_the_translation():
    """A translation has as many open places as the English has, or names each by its position."""
    exceptions = {"{}/week"}
    for english, chinese in _catalogue("zh").items():
        places = chinese.count("{}") or len({p for p in "0123456789" if "{" + p + "}" in chinese})
        if english not in exceptions:
            assert english.count("{}") == places, english


def test_an_unknown_language_is_refused():
    with pytest.raises(InputError, match="no report in the language 'fr'"):
        translate("Adverse events", "fr")


def test_a_section_keeps_its_shape_and_its_numbers():
    table = views.TableView("Numbers at risk", ("Day", "0"), (("Ulcerative colitis", "12"),), frozenset({1}))
    section = views.Section("curves", "Adverse events", tiles=(("4,000", "Died"),), tables=(table,))
    told = section_in(section, "zh")
    assert told.title == "不良事件"
    assert told.tiles == (("4,000", "死亡"),)
    assert told.tables[0].rows == (("溃疡性结肠炎", "12"),)
    assert section_in(section, "en") is section


def strings(path: Path) -> list[str]:
    """Titles and leads of sections, captions and heads of tables, as written in the source of the report."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            place = {"Section": slice(1, 3), "TableView": slice(0, 1)}.get(node.func.id)
            found += [a.value for a in node.args[place] if isinstance(a, ast.Constant)] if place else []
        if isinstance(node, ast.Assign) and any(getattr(t, "id", "") == "head" for t in node.targets):
            parts = node.value.elts if isinstance(node.value, ast.Tuple) else []
            found += [a.value for a in parts if isinstance(a, ast.Constant)]
    return [text for text in found if text]


PAGES = sorted([*REPORT.glob("*_sections.py"), *(REPORT / "documents").glob("*.py"), REPORT / "sections.py"])


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_every_heading_lead_caption_and_head_has_a_translation(path):
    missing = [text for text in strings(path) if not is_known(text, "zh")]
    assert not missing


@pytest.mark.parametrize(
    "book", ["LANDMARKS", "UNITS", "REASONS", "STATUS", "MEASURES", "IDENTITY", "ANSWERS"]
)
def test_every_word_for_a_code_has_a_translation(book):
    assert not [text for text in getattr(words, book).values() if not is_known(text, "zh")]
