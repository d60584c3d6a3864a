"""Who was studied and what became of them."""

from __future__ import annotations

from commensal.study.declaration import Table, code, identifier, integer, number, text, word

VERDICTS = Table(
    "verdicts",
    "one rule judged for one subject",
    ("subject_id", "rule_id"),
    (
        identifier("subject_id", "Patient, donor, unit or lot judged.", is_required=True),
        word("rule_id", "The rule."),
        code("verdict", ("met", "not_met", "undetermined"), "The verdict.", is_required=True),
        word("consequence", "What follows where it is not met: exclude, defer, refer, warn, record."),
        text("explanation", "The answers it rested on, in words."),
        word("missing_facts", "Facts without an answer, separated by ';'."),
        word("source", "Guideline and year."),
    ),
)


FLOW = Table(
    "flow",
    "one box of the flow diagram",
    ("step_id",),
    (
        word("step_id", "The box."),
        word("parent_id", "Box it comes from; null for the first."),
        integer("position", "Order of the box among those of the diagram, from 1."),
        word("label", "What the box counts."),
        integer("n", "Patients in the box."),
        word("reason", "Why patients left, for a side box; null on the main line."),
    ),
)


BASELINE = Table(
    "baseline",
    "one characteristic (or one level of it) in one group",
    ("version", "variable", "level", "group_variable", "group_level"),
    (
        word("version", "observed, weighted (overlap weights) or imputed."),
        word("variable", "Characteristic."),
        word("level", "Level of a categorical characteristic; null for a continuous one."),
        word("group_variable", "What the columns of the table are split by."),
        word("group_level", "Column."),
        word("unit", "Unit."),
        integer("n", "Patients in the group."),
        integer("n_missing", "Of them without a value."),
        integer("count", "With this level."),
        number("proportion", "Count over those with a value."),
        number("mean", "Mean."),
        number("standard_deviation", "Standard deviation."),
        number("median", "Median."),
        number("lower_quartile", "First quartile."),
        number("upper_quartile", "Third quartile."),
        number("standardised_difference", "Difference between the two groups in pooled standard deviations."),
        word("reason", "Why a cell is empty."),
    ),
)


ESTIMATES = Table(
    "estimates",
    "one estimate with its uncertainty, its denominators and its method",
    ("endpoint", "landmark", "population", "estimand", "group_variable", "group_level", "method"),
    (
        word("endpoint", "What is estimated (remission, response, relapse, adverse_event …)."),
        word("landmark", "W8, M3, Y1, Y5; null where there is none."),
        word("population", "Who is in the denominator."),
        word("estimand", "How intercurrent events and missing outcomes are handled."),
        word("group_variable", "What the rows are split by; 'all' for none."),
        word("group_level", "Level of the group variable."),
        number("estimate", "The estimate; null with a reason where it cannot be computed."),
        number("se", "Standard error.", minimum=0),
        number("lower", "Lower limit."),
        number("upper", "Upper limit."),
        number("level", "Confidence level.", minimum=0, maximum=1),
        word("unit", "proportion, per_procedure, per_100_person_years …"),
        integer("n", "Observed denominator."),
        integer("n_events", "Events or successes among n."),
        integer("n_due", "Patients due at the landmark."),
        integer("n_missing", "Due but not observed."),
        word("method", "Method and convention."),
        word("reason", "Why there is no estimate, or a caution to print with it."),
        word("reference", "Published figure to set beside it, with its source."),
    ),
)


MISSINGNESS = Table(
    "missingness",
    "patients without an observed outcome at one landmark, by reason",
    ("endpoint", "landmark", "group_variable", "group_level", "reason"),
    (
        word("endpoint", "Endpoint."),
        word("landmark", "Landmark."),
        word("group_variable", "What the rows are split by."),
        word("group_level", "Level."),
        word("reason", "not_yet_due, lost, withdrew, died, missed_visit, data_not_collected …"),
        integer("n", "Patients."),
    ),
)


FOLLOW_UP = Table(
    "follow_up",
    "how complete follow-up is in one group",
    ("landmark", "group_variable", "group_level"),
    (
        word("landmark", "W8, M3, Y1, Y5; null for the whole of follow-up."),
        word("group_variable", "What the rows are split by; 'all' for none."),
        word("group_level", "Level of the group variable."),
        integer("n", "Patients in the group."),
        integer("n_due", "Whose window had closed at the data cut."),
        integer("n_not_due", "Whose window had not closed yet."),
        integer("n_unknown", "Of whom it cannot be told."),
        integer("n_seen", "Due and seen in the window."),
        integer("n_missed", "Due, in follow-up, and not seen in the window."),
        integer("n_lost", "Due and lost to follow-up before."),
        integer("n_withdrawn", "Due and withdrawn before."),
        integer("n_dead", "Due and dead before."),
        number("person_years", "Person-time observed.", unit="years", minimum=0),
        number(
            "potential_person_years",
            "Person-time to the landmark or data cut, or death.",
            unit="years",
            minimum=0,
        ),
        number("completeness", "Observed over potential person-time (Clark's C).", minimum=0, maximum=1),
        number(
            "median_years", "Median follow-up, by the reverse Kaplan–Meier method.", unit="years", minimum=0
        ),
        word("method", "Definition."),
        word("reason", "Why there is no number, or a caution to print with it."),
    ),
)


CURVES = Table(
    "curves",
    "one step of one curve over time",
    ("curve", "group_variable", "group_level", "event", "time_days"),
    (
        word("curve", "What the curve shows (cumulative incidence of remission …)."),
        word("group_variable", "What the curves are split by."),
        word("group_level", "Level."),
        word("event", "Event whose probability is drawn."),
        integer("time_days", "Days since the curve's origin.", unit="days"),
        number("estimate", "Probability.", minimum=0, maximum=1),
        number("se", "Standard error.", minimum=0),
        number("lower", "Lower limit."),
        number("upper", "Upper limit."),
        integer("n_at_risk", "At risk just before this time."),
        integer("n_events", "Events of this kind at this time."),
        word("method", "Estimator and interval."),
        word("reason", "Why there is no curve."),
    ),
)


CURVE_RISK = Table(
    "numbers_at_risk",
    "numbers at risk under one curve at one printed time",
    ("curve", "group_variable", "group_level", "time_days"),
    (
        word("curve", "Curve."),
        word("group_variable", "What the curves are split by."),
        word("group_level", "Level."),
        integer("time_days", "Days since the curve's origin.", unit="days"),
        integer("n_at_risk", "At risk."),
    ),
)


EVIDENCE_STATUS = Table(
    "evidence_status",
    "the standing of FMT in one indication of the study",
    ("indication",),
    (
        word("indication", "Indication."),
        word("label", "Its name."),
        word("status", "guideline_supported, trial_only or investigational."),
        word("statement", "What the guideline or trials say."),
        word("source", "Citation with year."),
        integer("n_patients", "Patients of the study with this indication."),
    ),
)


PROVENANCE = Table(
    "provenance",
    "one fact about how the results were made",
    ("item",),
    (
        word("item", "What is stated."),
        word("value", "Its value."),
    ),
)
