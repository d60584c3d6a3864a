"""Monitoring of donors, lots, operators, routes and sites: charts, funnels, sequential tests, hard stops."""

from commensal.evidence.monitoring.charts import Cusum, cusum, cusum_alarm_probability, cusum_limit
from commensal.evidence.monitoring.funnels import Funnel, funnel, holm, poisson_binomial
from commensal.evidence.monitoring.rows import monitoring
from commensal.evidence.monitoring.sequential import (
    SequentialTest,
    sequential_alarm_probability,
    sequential_limit,
    sequential_test,
)
from commensal.evidence.monitoring.settings import Settings

__all__ = [
    "Cusum",
    "Funnel",
    "SequentialTest",
    "Settings",
    "cusum",
    "cusum_alarm_probability",
    "cusum_limit",
    "funnel",
    "holm",
    "monitoring",
    "poisson_binomial",
    "sequential_alarm_probability",
    "sequential_limit",
    "sequential_test",
]
