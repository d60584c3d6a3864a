"""SameStr's strain comparisons: before FMT, donor and after FMT, species by species.

A strain is shared where the similarity is at least 0.999 over more than 5,000 overlapping positions; an
overlap of 5,000 or less cannot be analysed (Podlesny 2022, 10.1186/s40168-022-01251-w).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from commensal.errors import InputError, Problem
from commensal.formats.faults import collecting
from commensal.formats.files import kept_sources
from commensal.formats.imported import Draft, Imported
from commensal.formats.numerals import read_number
from commensal.formats.sheets import Sheet, read_sheet
from commensal.study import INPUTS, Manifest

COMPETITION = "strain_competition_per_species.tsv"
SHARED_SIMILARITY = 0.999
LEAST_OVERLAP = 5000

_PAIRS = {
    "Pre-FMT/Donor": ("pre", "donor"),
    "Pre-FMT/Post-FMT": ("pre", "post"),
    "Donor/Post-FMT": ("donor", "post"),
}
_COLUMNS = (
    *("Case_Name", "Days_Since_FMT.post", "fmt_success", "species"),
    *(f"{pair}.{what}" for pair in _PAIRS for what in ("mvs", "overlap")),
)


def call(similarity: float | None, *, n_overlap: int | None) -> str | None:
    """Return the call of one comparison, None where the overlap is unknown.

    >>> call(0.999694, n_overlap=127283), call(0.998995, n_overlap=25876), call(1.0, n_overlap=3729)
    ('shared_strain', 'other_strain', 'not_analysable')
    """
    if n_overlap is None:
        return None
    if n_overlap <= LEAST_OVERLAP or similarity is None:
        return "not_analysable"
    return "shared_strain" if similarity >= SHARED_SIMILARITY else "other_strain"


def read_samestr(source: Path, *, mapping: Mapping[str, Any] | None = None) -> Imported:
    """Read SameStr's competition table (the file, or its folder).

    With a metadata.tsv beside it, people and samples come from there; without, from the table itself.
    No community profile is imported: these tables hold only species with strain evidence.

    Refuses
        ``ProblemsFoundError`` with every fault; ``InputError`` for a mapping, which has nothing to say here.
    """
    if mapping:
        raise InputError("SameStr's tables take no mapping file", do="leave it out")
    path = source / COMPETITION if source.is_dir() else source
    draft = Draft(path.parent.name if source.is_dir() else path.name)
    beside = path.parent / "metadata.tsv"
    sheet = None
    if source.is_dir() and beside.is_file():
        with collecting(draft.problems, beside.name):
            sheet = draft.add_people(read_sheet(beside, problems=draft.problems))
    add_strains(draft, path, sheet=sheet, derive_people=not (source.is_dir() and beside.is_file()))
    draft.add_run(assay="strain_calls", pipeline="SameStr")
    if source.is_dir():
        kept, notes = kept_sources(path.parent)
        draft.sources |= kept
        draft.notes += notes
    else:
        draft.sources[path.name] = path.read_bytes()
    return draft.finish(Manifest(origin=f"SameStr table {path.name}", clock="patient"))


def add_strains(draft: Draft, path: Path, *, sheet: Sheet | None, derive_people: bool = False) -> None:
    """Add table strains from a competition table to a draft, and people where nothing else names them."""
    with collecting(draft.problems, path.name):
        table = read_sheet(path, problems=draft.problems)
        missing = [c for c in _COLUMNS if c not in table]
        draft.problems += [
            Problem(path.name, 0, c, "", "column_missing", "the column is missing") for c in missing
        ]
        if missing:
            return
        if derive_people:
            sheet = draft.add_people(_people(table))
        draft.frames["strains"] = _strains(table, draft, sheet)
        draft.notes.append(
            f"{path.name} lists only species with strain evidence: no community profile is imported"
        )


def _sample(case: str | None, which: str, day: str | None) -> str:
    """Sample ids as the tidy layout names them."""
    return {"pre": f"{case}|recipient_pre", "donor": f"{case}|donor"}.get(which, f"{case}|d{day}|post")


def _strains(table: Sheet, draft: Draft, sheet: Sheet | None) -> pl.DataFrame:
    known = {s for s in sheet.get("sample_id") if s} if sheet else set()
    found: dict[tuple[str, str, str], dict[str, object]] = {}
    for number, row in enumerate(table.rows(), start=1):
        for pair, (one, other) in _PAIRS.items():
            case, day = row["Case_Name"], row["Days_Since_FMT.post"]
            key = (_sample(case, one, day), _sample(case, other, day))
            comparison = _comparison(table.name, number, row, pair, draft.problems)
            if comparison is None:
                continue
            for sample in key:
                if sheet and sample not in known:
                    message = "the sample is not in the metadata"
                    draft.problems.append(
                        Problem(table.name, number, "Case_Name", sample, "sample_unmatched", message)
                    )
            clade = row["species"] or ""
            new = {"sample_id": key[0], "other_sample_id": key[1], "clade": clade, **comparison}
            if found.setdefault((*key, clade), new) != new:
                message = f"{clade}: another row has other values for {key[0]} and {key[1]}"
                draft.problems.append(Problem(table.name, number, pair, "", "pair_contradicts", message))
    names = ("sample_id", "other_sample_id", "clade", "similarity", "n_overlap", "call")
    schema = {n: INPUTS["strains"][n].storage for n in names}
    return pl.DataFrame(list(found.values()), schema=schema)


def _comparison(
    table: str, number: int, row: dict[str, str | None], pair: str, problems: list[Problem]
) -> dict[str, object] | None:
    values = []
    for what, top in (("mvs", 1.0), ("overlap", 1e12)):
        text = row[f"{pair}.{what}"]
        value = None if text is None else read_number(text)
        if text is not None and (value is None or not 0 <= value <= top):
            message = f"expected a number from 0 to {top:g}"
            problems.append(Problem(table, number, f"{pair}.{what}", text, "not_a_number", message))
        values.append(value)
    similarity, overlap = values
    if overlap is None:
        return None
    n_overlap = int(overlap)
    # Without a common position the table writes similarity 0, which nobody measured.
    similarity = similarity if n_overlap else None
    return {"similarity": similarity, "n_overlap": n_overlap, "call": call(similarity, n_overlap=n_overlap)}


def _people(table: Sheet) -> Sheet:
    """Sample metadata that the competition table implies."""
    labels = {"true": "resolved", "false": "failed"}
    rows: dict[str, tuple[str | None, ...]] = {}
    for row in table.rows():
        case, day = row["Case_Name"], row["Days_Since_FMT.post"]
        outcome = labels.get((row["fmt_success"] or "").casefold(), row["fmt_success"])
        donor = f"donor_of_{case}"
        rows[_sample(case, "pre", day)] = (case, "recipient", "pre-FMT", None, donor, outcome)
        rows[_sample(case, "post", day)] = (case, "recipient", "post-FMT", day, donor, outcome)
        rows[_sample(case, "donor", day)] = (donor, "donor", "donation", None, donor, None)
    names = ("subject_id", "role", "timepoint", "day", "donor_id", "outcome")
    columns = {name: [cells[i] for cells in rows.values()] for i, name in enumerate(names)}
    return Sheet(table.name, {"sample_id": list(rows), **columns}, len(rows))
