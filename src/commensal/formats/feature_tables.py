"""What BIOM, QIIME 2 and MetaPhlAn share: a matrix, lineages, and sample metadata beside the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from commensal.errors import InputError, nearest
from commensal.formats.abundance import Matrix
from commensal.formats.faults import collecting
from commensal.formats.imported import Draft, Imported
from commensal.formats.sheets import Sheet, read_sheet
from commensal.study import Manifest

OPTIONS = ("abundance", "assay", "metadata")


def checked_options(mapping: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the options of a feature table's mapping file.

    ``abundance``: counts, proportions, percent or coverage, where the values alone do not say;
    ``assay``; ``metadata``: the file of sample metadata. InputError on any other, or on one that is no text.
    """
    options = dict(mapping or {})
    for name, value in options.items():
        if name not in OPTIONS:
            raise InputError(f"the mapping file has no option {name!r}", expected=nearest(name, OPTIONS))
        if not isinstance(value, str):
            raise InputError(f"the option {name} is {value!r}", expected="text in quotation marks")
    return options


def files_named(source: Path, *suffixes: str) -> list[Path]:
    """Return the file ``source``, or the files of the folder with one of the suffixes, in order."""
    if not source.is_dir():
        return [source]
    found = sorted(p for p in source.iterdir() if p.is_file() and p.name.lower().endswith(suffixes))
    if not found:
        raise InputError(f"{source} holds no file ending in {' or '.join(suffixes)}", do="check the folder")
    return found


def metadata_beside(source: Path, draft: Draft, options: Mapping[str, str]) -> Sheet | None:
    """Read the sample metadata the options name, else metadata.tsv beside the source; None without one."""
    folder = source if source.is_dir() else source.parent
    path = folder / options.get("metadata", "metadata.tsv")
    if "metadata" not in options and not path.is_file():
        return None
    with collecting(draft.problems, path.name):
        sheet = draft.add_people(read_sheet(path, problems=draft.problems))
        draft.keep(path)
        draft.notes.append(f"sample metadata: {path.name}")
        return sheet
    return Sheet(path.name, {}, 0)


def finish(
    draft: Draft,
    matrix: Matrix | None,
    *,
    name: str,
    origin: str,
    sheet: Sheet | None,
    options: Mapping[str, str],
    lineages: Mapping[str, str] | None = None,
    assay: str | None = None,
    pipeline: str | None = None,
    declared: str | None = None,
) -> Imported:
    """Put matrix, lineages and metadata together; raise if anything was wrong with any of them."""
    if matrix is not None:
        with collecting(draft.problems, name):
            chosen = options.get("abundance") or declared
            draft.add_matrix(matrix, name=name, declared=chosen, lineages=lineages)
        if sheet is None:
            draft.add_bare_samples(matrix.sample_ids)
        else:
            draft.match_samples(matrix, sheet, name=name)
    draft.add_run(assay=options.get("assay") or assay, pipeline=pipeline)
    return draft.finish(Manifest(origin=origin, clock="patient"))
