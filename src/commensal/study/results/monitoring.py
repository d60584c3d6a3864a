"""Monitoring of donors, lots, operators, routes and sites: charts, funnels, alarms."""

from __future__ import annotations

from commensal.study.declaration import Table, flag, identifier, integer, number, text, word

MONITORS = Table(
    "monitors",
    "one step of one chart of one monitored unit",
    ("chart", "dimension", "unit_id", "outcome", "position"),
    (
        word("chart", "cusum or sequential."),
        word("dimension", "donor, lot, operator, route or site."),
        identifier("unit_id", "What is monitored.", is_required=True),
        word("outcome", "failure, serious_event …"),
        integer("position", "Order of treatment within the unit, from 1."),
        integer("day", "Day of treatment: since 1970-01-01 on a calendar clock.", unit="days"),
        number("expected", "Expected probability, from a model without this unit.", minimum=0, maximum=1),
        flag("is_event", "Whether the outcome happened."),
        number("statistic", "Value of the chart after this course."),
        number("limit", "Value at which the chart alarms."),
        flag("is_alarm", "Whether it alarms here."),
    ),
)


FUNNELS = Table(
    "funnels",
    "observed against expected of one monitored unit",
    ("dimension", "unit_id", "outcome"),
    (
        word("dimension", "donor, lot, operator, route or site."),
        identifier("unit_id", "What is monitored.", is_required=True),
        word("outcome", "failure, serious_event …"),
        integer("n", "Courses with a mature outcome."),
        integer("n_immature", "Courses left out because their outcome is not due yet."),
        integer("n_missing", "Courses due whose outcome was not observed."),
        integer("n_observed", "Events observed."),
        number("n_expected", "Events expected from a model without this unit.", minimum=0),
        number("ratio", "Observed over expected.", minimum=0),
        number("lower", "Lower limit of the ratio.", minimum=0),
        number("upper", "Upper limit of the ratio.", minimum=0),
        number("level", "Confidence level.", minimum=0, maximum=1),
        number("inner_lower", "Lower 95 % limit of the funnel.", minimum=0),
        number("inner_upper", "Upper 95 % limit of the funnel.", minimum=0),
        number("outer_lower", "Lower 99.8 % limit of the funnel.", minimum=0),
        number("outer_upper", "Upper 99.8 % limit of the funnel.", minimum=0),
        number("p_value", "p value, controlled over all units of the dimension.", minimum=0, maximum=1),
        number(
            "power",
            "Probability that a unit this large alarms at the stated odds ratio.",
            minimum=0,
            maximum=1,
        ),
        word("verdict", "alarm, as_expected or cannot_tell."),
        word("method", "Model and convention."),
        word("reason", "Why there is no number, or a caution to print with it."),
    ),
)


ALARMS = Table(
    "alarms",
    "one alarm, for a person to look into",
    ("rule", "dimension", "unit_id", "day"),
    (
        word("rule", "cusum, funnel, sequential_serious, infection_cluster, donor_derived_infection …"),
        word("dimension", "donor, lot, operator, route or site."),
        identifier("unit_id", "What it concerns.", is_required=True),
        word("outcome", "What was counted."),
        integer("day", "Day of the alarm: since 1970-01-01 on a calendar clock.", unit="days"),
        integer("n", "Courses or patients counted."),
        integer("n_observed", "Events."),
        number("n_expected", "Events expected.", minimum=0),
        number("statistic", "Value of the chart or test."),
        number("limit", "Its limit."),
        number("false_alarm_rate", "Probability of any false alarm over all charts.", minimum=0, maximum=1),
        number("power", "Probability of an alarm at the stated odds ratio.", minimum=0, maximum=1),
        text("because", "What it rests on: records by identifier."),
        text("proposed", "What the rule proposes; a person decides."),
        word("source", "Rule or guideline, with year."),
    ),
)
