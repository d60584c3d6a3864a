"""Every rule of every set is signed, cited and asks only declared facts of the right kind."""

from datetime import date

import pytest

from commensal.bank import criteria
from commensal.vocabulary.conditions import kinds_of
from commensal.vocabulary.eligibility import RULE_SETS, rule_set
from commensal.vocabulary.facts import KINDS, facts
from commensal.vocabulary.screening import profile_codes, screening_profile
from commensal.vocabulary.sources import CONFIDENCES, find_source, sources

ON = date(2026, 1, 1)
PROFILES = [screening_profile(code, on=ON) for code in profile_codes()]
RELEASE = [
    *criteria.OF_THE_UNIT,
    *criteria.OF_OWN_MATERIAL,
    *criteria.OF_A_DONATION,
    criteria.IN_TIME,
    *criteria.OF_A_SUPPLY,
    criteria.shelf_life_rule(next(p.shelf_life for p in PROFILES if p.shelf_life)),
]
RULES = [
    *(rule for name in RULE_SETS for rule in rule_set(name)),
    *(rule for profile in PROFILES for rule in profile.rules),
    *RELEASE,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_is_cited_and_asks_declared_facts(rule):
    assert find_source(rule.source).year == rule.year
    assert rule.confidence in CONFIDENCES
    assert rule.sentence.endswith(".")
    assert set(rule.facts) <= set(facts())
    for fact, kind in kinds_of(rule.condition):
        assert facts()[fact].kind == kind, fact
    if rule.consequence == "defer":
        assert rule.defer_from in rule.facts


def test_ids_are_unique():
    ids = [rule.id for rule in RULES]
    assert len(ids) == len(set(ids))


def test_texts_in_rules_are_values_of_their_facts():
    def texts(condition):
        for part in getattr(condition, "of", ()) if isinstance(getattr(condition, "of", None), tuple) else ():
            yield from texts(part)
        if hasattr(condition, "of") and not isinstance(condition.of, tuple):
            yield from texts(condition.of)
        if hasattr(condition, "values"):
            yield from ((condition.fact, value) for value in condition.values)
        elif isinstance(getattr(condition, "value", None), str):
            yield condition.fact, condition.value

    for rule in RULES:
        for fact, value in texts(rule.condition):
            closed = facts()[fact].values
            assert not closed or value in closed, (rule.id, fact, value)


def test_every_fact_is_asked_by_a_rule():
    asked = {fact for rule in RULES for fact in rule.facts}
    assert set(facts()) - asked == set()
    assert {fact.kind for fact in facts().values()} == set(KINDS)


def test_every_screening_cell_is_cited():
    for profile in PROFILES:
        for cell in (*profile.requirements, *profile.intervals.values()):
            find_source(cell.source)
            assert cell.confidence in CONFIDENCES


def test_sources_carry_a_title_and_a_plausible_year():
    assert all(source.title and 1950 < source.year <= 2026 for source in sources().values())
