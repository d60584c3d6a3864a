"""Adverse events: who was ascertained, how many, how often, how late, after what."""

from commensal.evidence.safety.incidence import NOT_RECORDED, Window, adverse_event_incidence

__all__ = ["NOT_RECORDED", "Window", "adverse_event_incidence"]
