"""Cohort, endpoints, survival and safety: one row per patient in, rows with an uncertainty out."""
