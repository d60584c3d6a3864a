"""Donors, routes and predictors: what goes with remission, and how sure that is."""
