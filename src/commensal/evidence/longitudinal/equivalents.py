"""Doses of systemic steroids in milligrams of prednisolone a day.

Equivalent doses of anti-inflammatory effect by mouth, as the British National Formulary tabulates them for
glucocorticoids; they say nothing of salt retention or of steroids that act in the gut alone (budesonide,
beclometasone), which have no equivalent here and are counted as unknown.
"""

from __future__ import annotations

import polars as pl

# Milligrams worth 5 mg of prednisolone.
WORTH_FIVE = {
    "prednisolone": 5.0,
    "prednisone": 5.0,
    "methylprednisolone": 4.0,
    "hydrocortisone": 20.0,
    "dexamethasone": 0.75,
    "betamethasone": 0.75,
    "triamcinolone": 4.0,
    "deflazacort": 6.0,
}
MILLIGRAMS = {"mg": 1.0, "g": 1000.0, "ug": 0.001}


def prednisolone_milligrams() -> pl.Expr:
    """Milligrams of prednisolone a day of one period; null where agent, unit, dose or frequency is not known.

    Reads agent, dose (each administration), dose_unit and doses_per_day. 0 is a dose of nothing.
    """
    agent = pl.col("agent").str.to_lowercase().str.strip_chars()
    worth = agent.replace_strict(WORTH_FIVE, default=None, return_dtype=pl.Float64)
    unit = pl.col("dose_unit").replace_strict(MILLIGRAMS, default=None, return_dtype=pl.Float64)
    return pl.col("dose") * pl.col("doses_per_day") * unit * 5.0 / worth
