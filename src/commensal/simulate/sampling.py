"""Stool samples of patients and donors: who was sampled when, and what the sequencer counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from commensal.simulate.communities import (
    DonorCommunities,
    Recipients,
    Taxa,
    community,
    draw_donor_communities,
    draw_recipients,
    sequenced,
)
from commensal.simulate.donors import Donors
from commensal.simulate.draws import Floats, Ints
from commensal.simulate.followup import VISIT_CODES, Visits
from commensal.simulate.material import dates, picked
from commensal.simulate.people import Patients, day_of
from commensal.simulate.regimen import Sessions
from commensal.simulate.scenario import Scenario
from commensal.simulate.stock import Stock

TIMEPOINTS = {"SCR": "baseline", "W4": "week_4", "M3": "month_3", "Y1": "year_1"}
SAMPLES_PER_RUN = 384
BLOCK = 512  # samples sequenced at once: bounds the memory


@dataclass(frozen=True)
class Swap:
    """The one mislabelled sample: positions among patients' samples of the label and of the true stool."""

    label: int
    stool: int


@dataclass(frozen=True)
class Sampling:
    """The patients' samples. ``at`` are positions in ``recipients``; ``visit`` positions of visits;
    ``sessions_by_donor`` the sessions each had had from each donor by then."""

    recipients: Recipients
    communities: DonorCommunities
    at: Ints
    visit: Ints
    sessions_by_donor: Floats
    swap: Swap | None

    def __len__(self) -> int:
        return len(self.at)


def draw_sampling(
    scenario: Scenario,
    patients: Patients,
    donors: Donors,
    sessions: Sessions,
    session_donor: Ints,
    visits: Visits,
    taxa: Taxa,
    *,
    receptivity: Floats,
    plants: bool,
    rng: np.random.Generator,
) -> Sampling:
    """Choose the sampled patients and visits, and draw what decides their communities."""
    n = round(scenario.microbiome.sampled_fraction * len(patients))
    row = np.sort(rng.choice(len(patients), size=n, replace=False))
    communities = draw_donor_communities(taxa, len(donors), rng=rng)
    recipients = draw_recipients(scenario, patients, taxa, row, receptivity, rng=rng)
    position = np.full(len(patients), -1)
    position[row] = np.arange(n)
    kinds = [VISIT_CODES.index(code) for code in TIMEPOINTS]
    visit = np.flatnonzero((position[visits.row] >= 0) & visits.is_attended & np.isin(visits.kind, kinds))
    visit = visit[rng.random(len(visit)) < 0.95]  # a sample is sometimes not brought
    by_donor = _sessions_by_donor(donors, sessions, session_donor, visits.row[visit], visits.day[visit])
    swap = _swap(visits, visit, rng) if plants and scenario.planted.mislabel_one_sample else None
    return Sampling(recipients, communities, position[visits.row[visit]], visit, by_donor, swap)


def _sessions_by_donor(
    donors: Donors, sessions: Sessions, session_donor: Ints, rows: Ints, days: Ints
) -> Floats:
    """Return (samples × donors) the sessions of patient ``rows[i]`` from each donor up to ``days[i]``."""
    counts = np.zeros((len(rows), len(donors)))
    first, last = np.searchsorted(sessions.row, rows), np.searchsorted(sessions.row, rows, side="right")
    sample = np.repeat(np.arange(len(rows)), last - first)
    session = np.repeat(first - np.r_[0, np.cumsum(last - first)[:-1]], last - first) + np.arange(len(sample))
    seen = sessions.day[session] <= days[sample]
    np.add.at(counts, (sample[seen], session_donor[session[seen]]), 1.0)
    return counts


def _swap(visits: Visits, visit: Ints, rng: np.random.Generator) -> Swap | None:
    month_3 = np.flatnonzero(visits.kind[visit] == VISIT_CODES.index("M3"))
    if len(month_3) < 2:
        return None
    label, stool = rng.choice(month_3, size=2, replace=False)
    return Swap(int(label), int(stool))


