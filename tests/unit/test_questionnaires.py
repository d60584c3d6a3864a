"""Questionnaires for patients: only what may be shown, every item asked, nothing made up."""

import dataclasses

import pytest

from commensal.registry.questionnaires import Questionnaire, questionnaires
from commensal.vocabulary.instruments.declaration import instrument
from commensal.vocabulary.instruments.scoring import score_one


@pytest.mark.parametrize("code", questionnaires())
def test_every_answer_offered_is_admitted_and_gives_the_score(code):
    page = questionnaires()[code]
    assert page.instrument.licence == "ship"
    for pick in (0, -1):
        answers = {q.item.code: q.offered[pick][0] if q.offered else q.item.minimum for q in page.questions}
        scored = score_one(code, page.kept(answers))
        assert scored.problems == ()
        assert scored.scores[page.instrument.primary] is not None


def test_what_is_not_offered_is_not_kept():
    page = questionnaires()["pain_nrs"]
    assert page.kept({"pain": 0.0}) == {"pain": 0.0}
    assert page.kept({"pain": None}) == page.kept({"pain": 11.0}) == page.kept({"other": 1.0}) == {}


@pytest.mark.parametrize("code", ["ibs_sss", "eq_5d_5l"])
def test_an_instrument_of_others_cannot_be_shown(code):
    with pytest.raises(ValueError, match="may not be shown"):
        dataclasses.replace(questionnaires()["pain_nrs"], instrument=instrument(code))


def test_a_question_left_out_is_found():
    page = questionnaires()["wexner"]
    with pytest.raises(ValueError, match="its items are"):
        Questionnaire(instrument=page.instrument, title="", about="", questions=page.questions[1:])
