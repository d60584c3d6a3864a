"""MetaPhlAn 3 and 4 profiles: one sample, or several merged.

Every rank of a profile repeats the abundance of the ranks below it. Only clades without a clade below
them are taken (species or, in version 4, genome bins), so nothing is counted twice. What the profiler
could not classify is no taxon: it is kept as a note, and the shares of a sample sum to less than 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from commensal.errors import InputError, Problem
from commensal.formats.abundance import Matrix, matrix_of
from commensal.formats.faults import collecting
from commensal.formats.feature_tables import checked_options, files_named, finish, metadata_beside
from commensal.formats.files import read_text
from commensal.formats.imported import Draft, Imported
from commensal.formats.numerals import read_number

UNKNOWN = ("UNKNOWN", "UNCLASSIFIED")
TOTAL_PERCENT = 100.0
TOLERANCE_PERCENT = 1.0
# Columns of a single profile that are no samples.
_ABUNDANCE = "relative_abundance"
_IDENTIFIERS = ("clade_taxid", "ncbi_tax_id")


def read_metaphlan(source: Path, *, mapping: Mapping[str, Any] | None = None) -> Imported:
    """Read a MetaPhlAn profile, a merged table, or a folder of profiles.

    A single profile's sample is named by its file. Sample metadata come from metadata.tsv beside it.

    Refuses
        ``ProblemsFoundError`` with every fault: a percentage that is no number or out of range, a sample
        whose shares do not sum to 100, a clade twice, a table without a MetaPhlAn header.
    """
    options = checked_options(mapping)
    draft = Draft(source.name)
    values: dict[str, dict[str, float]] = {}
    versions: list[str] = []
    for path in files_named(source, ".txt", ".tsv", ".profile"):
        if path.name == options.get("metadata", "metadata.tsv"):
            continue
        with collecting(draft.problems, path.name):
            profile, version = _profile(path, draft.problems)
            versions += [v for v in (version,) if v and v not in versions]
            for sample in sorted(set(profile) & set(values)):
                message = "the sample is in two files"
                draft.problems.append(Problem(path.name, 0, "", sample, "sample_twice", message))
            values |= profile
            draft.keep(path)
    if len(versions) > 1:
        draft.notes.append("profiles of several databases are not comparable: " + ", ".join(versions))
    sheet = metadata_beside(source, draft, options)
    matrix = _leaves(values, draft) if values else None
    return finish(
        draft,
        matrix,
        name=source.name,
        origin=f"MetaPhlAn profile {source.name}",
        sheet=sheet,
        options=options,
        lineages={t: t for t in matrix.taxon_ids} if matrix else None,
        assay="shotgun",
        pipeline=" ".join(["MetaPhlAn", *versions]),
        declared="percent",
    )


def _profile(path: Path, problems: list[Problem]) -> tuple[dict[str, dict[str, float]], str]:
    """Return sample → clade → percent, and the database version."""
    lines = read_text(path).splitlines()
    version = next((m[0] for line in lines[:5] if (m := re.search(r"mpa_v\w+", line))), "")
    at = next((i for i, line in enumerate(lines) if _is_header(line)), None)
    if at is None:
        raise InputError(
            f"{path.name} has no MetaPhlAn header",
            expected="a line that starts with clade_name (or #clade_name)",
            do="give MetaPhlAn's own output",
        )
    header = [c.strip() for c in lines[at].lstrip("#").split("\t")]
    columns = _sample_columns(header, path)
    found: dict[str, dict[str, float]] = {sample: {} for sample in columns.values()}
    for number, line in enumerate(lines[at + 1 :], start=1):
        if line.strip() and not line.startswith("#"):
            _clade(path.name, number, line.split("\t"), header, columns, found, problems)
    return found, version


def _is_header(line: str) -> bool:
    return line.lstrip("#").split("\t")[0].strip() in {"clade_name", "ID"}


def _sample_columns(header: list[str], path: Path) -> dict[int, str]:
    """Column number → sample: the abundance column of a single profile, every other of a merged table."""
    if _ABUNDANCE in header:
        return {header.index(_ABUNDANCE): path.stem.removesuffix("_metaphlan").removesuffix("_profile")}
    columns = {i: c for i, c in enumerate(header) if i and c.casefold() not in _IDENTIFIERS}
    if not columns or len(set(columns.values())) < len(columns) or "" in columns.values():
        raise InputError(
            f"{path.name} has the columns {', '.join(header[:8])}",
            expected="a name of its own for each sample",
        )
    return columns


def _clade(
    name: str,
    number: int,
    cells: list[str],
    header: list[str],
    columns: Mapping[int, str],
    found: dict[str, dict[str, float]],
    problems: list[Problem],
) -> None:
    clade = cells[0].strip()
    # additional_species, the last column of a profile, is left off where it is empty.
    if len(cells) <= max(columns) or len(cells) > len(header):
        message = f"the row has {len(cells)} cells, the header {len(header)}"
        problems.append(Problem(name, number, "", clade, "ragged_row", message))
        return
    for index, sample in columns.items():
        value = read_number(cells[index].strip())
        if value is None or not 0 <= value <= TOTAL_PERCENT + TOLERANCE_PERCENT:
            message = "expected a percentage from 0 to 100"
            problems.append(Problem(name, number, sample, cells[index], "not_a_percentage", message))
        elif clade in found[sample]:
            problems.append(
                Problem(name, number, "clade_name", clade, "clade_twice", "the clade stands twice")
            )
        else:
            found[sample][clade] = value


def _leaves(values: Mapping[str, Mapping[str, float]], draft: Draft) -> Matrix:
    clades = dict.fromkeys(c for profile in values.values() for c in profile)
    inner = {clade.rpartition("|")[0] for clade in clades}
    leaves = [c for c in clades if c not in inner and c not in UNKNOWN]
    samples = list(values)
    entries = [
        (row, column, values[sample][leaf])
        for row, leaf in enumerate(leaves)
        for column, sample in enumerate(samples)
        if values[sample].get(leaf, 0) > 0
    ]
    for sample in samples:
        _check_total(sample, values[sample], leaves, draft)
    rows, columns, data = (np.array(part) for part in zip(*entries, strict=True)) if entries else ([], [], [])
    return matrix_of(
        draft.name,
        taxon_ids=leaves,
        sample_ids=samples,
        rows=np.asarray(rows, dtype=int),
        columns=np.asarray(columns, dtype=int),
        data=np.asarray(data, dtype=float),
        problems=draft.problems,
    )


def _check_total(sample: str, profile: Mapping[str, float], leaves: list[str], draft: Draft) -> None:
    unknown = sum(profile.get(name, 0.0) for name in UNKNOWN)
    total = unknown + sum(profile.get(leaf, 0.0) for leaf in leaves)
    if abs(total - TOTAL_PERCENT) > TOLERANCE_PERCENT:
        message = (
            f"the clades without a clade below them sum to {total:.4g} %: the profile is truncated, "
            "or its ranks do not nest"
        )
        draft.problems.append(Problem(draft.name, 0, sample, f"{total:.4g}", "profile_sum", message))
    if unknown:
        draft.notes.append(f"{sample}: {unknown:.5g} % of the sample is unclassified and is no taxon")
