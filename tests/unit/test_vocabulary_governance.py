"""Consent, withdrawal, intercurrent events and reporting clocks."""

from datetime import UTC, datetime

import pytest

from commensal.errors import InputError
from commensal.vocabulary.governance import (
    consent_types,
    intercurrent_events,
    regulatory_pathways,
    reporting_clocks,
    withdrawal_levels,
)

AWARE = datetime(2024, 2, 20, 23, 30, tzinfo=UTC)


def test_each_level_of_withdrawal_allows_less():
    levels = list(withdrawal_levels().values())
    assert [level.code for level in levels] == ["W1", "W2", "W3", "W4"]
    allowed = [(level.may_contact, level.may_extract_records, level.keeps_collected_data) for level in levels]
    assert allowed == [(True, True, True), (False, True, True), (False, False, True), (False, False, False)]


def test_clocks_run_in_calendar_days_from_awareness():
    due = {clock.event: clock.due_at(AWARE) for clock in reporting_clocks("us_ind")}
    assert due["susar"] == datetime(2024, 3, 6, 23, 30, tzinfo=UTC)
    assert due["fatal_or_life_threatening_susar"] == datetime(2024, 2, 27, 23, 30, tzinfo=UTC)
    assert reporting_clocks("site")[0].due_at(AWARE) == datetime(2024, 2, 21, 23, 30, tzinfo=UTC)


def test_a_moment_without_a_time_zone_is_refused():
    with pytest.raises(InputError, match="time zone"):
        reporting_clocks("site")[0].due_at(AWARE.replace(tzinfo=None))
    with pytest.raises(InputError, match="eu_ctr"):
        reporting_clocks("eu_crt")


def test_a_waiver_opens_nothing_by_default():
    assert consent_types()["waiver_irb"].opens == ()
    assert "retrospective_study" in consent_types()["data_use_signed"].opens


def test_death_and_colectomy_are_failures_and_compete():
    for code in ("death", "colectomy"):
        event = intercurrent_events()[code]
        assert (event.primary, event.sensitivity) == ("composite", "competing_event")


def test_enforcement_discretion_does_not_cover_stool_banks():
    assert "does not cover" in regulatory_pathways()["us_enforcement_discretion"].label
