"""Time and memory of a match run at three sizes, with the work per donor done ahead, beside a plain path.

The plain path judges lot after lot with the interpreter for one and walks taxon by taxon with sets.

Run: python benchmarks/bench_match.py
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl

from commensal.matching import match, prepare_stock
from commensal.matching.gates import gate_rules, lot_answers, recipient_columns, recipient_rules
from commensal.matching.recipient import read_recipient
from commensal.matching.stock import Stock
from commensal.study import Manifest, Study, study_of
from commensal.vocabulary import Route, judge_each
from commensal.vocabulary.facts import find_fact
from commensal.vocabulary.screening import screening_profile

SIZES = ((20, 1_000), (200, 1_000), (10_000, 1_000))
TAXA_A_STOOL = 200
EPOCH = date(1970, 1, 1)
DONATED = date(2026, 3, 2)
TODAY = DONATED + timedelta(days=70)
ON_DAY = (TODAY - EPOCH).days
ROUTE = "colonoscopy"
REPEATS = 5


def clear_answers() -> dict[str, Any]:
    """An answer to every question about the recipient that no rule objects to."""
    known: dict[str, Any] = {
        "neutrophils_per_mm3": 4000.0,
        "lymphocytes_per_mm3": 1500.0,
        "prednisone_milligrams_per_day": 0.0,
        "weeks_on_prednisone": 0.0,
        "bmi": 22.0,
        "albumin_grams_per_litre": 40.0,
        "enteral_calories_percent": 100.0,
    }
    asked = {f for r in recipient_rules(route=Route(ROUTE), on=None) for f in r.facts}
    own = {"age_at_index_years", "indication", "evidence_status", "study_id", "route", "immunocompromise"}
    own |= {"has_treatment_consent", "has_guardian_permission", "has_anaphylactic_food_allergy"}
    wanted = {"is_bowel_prepared", "has_negative_pregnancy_test", "has_baseline_tests"}
    for fact in sorted(asked - own - set(known)):
        if find_fact(fact).kind == "boolean":
            known[fact] = fact in wanted
    return known


def drawn_study(n_donors: int, n_taxa: int, *, seed: int) -> Study:
    """One released lot a donor; a tenth of the donors lack a closing screen, a tenth of the lots are held."""
    generator = np.random.default_rng(seed)
    donors = [f"D{i:05d}" for i in range(n_donors)]
    lots = [f"L{i:05d}" for i in range(n_donors)]
    needs = screening_profile("STRICT", on=DONATED).requirements
    days = [(n, lag - i) for n in needs for lag in (-1, 57) for i in range(n.n_separate_days)]
    panel = pl.DataFrame(
        {
            "test": range(len(days)),
            "analyte": [n.analyte for n, _ in days],
            "specimen": [n.specimens[0] for n, _ in days],
            "method": ["NAAT" if n.needs_nucleic_acid_test else None for n, _ in days],
            "result": "negative",
            "lag": [lag for _, lag in days],
        }
    )
    screened = pl.DataFrame({"donor_id": donors, "n": range(n_donors)}).join(panel, how="cross")
    screened = screened.filter((pl.col("n") % 10 != 3) | (pl.col("lag") < 0)).with_columns(
        result_id=pl.format("{}-{}", "donor_id", "test"),
        collected_on=pl.lit(DONATED) + pl.duration(days="lag"),
    )
    steps = ("collected", "processed", "frozen", "stored", "released")
    custody = pl.DataFrame({"unit_id": lots}).join(
        pl.DataFrame({"event": steps, "sequence": range(1, 6)}), how="cross"
    )
    samples = [f"S{i:05d}" for i in range(n_donors)] + ["S-P"]
    taxa = np.argsort(generator.random((n_donors + 1, n_taxa)), axis=1)[:, :TAXA_A_STOOL]
    return study_of(
        {
            "patients": pl.DataFrame(
                {"patient_id": "P", "arm": "fmt", "indication": "uc", "born_on": date(1980, 1, 1),
                 "immunocompromise": "mild_moderate", "cmv_igg": "negative", "ebv_igg": "positive",
                 "anaphylactic_allergens": "peanut"}
            ),
            "consents": pl.DataFrame({"consent_id": "C", "patient_id": "P", "type": "informed_signed",
                                      "signed_on": DONATED, "study_id": "TRIAL"}),
            "donors": pl.DataFrame(
                {"donor_id": donors, "kind": "universal", "ebv_igg": "negative",
                 "cmv_igg": ["positive" if i % 4 == 1 else "negative" for i in range(n_donors)],
                 "recent_foods": ["peanut;milk" if i % 9 == 5 else "none" for i in range(n_donors)]}
            ),
            "screenings": screened.drop("n", "test", "lag"),
            "donations": pl.DataFrame({"donation_id": donors, "donor_id": donors, "donated_on": DONATED}),
            "units": pl.DataFrame(
                {"unit_id": lots, "product": "frozen_suspension", "release_pathway": "bookend",
                 "dose_grams": 50.0, "produced_on": DONATED,
                 "expires_on": [TODAY + timedelta(days=i % 180) for i in range(n_donors)]}
            ),
            "unit_donors": pl.DataFrame({"unit_id": lots, "donor_id": donors, "donation_id": donors}),
            "custody": custody.with_columns(
                event_id=pl.format("{}-{}", "unit_id", "sequence"), occurred_on=pl.lit(DONATED)
            ),
            "holds": pl.DataFrame({"hold_id": lots[7::10], "kind": "quarantine", "unit_id": lots[7::10],
                                   "placed_on": DONATED}),
            "samples": pl.DataFrame(
                {"sample_id": samples, "patient_id": [None] * n_donors + ["P"],
                 "donor_id": [*donors, None], "collected_on": DONATED}
            ),
            "taxa": pl.DataFrame({"taxon_id": [f"T{i:05d}" for i in range(n_taxa)], "rank": "genus",
                                  "family": ["Enterobacteriaceae" if i < 5 else "F" for i in range(n_taxa)],
                                  "genus": [f"G{i}" for i in range(n_taxa)]}),
            "abundances": pl.DataFrame(
                {"sample_id": np.repeat(samples, TAXA_A_STOOL),
                 "taxon_id": np.array([f"T{i:05d}" for i in range(n_taxa)])[taxa.ravel()],
                 "count": generator.integers(1, 500, taxa.size)}
            ),
        },
        manifest=Manifest(origin="bench"),
    )  # fmt: skip


def plain(study: Study, stock: Stock, answers: dict[str, Any]) -> tuple[int, float]:
    """Judge lot after lot, every rule on its own, and count taxa with sets; eligible lots and a sum."""
    who = read_recipient(study, recipient="P", on_day=ON_DAY, study_id=None, known=stock.people["P"])
    columns = recipient_columns(stock, who, route=Route(ROUTE))
    rules = [*gate_rules(on=TODAY), *recipient_rules(route=Route(ROUTE), on=TODAY)]
    abundance = stock.communities.abundance
    held = [set(abundance.values[[abundance.rows[f"S{i:05d}"]]].indices) for i in range(len(stock.lots))]
    own = set(abundance.values[[abundance.rows["S-P"]]].indices)
    n, total = 0, 0.0
    for lot in range(len(stock.lots)):
        facts = {**who.facts, **answers, "route": ROUTE, **lot_answers(stock, columns, lot)}
        unmet = [v for v in judge_each(facts, rules=rules) if v.outcome != "met"]
        words = [v.explain() for v in unmet]
        if words and any(v.rule.is_binding for v in unmet):
            continue
        n, total = n + 1, total + len(held[lot] - own)
    return n, total


def timed(function: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = function(*arguments, **options)
    return 1000 * (time.perf_counter() - start), result


def main() -> None:
    answers = clear_answers()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for n_donors, n_taxa in SIZES:
        study = drawn_study(n_donors, n_taxa, seed=1)
        ahead, stock = timed(prepare_stock, study, on_day=ON_DAY)
        options: dict[str, Any] = {"recipient": "P", "on_day": ON_DAY, "route": ROUTE, "stock": stock}
        match(study, **options, answers=answers)
        runs = [timed(match, study, **options, answers=answers) for _ in range(REPEATS)]
        open_runs = [timed(match, study, **options) for _ in range(REPEATS)]
        slow, (n_plain, _) = timed(plain, study, stock, answers)
        run = runs[0][1]
        assert run.match_run["n_eligible"][0] == n_plain, "the plain path disagrees"
        fast, unanswered = min(t for t, _ in runs), min(t for t, _ in open_runs)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before
        print(
            f"{n_donors:>6,} donors × {n_taxa:,} taxa: match {fast:.0f} ms ({n_plain:,} eligible, "
            f"{run.tables['refusals'].height:,} refusals); nothing answered {unanswered:.0f} ms "
            f"({open_runs[0][1].tables['refusals'].height:,} refusals); plain gates and sets {slow:.0f} ms, "
            f"{slow / fast:.1f} ×; ahead {ahead / 1000:.1f} s; peak so far {peak:.0f} MB above imports"
        )


if __name__ == "__main__":
    main()