def sample_tables(
    scenario: Scenario,
    patients: Patients,
    donors: Donors,
    stock: Stock,
    visits: Visits,
    taxa: Taxa,
    sampling: Sampling,
    *,
    prefix: str,
    rng: np.random.Generator,
) -> dict[str, pl.DataFrame]:
    """Return sequencing_runs, samples and abundances."""
    donor, donation = _donor_samples(scenario, donors, stock)
    own = patients.index_day[visits.row[sampling.visit]] + visits.day[sampling.visit]
    day = np.r_[own, stock.donation_day[donation]]
    n = len(day)
    run = np.empty(n, dtype=np.int64)
    run[np.argsort(day, kind="stable")] = np.arange(n) // SAMPLES_PER_RUN
    sample_id = pl.Series(values=[f"{prefix}S{i:06d}" for i in range(1, n + 1)], dtype=pl.String)
    codes = np.array([TIMEPOINTS.get(c, "") for c in VISIT_CODES])
    on_drug = (rng.random(n) < scenario.microbiome.antibiotic_sample_share) & (np.arange(n) < len(own))
    abundances, reads = _counts(scenario, sampling, visits, donor, taxa, sample_id, rng)
    none = np.full(len(donor), -1)
    samples = pl.DataFrame(
        {
            "sample_id": sample_id,
            "patient_id": picked(patients.patient_id, np.r_[visits.row[sampling.visit], none]),
            "donor_id": picked(donors.donor_id, np.r_[np.full(len(own), -1), donor]),
            "donation_id": picked(stock.donation_id, np.r_[np.full(len(own), -1), donation]),
            "timepoint": np.r_[codes[visits.kind[sampling.visit]], np.full(len(donor), "donor")],
            "collected_on": day,
            "is_on_antibiotics": on_drug,
            "run_id": [f"{prefix}RUN{r + 1:03d}" for r in run.tolist()],
            "n_reads": reads,
        }
    ).with_columns(dates(pl.col("collected_on")))
    return {
        "sequencing_runs": _runs(scenario, run, day, prefix),
        "samples": samples,
        "abundances": abundances,
    }


def _donor_samples(scenario: Scenario, donors: Donors, stock: Stock) -> tuple[Ints, Ints]:
    """Donations that were sequenced: for each donor the same number, spread over the donor's time."""
    donor, donation = [], []
    for d in range(len(donors)):
        mine = np.flatnonzero(stock.donation_donor == d)
        mine = mine[np.argsort(stock.donation_day[mine], kind="stable")]
        take = min(scenario.microbiome.donor_samples, len(mine))
        chosen = mine[np.linspace(0, len(mine) - 1, take).astype(int)] if take else mine[:0]
        donor += [d] * take
        donation += chosen.tolist()
    return np.array(donor, dtype=np.int64), np.array(donation, dtype=np.int64)


def _counts(
    scenario: Scenario,
    sampling: Sampling,
    visits: Visits,
    donor: Ints,
    taxa: Taxa,
    sample_id: pl.Series,
    rng: np.random.Generator,
) -> tuple[pl.DataFrame, Ints]:
    n_own, frames, reads = len(sampling), [], []
    at, by_donor, day = _as_labelled(sampling, visits)
    for start in range(0, n_own + len(donor), BLOCK):
        rows = np.arange(start, min(start + BLOCK, n_own + len(donor)))
        own, given = rows[rows < n_own], donor[rows[rows >= n_own] - n_own]
        mine = community(
            scenario, sampling.recipients, sampling.communities, by_donor[own], at=at[own], day=day[own]
        )
        theirs = _donor_stool(scenario, sampling.communities, given, rng)
        counts = sequenced(scenario, np.concatenate([mine, theirs]), rng=rng)
        reads.append(counts.sum(axis=1))
        sample, taxon = np.nonzero(counts)
        found = {"sample": start + sample, "taxon": taxon, "count": counts[sample, taxon]}
        frames.append(pl.DataFrame(found))
    rows = pl.concat(frames)
    taxon_id = pl.Series(values=taxa.taxon_id.tolist(), dtype=pl.String)
    table = rows.select(
        sample_id=sample_id.gather(rows["sample"]), taxon_id=taxon_id.gather(rows["taxon"]), count="count"
    )
    return table, np.concatenate(reads)


def _as_labelled(sampling: Sampling, visits: Visits) -> tuple[Ints, Floats, Floats]:
    """Whose stool, with how many sessions and on which day, is in each tube: as labelled but for the swap."""
    at, by_donor = sampling.at.copy(), sampling.sessions_by_donor.copy()
    day = visits.day[sampling.visit].astype(float)
    if sampling.swap is not None:
        label, stool = sampling.swap.label, sampling.swap.stool
        at[label], by_donor[label], day[label] = at[stool], by_donor[stool], day[stool]
    return at, by_donor, day


def _donor_stool(
    scenario: Scenario, communities: DonorCommunities, donor: Ints, rng: np.random.Generator
) -> Floats:
    """One stool of each donor: the lasting community with the day's variation."""
    level = communities.log_abundance[donor]
    wobble = rng.normal(0, scenario.microbiome.within_donor_log_sd, level.shape)
    return np.where(communities.has[donor], np.exp(level + wobble), 0.0)


def _runs(scenario: Scenario, run: Ints, day: Ints, prefix: str) -> pl.DataFrame:
    cut = day_of(scenario.calendar.data_cut)
    last = pl.DataFrame({"run": run, "day": day}).group_by("run").agg(pl.col("day").max()).sort("run")
    return last.select(
        run_id=pl.lit(f"{prefix}RUN") + (pl.col("run") + 1).cast(pl.String).str.zfill(3),
        assay=pl.lit("16s"),
        region=pl.lit("V4"),
        platform=pl.lit("simulated"),
        pipeline=pl.lit("simulated species"),
        sequenced_on=dates(pl.min_horizontal(pl.col("day") + 20, pl.lit(cut))),
    )
