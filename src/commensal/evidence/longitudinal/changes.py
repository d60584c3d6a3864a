"""Change from baseline as observed, and the shares of patients who responded or worsened."""

from __future__ import annotations

from typing import Any

import polars as pl

from commensal.evidence.longitudinal.measured import Measured
from commensal.evidence.longitudinal.tally import Tallied, Tally, mean_with_limits, why_no_limits
from commensal.evidence.longitudinal.words import (
    ACTIVE,
    EVERYONE,
    KNOWN,
    POLICY,
    UNCONTROLLED,
    joined,
    reference,
)
from commensal.evidence.proportion import with_wilson
from commensal.evidence.remission import NON_RESPONDER, OBSERVED, REGRESSION

UNSEEN_WORSE = "unobserved count as worse"
HANDLINGS = (
    ("response", OBSERVED),
    ("response", NON_RESPONDER),
    ("worsening", OBSERVED),
    ("worsening", UNSEEN_WORSE),
)
MEAN = "mean of each patient's change, t limits"


def mean_changes(tallied: Tallied, *, level: float) -> pl.DataFrame:
    """Return ``estimates`` cells of the mean observed change at each landmark, by indication and arm.

    ``n_due`` are those whose window has closed, ``n`` those with a score at baseline and in the window.
    """
    rows = [
        _mean_change(tallied.measured, tally, level=level)
        | {"group_variable": variable, "group_level": group, "landmark": landmark}
        for (variable, group, landmark), tally in tallied.groups.items()
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def _mean_change(measured: Measured, tally: Tally, *, level: float) -> dict[str, Any]:
    n = len(tally.changes)
    return {
        "endpoint": f"change_in_{measured.name}",
        "population": EVERYONE,
        "estimand": f"{POLICY}; observed cases",
        **mean_with_limits(tally.changes, level=level),
        "level": level,
        "unit": measured.unit,
        "n": n,
        "n_due": tally.n_due,
        "n_missing": tally.n_due - n,
        "method": MEAN,
        "reason": joined(
            tally.why_nothing or _few(n, tally.n_due),
            why_no_limits(tally.changes),
            tally.cautions,
            UNCONTROLLED if n else None,
        ),
        "reference": REGRESSION,
    }


def _few(n: int, n_due: int) -> str | None:
    return None if n else f"no change was observed among {n_due} due"


def shares(tallied: Tallied, *, level: float) -> pl.DataFrame:
    """Return ``estimates`` cells of the shares who responded and who worsened at each landmark.

    Response counts among those with active disease at baseline where the instrument says what that is, since
    nobody else can improve by its rule; worsening counts among all with a baseline score. Beside the observed
    cases stand the unobserved as non-responders, and as worse.
    """
    told = [
        _share(tallied.measured, tally, kind=kind, handling=handling)
        | {"group_variable": variable, "group_level": group, "landmark": landmark}
        for kind, handling in HANDLINGS
        for (variable, group, landmark), tally in tallied.groups.items()
    ]
    return with_wilson(pl.DataFrame(told, infer_schema_length=None), level=level)


def population_of(measured: Measured, *, kind: str) -> str:
    """The words for those who can respond or worsen."""
    return ACTIVE if kind == "response" and measured.has_active else KNOWN


def _share(measured: Measured, tally: Tally, *, kind: str, handling: str) -> dict[str, Any]:
    n_due, observed, events = tally.response if kind == "response" else tally.worsening
    rule = measured.response_rule if kind == "response" else measured.worsening_rule
    # Where nothing was observed, calling everybody a failure would look like a finding.
    n = 0 if not observed else observed if handling == OBSERVED else n_due
    unseen_worse = n - observed if handling == UNSEEN_WORSE and observed else 0
    none = None if rule else "the instrument has no rule, and its baseline no spread"
    nobody = None if observed or not n_due else f"nobody observed among {n_due} due"
    return {
        "endpoint": f"{kind}_in_{measured.name}",
        "population": population_of(measured, kind=kind),
        "estimand": f"{handling}; {kind}: {rule}" if rule else handling,
        "n": n,
        "n_events": events + unseen_worse,
        "n_due": n_due,
        "n_missing": n_due - observed,
        "reason": joined(none, tally.why_nothing or nobody, tally.cautions),
        "reference": reference(measured.indication) if kind == "response" else REGRESSION,
    }
