"""Prediction models: fitted on what is known before index, judged on patients and donors they never saw."""

from commensal.evidence.prediction.conformal_sets import ConformalSets, conformal, cross_conformal
from commensal.evidence.prediction.metrics import (
    Auroc,
    Brier,
    Calibration,
    DecisionCurve,
    auroc,
    brier,
    calibration,
    censored_brier,
    decision_curve,
)
from commensal.evidence.prediction.models import prediction_models
from commensal.evidence.prediction.sample_size import SampleSize, sample_size
from commensal.evidence.prediction.settings import Settings

__all__ = [
    "Auroc",
    "Brier",
    "Calibration",
    "ConformalSets",
    "DecisionCurve",
    "SampleSize",
    "Settings",
    "auroc",
    "brier",
    "calibration",
    "censored_brier",
    "conformal",
    "cross_conformal",
    "decision_curve",
    "prediction_models",
    "sample_size",
]
