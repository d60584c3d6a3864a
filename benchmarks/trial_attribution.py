"""Learns the map of source attribution and tries it on mixtures of real stools whose shares are known.

Run: COMMENSAL_DATA=<folder of the published studies> python benchmarks/trial_attribution.py [--write]
``--write`` puts the map learnt on both studies into ``within_donor.toml``; ``--oracles`` tries the oracles
instead; ``--few`` is a quick look; ``--cache <folder>`` keeps features and maps between runs.

Seeds: mixtures learnt from, those that set the stretch of the intervals and those reported are three ranges
that do not meet.
"""

from __future__ import annotations

import argparse
import os
import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from learn_attribution import Examples, Recipe, joined, learn, stretch_of
from scipy import sparse, stats
from scipy.optimize import nnls

from commensal.microbiome.attribution import within_donor
from commensal.microbiome.attribution.mixtures import Mixture, draw_mixture
from commensal.microbiome.attribution.model import fits_of
from commensal.microbiome.attribution.within_donor import ShareMap, interval

KUMP, CROTHERS = "kump2017_uc_16s", "crothers2021_uc_longitudinal_16s"
LEARN_SEED, CALIBRATION_SEED, REPORT_SEED = 0, 1_000_000, 2_000_000
FEWEST_READS, LEVEL = 3000, 0.95
FOLDS = (("DC", "DG", "DL"), ("DD", "DI", "DM"), ("DE", "DJ", "DN"), ("DF", "DK"))
RECIPE = Recipe(hidden=40, epochs=240, decay=3e-3, seeds=(0,))
SAME, OTHER, ALL_OTHERS = "a same stool", "b another stool", "c all other stools"
NOTE = """\
# The map from the fits of a sink to shares of its sources; see docs/methods/source-attribution.md.
# Learnt by benchmarks/trial_attribution.py on mixtures of the stools of Kump 2017 (doi:10.1111/apt.14387)
# and of the longitudinal study of Crothers 2021; five significant digits.
"""


@dataclass(frozen=True, eq=False)
class Cohort:
    """The stools of a study, (stools, taxa), and whose they are: donors; patients before or without FMT."""

    name: str
    reads: np.ndarray
    donors: Mapping[str, Sequence[int]]
    patients: Mapping[str, Sequence[int]]
    baselines: Mapping[str, Sequence[int]]

    @cached_property
    def proportions(self) -> np.ndarray:
        return self.reads / self.reads.sum(axis=1, keepdims=True)

    @cached_property
    def people(self) -> dict[str, Sequence[int]]:
        return {**self.donors, **self.patients}

    @cached_property
    def repeated(self) -> list[str]:
        return [d for d in sorted(self.donors) if len(self.donors[d]) > 1]

    @cached_property
    def owner(self) -> dict[int, str]:
        return {row: name for name, rows in self.people.items() for row in rows}


def cohort_of(name: str) -> Cohort:
    folder = Path(os.environ["COMMENSAL_DATA"]) / name
    samples = pl.read_csv(folder / "metadata.tsv", separator="\t", infer_schema_length=None)
    counts = pl.read_csv(folder / "abundance.tsv", separator="\t", infer_schema_length=None)
    reads = counts.select(samples["sample_id"].to_list()).to_numpy().T.astype(float)
    is_deep = reads.sum(axis=1) >= FEWEST_READS
    donors, patients, baselines = {}, {}, {}
    for row, sample in enumerate(samples.filter(pl.Series(is_deep)).iter_rows(named=True)):
        name_of = sample["donor_id"] if sample["role"] == "donor" and name == KUMP else sample["subject_id"]
        is_before = sample["timepoint"] in ("preABX", "Baseline")
        if sample["role"] == "donor":
            donors.setdefault(name_of, []).append(row)
        elif is_before or name_of.startswith("Placebo"):
            patients.setdefault(name_of, []).append(row)
            if is_before:
                baselines.setdefault(name_of, []).append(row)
    return Cohort(name, reads[is_deep], donors, patients, patients | baselines)


# Drawing


