"""A synthetic centre whose truth is kept beside it, and its world for trials of a policy."""

from commensal.simulate.policy import Centre, open_centre
from commensal.simulate.run import simulate
from commensal.simulate.scenario import Scenario, read_scenario, scenario_names

__all__ = ["Centre", "Scenario", "open_centre", "read_scenario", "scenario_names", "simulate"]
