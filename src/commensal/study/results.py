"""The result tables: what analyses write and reports read.

What cannot be computed is a row with a reason, never NaN; a denominator stands in every row.
"""

from __future__ import annotations

from commensal.study.declaration import Table, code, date, flag, identifier, integer, number, text, word

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
    ("variable", "level", "group_variable", "group_level"),
    (
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

ENGRAFTMENT = Table(
    "engraftment",
    "one measure of one sample",
    ("subject_id", "sample_id", "measure"),
    (
        identifier("sample_id", "The recipient's sample; null where the subject has none to measure."),
        identifier("subject_id", "Recipient."),
        identifier(
            "donor_id",
            "Donor, batch or pool compared with, several joined by ';'; null for a measure without one.",
        ),
        identifier(
            "reference_sample_id",
            "Sample of the donor, or of the baseline, compared with; several separated by ';'.",
        ),
        integer("day", "Day relative to index.", unit="days"),
        word("timepoint", "Time point in the words of the source."),
        word("measure", "peds, pprs, bray_curtis_to_donor, shannon …"),
        number("value", "The measure."),
        number("lower", "Lower limit."),
        number("upper", "Upper limit."),
        number("level", "Confidence level of the interval."),
        integer("n", "Denominator (features of the donor, of the baseline …)."),
        integer("n_events", "Numerator."),
        word("method", "How the interval was made; null without one."),
        word("reason", "Why there is no value, or a caution to print with it."),
    ),
)

TAXON_OUTCOMES = Table(
    "taxon_outcomes",
    "one taxon at one time point over all recipients whose donor had it",
    ("taxon_id", "timepoint"),
    (
        identifier("taxon_id", "Taxon."),
        word("timepoint", "Time point."),
        integer("n_donors_had", "Recipients whose donor had the taxon."),
        integer("n_recipients_have", "Of them, recipients with the taxon."),
        number("value", "n_recipients_have / n_donors_had (PRDF)."),
        number("lower", "Wilson lower limit."),
        number("upper", "Wilson upper limit."),
        word("reason", "Why there is no value."),
    ),
)

RANKINGS = Table(
    "rankings",
    "one candidate lot in one match run: every failed rule, or a rank",
    ("match_run_id", "unit_id"),
    (
        identifier("match_run_id", "The match run."),
        identifier("patient_id", "Recipient."),
        identifier("unit_id", "Candidate lot."),
        identifier("donor_id", "Donor (several separated by ';' in a pool)."),
        flag("is_eligible", "Every gate is met; undetermined is not eligible."),
        word("failed_rules", "Rules not met or undetermined, separated by ';'."),
        text("explanation", "Each failed rule in words, or the score parts in words."),
        integer("rank", "Rank among the eligible; null otherwise."),
        number("score", "Score, higher is preferred."),
        number("lower", "Lower limit of the score."),
        number("upper", "Upper limit of the score."),
        word("band", "Candidates between which there is no credible difference share a band."),
        word("reason", "Why there is no score, or why no order is given."),
    ),
)

MATCH_RUNS = Table(
    "match_runs",
    "one immutable match run",
    ("match_run_id",),
    (
        identifier("match_run_id", "Hash of the inputs and versions."),
        identifier("patient_id", "Recipient."),
        date("matched_on", "Date the run is valid for."),
        word("policy", "Name and version of the policy."),
        word("profile", "Screening profile."),
        word("input_hash", "SHA-256 over the inputs."),
        word("software", "Version of the software."),
        integer("n_candidates", "Lots looked at."),
        integer("n_eligible", "Lots that passed every gate."),
        word("statement", "What the run is and is not."),
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

PROVENANCE = Table(
    "provenance",
    "one fact about how the results were made",
    ("item",),
    (
        word("item", "What is stated."),
        word("value", "Its value."),
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

RESULTS: dict[str, Table] = {
    t.name: t
    for t in (
        VERDICTS,
        FLOW,
        BASELINE,
        ESTIMATES,
        MISSINGNESS,
        CURVES,
        CURVE_RISK,
        ENGRAFTMENT,
        TAXON_OUTCOMES,
        MATCH_RUNS,
        RANKINGS,
        EVIDENCE_STATUS,
        PROVENANCE,
    )
}
