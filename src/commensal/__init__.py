"""Commensal: an open platform for fecal microbiota transplantation programmes."""

__version__ = "0.1.0"
