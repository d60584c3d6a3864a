"""The flow of patients as data: a main line of boxes, and beside each box who is not in the next and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from commensal.evidence.rows import rows_of
from commensal.study import Study


def flow(
    cohort: pl.DataFrame,
    outcomes: pl.DataFrame,
    *,
    landmarks: Mapping[str, str],
    verdicts: pl.DataFrame | None = None,
    rules: pl.DataFrame | None = None,
    sets: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Return ``flow`` rows: registered → received FMT → baseline known → active → observed at each landmark.

    ``landmarks`` maps a landmark's code to its name. ``verdicts`` [patient_id, verdict] of the study's rules
    are shown beside the safety set: they exclude nobody here, because everyone who received a dose is in
    it; ``rules`` [subject_id, rule_id, verdict] tell which rules. ``sets`` of
    :func:`analysis_sets.analysis_sets` add the full data set, a flag and no gate, with why the others are not
    in it. Beside an observed box stand the unobserved by reason; "not yet due" is one of them.
    """
    treated = cohort.filter(pl.col("is_treated") & ~pl.col("is_comparator"))
    baseline = _baseline(outcomes)
    active = baseline.filter(pl.col("is_active"))
    boxes = [
        _main("registered", None, "Patients in the study", cohort.height),
        *_not_treated(cohort),
        _main("treated", "registered", "Received FMT (safety set)", treated.height),
        *_cohorts(treated),
        *_eligibility(verdicts),
        *_rules(rules),
        *_full_data(sets),
        *_without_baseline(treated, baseline),
        _main("evaluable", "treated", "With a known baseline for the primary endpoint", baseline.height),
        *_side("evaluable", "maintenance", baseline.height - active.height, "in remission at baseline"),
        _main("active", "evaluable", "Active disease at baseline (or not asked)", active.height),
        *[box for code, name in landmarks.items() for box in _landmark(outcomes, code=code, name=name)],
    ]
    return rows_of("flow", [pl.DataFrame(boxes, infer_schema_length=None)]).with_columns(
        position=pl.int_range(1, pl.len() + 1)
    )


def _main(step: str, parent: str | None, label: str, n: int) -> dict[str, Any]:
    return {"step_id": step, "parent_id": parent, "label": label, "n": n, "reason": None}


def _side(parent: str, step: str, n: int, reason: str, label: str = "") -> list[dict[str, Any]]:
    """A side box; none where nobody is in it."""
    words = label or reason[0].upper() + reason[1:]
    box = {"step_id": f"{parent}:{step}", "parent_id": parent, "label": words, "n": n, "reason": reason}
    return [box] if n else []


def _eligibility(verdicts: pl.DataFrame | None) -> list[dict[str, Any]]:
    if verdicts is None:
        return []
    counts = dict(verdicts.group_by("verdict").len().iter_rows())
    words = {
        "met": "of these: meet every rule of the study",
        "not_met": "of these: do not meet a rule of the study (kept: everyone treated counts)",
        "undetermined": "of these: a rule of the study cannot be judged, an answer is missing (kept)",
    }
    return [box for v, w in words.items() for box in _side("treated", f"rules_{v}", counts.get(v, 0), w)]


def _cohorts(treated: pl.DataFrame) -> list[dict[str, Any]]:
    """How the treated entered the study; unknown is one way."""
    named = treated.select(pl.col("cohort").fill_null("unknown")).to_series()
    counts = dict(named.value_counts().iter_rows())
    return [
        box
        for way in sorted(counts)
        for box in _side("treated", f"cohort_{way}", counts[way], f"of these: {way} cohort")
    ]


def _rules(rules: pl.DataFrame | None) -> list[dict[str, Any]]:
    """Each rule of the study that is not met, or cannot be judged, of some of the treated."""
    if rules is None:
        return []
    failed = rules.filter(pl.col("verdict") != "met").group_by("rule_id", "verdict").len()
    words = {"not_met": "not met", "undetermined": "undetermined, an answer is missing"}
    return [
        box
        for rule, verdict, n in failed.sort("rule_id", "verdict").iter_rows()
        for box in _side("treated", f"{rule}_{verdict}", n, f"of these: rule {rule} {words[verdict]} (kept)")
    ]


def _full_data(sets: pl.DataFrame | None) -> list[dict[str, Any]]:
    if sets is None:
        return []
    inside = int(sets["is_full_data"].sum())
    left = sets.filter("is_treated").drop_nulls("why_not_full").group_by("why_not_full").len()
    boxes = _side("treated", "full_data", inside, "of these: in the full data set (a flag, not a gate)")
    for n, (why, count) in enumerate(left.sort("why_not_full").iter_rows(), start=1):
        words = f"of these: not in the full data set: {why} (kept)"
        boxes += _side("treated", f"not_full_data_{n}", count, words)
    return boxes


