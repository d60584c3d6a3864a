"""Gates of all lots at once agree with the interpreter for one lot; parts of a rule with the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal.matching.barrels import single_barrelled
from commensal.matching.columns import column_of, judge_columns
from commensal.vocabulary import combine, find_fact, judge_each, rule_set
from commensal.vocabulary.rules import OUTCOMES

GATES = rule_set("gates")
FACTS = sorted({fact for rule in GATES for fact in rule.facts})
OF_RECIPIENT = {"age_at_index_years", "immunocompromise", "recipient_cmv_igg", "recipient_ebv_igg", "route",
                "has_anaphylactic_food_allergy"}  # fmt: skip


def answers_of(fact: str) -> st.SearchStrategy[Any]:
    declared = find_fact(fact)
    if declared.kind == "boolean":
        return st.sampled_from([True, False, None])
    if declared.kind == "text":
        values = declared.values or ("colonoscopy", "nasojejunal", "oral_capsule_frozen")
        return st.sampled_from([*values, None])
    return st.sampled_from([-1.0, 0.0, 1.0, 17.0, 18.0, 29.0, 30.0, 60.0, None])


LOT = st.fixed_dictionaries({f: answers_of(f) for f in FACTS if f not in OF_RECIPIENT})
RECIPIENT = st.fixed_dictionaries({f: answers_of(f) for f in sorted(OF_RECIPIENT)})


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(LOT, min_size=1, max_size=12), RECIPIENT)
def test_all_at_once_agree_with_one_by_one(lots: list[dict[str, Any]], who: dict[str, Any]) -> None:
    columns = {f: column_of([lot[f] for lot in lots]) for f in lots[0]}
    found = judge_columns(GATES, columns, facts=who, n_lots=len(lots))
    for i, lot in enumerate(lots):
        for judged, verdict in zip(found, judge_each({**who, **lot}, rules=GATES), strict=True):
            assert OUTCOMES[judged.verdicts[i]] == verdict.outcome
            words = judged.texts[judged.which[i]]
            assert words == ("" if verdict.outcome == "met" else verdict.explain())


RULES = [r for name in ("recipient", "routes", "preparation") for r in rule_set(name)]
ASKED = sorted({fact for rule in RULES for fact in rule.facts})


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.fixed_dictionaries({f: answers_of(f) for f in ASKED}))
def test_the_parts_of_a_rule_say_what_it_says(facts: dict[str, Any]) -> None:
    for rule in RULES:
        whole = judge_each(facts, rules=[rule])
        assert combine(judge_each(facts, rules=single_barrelled([rule]))) == combine(whole), rule.id


def test_no_part_joins_several_answers_by_and() -> None:
    parts = single_barrelled(RULES)
    assert len({p.id for p in parts}) == len(parts)
    assert sum("." in p.id for p in parts) > 30
    # An answer beside another is an alternative ("or"), never a second demand.
    assert all(
        "_or_" in p.id for p in parts if "." in p.id and " or " in p.sentence and ":" in p.sentence[20:]
    )


def test_codes_do_not_depend_on_how_many_values_there_are() -> None:
    few = column_of([3, 1, 3, None])
    assert [few.at(i) for i in range(4)] == [3, 1, 3, None]
    assert few.map(lambda v: v == 3).values == (True, False)
    # Two columns of 300 values: more combinations than are counted in a table.
    doses, days = column_of([float(i % 300) for i in range(600)]), column_of(list(range(300)) * 2)
    rule = next(r for r in GATES if r.id == "GATE24")
    both = {"dose_grams": doses, "dose_grams_per_kilogram": days}
    judged = judge_columns([rule], both, facts={"age_at_index_years": 9}, n_lots=600)[0]
    met = np.array([d >= 30 or k >= 1 for d, k in zip(range(300), range(300), strict=True)] * 2)
    assert np.array_equal(judged.verdicts == OUTCOMES.index("met"), met)
