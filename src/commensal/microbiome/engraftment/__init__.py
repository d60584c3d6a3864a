"""Engraftment: what of the donor is found in the recipient, beyond what was there and what all guts share."""