def donor_flow(study: Study, *, used: Iterable[str]) -> pl.DataFrame:
    """Return ``flow`` rows of donors: in the study → screened → accepted → used.

    Healthy references are left out, and patients who were given their own stool.

    A donor was accepted whose status is eligible or retired, or whose material was given; screened who has a
    result on file. ``used`` are the donors whose material anybody received. The boxes form a diagram of their
    own: the first has the parent "donors_diagram", which is no box.
    """
    donors = study.read("donors", columns=["donor_id", "kind", "status"]).filter(
        ~pl.col("kind").fill_null("unknown").is_in(["healthy_reference", "autologous"])
    )
    if donors.is_empty():
        return rows_of("flow", [])
    tested = study.read("screenings", columns=["donor_id"])["donor_id"].unique()
    given = pl.Series("donor_id", sorted(set(used)), dtype=pl.String)
    marked = donors.with_columns(
        is_screened=pl.col("donor_id").is_in(tested.implode()),
        is_used=pl.col("donor_id").is_in(given.implode()),
        status=pl.col("status").fill_null("unknown"),
    )
    screened = marked.filter("is_screened")
    accepted = screened.filter(pl.col("status").is_in(["eligible", "retired"]) | pl.col("is_used"))
    refused = screened.join(accepted, on="donor_id", how="anti").group_by("status").len().sort("status")
    is_used = marked.filter("is_used")
    unscreened = is_used.filter(~pl.col("is_screened")).height
    boxes = [
        _main("donors", "donors_diagram", "Donors in the study", marked.height),
        *_side("donors", "unscreened", marked.height - screened.height, "no screening result is on file"),
        _main("donors_screened", "donors", "Donors with a screening result", screened.height),
        *[b for s, n in refused.iter_rows() for b in _side("donors_screened", s, n, f"never used: {s}")],
        _main("donors_accepted", "donors_screened", "Donors accepted at some time", accepted.height),
        *_side("donors_accepted", "unused", accepted.filter(~pl.col("is_used")).height, "material not given"),
        _main("donors_used", "donors_accepted", "Donors whose material was given", is_used.height),
        *_side("donors_used", "unscreened", unscreened, "of these: no screening result on file (historical)"),
    ]
    return rows_of("flow", [pl.DataFrame(boxes, infer_schema_length=None)])


def _not_treated(cohort: pl.DataFrame) -> list[dict[str, Any]]:
    arms = cohort.filter("is_comparator").group_by("arm").len().sort("arm").iter_rows()
    boxes = [
        b for arm, n in arms for b in _side("registered", arm, n, f"comparator: {arm.replace('_', ' ')}")
    ]
    untreated = cohort.filter(~pl.col("is_treated") & ~pl.col("is_comparator")).height
    return boxes + _side("registered", "no_session", untreated, "no session is recorded")


def _baseline(outcomes: pl.DataFrame) -> pl.DataFrame:
    """Treated patients with a known baseline for a primary endpoint, and whether disease was active."""
    primary = outcomes.filter(
        pl.col("is_primary") & ~pl.col("is_comparator") & pl.col("is_active").is_not_null()
    )
    return primary.group_by("patient_id").agg(pl.col("is_active").any())


def _without_baseline(treated: pl.DataFrame, baseline: pl.DataFrame) -> list[dict[str, Any]]:
    rest = treated.join(baseline, on="patient_id", how="anti")
    unnamed = rest.filter(pl.col("indication").is_null()).height
    return _side("treated", "no_indication", unnamed, "no indication is recorded") + _side(
        "treated",
        "no_baseline",
        rest.height - unnamed,
        "no baseline score, or no primary endpoint is defined",
    )


def _landmark(outcomes: pl.DataFrame, *, code: str, name: str) -> list[dict[str, Any]]:
    here = outcomes.filter(
        pl.col("is_primary") & ~pl.col("is_comparator") & pl.col("is_active") & (pl.col("landmark") == code)
    )
    step = f"observed_{code}"
    seen = here.filter(pl.col("reason").is_null()).height
    reasons = here.filter(pl.col("reason").is_not_null()).group_by("reason").len().sort("reason")
    side = [b for reason, n in reasons.iter_rows() for b in _side(step, reason, n, reason.replace("_", " "))]
    return [_main(step, "active", f"Observed at {name.lower()}", seen), *side]
