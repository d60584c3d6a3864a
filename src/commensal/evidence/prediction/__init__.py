"""Prediction models: fitted on what is known before index, judged on patients and donors they never saw."""
