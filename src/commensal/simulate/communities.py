"""Gut communities: donors who stay the same, disturbed recipients, taxa that settle and are lost again."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import polars as pl

from commensal.simulate.draws import Flags, Floats, Ints, expit, names
from commensal.simulate.people import YEAR, Patients, of_disorder
from commensal.simulate.scenario import Scenario

RANKS = ("domain", "phylum", "class", "order", "family", "genus")
TAXA_STREAM = 1_000_003  # one set of taxa for all centres of a study


@dataclass(frozen=True)
class Taxa:
    """The species of the study. ``prevalence`` in healthy people, ``log_abundance`` where present, ``rate``
    of settling in one session, whether the taxon blooms in a disturbed gut."""

    taxon_id: np.ndarray
    lineage: tuple[str, ...]
    species: tuple[str, ...]
    prevalence: Floats
    log_abundance: Floats
    rate: Floats
    blooms: Flags

    def __len__(self) -> int:
        return len(self.taxon_id)


@dataclass(frozen=True)
class DonorCommunities:
    """Which taxa each donor carries (donors × taxa) and how much of them (log scale)."""

    has: Flags
    log_abundance: Floats


@dataclass(frozen=True)
class Recipients:
    """What decides the communities of the sampled patients (patients × taxa); ``row`` are their rows."""

    row: Ints
    resident: Flags
    log_abundance: Floats
    persists: Flags
    settle: Floats
    lost_after_days: Floats
    rate: Floats


def draw_taxa(scenario: Scenario, *, seed: int) -> Taxa:
    """Draw the taxa of a study from the lineages that come with the package."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, TAXA_STREAM]))
    document = _lineages()
    lineages = [entry["lineage"] for entry in document["lineages"]]
    weight = np.array([entry["weight"] for entry in document["lineages"]], dtype=float)
    n = scenario.microbiome.n_taxa
    genus = np.sort(
        np.r_[
            np.arange(min(len(lineages), n)),
            rng.choice(len(lineages), max(n - len(lineages), 0), p=weight / weight.sum()),
        ]
    )
    number = np.arange(n) - np.searchsorted(genus, genus) + 1
    genus_level = rng.normal(0, 0.9, len(lineages))
    log_abundance = genus_level[genus] + rng.normal(0, 1.3, n)
    mean, precision = scenario.microbiome.engraftment_per_session, scenario.microbiome.engraftment_precision
    family = np.array([lineages[g].split(";")[4] for g in genus])
    return Taxa(
        taxon_id=names("T", np.arange(1, n + 1), width=4),
        lineage=tuple(lineages[g] for g in genus),
        species=tuple(f"{lineages[g].split(';')[5]} sp. {k}" for g, k in zip(genus, number, strict=True)),
        prevalence=expit(0.7 * (log_abundance - 2.2) + rng.normal(0, 0.6, n)),
        log_abundance=log_abundance,
        rate=rng.beta(mean * precision, (1 - mean) * precision, n).clip(1e-4, 1 - 1e-4),
        blooms=np.isin(family, document["blooming"]),
    )


def draw_donor_communities(taxa: Taxa, n_donors: int, *, rng: np.random.Generator) -> DonorCommunities:
    """Draw the lasting community of every donor."""
    has = rng.random((n_donors, len(taxa))) < taxa.prevalence
    return DonorCommunities(has, taxa.log_abundance + rng.normal(0, 0.8, has.shape))


