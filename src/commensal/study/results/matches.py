"""Donors for a recipient, and what was planned."""

from __future__ import annotations

from commensal.study.declaration import Table, code, date, flag, identifier, integer, number, text, word
from commensal.vocabulary.protocols import SECTIONS
from commensal.vocabulary.replanning import ANSWERS, OPTIONS

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
        text("explanation", "Each failed rule of the lot in words, or the score parts in words."),
        integer("rank", "Rank among the eligible; null otherwise."),
        number("score", "Score, higher is preferred."),
        number("lower", "Lower limit of the score."),
        number("upper", "Upper limit of the score."),
        word("band", "Candidates between which there is no credible difference share a band."),
        word("reason", "Why there is no score, or why no order is given."),
    ),
)


SCORE_PARTS = Table(
    "score_parts",
    "one part of one ranked lot's score",
    ("match_run_id", "unit_id", "part"),
    (
        identifier("match_run_id", "The match run."),
        identifier("unit_id", "Candidate lot."),
        identifier("donor_id", "Donor (several separated by ';' in a pool)."),
        word("part", "complementarity, predicted_engraftment, donor_record, freshness …"),
        word("label", "What the part is, in a clinician's words."),
        number("value", "The part, 0 to 1, higher is preferred.", minimum=0, maximum=1),
        number("lower", "Lower limit."),
        number("upper", "Upper limit."),
        number("weight", "Weight of the part in the policy.", minimum=0),
        word("measured", "What was measured, with its unit and count."),
        word("reason", "Why there is no value, or a caution to print with it."),
    ),
)


REFUSALS = Table(
    "refusals",
    "one rule that one lot failed or could not answer in one match run",
    ("match_run_id", "unit_id", "rule_id"),
    (
        identifier("match_run_id", "The match run."),
        identifier("unit_id", "Candidate lot."),
        identifier("donor_id", "Donor (several separated by ';' in a pool)."),
        word("rule_id", "The rule."),
        code("verdict", ("not_met", "undetermined"), "Not met, or nobody can tell."),
        text("explanation", "The rule and the answers it rested on, in words."),
        word("source", "Guideline and year."),
    ),
)


MATCH_WATCH = Table(
    "match_watch",
    "one input of a match run, and which change of it would invalidate the run",
    ("match_run_id", "input"),
    (
        identifier("match_run_id", "The match run."),
        word("input", "Table of the study, or the day, the policy, the profile."),
        word("digest", "SHA-256 of the rows the run rests on."),
        integer("n_rows", "Rows."),
        word("invalidated_by", "The change that calls for a new run, in words."),
    ),
)


DONOR_EFFECTS = Table(
    "donor_effects",
    "the shrunken effect of one donor on one endpoint",
    ("donor_id", "indication", "endpoint", "landmark"),
    (
        identifier("donor_id", "Donor."),
        word("indication", "Indication, or 'all'."),
        word("endpoint", "Endpoint."),
        word("landmark", "W8, M3, Y1, Y5."),
        number("effect", "Log-odds of success against the average donor, shrunken.", unit="log-odds"),
        number("se", "Posterior standard deviation.", unit="log-odds", minimum=0),
        number("lower", "Lower limit.", unit="log-odds"),
        number("upper", "Upper limit.", unit="log-odds"),
        number("level", "Level of the interval."),
        number("probability_equal", "Probability that donors are equal.", minimum=0, maximum=1),
        integer("n", "Patients treated with the donor's material and observed."),
        integer("n_events", "Successes among them."),
        word("method", "Model."),
        word("reason", "Why there is no estimate, or a caution to print with it."),
    ),
)


MODEL_PARAMETERS = Table(
    "model_parameters",
    "one term of one published prediction model",
    ("model", "term"),
    (
        word("model", "Name and version of the model."),
        word("term", "intercept, or the name of a fact or score part."),
        number("coefficient", "Change in log-odds for one scale unit.", unit="log-odds"),
        number("se", "Standard error.", unit="log-odds", minimum=0),
        number("centre", "Value subtracted first."),
        number("scale", "Value divided by afterwards."),
        word("endpoint", "What is predicted."),
        word("landmark", "When."),
        word("indication", "For whom."),
        word("reason", "A caution to print with it."),
    ),
)


CARE_PLANS = Table(
    "care_plans",
    "one item of one care plan, in the order a clinician reads it",
    ("care_plan_id", "position"),
    (
        identifier("care_plan_id", "Hash of the inputs and versions."),
        identifier("patient_id", "Recipient."),
        integer("position", "Order of the item, from 1."),
        code(
            "section",
            SECTIONS,
            "Part of the plan.",
        ),
        word("item", "What it is."),
        text("content", "The item in words."),
        number("value", "Its number, where it has one."),
        word("unit", "Unit of the number."),
        integer("day", "Day relative to the first session, where it has one.", unit="days"),
        code("verdict", ("met", "not_met", "undetermined"), "Verdict of the rule behind it, where one is."),
        word("rule_id", "The rule."),
        word("source", "Guideline or protocol, with year."),
        word("protocol", "Protocol and version."),
        word("reason", "Why it is so, or what is missing."),
    ),
)


REPLANS = Table(
    "replans",
    "one option after follow-up, for a clinician to sign",
    ("replan_id", "option"),
    (
        identifier("replan_id", "Hash of the inputs and versions."),
        identifier("patient_id", "Recipient."),
        integer("week", "Week of the assessment."),
        code("engrafted", ANSWERS, "Whether the donor's community settled."),
        code("responded", ANSWERS, "Whether the patient responded."),
        text("engrafted_because", "What it rests on."),
        text("responded_because", "What it rests on."),
        integer("position", "Order in which the options are shown; no order of preference."),
        code(
            "option",
            OPTIONS,
            "The option.",
        ),
        text("content", "The option in words."),
        text("because", "Why it is among the options."),
        word("evidence_grade", "Grade of the evidence behind it."),
        word("source", "Citation."),
        flag("is_signed", "A clinician signed it; never set by software."),
        word("statement", "What the re-plan is and is not."),
    ),
)


POLICY_TRIALS = Table(
    "policy_trials",
    "one measure of one allocation policy in one simulated setting",
    ("setting", "policy", "measure"),
    (
        word("setting", "Donor effects that were simulated (null, weak, strong)."),
        word("policy", "random, greedy, oracle, null_aware …"),
        word("measure", "remission, regret, false_super_donor …"),
        number("estimate", "Mean over replicates."),
        number("se", "Monte-Carlo standard error.", minimum=0),
        number("lower", "Lower limit."),
        number("upper", "Upper limit."),
        word("unit", "proportion, patients …"),
        integer("n_replicates", "Replicates."),
        integer("n_recipients", "Recipients treated over all replicates."),
        integer("seed", "Seed."),
        word("verdict", "What the setting says of the policy."),
    ),
)
