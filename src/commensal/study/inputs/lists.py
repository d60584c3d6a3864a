"""Closed lists that several tables share."""

SEX = ("female", "male", "intersex", "unknown")
RESULTS = ("negative", "positive", "equivocal", "invalid", "pending")
