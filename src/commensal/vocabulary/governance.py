"""Consent types, withdrawal levels, intercurrent events, reporting clocks and legal pathways, as data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from commensal.errors import InputError, nearest
from commensal.vocabulary.sources import check_citation, read_table


@dataclass(frozen=True)
class _Cited:
    source: str
    confidence: str

    def __post_init__(self) -> None:
        check_citation(self.source, self.confidence)


@dataclass(frozen=True, kw_only=True)
class ConsentType(_Cited):
    """A kind of consent and what it opens (treatment, a study, donation, biobank, sharing)."""

    code: str
    label: str
    opens: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class WithdrawalLevel(_Cited):
    """A level of withdrawal and what may still be done; traceability and safety records always stay."""

    code: str
    label: str
    may_treat: bool
    may_contact: bool
    may_extract_records: bool
    keeps_collected_data: bool


@dataclass(frozen=True, kw_only=True)
class IntercurrentEvent(_Cited):
    """An event after index that bears on the endpoint, and the strategies of the estimands."""

    code: str
    label: str
    primary: str
    sensitivity: str
    note: str


@dataclass(frozen=True, kw_only=True)
class ReportingClock(_Cited):
    """How long after first awareness an event must be reported, in a jurisdiction."""

    jurisdiction: str
    event: str
    to: str
    days: int = 0
    hours: int = 0
    follow_up_days: int = 0

    def due_at(self, aware_at: datetime) -> datetime:
        """Return the moment a report is due. Refuses (InputError) a moment without a time zone."""
        if aware_at.tzinfo is None:
            raise InputError(f"{aware_at} names no time zone", expected="a moment with its time zone")
        return aware_at + timedelta(days=self.days, hours=self.hours)


@dataclass(frozen=True, kw_only=True)
class RegulatoryPathway(_Cited):
    """The legal way by which material is given."""

    code: str
    label: str


@cache
def consent_types() -> dict[str, ConsentType]:
    """Return the kinds of consent by code."""
    rows = read_table("governance.toml")["consent_type"]
    return {row["code"]: ConsentType(**{**row, "opens": tuple(row["opens"])}) for row in rows}


@cache
def withdrawal_levels() -> dict[str, WithdrawalLevel]:
    """Return the levels of withdrawal, W1 to W4, by code."""
    return {row["code"]: WithdrawalLevel(**row) for row in read_table("governance.toml")["withdrawal_level"]}


@cache
def intercurrent_events() -> dict[str, IntercurrentEvent]:
    """Return the intercurrent events by code."""
    return {
        row["code"]: IntercurrentEvent(**row) for row in read_table("governance.toml")["intercurrent_event"]
    }


@cache
def regulatory_pathways() -> dict[str, RegulatoryPathway]:
    """Return the regulatory pathways by code."""
    return {
        row["code"]: RegulatoryPathway(**row) for row in read_table("governance.toml")["regulatory_pathway"]
    }


@cache
def reporting_clocks(jurisdiction: str) -> tuple[ReportingClock, ...]:
    """Return the reporting clocks of a jurisdiction. Refuses (InputError) an unknown one."""
    clocks = tuple(ReportingClock(**row) for row in read_table("governance.toml")["reporting_clock"])
    known = {clock.jurisdiction for clock in clocks}
    if jurisdiction not in known:
        raise InputError(f"unknown jurisdiction {jurisdiction!r}", expected=nearest(jurisdiction, known))
    return tuple(clock for clock in clocks if clock.jurisdiction == jurisdiction)
