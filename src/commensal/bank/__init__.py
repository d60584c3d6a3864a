"""Custody of material: donation, batch, unit, patient; release, expiry, trace, recall."""

from commensal.bank.custody import Event, Exposure, UnitState, advance, fold, not_issuable
from commensal.bank.release import Criterion, ReleaseDecision, release_decision
from commensal.bank.stock import unit_states
from commensal.bank.trace import Trace, exposures, trace

__all__ = [
    "Criterion",
    "Event",
    "Exposure",
    "ReleaseDecision",
    "Trace",
    "UnitState",
    "advance",
    "exposures",
    "fold",
    "not_issuable",
    "release_decision",
    "trace",
    "unit_states",
]
