"""The protocol library: every disease has one, every statement is cited, a dose is never invented."""

import pytest

from commensal.errors import InputError
from commensal.vocabulary.conditions import OneOf
from commensal.vocabulary.eligibility import rule_set
from commensal.vocabulary.indications import indications
from commensal.vocabulary.protocols import (
    SECTIONS,
    AdultDose,
    Protocol,
    RouteOrder,
    Stage,
    Statement,
    protocol,
)
from commensal.vocabulary.replanning import ANSWERS, OPTIONS, Cell, replan_rules
from commensal.vocabulary.sources import find_source

DISEASES = [entry.code for entry in indications() if not entry.is_group]
CITED = {"source": "KEL21", "confidence": "H"}


@pytest.mark.parametrize("code", DISEASES)
def test_every_disease_has_a_cited_protocol(code: str):
    found = protocol(code)
    assert found.version
    for part in (found.routes, found.dose, *found.regimens, *found.statements):
        assert find_source(part.source).year >= 1990
        assert part.confidence in "HMLD"
    worked_out = {"evidence", "route", "product", "dose", "sessions", "follow_up"}
    assert {s.section for s in found.statements} | worked_out == set(SECTIONS)


def test_a_statement_is_checked_by_rules_that_exist():
    known = {rule.id for rule in rule_set("preparation")}
    named = {rule for code in DISEASES for s in protocol(code).statements for rule in s.rules}
    assert named <= known
    assert known - named == set(), "a rule of the preparation that no statement carries"


def test_a_group_of_diseases_has_no_protocol():
    with pytest.raises(InputError, match="group") as refusal:
        protocol("ibd")
    assert "uc" in refusal.value.expected
    with pytest.raises(InputError):
        protocol("headache")


def test_licensed_or_not_only_cdi_is_outside_trials():
    assert all("PRE03" not in s.rules for s in protocol("rcdi").statements)
    assert any("PRE03" in s.rules for s in protocol("uc").statements)
    assert any(s.item == "investigational status" for s in protocol("uc").statements)
    assert not any(s.item == "investigational status" for s in protocol("rcdi").statements)


@pytest.mark.parametrize("code", ["ms", "ra", "pouchitis"])
def test_no_regimen_is_invented(code: str):
    assert protocol(code).regimens == ()


def test_every_number_of_a_statement_stands_in_its_words():
    """A figure in a column that the sentence does not say would be a figure nobody reads."""
    words = {4: "four", 6: "six", 3: "three", 10: "ten", 8: "eight"}
    for code in DISEASES:
        for s in protocol(code).statements:
            if s.value is not None:
                said = (f"{s.value:g}", words.get(int(s.value), "-"))
                assert any(w in s.content for w in said), (s.item, s.value)


@pytest.mark.parametrize(
    ("age", "weight", "grams"),
    [
        (40, None, 50.0),
        (18, None, 50.0),
        (17, 20.0, 20.0),
        (17, 80.0, 50.0),
        (4, 12.0, 12.0),
        (4, None, None),
        (None, 70.0, None),
        (0, 3.0, None),
    ],
)
def test_a_childs_dose_goes_by_weight_and_is_capped(age, weight, grams):
    assert protocol("rcdi").dose.of(age_years=age, weight_kilograms=weight) == grams


@pytest.mark.parametrize(
    ("stage", "total", "last"),
    [
        (Stage(n_sessions=1, from_day=0), 1, 0),
        (Stage(n_sessions=6, every_days=1, from_day=0), 6, 5),
        (Stage(n_courses=4, n_sessions=6, every_days=1, course_every_days=28, from_day=0), 24, 89),
        (Stage(n_sessions=2, from_day=0), 2, None),
        (Stage(every_days=3, from_day=0), None, None),
    ],
)
def test_the_last_day_of_a_stage_needs_every_figure(stage, total, last):
    assert (stage.total, stage.last_day) == (total, last)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Statement(section="magic", item="x", content="A.", **CITED),
        lambda: Statement(section="dose", item="x", content="no stop", **CITED),
        lambda: Statement(section="dose", item="x", content="A.", value=1.0, **CITED),
        lambda: Statement(section="dose", item="x", content="A.", source="HEARSAY", confidence="H"),
        lambda: Statement(section="dose", item="x", content="A.", when=OneOf("mood", ("good",)), **CITED),
        lambda: Stage(n_courses=0),
        lambda: Stage(n_sessions=2, every_days=0),
        lambda: RouteOrder(order=("intravenous",), reason="never", **CITED),
        lambda: RouteOrder(order=(), reason="none", **CITED),
        lambda: AdultDose(grams=500.0, **CITED),
        lambda: Protocol(
            code="x",
            version="1",
            indication="ibd",
            routes=protocol("uc").routes,
            dose=protocol("uc").dose,
            regimens=(),
            statements=(),
        ),
        lambda: Cell(
            option="observe", of="cdi", engrafted=("yes",), because="", evidence_grade="low", **CITED
        ),
        lambda: Cell(option="pray", of="other", because="", evidence_grade="low", **CITED),
        lambda: Cell(option="stop", of="other", because="", evidence_grade="certain", **CITED),
    ],
)
def test_a_part_that_is_not_sound_is_refused_at_birth(make):
    with pytest.raises(InputError):
        make()


def test_every_cell_offers_something_and_never_only_treatment():
    rules = replan_rules()
    for engrafted in ANSWERS:
        for responded in ANSWERS:
            for situation in ("other", "cdi"):
                shown = rules.cells_of(situation, engrafted=engrafted, responded=responded)
                options = [cell.option for cell in shown]
                assert len(set(options)) == len(options) >= 1
                assert {"observe", "refer", "stop"} & set(options)
                assert options == sorted(options, key=OPTIONS.index)


def test_an_option_outside_a_response_never_follows_from_missing_data():
    for engrafted in ANSWERS:
        shown = replan_rules().cells_of("other", engrafted=engrafted, responded="undetermined")
        assert {cell.option for cell in shown} == {"observe", "refer"}