def trial_mixture(
    cohort: Cohort, seed: int, *, case: str, depth: int = 5000, has_donor: bool = True
) -> Mixture:
    """A donor's stool, a baseline and a stranger in shares uniform over all there are."""
    g = np.random.default_rng([seed, 1])
    donor = cohort.repeated[g.integers(len(cohort.repeated))]
    patients = sorted(cohort.baselines)
    patient = patients[g.integers(len(patients))]
    shares = g.dirichlet([1.0, 1.0, 1.0] if has_donor else [1e-9, 1.0, 1.0])
    return draw_mixture(
        cohort.proportions,
        sources=[cohort.donors[donor], cohort.baselines[patient]],
        people=cohort.people,
        is_same=[case == SAME, True],
        shares=shares,
        depth=depth,
        seed=[seed, 2],
    )


def lesson(cohort: Cohort, seed: int, *, same: bool | None = None) -> Mixture:
    """One to six sources, some without a share, any depth, each shown by the stool given or by another."""
    g = np.random.default_rng([seed, 3])
    repeated = [p for p in sorted(cohort.people) if len(cohort.people[p]) > 1]
    if g.random() < 0.6:
        chosen, n_sources = cohort.repeated[g.integers(len(cohort.repeated))], 2
    else:
        chosen, n_sources = repeated[g.integers(len(repeated))], int(g.integers(1, 7))
    rest = [p for p in sorted(cohort.people) if p != chosen]
    sources = [chosen, *g.choice(rest, n_sources - 1, replace=False)]
    shares = g.dirichlet(np.full(n_sources + 1, 1.0 if g.random() < 0.7 else 0.4))
    if g.random() < 0.2:
        shares[g.integers(n_sources + 1)] = 0.0
    drawn = [g.random() < 0.5, *(g.random(n_sources - 1) < 0.6)]
    return draw_mixture(
        cohort.proportions,
        sources=[cohort.people[p] for p in sources],
        people=cohort.people,
        is_same=drawn if same is None else [same, *drawn[1:]],
        shares=shares / shares.sum(),
        depth=int(np.exp(g.uniform(np.log(1000), np.log(30_000)))),
        seed=[seed, 4],
    )


def drifted_lesson(cohort: Cohort, seed: int) -> Mixture:
    """A lesson whose stools drift further than those of the study did, and whose stranger is a new one."""
    mixture, g = lesson(cohort, seed), np.random.default_rng([seed, 5])
    others = [r for n, rows in sorted(cohort.people.items()) if n not in mixture.left_out for r in rows]
    parts = []
    for row in mixture.given:
        profile = cohort.proportions[row]
        if g.random() < 0.4:
            came = drifted(cohort.proportions[g.choice(others)], 0.8, g) if others else profile
            part = g.uniform(0.0, 0.15)
            profile = (1.0 - part) * drifted(profile, g.uniform(0.2, 1.3), g) + part * came
        parts.append(profile)
    stranger = drifted(cohort.proportions[mixture.stranger], g.uniform(0.0, 1.0), g) ** g.uniform(0.8, 1.3)
    mixed = mixture.shares @ np.array([*parts, stranger / stranger.sum()])
    reads = g.multinomial(int(mixture.reads.sum()), mixed / mixed.sum()).astype(float)
    return replace(mixture, reads=reads)


def drifted(profile: np.ndarray, sigma: float, generator: np.random.Generator) -> np.ndarray:
    """Log-normal change of each taxon; the rare drop out."""
    lost = 1.0 / (1.0 + (np.maximum(profile, 1e-5) / 6e-4) ** 0.9) * min(1.0, sigma / 0.8)
    moved = profile * np.exp(sigma * generator.normal(size=profile.size))
    moved[generator.random(profile.size) < lost] = 0.0
    return moved / moved.sum() if moved.sum() > 0.0 else profile


# Features


def examples_of(cohort: Cohort, mixtures: Sequence[Mixture], *, pool: str | None = None) -> Examples:
    """Fit the mixtures. ``pool`` shows, of a donor with several stools, the mean of all ("all") or of all
    but the one given ("others")."""
    rows, extra = _shown(cohort, mixtures, pool)
    names = sorted(cohort.people)
    at = {name: i for i, name in enumerate(names)}
    fits = fits_of(
        sparse.vstack([sparse.csr_array(m.reads[None, :]) for m in mixtures]),
        np.vstack([cohort.reads, *extra]),
        members=_padded(rows),
        people=sparse.csr_array([cohort.proportions[cohort.people[p]].mean(axis=0) for p in names]),
        left_out=_padded([[at[p] for p in m.left_out] for m in mixtures]),
    )
    shares = np.zeros(fits.is_source.shape)
    for i, m in enumerate(mixtures):
        shares[i, : len(m.shares)] = m.shares
    return Examples(
        fits.features()[0],
        fits.is_source,
        shares,
        np.array(["|".join(m.left_out) for m in mixtures]),
        np.array([m.given[0] == m.shown[0] for m in mixtures]),
    )


