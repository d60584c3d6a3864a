"""Scores over visits: change from baseline, repeated-measures models, responders, sparing of drugs."""
