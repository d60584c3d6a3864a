"""Comparisons and sensitivity: effects, tests, weights, imputations, and how far a finding holds."""

from __future__ import annotations

from commensal.study.declaration import Table, integer, number, text, word

EFFECTS = Table(
    "effects",
    "one coefficient or contrast of one fitted model",
    ("model", "endpoint", "landmark", "population", "term", "contrast"),
    (
        word("model", "The model, by name (cox_remission, route_overlap, mmrm_…)."),
        word("endpoint", "What is modelled."),
        word("landmark", "W8, M3, Y1, Y5; null for time to event."),
        word("population", "Who is in the model."),
        word("estimand", "How intercurrent events and missing outcomes are handled."),
        word("term", "Covariate or factor."),
        word("contrast", "Level against reference, or the step of a continuous term."),
        number("estimate", "The effect on the scale of the unit; null with a reason."),
        number("se", "Standard error.", minimum=0),
        number("lower", "Lower limit."),
        number("upper", "Upper limit."),
        number("level", "Confidence level.", minimum=0, maximum=1),
        word("unit", "log_hazard_ratio, log_odds_ratio, risk_difference, points, log_rate_ratio …"),
        number("statistic", "Test statistic."),
        number("df", "Its degrees of freedom; null for a normal statistic.", minimum=0),
        number("p_value", "Two-sided p value.", minimum=0, maximum=1),
        number("e_value", "E-value of the estimate; null where none applies.", minimum=1),
        number("e_value_limit", "E-value of the limit nearest to no effect.", minimum=1),
        integer("n", "Patients, or observations where the method says so."),
        integer("n_events", "Events or successes among n."),
        integer("n_missing", "Left out or imputed for want of data."),
        word("adjusted_for", "Covariates in the model besides the term."),
        word("method", "Model, variance and convention."),
        word("reason", "Why there is no estimate, or a caution to print with it."),
    ),
)


HYPOTHESIS_TESTS = Table(
    "hypothesis_tests",
    "one test of one hypothesis",
    ("test", "endpoint", "landmark", "population", "group_variable"),
    (
        word("test", "log_rank, gray, donors_equal, route_within_strata, proportional_hazards …"),
        word("endpoint", "What is tested."),
        word("landmark", "W8, M3, Y1, Y5; null where there is none."),
        word("population", "Who is in it."),
        word("group_variable", "What is compared, or the term tested."),
        number("statistic", "Test statistic."),
        number("df", "Degrees of freedom; null where there are none.", minimum=0),
        number("p_value", "p value.", minimum=0, maximum=1),
        integer("n", "Patients."),
        integer("n_events", "Events or successes."),
        integer("n_groups", "Groups compared."),
        word("method", "Test and convention."),
        word("reason", "Why there is no test, or a caution to print with it."),
    ),
)


VARIANCE_COMPONENTS = Table(
    "variance_components",
    "one source of variation of one mixed model",
    ("model", "endpoint", "landmark", "population", "component"),
    (
        word("model", "The model, by name."),
        word("endpoint", "What is modelled."),
        word("landmark", "W8, M3, Y1, Y5."),
        word("population", "Who is in the model."),
        word("component", "donor, site, patient, residual …"),
        number("variance", "Variance on the model's scale.", minimum=0),
        number("lower", "Lower limit.", minimum=0),
        number("upper", "Upper limit.", minimum=0),
        number("level", "Confidence level.", minimum=0, maximum=1),
        number("probability_none", "Probability that there is no variation at all.", minimum=0, maximum=1),
        number("p_value", "p value of the permutation within strata.", minimum=0, maximum=1),
        integer("n_levels", "Levels (donors, sites …)."),
        integer("n", "Patients or observations."),
        integer("n_events", "Successes among them."),
        word("method", "Model and convention."),
        word("verdict", "cannot_tell, equal or different."),
        word("reason", "Why there is no estimate, or a caution to print with it."),
    ),
)


BALANCE = Table(
    "balance",
    "one covariate before and after weighting two groups",
    ("comparison", "covariate", "level", "weighting"),
    (
        word("comparison", "First group against second."),
        word("covariate", "Covariate."),
        word("level", "Level of a categorical covariate; null for a continuous one."),
        word("weighting", "none or overlap."),
        number("first", "Mean or proportion in the first group."),
        number("second", "Mean or proportion in the second group."),
        number(
            "standardised_difference", "Second less first in standard deviations of the unweighted groups."
        ),
        integer("n_first", "Patients in the first group."),
        integer("n_second", "Patients in the second group."),
        number("effective_first", "Effective sample size of the first group.", minimum=0),
        number("effective_second", "Effective sample size of the second group.", minimum=0),
        word("reason", "Why there is no number."),
    ),
)


WEIGHT_SUMMARIES = Table(
    "weight_summaries",
    "the weights of one weighted analysis",
    ("analysis", "endpoint", "landmark", "group_level"),
    (
        word("analysis", "censoring_weights, visit_intensity_weights, overlap_weights."),
        word("endpoint", "Endpoint, or the comparison."),
        word("landmark", "W8, M3, Y1, Y5."),
        word("group_level", "Indication or group."),
        integer("n", "Patients with a weight."),
        number("smallest", "Smallest weight.", minimum=0),
        number("mean", "Mean weight.", minimum=0),
        number("largest", "Largest weight.", minimum=0),
        number("effective_n", "Effective sample size.", minimum=0),
        integer("n_truncated", "Weights cut at the stated limit."),
        word("rests_on", "Recorded history the weights condition on."),
        word("reason", "Why there are no weights, or a caution to print with them."),
    ),
)


IMPUTATIONS = Table(
    "imputations",
    "one variable of the imputation model, observed beside imputed",
    ("model", "variable", "level"),
    (
        word("model", "The imputation model, by name."),
        word("variable", "Variable."),
        word("level", "Level of a categorical variable; null for a continuous one."),
        word("kind", "continuous, binary, ordered or nominal."),
        word("method", "Conditional model."),
        integer("n_observed", "Patients with a value."),
        integer("n_missing", "Patients without."),
        number("observed", "Mean or proportion where observed."),
        number("imputed", "Mean or proportion where imputed, over all imputations."),
        number("spread_observed", "Standard deviation where observed.", minimum=0),
        number("spread_imputed", "Standard deviation where imputed.", minimum=0),
        number("convergence", "Potential scale reduction of the chains' means.", minimum=0),
        integer("n_imputations", "Completed data sets."),
        integer("n_iterations", "Rounds of the chain."),
        word("reason", "Why it was not imputed, or a caution to print with it."),
    ),
)


TIPPING_POINTS = Table(
    "tipping_points",
    "one estimate under one departure from missing at random",
    ("endpoint", "landmark", "population", "group_variable", "group_level", "delta"),
    (
        word("endpoint", "Endpoint."),
        word("landmark", "W8, M3, Y1, Y5."),
        word("population", "Who is in the denominator."),
        word("group_variable", "What the rows are split by."),
        word("group_level", "Level."),
        number("delta", "Log-odds of success (or points) added to the unobserved."),
        word("unit", "log-odds or points."),
        number("estimate", "The estimate under that departure."),
        number("lower", "Lower limit."),
        number("upper", "Upper limit."),
        number("level", "Confidence level.", minimum=0, maximum=1),
        number("reference", "The figure against which the conclusion tips."),
        text("verdict", "What the departure would do to the conclusion."),
        integer("n_due", "Patients due."),
        integer("n_missing", "Due but not observed."),
        word("reason", "Why there is no estimate, or a caution to print with it."),
    ),
)
