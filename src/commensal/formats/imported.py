"""What a reader hands over, and the writing of it: whole, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from commensal.errors import InputError, Problem
from commensal.formats.abundance import Matrix, abundances, kind_of, unmatched
from commensal.formats.cohort import cohort_frames
from commensal.formats.faults import as_note, raise_errors
from commensal.formats.files import MAX_KEPT_BYTES
from commensal.formats.lineages import taxa_frame
from commensal.formats.metadata import by_person, check_routes, column_meaning, names_routes, recognise
from commensal.formats.sheets import Sheet
from commensal.study import INPUTS, Manifest, Study, write_study
from commensal.study.conform import conform


@dataclass(frozen=True)
class Imported:
    """A foreign study as tables: ``frames`` by table name, the ``manifest`` to write with it, the files
    of the source that are kept as they are, and ``notes`` on what was assumed or left out."""

    frames: Mapping[str, pl.DataFrame]
    manifest: Manifest
    sources: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def write(self, folder: Path | str) -> Study:
        """Write the study into a new folder."""
        manifest = replace(self.manifest, notes=(*self.manifest.notes, *self.notes))
        return write_study(self.frames, folder, manifest=manifest, sources=self.sources)


@dataclass
class Draft:
    """A study while it is read: everything found so far, its faults and its notes."""

    name: str
    frames: dict[str, pl.DataFrame] = field(default_factory=dict)
    sources: dict[str, bytes] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def finish(self, manifest: Manifest) -> Imported:
        """Check the tables against their declarations and hand them over; raise if anything is wrong."""
        for name, frame in self.frames.items():
            if name != "abundances":  # made from a matrix whose features and samples were counted
                self.problems += key_problems(name, frame)
        raise_errors(self.problems, source=self.name)
        conformed = {name: conform(frame, INPUTS[name]) for name, frame in self.frames.items()}
        if manifest.clock == "patient" and manifest.data_cut_day is None:
            manifest = self._ended(manifest, conformed)
        notes = (*self.notes, *(as_note(p) for p in self.problems))
        return Imported(conformed, manifest, self.sources, notes)

    def _ended(self, manifest: Manifest, frames: Mapping[str, pl.DataFrame]) -> Manifest:
        """The end of follow-up nobody stated: the last day of any patient's sample or visit stands for it."""
        days = [
            frames[table].filter(pl.col("patient_id").is_not_null())[column].max()
            for table, column in (("samples", "collected_day"), ("visits", "visited_day"))
            if table in frames
        ]
        last = max((day for day in days if isinstance(day, int)), default=None)
        if last is not None:
            self.notes.append(f"follow-up is taken to end on day {last}, the last day known of any patient")
        return replace(manifest, data_cut_day=last)

    def add_people(self, sheet: Sheet, *, has_samples: bool = True) -> Sheet:
        """Read sample metadata: routes first, then columns, then people and samples."""
        for column, cells in sheet.columns.items():
            meaning = column_meaning(column)
            if meaning == "route" or (meaning is None and names_routes(cells)):
                check_routes(sheet, column=column, problems=self.problems)
        known = recognise(sheet, problems=self.problems, notes=self.notes)
        if all(c in known for c in ("sample_id", "subject_id", "role")):
            self.frames |= cohort_frames(
                by_person(known), problems=self.problems, notes=self.notes, has_samples=has_samples
            )
        return known

    def add_matrix(
        self,
        matrix: Matrix,
        *,
        name: str,
        declared: str | None = None,
        lineages: Mapping[str, str] | None = None,
        sequences: Mapping[str, str] | None = None,
    ) -> str | None:
        """Add taxa and abundances; return the kind of the values, None where it is unclear."""
        kind = kind_of(matrix, name=name, declared=declared, problems=self.problems)
        if kind is None:
            return None
        if kind == "coverage":
            self.notes.append(f"{name} holds coverage; it was divided by each sample's sum to give shares")
        self.frames["taxa"] = taxa_frame(
            matrix.taxon_ids, lineages=lineages or {}, sequences=sequences, id_column=matrix.id_column
        )
        self.frames["abundances"] = abundances(matrix, kind)
        return kind

    def match_samples(self, matrix: Matrix, sheet: Sheet, *, name: str) -> None:
        """Samples and metadata must be of the same samples; without metadata, samples stand alone."""
        listed = [s for s in sheet.get("sample_id") if s]
        self.problems += unmatched(name, matrix.sample_ids, listed, missing_in=sheet.name)
        self.problems += unmatched(sheet.name, listed, matrix.sample_ids, missing_in=name)

    def keep(self, path: Path) -> None:
        """Keep a file of the source as it is, unless it is too large (then a note says so)."""
        if path.stat().st_size > MAX_KEPT_BYTES:
            self.notes.append(f"{path.name} is too large to keep in sources/")
        else:
            self.sources[path.name] = path.read_bytes()

    def add_run(self, *, assay: str | None, pipeline: str | None = None) -> None:
        """One sequencing run for all samples: the source does not say that there were several."""
        self.frames["sequencing_runs"] = pl.DataFrame(
            {"run_id": ["run-1"], "assay": [assay], "pipeline": [pipeline]},
            schema={"run_id": pl.String, "assay": pl.String, "pipeline": pl.String},
        )

    def add_bare_samples(self, sample_ids: tuple[str, ...]) -> None:
        """Samples of which nothing but the id is known."""
        self.notes.append("no sample metadata: whose samples these are, and when they were taken, is unknown")
        self.frames["samples"] = pl.DataFrame(
            {"sample_id": sample_ids}, schema={"sample_id": pl.String}
        ).with_columns(pl.lit("run-1").alias("run_id"))


def key_problems(name: str, frame: pl.DataFrame) -> list[Problem]:
    """Return a problem for each missing required cell and each key that stands more than once."""
    table = INPUTS[name]
    found = []
    for column in table:
        if column.is_required and column.name not in frame.columns:
            found.append(Problem(name, 0, column.name, "", "required", "the column is required"))
        elif column.is_required:
            for row in frame[column.name].is_null().arg_true().to_list():
                found.append(Problem(name, row + 1, column.name, "", "required", "a value is required"))
    keys = [k for k in table.key if k in frame.columns]
    counted = frame.select(keys).with_row_index("row", offset=1).group_by(keys, maintain_order=True)
    for row in (
        counted.agg(pl.len().alias("n"), pl.col("row").last()).filter(pl.col("n") > 1).rows(named=True)
    ):
        value = ", ".join(str(row[k]) for k in keys)
        found.append(
            Problem(name, row["row"], ", ".join(keys), value, "key_twice", f"the key stands {row['n']} times")
        )
    return found


def folder_of(source: Path) -> Path:
    """Return ``source`` where it is a folder. InputError otherwise."""
    if not source.is_dir():
        raise InputError(f"{source} is not a folder", do="give the folder that holds the files")
    return source
