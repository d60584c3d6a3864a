"""QIIME 2 archives, read as the zip files they are: feature tables and taxonomy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commensal.errors import InputError
from commensal.formats.abundance import Matrix
from commensal.formats.biom_tables import read_table
from commensal.formats.faults import collecting
from commensal.formats.feature_tables import checked_options, files_named, finish, metadata_beside
from commensal.formats.files import decode, open_archive, read_entry
from commensal.formats.imported import Draft, Imported
from commensal.formats.sheets import sheet_of_text
from commensal.formats.taxonomy import read_taxonomy

_TABLES = {"FeatureTable[Frequency]": "counts", "FeatureTable[RelativeFrequency]": "proportions"}
_TAXONOMY = "FeatureData[Taxonomy]"


@dataclass(frozen=True)
class Artifact:
    """The payload of one archive: its semantic ``type``, its ``uuid`` and the payload's bytes."""

    name: str
    type: str
    uuid: str
    payload: bytes


def read_qza(source: Path, *, mapping: Mapping[str, Any] | None = None) -> Imported:
    """Read a feature table archive, or a folder with one and, where known, a taxonomy archive.

    Sample metadata come from metadata.tsv beside it.

    Refuses
        ``ProblemsFoundError`` with every fault.
    """
    options = checked_options(mapping)
    draft = Draft(source.name)
    artifacts: list[Artifact] = []
    for path in files_named(source, ".qza"):
        with collecting(draft.problems, path.name):
            artifacts.append(read_artifact(path))
            draft.keep(path)
    table, matrix, lineages = None, None, {}
    with collecting(draft.problems, source.name):
        table = _table(artifacts)
        matrix, lineages, _ = read_table(table.payload, name=table.name, draft=draft)
    for artifact in artifacts:
        if artifact.type == _TAXONOMY:
            with collecting(draft.problems, artifact.name):
                lineages |= _lineages(artifact, draft)
    sheet = metadata_beside(source, draft, options)
    _keep_lineages_of(matrix, lineages, draft)
    return finish(
        draft,
        matrix,
        name=table.name if table else source.name,
        origin="QIIME 2 " + ", ".join(f"{a.name} ({a.uuid})" for a in artifacts),
        sheet=sheet,
        options=options,
        lineages=lineages,
        declared=_TABLES[table.type] if table else None,
    )


def _table(artifacts: list[Artifact]) -> Artifact:
    tables = [a for a in artifacts if a.type in _TABLES]
    if len(tables) != 1:
        found = ", ".join(f"{a.name}: {a.type}" for a in artifacts) or "nothing readable"
        raise InputError(
            f"{len(tables)} feature tables among {found}", expected="one " + " or ".join(_TABLES)
        )
    return tables[0]


def _keep_lineages_of(matrix: Matrix | None, lineages: dict[str, str], draft: Draft) -> None:
    if matrix is not None and lineages and (absent := [t for t in matrix.taxon_ids if t not in lineages]):
        draft.notes.append(f"{len(absent)} features have no lineage in the taxonomy, the first {absent[0]}")


def read_artifact(path: Path) -> Artifact:
    """Read a QIIME 2 archive. InputError where it is damaged, or of a type that is not read here."""
    with open_archive(path) as archive:
        names = archive.namelist()
        roots = {n.split("/")[0] for n in names}
        if len(roots) != 1 or f"{next(iter(roots))}/metadata.yaml" not in names:
            raise InputError(
                f"{path.name} is not a QIIME 2 archive", expected="one folder with metadata.yaml and data/"
            )
        root = next(iter(roots))
        facts = _facts(decode(read_entry(archive, f"{root}/metadata.yaml", name=path.name), name=path.name))
        kind = facts.get("type", "")
        inner = "taxonomy.tsv" if kind == _TAXONOMY else "feature-table.biom"
        if kind not in (*_TABLES, _TAXONOMY) or f"{root}/data/{inner}" not in names:
            raise InputError(
                f"{path.name} is of type {kind or 'unknown'}", expected=", ".join((*_TABLES, _TAXONOMY))
            )
        return Artifact(path.name, kind, root, read_entry(archive, f"{root}/data/{inner}", name=path.name))


def _facts(text: str) -> dict[str, str]:
    """The plain ``key: value`` lines of metadata.yaml; nothing else of YAML is needed."""
    return {k: v.strip("'\"") for k, v in re.findall(r"^(\w+): *(.*?) *$", text, flags=re.MULTILINE)}


def _lineages(artifact: Artifact, draft: Draft) -> dict[str, str]:
    text = decode(artifact.payload, name=artifact.name)
    sheet = sheet_of_text(text, name=artifact.name, problems=draft.problems, delimiter="\t")
    return read_taxonomy(sheet)[0]