def _shown(
    cohort: Cohort, mixtures: Sequence[Mixture], pool: str | None
) -> tuple[list[list[int]], list[np.ndarray]]:
    rows, extra, first = [], [], len(cohort.reads)
    for mixture in mixtures:
        mine = []
        for given, shown in zip(mixture.given, mixture.shown, strict=True):
            stools = cohort.donors.get(cohort.owner[shown], ()) if pool else ()
            stools = [s for s in stools if pool == "all" or s != given]
            if stools:
                mine.append(first + len(extra))
                extra.append(cohort.proportions[stools].mean(axis=0) * cohort.reads[stools].sum())
            else:
                mine.append(shown)
        rows.append(mine)
    return rows, extra


def _padded(lists: Sequence[Sequence[int]]) -> np.ndarray:
    width = max(len(rows) for rows in lists)
    return np.array([[*rows, *[-1] * (width - len(rows))] for rows in lists])


def least_squares(cohort: Cohort, mixtures: Sequence[Mixture]) -> np.ndarray:
    """Donor's share by non-negative least squares; what is left of one is the unknown."""
    found = []
    for m in mixtures:
        fitted = nnls(cohort.proportions[list(m.shown)].T, m.reads / m.reads.sum())[0]
        found.append(fitted[0] / max(1.0, fitted.sum()))
    return np.array(found)


# The trial


@dataclass(frozen=True)
class Setting:
    """One line of the trial: which mixtures."""

    case: str
    depth: int = 5000
    has_donor: bool = True
    n: int = 600


SETTINGS = (
    Setting(SAME),
    Setting(OTHER),
    Setting(ALL_OTHERS),
    *(Setting(case, depth=depth, n=300) for depth in (1000, 20_000) for case in (SAME, OTHER)),
    *(Setting(case, has_donor=False, n=300) for case in (SAME, OTHER)),
)


