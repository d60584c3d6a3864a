"""BIOM tables, version 1.0 (JSON) and 2.1 (HDF5)."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from commensal.errors import InputError
from commensal.formats.abundance import Matrix, matrix_of
from commensal.formats.faults import collecting
from commensal.formats.feature_tables import checked_options, files_named, finish, metadata_beside
from commensal.formats.files import MAX_UNPACKED_BYTES, decode, read_bytes
from commensal.formats.imported import Draft, Imported
from commensal.formats.metadata import column_meaning
from commensal.formats.sheets import Sheet

_HDF5 = b"\x89HDF\r\n\x1a\n"


def read_biom(source: Path, *, mapping: Mapping[str, Any] | None = None) -> Imported:
    """Read a BIOM table; sample metadata from metadata.tsv beside it, or from the table itself.

    Refuses
        ``ProblemsFoundError`` with every fault.
    """
    options = checked_options(mapping)
    path = _only(files_named(source, ".biom"))
    draft = Draft(path.name)
    matrix, lineages, inside = None, {}, None
    with collecting(draft.problems, path.name):
        matrix, lineages, inside = read_table(read_bytes(path), name=path.name, draft=draft)
        draft.keep(path)
    sheet = metadata_beside(source, draft, options)
    if sheet is None and inside is not None:
        sheet = draft.add_people(inside)
    return finish(
        draft,
        matrix,
        name=path.name,
        origin=f"BIOM table {path.name}",
        sheet=sheet,
        options=options,
        lineages=lineages,
    )


def _only(paths: list[Path]) -> Path:
    if len(paths) > 1:
        names = ", ".join(p.name for p in paths[:5])
        raise InputError(
            f"{len(paths)} tables: {names}", expected="one table", do="give the path of the file"
        )
    return paths[0]


def read_table(content: bytes, *, name: str, draft: Draft) -> tuple[Matrix, dict[str, str], Sheet | None]:
    """Return matrix, lineages and (where the table carries it) sample metadata of a BIOM file's bytes."""
    table = _parse(content, name)
    sparse = table.matrix_data.tocoo()
    matrix = matrix_of(
        name,
        taxon_ids=[str(i) for i in table.ids(axis="observation")],
        sample_ids=[str(i) for i in table.ids(axis="sample")],
        rows=np.asarray(sparse.row),
        columns=np.asarray(sparse.col),
        data=np.asarray(sparse.data, dtype=float),
        problems=draft.problems,
    )
    return matrix, _lineages(table), _metadata(table, name)


def _parse(content: bytes, name: str) -> Any:
    import biom

    # The parsers raise whatever they meet in a damaged file; all of it means the same to a user.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not content.startswith(_HDF5):
                return biom.Table.from_json(json.loads(decode(content, name=name)))
            import h5py

            with h5py.File(io.BytesIO(content), "r") as file:
                _check_size(file, name)
                return biom.Table.from_hdf5(file)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{name} is not a whole BIOM table ({type(error).__name__}: {error})",
            expected="BIOM 1.0 (JSON) or 2.1 (HDF5)",
            do="export or download the file again",
        ) from error


def _check_size(file: Any, name: str) -> None:
    """A compressed data set can claim any size: add up the claims before anything is unpacked."""
    import h5py

    sizes: list[int] = []
    file.visititems(lambda _, item: sizes.append(item.nbytes) if isinstance(item, h5py.Dataset) else None)
    if sum(sizes) > MAX_UNPACKED_BYTES:
        raise InputError(
            f"{name} would unpack to {sum(sizes):,} bytes", expected=f"at most {MAX_UNPACKED_BYTES:,}"
        )


def _lineages(table: Any) -> dict[str, str]:
    found = {}
    recorded: list[Any] = list(table.metadata(axis="observation") or ())
    for taxon, facts in zip(table.ids(axis="observation"), recorded, strict=False):
        taxonomy = (facts or {}).get("taxonomy")
        if taxonomy is not None and len(taxonomy):
            found[str(taxon)] = taxonomy if isinstance(taxonomy, str) else ";".join(str(t) for t in taxonomy)
    return found


def _metadata(table: Any, name: str) -> Sheet | None:
    """Sample metadata inside the table, where it says whose the samples are."""
    facts = [dict(f or {}) for f in table.metadata(axis="sample") or ()]
    names = list(dict.fromkeys(k for f in facts for k in f))
    if not any(column_meaning(n) == "subject_id" for n in names):
        return None
    columns = {n: [None if f.get(n) in (None, "") else str(f[n]) for f in facts] for n in names}
    sheet_name = f"{name} (sample metadata)"
    return Sheet(sheet_name, {"sample_id": [str(i) for i in table.ids(axis="sample")], **columns}, len(facts))
