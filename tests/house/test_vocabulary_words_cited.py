"""Every word and threshold says where it is from; nothing licensed is shipped; the room is light."""

import re
import subprocess
import sys

import pytest

from commensal.vocabulary import (
    CONFIDENCES,
    adverse_events,
    analytes,
    causality_categories,
    dosing_limits,
    exposure_classes,
    grades,
    indications,
    instruments,
    preparation_items,
    products,
    relatedness,
    routes,
    score_one,
    seriousness_criteria,
    support_items,
)
from commensal.vocabulary.adverse_events import published_incidence
from commensal.vocabulary.instruments.choice import choices
from commensal.vocabulary.routes import unspecific_routes
from commensal.vocabulary.sources import sources
from commensal.vocabulary.taxon_functions import dysbiosis_indices, taxon_functions

BOOKS = (
    adverse_events(),
    analytes(),
    causality_categories(),
    dosing_limits(),
    dysbiosis_indices(),
    exposure_classes(),
    grades(),
    indications(),
    instruments(),
    preparation_items(),
    products(),
    published_incidence(),
    relatedness(),
    routes(),
    seriousness_criteria(),
    support_items(),
    taxon_functions(),
)


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.kind)
def test_every_entry_is_sourced_and_has_a_chinese_label(book):
    for entry in book:
        assert entry.source.strip(), entry.code
        assert entry.confidence in CONFIDENCES
        assert entry.label_zh or book.kind == "dosing limit", entry.code


def test_every_threshold_of_an_instrument_is_sourced():
    for declared in instruments():
        bands = [band for banding in declared.bandings for band in banding.bands]
        for part in (*declared.scores, *declared.criteria, *declared.bandings, *bands):
            assert part.source.strip(), (declared.code, part)
            assert part.confidence in CONFIDENCES
        for item in declared.items:
            assert item.label_zh, (declared.code, item.code)
    assert all(choice.source for choice in choices().values())
    assert all(wording.source and wording.candidates for wording in unspecific_routes())


def test_disease_activity_has_a_baseline_threshold_that_excludes_remission():
    """Remission needs active disease at baseline, so each instrument with a remission says what active is."""
    for declared in instruments():
        if not declared.criteria_of("remission"):
            continue
        assert declared.criteria_of("active"), declared.code
        score = declared.score(declared.primary)
        for step in range(101):
            total = score.minimum + (score.maximum - score.minimum) * step / 100
            judged = score_one(declared.code, {score.code: total}).criteria
            assert not (judged.get("remission") and judged["active"]), (declared.code, total)


@pytest.mark.parametrize("code", ["mds_updrs", "ms_activity", "cars", "abc_aberrant", "abc_autism"])
def test_no_remission_is_invented(code: str):
    assert instruments().get(code).criteria_of("remission") == ()


def test_licensed_questionnaires_ship_numbers_only():
    for declared in instruments():
        if declared.licence == "external":
            assert all(
                re.search(r"\d", i.label) or declared.code in {"ms_activity", "mds_updrs"}
                for i in declared.items
            )
    assert instruments().get("fiqr").licence == "score_only"
    assert all(re.search(r"item \d", item.label) for item in instruments().get("fiqr").items)
    assert all(item.label == f"Item {n}" for n, item in enumerate(instruments().get("rand_36").items, 1))
    assert "RAND" in instruments().get("rand_36").attribution


def test_every_recorded_score_range_holds_its_extremes():
    for declared in instruments():
        for score in declared.scores:
            for end in (score.minimum, score.maximum):
                assert score.as_item().admits(end) or score.step, (declared.code, score.code)


@pytest.mark.slow
def test_importing_the_words_loads_no_data_frames():
    code = "import sys, commensal.vocabulary; print(sorted({'polars', 'numpy', 'duckdb'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


HANDLES = re.compile(r"\b(?:CAM|KEL|BSG|CN|NJ|AGA|REG|MCF)\d\d\b")


def test_every_handle_in_a_source_is_explained():
    known = set(sources())
    named = {handle for book in BOOKS for entry in book for handle in HANDLES.findall(entry.source)}
    assert named
    assert not {handle for handle in named if handle not in known}