def mixtures_of(cohort: Cohort, setting: Setting, *, first: int, few: int) -> list[Mixture]:
    return [
        trial_mixture(cohort, first + i, case=setting.case, depth=setting.depth, has_donor=setting.has_donor)
        for i in range(setting.n // few)
    ]


def tried(cohort: Cohort, setting: Setting, *, first: int, few: int) -> Examples:
    pool = "others" if setting.case == ALL_OTHERS else None
    return examples_of(cohort, mixtures_of(cohort, setting, first=first, few=few), pool=pool)


def lessons(cohort: Cohort, *, n: int) -> list[Examples]:
    """Plain, drifted and pooled lessons of one study: 4 to 2 to 1."""
    return [
        examples_of(cohort, [lesson(cohort, LEARN_SEED + i) for i in range(4 * n)]),
        examples_of(cohort, [drifted_lesson(cohort, LEARN_SEED + 100_000 + i) for i in range(2 * n)]),
        examples_of(cohort, [lesson(cohort, LEARN_SEED + 200_000 + i) for i in range(n)], pool="others"),
    ]


def mean_of_all(cohort: Cohort, *, n: int) -> Examples:
    return examples_of(cohort, [lesson(cohort, LEARN_SEED + 300_000 + i) for i in range(n)], pool="all")


Judged = tuple[np.ndarray, np.ndarray]


def by_fold(made: Sequence[ShareMap], examples: Examples) -> Judged:
    """Shares and concentrations of each mixture by the map that was learnt without its donor."""
    share, concentration = np.zeros(examples.shares.shape), np.zeros(examples.shares.shape)
    for fold, model in zip(FOLDS, made, strict=True):
        rows = np.array([bool(set(p.split("|")[:2]) & set(fold)) for p in examples.people])
        part = examples.where(rows)
        share[rows], concentration[rows] = model.shares(part.features, is_source=part.is_source)
    return share, concentration


def line(label: str, setting: Setting, judged: Judged, examples: Examples, *, wider: float = 1.0) -> str:
    """One line of the table: error of the donor's share, and cover and width of 95 % intervals."""
    share, concentration = judged
    error = share[:, 0] - examples.shares[:, 0]
    lower, upper = interval(share, concentration, level=LEVEL, stretch=wider)
    cover = ((lower <= examples.shares) & (examples.shares <= upper)).mean(axis=0)
    what = f"{setting.case}, {setting.depth:,} reads" + ("" if setting.has_donor else ", donor 0")
    false = "" if setting.has_donor else f" | above .05 in {(share[:, 0] > 0.05).mean():.3f}"
    return (
        f"| {label} | {what} | {np.abs(error).mean():.4f} ± {stats.sem(np.abs(error)):.4f} | "
        f"{error.mean():+.3f} | {' '.join(f'{c:.3f}' for c in cover[:3])} | "
        f"{np.median(upper[:, 0] - lower[:, 0]):.3f}{false} |"
    )


def point(label: str, setting: Setting, share: np.ndarray, examples: Examples) -> str:
    error = share - examples.shares[:, 0]
    what = f"{setting.case}, {setting.depth:,} reads" + ("" if setting.has_donor else ", donor 0")
    return (
        f"| {label} | {what} | {np.abs(error).mean():.4f} ± {stats.sem(np.abs(error)):.4f} | "
        f"{error.mean():+.3f} | | |"
    )


def needed_of(model: ShareMap, examples: Sequence[Examples]) -> float:
    """The stretch at which the intervals of all sources hold in each of some sets of mixtures."""
    found = []
    for e in examples:
        share, concentration = model.shares(e.features, is_source=e.is_source)
        found.append(stretch_of(share[e.is_source], concentration[e.is_source], e.shares[e.is_source]))
    return max(found)


def write(model: ShareMap, *, wider: float) -> None:
    def text(values: np.ndarray) -> str:
        if values.ndim == 1:
            return "[" + ", ".join(repr(float(f"{v:.5g}")) for v in values) + "]"
        return "[\n" + "".join(f"  {text(row)},\n" for row in values) + "]"

    names = ("centre", "scale", "offset", "ends", "inward", "outward", "direct")
    body = "".join(f"{name} = {text(getattr(model, name))}\n" for name in names)
    target = Path(within_donor.__file__).with_name("within_donor.toml")
    target.write_text(NOTE + f"stretch = {float(f'{wider:.3g}')!r}\n" + body, encoding="utf-8")


class Cache:
    """Features that were made before, by name, in a folder; none without one."""

    def __init__(self, folder: str | None) -> None:
        self.folder = Path(folder) if folder else None

    def get(self, name: str, make: Callable[[], Any]) -> Any:
        if self.folder is None:
            return make()
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name}.pickle"
        if path.exists():
            return pickle.loads(path.read_bytes())  # noqa: S301 (what this script wrote)
        made = make()
        path.write_bytes(pickle.dumps(made))
        return made

    def map(self, name: str, examples: Examples, *, recipe: Recipe) -> ShareMap:
        """Return the map learnt from examples; the name says which."""
        key = f"map_{name}_{len(examples.shares)}_{recipe.hidden}_{recipe.epochs}"
        return self.get(key, lambda: learn(examples, recipe=recipe))


def report(
    cohorts, taught, reported, calibrated, *, cache: Cache, few: int, given: argparse.Namespace
) -> None:
    """Learn the maps, print the table, and write the map of both studies where asked."""
    recipe = replace(RECIPE, epochs=3) if given.few else RECIPE
    everything = joined([*taught[KUMP], *taught[CROTHERS]])
    print("| map or method | mixtures of | donor's share, mean absolute error | bias | cover of donor, "
          "baseline, unknown | width |\n|---|---|---|---|---|---|")  # fmt: skip
    if given.oracles:
        oracles(cohorts[KUMP], everything, reported, cache=cache, few=few, recipe=recipe)
        return
    # To a study the map has not seen: stretched by what the other direction needed.
    far = {
        KUMP: cache.map("crothers", joined(taught[CROTHERS]), recipe=recipe),
        CROTHERS: cache.map("kump", joined(taught[KUMP]), recipe=recipe),
    }
    needed = {n: needed_of(m, [calibrated[n, s] for s in SETTINGS[:2]]) for n, m in far.items()}
    wider = max(1.0, *needed.values())
    for name, other in ((CROTHERS, KUMP), (KUMP, CROTHERS)):
        for s in SETTINGS:
            e = reported[name, s]
            judged = far[name].shares(e.features, is_source=e.is_source)
            for by in sorted({1.0, needed[other], wider}):
                print(line(f"{name[:4]}, map of {other[:4]}, stretch {by:.2f}", s, judged, e, wider=by))
    print(f"stretch needed in the study not seen: {needed}; in use {wider:.2f}", flush=True)
    by_donor = [cache.map(f"fold{i}", everything.without(f), recipe=recipe) for i, f in enumerate(FOLDS)]
    for s in SETTINGS:
        e = reported[KUMP, s]
        judged = by_fold(by_donor, e)
        for by in (1.0, wider):
            print(line(f"kump, donors left out, stretch {by:.2f}", s, judged, e, wider=by), flush=True)
    for name, cohort in cohorts.items():
        peers(name, cohort, reported, few=few)
    if given.write:
        write(cache.map("both", everything, recipe=recipe), wider=wider)


