"""Simulate a study folder: centre after centre, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from commensal.engine import one_behind
from commensal.errors import InputError
from commensal.simulate.centre import Frames, centre_frames, draw_story
from commensal.simulate.communities import Taxa, draw_taxa, taxa_table
from commensal.simulate.people import day_of
from commensal.simulate.scenario import Scenario, read_scenario
from commensal.simulate.truth import remission_truth, taxon_truth
from commensal.study import INPUTS, Manifest, Study, StudyWriter, open_study

DEFAULT_PATIENTS = 4000
DEFAULT_SEED = 7
MAX_CENTRES = 999
NOTE = "Synthetic data: no patient of this study exists."

Progress = Callable[[int, int], None]


def simulate(
    folder: Path | str,
    *,
    n_patients: int = DEFAULT_PATIENTS,
    seed: int = DEFAULT_SEED,
    scenario: str | Path | Scenario | None = None,
    on_progress: Progress | None = None,
) -> Study:
    """Simulate a study and write it, with its truth, into a new folder.

    More patients than the scenario's ``centre_size`` make a network of centres, each with its own donors and
    bank; the planted truths sit in the first. A centre's numbers depend on the seed and its place alone, so
    that the first centre of a large study equals the same centre of a small one.

    Parameters
    ----------
    n_patients : patients, comparators among them; at least 50.
    seed : same seed, same scenario, same bytes.
    scenario : None for the default, a name (``informative``, ``null``, ``clinical_only``), the path of a file
        that holds what it changes, or a scenario already read.
    on_progress : called with the patients done and those to do.

    Refuses
    -------
    ``InputError`` for fewer than 50 patients or a scenario that does not hold together;
    ``OutputExistsError`` where the folder exists.
    """
    chosen = scenario if isinstance(scenario, Scenario) else read_scenario(scenario)
    sizes = centre_sizes(chosen, n_patients)
    taxa = draw_taxa(chosen, seed=seed)
    manifest = Manifest(
        origin=f"a synthetic centre (scenario {chosen.name})",
        clock="calendar",
        data_cut_day=day_of(chosen.calendar.data_cut),
        seed=seed,
        notes=(NOTE, f"Patients: {n_patients:,}; centres: {len(sizes)}; scenario: {chosen.name}"),
    )
    with StudyWriter(folder, manifest=manifest) as writer, one_behind() as hand_over:
        if chosen.text:
            writer.keep_source("scenario.toml", chosen.text.encode())
        _write_taxa(writer, chosen, taxa)
        done = 0
        for centre, size in enumerate(sizes):
            story = draw_story(chosen, size, centre=centre, seed=seed)
            frames, truth = centre_frames(chosen, story, taxa, centre=centre, seed=seed)
            hand_over(_write_centre, writer, frames, truth)
            done += size
            if on_progress is not None:
                on_progress(done, n_patients)
    return open_study(folder)


def centre_sizes(scenario: Scenario, n_patients: int) -> list[int]:
    """Return the patients of each centre: full centres, then one with the rest."""
    size = scenario.people.centre_size
    if n_patients < 50 or n_patients > MAX_CENTRES * size:
        raise InputError(f"{n_patients} patients", expected=f"from 50 to {MAX_CENTRES * size}")
    full, rest = divmod(n_patients, size)
    sizes = [size] * full + ([rest] if rest >= 50 or not full else [])
    if full and 0 < rest < 50:
        sizes[-1] += rest
    return sizes


def _write_taxa(writer: StudyWriter, scenario: Scenario, taxa: Taxa) -> None:
    if scenario.microbiome.sampled_fraction > 0:
        writer.append("taxa", taxa_table(taxa))
        writer.append_truth("taxa", taxon_truth(taxa))


def _write_centre(writer: StudyWriter, frames: Frames, truth: Frames) -> None:
    for name in [n for n in INPUTS if n in frames]:
        writer.append(name, frames[name])
    for name, frame in truth.items():
        writer.append_truth(name, frame)
    remission = remission_truth(truth["patients"])
    site = pl.lit(frames["sites"]["site_id"][0])
    writer.append_truth("remission", remission.with_columns(site_id=site))
