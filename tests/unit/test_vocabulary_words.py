"""Closed lists: indications, materials, units, licences."""

import pytest

from commensal.errors import InputError
from commensal.vocabulary import (
    analytes,
    ancestors,
    convert,
    dosing_limits,
    exposure_classes,
    find_indication,
    indication,
    indications,
    is_within,
    least_dose_grams,
    preparation_items,
    products,
    support_items,
    treatable_without_study,
)
from commensal.vocabulary.codes import Book, Entry, plain
from commensal.vocabulary.indications import Indication


def entry(code: str = "a", **changes: str) -> Entry:
    return Entry(**{"code": code, "label": "A", "source": "somewhere", "confidence": "H"} | changes)


@pytest.mark.parametrize(
    "changes", [{"source": " "}, {"confidence": "X"}, {"label": ""}, {"code": "Not snake"}]
)
def test_an_entry_checks_itself_at_birth(changes: dict[str, str]):
    with pytest.raises(ValueError, match=r"source|confidence|label|code"):
        entry(**changes)


def test_a_book_holds_a_code_once_and_names_the_nearest():
    with pytest.raises(ValueError, match="twice"):
        Book("thing", (entry("a"), entry("a")))
    with pytest.raises(InputError, match="rcdi"):
        indications().get("rcd")


def test_plain_text_is_compared_without_dress():
    assert plain("  Crohn’s\u200b DISEASE ") == plain("ｃｒｏｈｎ's disease") == "crohn s disease"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("uc", "uc"),
        ("Ulcerative colitis (paediatric)", "uc"),
        ("溃疡性结肠炎", "uc"),
        ("Crohn's disease", "crohns"),
        ("Crohn’s", "crohns"),
        ("克罗恩病", "crohns"),
        ("recurrent C. difficile infection", "rcdi"),
        ("recurrent Clostridium difficile infection", "rcdi"),
        ("Recurrent Clostridioides difficile Infection (CDI)", "rcdi"),
        ("Clostridium difficile", "cdi"),
        ("C. diff", "cdi"),
        ("severe Clostridium difficile infection", "severe_cdi"),
        ("autism with GI symptoms", "autism"),
        ("IBS-D", "ibs_d"),
        ("irritable bowel syndrome with diarrhea", "ibs_d"),
        ("肠易激综合征", "ibs"),
        ("Parkinson's disease", "parkinson"),
        ("类风湿关节炎", "ra"),
        ("slow-transit constipation", "slow_transit_constipation"),
    ],
)
def test_an_indication_is_found(text: str, code: str):
    assert find_indication(text).code == code


@pytest.mark.parametrize("text", ["healthy", "", "symptoms", "UC and rheumatoid arthritis", "programme"])
def test_no_indication_is_guessed(text: str):
    with pytest.raises(InputError):
        find_indication(text)


def test_only_guideline_supported_indications_are_treated_outside_a_study():
    assert {i.code for i in treatable_without_study()} == {"rcdi", "severe_cdi", "fulminant_cdi"}
    assert indication("fibromyalgia").needs_study
    assert indication("cdi").needs_study
    assert indication("cdi").is_group


def test_the_tree():
    assert [a.code for a in ancestors("ibs_c")] == ["ibs", "fgid"]
    assert is_within("ibs_c", "fgid")
    assert not is_within("uc", "fgid")
    groups = {i.study_group for i in indications()} - {""}
    assert groups == {"RCDI", "IBD", "FGID", "AI", "FM", "NEURO"}


@pytest.mark.parametrize(
    ("code", "low", "high"), [("fibromyalgia", 0.565, 0.565), ("ibs", 0.236, 0.236), ("uc", 0.05, 0.09)]
)
def test_published_control_responses(code: str, low: float, high: float):
    known = indication(code)
    assert (known.control_response_low, known.control_response_high) == (low, high)
    assert known.control_response_source


