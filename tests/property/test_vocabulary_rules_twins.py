"""The two readings of a rule agree, whatever the rule and whichever answers are missing."""

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal.vocabulary.conditions import All, Between, Compare, Either, IsTrue, Known, Not, OneOf
from commensal.vocabulary.frames import combine_all, judge_all
from commensal.vocabulary.rules import Rule, combine, judge, judge_each

NUMBERS, TRUTHS, TEXTS = ("n1", "n2"), ("b1", "b2"), ("t1", "t2")
SCHEMA = {
    "key": pl.Int64,
    "n1": pl.Int64,
    "n2": pl.Float64,
    "b1": pl.Boolean,
    "b2": pl.Boolean,
    "t1": pl.String,
}
small = st.integers(-3, 3)

leaves = st.one_of(
    st.builds(
        Compare, st.sampled_from(NUMBERS), st.sampled_from(["below", "at_most", "equals", "above"]), small
    ),
    st.builds(
        lambda fact, low, size: Between(fact, low, low + size),
        st.sampled_from(NUMBERS),
        small,
        st.integers(0, 3),
    ),
    st.builds(OneOf, st.sampled_from(TEXTS), st.sampled_from([("a",), ("a", "b")])),
    st.builds(IsTrue, st.sampled_from(TRUTHS)),
    st.builds(Known, st.sampled_from(NUMBERS + TRUTHS + TEXTS)),
)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(All, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Either, st.lists(inner, min_size=1, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)
answers = st.fixed_dictionaries(
    {
        "n1": st.none() | small,
        "n2": st.none() | st.just(float("nan")) | small.map(float),
        "b1": st.none() | st.booleans(),
        "b2": st.none() | st.booleans(),
        "t1": st.none() | st.sampled_from(["a", "b", "c", ""]),
    }
)


def rule_of(number, condition, consequence):
    return Rule(f"R{number}", "A rule.", condition, consequence, "DESIGN", "D", "donor")


rules_lists = st.lists(
    st.tuples(conditions, st.sampled_from(["exclude", "refer", "warn"])), min_size=1, max_size=3
).map(lambda pairs: [rule_of(i, *pair) for i, pair in enumerate(pairs)])


def frame_of(people):
    return pl.DataFrame([{"key": i, **person} for i, person in enumerate(people)], schema=SCHEMA)


def expected_rows(people, rules):
    return sorted(
        (i, rule.id, verdict.outcome, ";".join(verdict.missing))
        for i, person in enumerate(people)
        for rule in rules
        for verdict in [judge(person, rule=rule)]
    )


@pytest.mark.slow
@given(rules_lists, st.lists(answers, min_size=1, max_size=5))
@settings(deadline=None, max_examples=60)
def test_python_and_polars_agree(rules, people):
    judged = judge_all(frame_of(people).lazy(), rules=rules, keys=["key"])
    rows = judged.select("key", "rule_id", "verdict", "missing").collect().rows()
    assert sorted(rows) == expected_rows(people, rules)
    combined = dict(combine_all(judged, keys=["key"]).collect().rows())
    assert combined == {i: combine(judge_each(person, rules=rules)) for i, person in enumerate(people)}


@pytest.mark.slow
@given(rules_lists, st.lists(answers, min_size=1, max_size=4))
@settings(deadline=None, max_examples=15)
def test_python_and_duckdb_agree(rules, people):
    table = frame_of(people)
    with duckdb.connect() as connection:
        connection.register("people", table.to_arrow())
        judged = judge_all(connection.table("people"), rules=rules, keys=["key"])
        rows = [(row[0], row[1], row[4], row[5]) for row in judged.fetchall()]
        combined = dict(combine_all(judged, keys=["key"]).fetchall())
    assert sorted(rows) == expected_rows(people, rules)
    assert combined == {i: combine(judge_each(person, rules=rules)) for i, person in enumerate(people)}


@pytest.mark.slow
@given(conditions, answers, st.sampled_from(["n1", "n2", "b1", "b2", "t1"]), st.data())
@settings(deadline=None, max_examples=100)
def test_a_late_answer_never_overturns_a_verdict(condition, person, fact, data):
    """Kleene: filling in a missing answer may decide what was open, it cannot flip what was decided.

    Rules that ask *whether* a fact is known are about the answering itself and are left out.
    """
    if any(isinstance(node, Known) for node in nodes_of(condition)):
        return
    before = judge({**person, fact: None}, rule=rule_of(0, condition, "exclude")).outcome
    values = {"n": small, "b": st.booleans(), "t": st.sampled_from(["a", "b"])}[fact[0]]
    after = judge({**person, fact: data.draw(values)}, rule=rule_of(0, condition, "exclude")).outcome
    assert before in ("undetermined", after)


def nodes_of(condition):
    yield condition
    match condition:
        case All(of) | Either(of):
            for part in of:
                yield from nodes_of(part)
        case Not(of):
            yield from nodes_of(of)
