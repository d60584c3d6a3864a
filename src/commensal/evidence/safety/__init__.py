"""Adverse events: who was ascertained, how many, how often, how late, after what."""

from commensal.evidence.safety.analysis import adverse_event_incidence, safety
from commensal.evidence.safety.incidence import NOT_RECORDED
from commensal.evidence.safety.records import Window
from commensal.evidence.safety.settings import Settings

__all__ = ["NOT_RECORDED", "Settings", "Window", "adverse_event_incidence", "safety"]
