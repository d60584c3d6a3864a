"""Do censoring weights and imputation recover remission where dropout is ignorable, and fail where it is not?

Each replicate is a small centre of one indication, simulated afresh with its recorded dropout, read as any
study is, and estimated three ways at three months, one year and five years: observed cases alone,
inverse-probability-of-censoring weights, multiple imputation. The truth is that of the scenario: the share
in remission among all such patients who are due, from one very large centre (a superpopulation, which is what
the intervals are made for; that of the replicate's own patients would be covered too often).

"Jointly" is how often all three intervals cover at once; beside it stands what intervals of 95 % each would
give, were the method right, at the correlation of its estimates over the replicates.

Run: python benchmarks/trial_missing.py --replicates 2000
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import multivariate_normal

from commensal import engine
from commensal.evidence.cohort import cohort_of
from commensal.evidence.ground import Ground, ground_of
from commensal.evidence.landmarks import due_at, windows_of
from commensal.evidence.missing import Settings
from commensal.evidence.missing.imputing import imputed_outcomes
from commensal.evidence.missing.panel import panel_of, targets_of
from commensal.evidence.missing.tipping import departed
from commensal.evidence.missing.weighting import weighted, weighting_of
from commensal.evidence.pooling import pool_proportions
from commensal.evidence.proportion import wilson
from commensal.simulate import Scenario, read_scenario, simulate
from commensal.simulate.centre import centre_frames, draw_story
from commensal.simulate.communities import draw_taxa
from commensal.simulate.people import day_of
from commensal.study import Manifest, Study, study_of

LANDMARKS = ("M3", "Y1", "Y5")
METHODS = ("observed cases", "censoring weights", "multiple imputation")
LARGE = 40_000
Z = 1.959963984540054


@dataclass(frozen=True)
class Question:
    """What one replicate is made with."""

    scenario: str
    indication: str
    n_patients: int
    settings: Settings


def scenario_of(name: str, *, indication: str) -> Scenario:
    """A centre of one indication, clinical tables alone; ``informative`` leaves by the unrecorded state."""
    plain, dropout = read_scenario("clinical_only"), read_scenario(name).dropout
    only = [replace(d, share=1.0) for d in plain.indications if d.code == indication]
    return replace(plain, name=name, dropout=dropout, indications=tuple(only), text="")


def truth_of(name: str, *, indication: str, seed: int, n_patients: int = LARGE) -> np.ndarray:
    """(3,): share in remission at each landmark among the treated, active at baseline and due."""
    with tempfile.TemporaryDirectory() as folder:
        scenario = scenario_of(name, indication=indication)
        study = simulate(Path(folder) / "large", n_patients=n_patients, seed=seed, scenario=scenario)
        due = due_at(cohort_of(study), windows=windows_of(None), at=LANDMARKS).filter("is_due")
        truth = study.truth("patients").filter("is_treated", "is_active_at_baseline")
        return np.array([_share(truth, due, landmark) for landmark in LANDMARKS])


def _share(truth: pl.DataFrame, due: pl.DataFrame, landmark: str) -> float:
    here = due.filter(pl.col("landmark") == landmark).join(truth, on="patient_id")
    return float(here[f"is_remitted_{landmark}"].to_numpy().mean())


def replicate(seed: int, _: np.random.Generator, *, question: Question) -> np.ndarray:
    """(landmark, method, 3): estimate and limits; and as a fourth method the range of the tipping points."""
    scenario = scenario_of(question.scenario, indication=question.indication)
    ground = ground_of(centre(scenario, question.n_patients, seed=seed), landmarks=LANDMARKS)
    return estimates(ground, settings=question.settings, seed=seed)


def centre(scenario: Scenario, n_patients: int, *, seed: int) -> Study:
    """The centre that ``simulate`` would write, kept in memory: files take longer than all the rest."""
    taxa, story = draw_taxa(scenario, seed=seed), draw_story(scenario, n_patients, centre=0, seed=seed)
    frames, _ = centre_frames(scenario, story, taxa, centre=0, seed=seed)
    cut = day_of(scenario.calendar.data_cut)
    return study_of(frames, manifest=Manifest(origin="a trial", clock="calendar", data_cut_day=cut))


def estimates(ground: Ground, *, settings: Settings, seed: int) -> np.ndarray:
    """Estimates and limits of one study, NaN where a method refuses."""
    panel = panel_of(ground, settings=settings)
    targets = targets_of(ground, panel)
    weighting = weighting_of(panel, targets, settings=settings)
    completed, _ = imputed_outcomes(
        panel, targets, leaving=weighting.stay.chance, settings=settings, seed=seed
    )
    rng = np.random.default_rng(seed)
    found = np.full((len(LANDMARKS), len(METHODS) + 1, 3), np.nan)
    for i, target in enumerate(targets):
        at = LANDMARKS.index(target.landmark)
        seen = ~np.isnan(target.outcome)
        if seen.sum() < settings.least_observed or i not in completed:
            continue
        n, hits = int(seen.sum()), int(np.nansum(target.outcome))
        limits = wilson(hits, n=n)
        found[at, 0] = hits / n, limits.lower, limits.upper
        made = weighted(weighting, target, np.ones(len(seen), dtype=bool))
        found[at, 1] = made.estimate, made.lower, made.upper
        size = np.array([len(seen)])
        pooled = pool_proportions(completed[i].mean(axis=1)[:, None], n=size)
        found[at, 2] = pooled.estimate[0], pooled.lower[0], pooled.upper[0]
        before = np.repeat(panel.before[target.rows, target.visit][None], len(completed[i]), axis=0)
        moved = departed(completed[i], target.outcome, before=before, deltas=settings.deltas, rng=rng)
        ends = moved.mean(axis=(1, 2))
        found[at, 3] = ends[len(ends) // 2], ends.min(), ends.max()
    return found


def expected_jointly(draws: np.ndarray) -> float:
    """How often three 95 % intervals of a correct method cover at once, at the correlation of the draws."""
    correlation = np.corrcoef(draws, rowvar=False)
    normal = multivariate_normal(mean=np.zeros(len(correlation)), cov=correlation)  # pyright: ignore
    k = len(correlation)
    total = 0.0
    # Inclusion and exclusion over the corners of the cube |z| < 1.96.
    for corner in range(2**k):
        signs = np.array([1 if corner >> j & 1 else -1 for j in range(k)])
        total += np.prod(signs) * float(normal.cdf(signs * Z))
    return total


def table(found: np.ndarray, truth: np.ndarray, *, name: str) -> list[str]:
    """Markdown rows: bias and coverage with their Monte-Carlo errors."""
    lines = [
        f"| {name} | landmark | truth | estimate | bias (MC se) | coverage (MC se) | refused |",
        "|---|---|---|---|---|---|---|",
    ]
    for j, method in enumerate(METHODS):
        for i, landmark in enumerate(LANDMARKS):
            made = found[:, i, j]
            made = made[~np.isnan(made[:, 0])]
            bias = made[:, 0] - truth[i]
            covered = (made[:, 1] <= truth[i]) & (truth[i] <= made[:, 2])
            share, n = covered.mean(), len(made)
            lines.append(
                f"| {method} | {landmark} | {truth[i]:.4f} | {made[:, 0].mean():.4f} "
                f"| {bias.mean():+.4f} ({bias.std(ddof=1) / n**0.5:.4f}) "
                f"| {share:.3f} ({(share * (1 - share) / n) ** 0.5:.3f}) | {len(found) - n} |"
            )
        whole = found[~np.isnan(found[:, :, j, 0]).any(axis=1)][:, :, j]
        jointly = ((whole[:, :, 1] <= truth) & (truth <= whole[:, :, 2])).all(axis=1)
        lines.append(
            f"| {method} | jointly | | | | {jointly.mean():.3f} "
            f"({(jointly.mean() * (1 - jointly.mean()) / len(whole)) ** 0.5:.3f}); "
            f"a correct method: {expected_jointly(whole[:, :, 0]):.3f} | |"
        )
    for i, landmark in enumerate(LANDMARKS):
        ends = found[:, i, 3]
        ends = ends[~np.isnan(ends[:, 0])]
        bracketed = ((ends[:, 1] <= truth[i]) & (truth[i] <= ends[:, 2])).mean()
        lines.append(
            f"| tipping points bracket the truth | {landmark} | {truth[i]:.4f} | | | {bracketed:.3f} | |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--patients", type=int, default=400)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--imputations", type=int, default=20)
    parser.add_argument("--indication", default="functional_constipation")
    given = parser.parse_args()
    began = time.time()
    print(
        f"{given.replicates} replicates of {given.patients} patients ({given.indication}), seed "
        f"{given.seed}, "
        f"{given.imputations} imputations; Python {platform.python_version()}, numpy {version('numpy')}, "
        f"scipy {version('scipy')}, polars {version('polars')}; {os.cpu_count()} cores {platform.machine()}\n"
    )
    for k, name in enumerate(("clinical_only", "informative")):
        truth = truth_of(name, indication=given.indication, seed=given.seed)
        question = Question(name, given.indication, given.patients, Settings(imputations=given.imputations))
        seeds = [given.seed * 1_000_003 + k * 500_000 + r for r in range(given.replicates)]
        found = engine.map(
            partial(replicate, question=question), seeds, seed=given.seed, processes=given.processes
        )
        print("\n".join(table(np.array(found), truth, name=name)), end="\n\n")
    print(f"{time.time() - began:.0f} s")


if __name__ == "__main__":
    main()