def draw_recipients(
    scenario: Scenario,
    patients: Patients,
    taxa: Taxa,
    row: Ints,
    receptivity: Floats,
    *,
    rng: np.random.Generator,
) -> Recipients:
    """Draw what decides the communities of the patients ``row``: residents, and each taxon's own luck."""
    shape = (len(row), len(taxa))
    left = of_disorder(scenario, patients.disorder[row], "richness_left")[:, None]
    microbiome = scenario.microbiome
    chance = np.where(taxa.blooms, np.minimum(taxa.prevalence * 1.3, 0.95), taxa.prevalence * left)
    bloom = taxa.blooms * 2.2 * (1 - left)
    logit = np.log(taxa.rate / (1 - taxa.rate)) + microbiome.receptivity_log_odds * receptivity[row][:, None]
    return Recipients(
        row=row,
        resident=rng.random(shape) < chance,
        log_abundance=taxa.log_abundance + bloom + rng.normal(0, 0.9, shape),
        persists=rng.random(shape) < microbiome.resident_persistence,
        settle=rng.random(shape),
        lost_after_days=rng.exponential(YEAR / max(microbiome.drift_per_year, 1e-9), shape),
        rate=expit(logit),
    )


def engrafted(
    recipients: Recipients,
    donors: DonorCommunities,
    sessions_by_donor: Floats,
    *,
    day: Floats,
    diminishing: float,
) -> Flags:
    """Return (patients × taxa) which taxa of donors have settled and are there on each patient's ``day``.

    ``sessions_by_donor`` (patients × donors) counts the sessions up to that day. A taxon that donors gave in
    s sessions has settled with probability 1 - (1 - rate) ** (s ** diminishing); more sessions never undo it.
    """
    given = sessions_by_donor @ donors.has.astype(float)
    settled = recipients.settle < 1 - (1 - recipients.rate) ** (given**diminishing)
    return settled & (recipients.lost_after_days > day[:, None]) & (day >= 0)[:, None]


def community(
    scenario: Scenario,
    recipients: Recipients,
    donors: DonorCommunities,
    sessions_by_donor: Floats,
    *,
    at: Ints,
    day: Floats,
) -> Floats:
    """Return (samples × taxa) abundances of the patients ``at`` (positions in ``recipients``) on ``day``."""
    mine = Recipients(**{name: value[at] for name, value in recipients.__dict__.items()})
    after = (sessions_by_donor.sum(axis=1) > 0)[:, None] & (day >= 0)[:, None]
    diminishing = scenario.microbiome.second_course_diminishing
    settled = engrafted(mine, donors, sessions_by_donor, day=day, diminishing=diminishing)
    stays = mine.resident & (mine.persists | ~after)
    given = sessions_by_donor @ donors.has.astype(float)
    brought = (sessions_by_donor @ (donors.has * donors.log_abundance)) / np.maximum(given, 1e-9)
    log_abundance = np.where(settled & ~stays, brought - 0.3, mine.log_abundance)
    return np.where(stays | settled, np.exp(log_abundance), 0.0)


def sequenced(scenario: Scenario, abundance: Floats, *, rng: np.random.Generator) -> Ints:
    """Return read counts (samples × taxa): Dirichlet-multinomial at a log-normal depth."""
    microbiome = scenario.microbiome
    share = abundance / abundance.sum(axis=1, keepdims=True)
    drawn = rng.standard_gamma(share * microbiome.overdispersion_concentration)
    drawn /= drawn.sum(axis=1, keepdims=True)
    depth = np.exp(
        np.log(microbiome.depth_median) + microbiome.depth_log_sd * rng.standard_normal(len(share))
    )
    return rng.multinomial(np.maximum(depth.astype(np.int64), 500), drawn)


def taxa_table(taxa: Taxa) -> pl.DataFrame:
    """Return the taxa table."""
    parts = [lineage.split(";") for lineage in taxa.lineage]
    columns: dict[str, Any] = {rank: [p[i] for p in parts] for i, rank in enumerate(RANKS)}
    return pl.DataFrame(
        {
            "taxon_id": taxa.taxon_id.tolist(),
            "rank": ["species"] * len(taxa),
            **columns,
            "species": list(taxa.species),
            "lineage": [f"{a};{b}" for a, b in zip(taxa.lineage, taxa.species, strict=True)],
        }
    )


def _lineages() -> dict[str, Any]:
    text = resources.files("commensal.simulate").joinpath("lineages.toml").read_text("utf-8")
    return tomllib.loads(text)
