"""Instruments: questionnaires, indices and measurements as data, with one scoring read two ways."""

from commensal.vocabulary.instruments.choice import choose, instrument_for
from commensal.vocabulary.instruments.declaration import (
    Banding,
    Criterion,
    Instrument,
    Item,
    Score,
    instrument,
    instruments,
)
from commensal.vocabulary.instruments.diaries import BowelMovement, count_csbm, responder_of_weeks
from commensal.vocabulary.instruments.scoring import KEYS, Scored, check_answers, score, score_one

__all__ = [
    "KEYS",
    "Banding",
    "BowelMovement",
    "Criterion",
    "Instrument",
    "Item",
    "Score",
    "Scored",
    "check_answers",
    "choose",
    "count_csbm",
    "instrument",
    "instrument_for",
    "instruments",
    "responder_of_weeks",
    "score",
    "score_one",
]