def test_an_unknown_control_response_is_missing_and_not_zero():
    assert indication("ra").control_response_low is None


def test_a_control_response_needs_a_source():
    with pytest.raises(ValueError, match="no source"):
        Indication(
            code="x",
            label="x",
            source="s",
            confidence="H",
            parent="",
            status="trial_only",
            stance="s",
            citation="c",
            year=2024,
            control_response_low=0.1,
        )


def test_materials():
    assert products().codes[:3] == ("fresh_suspension", "frozen_suspension", "frozen_capsule")
    assert {"antibiotic", "ppi", "steroid", "biologic", "laxative", "chemotherapy", "other_care"} <= set(
        exposure_classes().codes
    )
    assert "bowel_lavage" in preparation_items()
    assert "continue_standard_therapy" in support_items()


@pytest.mark.parametrize(
    ("limit", "inside", "outside"),
    [
        ("stool_grams_per_session", [5, 150], [4.9, 150.1]),
        ("volume_millilitres_per_session", [10, 600], [9, 601]),
        ("capsules_per_day", [1, 60], [0, 61]),
        ("sessions_per_course", [1, 60], [0, 61]),
        ("days_between_sessions", [0], [-1, float("nan")]),
    ],
)
def test_dosing_limits(limit: str, inside: list[float], outside: list[float]):
    assert all(dosing_limits().get(limit).admits(value) for value in inside)
    assert not any(dosing_limits().get(limit).admits(value) for value in outside)


def test_a_childs_dose_is_capped_at_the_adults_and_needs_the_weight():
    assert least_dose_grams(age_years=18, weight_kilograms=None) == 30
    assert least_dose_grams(age_years=6, weight_kilograms=20) == 20
    assert least_dose_grams(age_years=17, weight_kilograms=90) == 50
    assert least_dose_grams(age_years=6, weight_kilograms=None) is None


@pytest.mark.parametrize(
    ("value", "analyte", "unit", "kept"),
    [
        (1.2, "crp", "mg/dL", 12.0),
        (12, "crp", "mg/L", 12.0),
        (3.5, "albumin", "g/dl", 35.0),
        (25, "albumin", "g/L", 25.0),
        (1.5, "neutrophils", "×10⁹/L", 1500.0),
        (1.5, "neutrophils", "10^9/L", 1500.0),
        (1.5, "neutrophils", "10*9/L", 1500.0),
        (1500, "neutrophils", "cells/mm3", 1500.0),
        (1500, "neutrophils", "/µL", 1500.0),
        (0.38, "haematocrit", "L/L", 38.0),
        (14, "haemoglobin", "g/dL", 140.0),
        (1.0, "creatinine", "mg/dL", 88.42),
        (250, "calprotectin", "µg/g", 250.0),
        (250, "calprotectin", "mg/kg", 250.0),
        (0.7, "alt", "µkat/L", 42.0),
    ],
)
def test_units_are_converted(value: float, analyte: str, unit: str, kept: float):
    assert convert(value, analyte=analyte, unit=unit) == pytest.approx(kept)


@pytest.mark.parametrize(
    ("value", "analyte", "unit"),
    [
        (1, "crp", ""),
        (1, "crp", "furlong"),
        (1, "esr", "mg/L"),
        (1, "midichlorians", "mg/L"),
        (3.5, "albumin", "g/L"),
        (250, "albumin", "g/dL"),
        (38, "haematocrit", "L/L"),
        (float("nan"), "crp", "mg/L"),
        (-1, "crp", "mg/L"),
    ],
)
def test_a_doubtful_unit_or_value_is_refused(value: float, analyte: str, unit: str):
    with pytest.raises(InputError):
        convert(value, analyte=analyte, unit=unit)


def test_every_unit_of_every_analyte_is_distinct():
    for analyte in analytes():
        factors = [analyte.factor(unit) for unit in analyte.units]
        assert factors == [1.0, *analyte.factors.values()]
