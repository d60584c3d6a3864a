"""Prediction models: what they said of whom, how well, and what they do not know."""

from __future__ import annotations

from commensal.study.declaration import Table, code, flag, identifier, integer, number, text, word

PREDICTIONS = Table(
    "predictions",
    "one patient's prediction by one model under one validation",
    ("model", "validation", "patient_id"),
    (
        word("model", "Name and version of the model."),
        word("validation", "by_patient, by_donor, temporal, leave_site_out or apparent."),
        identifier("patient_id", "Patient.", is_required=True),
        word("endpoint", "What is predicted."),
        word("landmark", "When."),
        word("indication", "Indication."),
        number("probability", "Predicted probability of success.", minimum=0, maximum=1),
        code("conformal_set", ("success", "failure", "either", "neither"), "Outcomes not ruled out."),
        flag("is_abstained", "The model says 'cannot tell' of this patient."),
        flag("success", "Outcome; null where not observed."),
        number("weight", "Inverse probability of being observed.", minimum=0),
        word("reason", "Why there is no prediction, or why the model abstains."),
    ),
)


PERFORMANCE = Table(
    "performance",
    "one measure of one model under one validation",
    ("model", "validation", "group_variable", "group_level", "measure"),
    (
        word("model", "Name and version of the model."),
        word("validation", "by_patient, by_donor, temporal, leave_site_out or apparent."),
        word("group_variable", "Subgroup variable; 'all' for none."),
        word("group_level", "Subgroup."),
        word("measure", "auroc, calibration_slope, calibration_intercept, ici, brier, coverage …"),
        number("estimate", "The measure; null with a reason."),
        number("se", "Standard error.", minimum=0),
        number("lower", "Lower limit."),
        number("upper", "Upper limit."),
        number("level", "Confidence level.", minimum=0, maximum=1),
        integer("n", "Patients."),
        integer("n_events", "Successes among them."),
        word("method", "Definition and interval."),
        word("reason", "Why there is no number, or a caution to print with it."),
    ),
)


CALIBRATION = Table(
    "calibration",
    "one point of one smooth calibration curve",
    ("model", "validation", "predicted"),
    (
        word("model", "Name and version of the model."),
        word("validation", "by_patient, by_donor, temporal, leave_site_out or apparent."),
        number("predicted", "Predicted probability.", minimum=0, maximum=1),
        number("observed", "Observed proportion there, smoothed.", minimum=0, maximum=1),
        number("lower", "Lower limit.", minimum=0, maximum=1),
        number("upper", "Upper limit.", minimum=0, maximum=1),
        integer("n", "Patients with a prediction in this tenth of the range."),
        word("method", "Smoother and interval."),
        word("reason", "Why there is no curve."),
    ),
)


DECISION_CURVES = Table(
    "decision_curves",
    "the net benefit of one strategy at one threshold",
    ("model", "validation", "strategy", "threshold"),
    (
        word("model", "Name and version of the model."),
        word("validation", "by_patient, by_donor, temporal, leave_site_out or apparent."),
        word("strategy", "model, all or none."),
        number("threshold", "Probability at which one would act.", minimum=0, maximum=1),
        number("net_benefit", "Net benefit per patient."),
        number("lower", "Lower limit."),
        number("upper", "Upper limit."),
        integer("n", "Patients."),
        word("reason", "Why there is no number."),
    ),
)


MODEL_CARDS = Table(
    "model_cards",
    "one entry of the card of one model",
    ("model", "position"),
    (
        word("model", "Name and version of the model."),
        integer("position", "Order of the entry."),
        word("section", "purpose, data, predictors, sample_size, performance, limits, use …"),
        word("item", "What it is."),
        text("content", "The entry in words."),
        number("value", "Its number, where it has one."),
        word("reason", "Why it is empty."),
    ),
)
