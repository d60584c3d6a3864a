"""Which curves a study has; the package of survival holds the work."""

from __future__ import annotations

from commensal.evidence.survival.curve_rows import time_courses

__all__ = ["time_courses"]
