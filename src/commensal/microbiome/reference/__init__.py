"""A community against a named reference cohort: dysbiosis, deficits, and what a donor can supply."""
