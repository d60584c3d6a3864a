"""The donor funnel."""

from hypothesis import given
from hypothesis import strategies as st

from commensal.registry.funnel import STAGES, funnel_of


def donor(status="candidate", *, answers=False, tests=False, eligible=False, donated=False, reason=None):
    return {
        "has_answers": answers,
        "has_tests": tests,
        "was_eligible": eligible,
        "has_donated": donated,
        "status": status,
        "reason_code": reason,
    }


def test_each_stage_counts_who_reached_it_and_who_is_there():
    found = funnel_of(
        [
            donor(),
            donor(answers=True),
            donor("excluded", answers=True, tests=True, reason="test_finding"),
            donor("eligible", answers=True, tests=True, eligible=True),
            donor("retired", answers=True, tests=True, eligible=True, donated=True, reason="moved_away"),
        ]
    )
    assert [(s.name, s.n_reached, s.n_here) for s in found.stages] == [
        ("contacted", 5, 1),
        ("questionnaire", 4, 1),
        ("tests", 3, 0),
        ("eligible", 2, 1),
        ("donating", 1, 0),
    ]
    assert found.left == (("excluded", "test_finding", 1), ("retired", "moved_away", 1))


def test_an_empty_programme_has_no_shares():
    assert {stage.share for stage in funnel_of([]).stages} == {None}


flags = st.booleans()
donors = st.builds(
    donor,
    st.sampled_from(["candidate", "eligible", "deferred", "excluded", "retired"]),
    answers=flags,
    tests=flags,
    eligible=flags,
    donated=flags,
    reason=st.sampled_from([None, "moved_away"]),
)


@given(st.lists(donors))
def test_a_later_stage_is_never_larger_and_everybody_is_counted_once(many):
    found = funnel_of(many)
    reached = [stage.n_reached for stage in found.stages]
    assert reached == sorted(reached, reverse=True)
    assert len(found.stages) == len(STAGES)
    assert sum(stage.n_here for stage in found.stages) + sum(n for *_, n in found.left) == len(many)
