"""The words of rules and windows are the words of the study's tables."""

from datetime import date

from commensal.study.inputs import INPUTS, RELEASE_PATHWAYS
from commensal.study.inputs.lists import RESULTS
from commensal.study.inputs.people import COHORTS
from commensal.vocabulary import donor_verdicts, windows
from commensal.vocabulary.conditions import All, Either, Not, OneOf
from commensal.vocabulary.eligibility import RULE_SETS, judge_routes, rule_set
from commensal.vocabulary.endpoints import endpoints
from commensal.vocabulary.facts import declarations, facts
from commensal.vocabulary.governance import consent_types, withdrawal_levels
from commensal.vocabulary.indications import indications
from commensal.vocabulary.routes import routes
from commensal.vocabulary.rules import Rule
from commensal.vocabulary.screening import profile_codes, release_pathways, screening_profile

ON = date(2026, 1, 1)


def codes_of(table, column):
    return set(next(c for c in INPUTS[table].columns if c.name == column).codes)


def test_closed_lists_agree():
    assert set(release_pathways()) == set(RELEASE_PATHWAYS)
    assert set(donor_verdicts.RESULTS) == set(RESULTS)
    assert set(windows.COHORTS) == set(COHORTS)
    assert set(consent_types()) == codes_of("consents", "type")
    assert set(withdrawal_levels()) == codes_of("consents", "withdrawal_level")


def test_specimens_of_screening_are_specimens_of_the_table():
    for code in profile_codes():
        for need in screening_profile(code, on=ON).requirements:
            assert set(need.specimens) <= codes_of("screenings", "specimen")


def test_endpoints_and_rules_name_indications_and_routes_that_exist():
    assert {endpoint.indication for endpoint in endpoints()} <= set(indications().codes)

    def lists(condition):
        match condition:
            case All(of) | Either(of):
                for part in of:
                    yield from lists(part)
            case Not(of):
                yield from lists(of)
            case OneOf():
                yield condition

    known = {"indication": set(indications().codes), "route": set(routes().codes)}
    rules: list[Rule] = [rule for name in RULE_SETS for rule in rule_set(name)]
    named = [one for rule in rules for one in lists(rule.condition) if one.fact in known]
    assert named
    for one in named:
        assert set(one.values) <= known[one.fact]


def test_every_route_is_touched_by_a_contraindication_or_known_to_have_none():
    untouched = {code for code in routes().codes if judge_routes({}, routes=[code])[code][0] == "met"}
    assert untouched == {"stoma_distal_limb"}


def test_no_fact_is_declared_twice():
    """One name, one meaning: of the recipient's and the donor's facts neither may hide the other."""
    meanings: dict[str, set[object]] = {}
    for fact in declarations():
        meanings.setdefault(fact.code, set()).add((fact.subject, fact.kind, fact.unit, fact.meaning))
    assert {code for code, told in meanings.items() if len(told) > 1} == set()
    assert set(facts()) == set(meanings)


def test_rules_on_a_recipient_ask_nothing_of_the_donor():
    rules = [rule for name in ("recipient", "routes", "preparation", "study") for rule in rule_set(name)]
    asked = {fact for rule in rules for fact in rule.facts}
    assert "days_since_recipient_antibiotic" in asked
    assert {facts()[fact].subject for fact in asked} <= {"recipient", "session"}