def peers(name: str, cohort: Cohort, reported: Mapping[tuple[str, Setting], Examples], *, few: int) -> None:
    for s in SETTINGS:
        e = reported[name, s]
        fits = 1.0 / (1.0 + np.exp(-e.features[:, 0, :4]))
        for label, at in (("plain mixture EM, fixed background", 0), ("learnt drift, no map", 3)):
            print(point(f"{name[:4]}, {label}", s, fits[:, at], e))
        if s.case != ALL_OTHERS:
            mixtures = mixtures_of(cohort, s, first=REPORT_SEED, few=few)
            print(point(f"{name[:4]}, least squares", s, least_squares(cohort, mixtures), e), flush=True)


def oracles(
    cohort: Cohort,
    everything: Examples,
    reported: Mapping[tuple[str, Setting], Examples],
    *,
    cache: Cache,
    few: int,
    recipe: Recipe,
) -> None:
    """The same estimator told whether the stool shown is the one given; and given the donor's mean stool."""
    for s, same in ((SETTINGS[0], True), (SETTINGS[1], False)):
        told = everything.where(everything.is_same == same)
        made = [cache.map(f"told{same}{i}", told.without(f), recipe=recipe) for i, f in enumerate(FOLDS)]
        judged = by_fold(made, reported[KUMP, s])
        print(line("kump, oracle told the case", s, judged, reported[KUMP, s]), flush=True)
    means = cache.get(f"means{few}", lambda: mean_of_all(cohort, n=4000 // few))
    made = [cache.map(f"means{i}", means.without(f), recipe=recipe) for i, f in enumerate(FOLDS)]
    mixtures = mixtures_of(cohort, SETTINGS[1], first=REPORT_SEED, few=few)
    e = cache.get(f"means_report{few}", lambda: examples_of(cohort, mixtures, pool="all"))
    print(line("kump, oracle given the mean of all stools", SETTINGS[1], by_fold(made, e), e), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--few", action="store_true")
    parser.add_argument("--oracles", action="store_true")
    parser.add_argument("--cache")
    given = parser.parse_args()
    few = 10 if given.few else 1
    cache, started = Cache(given.cache), time.process_time()
    cohorts = {KUMP: cohort_of(KUMP), CROTHERS: cohort_of(CROTHERS)}
    taught = {
        KUMP: cache.get(f"learn_k{few}", lambda: lessons(cohorts[KUMP], n=2000 // few)),
        CROTHERS: cache.get(f"learn_c{few}", lambda: lessons(cohorts[CROTHERS], n=1000 // few)),
    }
    reported, calibrated = {}, {}
    for name, cohort in cohorts.items():
        for i, s in enumerate(SETTINGS):
            key = f"report_{name[0]}_{i}_{few}"
            reported[name, s] = cache.get(key, lambda c=cohort, s=s: tried(c, s, first=REPORT_SEED, few=few))
            if i < 2:
                calibrated[name, s] = cache.get(
                    key.replace("report", "calibrate"),
                    lambda c=cohort, s=s: tried(c, s, first=CALIBRATION_SEED, few=few),
                )
    print(f"mixtures drawn and fitted: {time.process_time() - started:.0f} s of CPU", flush=True)
    report(cohorts, taught, reported, calibrated, cache=cache, few=few, given=given)
    print(f"{time.process_time() - started:.0f} s of CPU")


if __name__ == "__main__":
    main()
