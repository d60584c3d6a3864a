"""Join two studies into a third, so that clinical records and microbiome tables meet."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath

import polars as pl

from commensal.errors import ProblemsFoundError
from commensal.study.declaration import Table
from commensal.study.folder import Study, StudyWriter, open_study
from commensal.study.inputs import INPUTS
from commensal.study.manifest import Manifest
from commensal.study.problems import as_problems, joined, none_found, problem, problems_at


def merge(a: Study, b: Study, folder: Path | str) -> Study:
    """Write the union of two studies into a new folder and open it.

    Rows of the same key become one: equal values stay, an unknown is filled from the other study. The
    sources of both are kept; a file of the same name and other content gets its hash in its name. A
    simulator's truth is kept where one study has one, or both the same.

    Refuses (:class:`ProblemsFoundError`) with every conflicting value, every key that stands twice in one
    study, different clocks, and counts beside proportions; nothing is written then. The data cut is the
    earlier one, and unknown where one of them is.
    """
    names = [name for name in INPUTS if a.has(name) or b.has(name)]
    found = joined([_clocks(a, b), _measures(a, b), *(_conflicts(a, b, INPUTS[name]) for name in names)])
    if found.height:
        raise ProblemsFoundError(as_problems(found), source="merge")
    with StudyWriter(folder, manifest=_manifest(a, b)) as writer:
        for name in names:
            writer.append(name, _union(a.read(name), b.read(name), INPUTS[name]))
        for name, content in _files(a, b, "sources").items():
            writer.keep_source(name, content)
        for name, content in _truth(a, b).items():
            writer.keep_truth(name, content)
    return open_study(folder)


def _clocks(a: Study, b: Study) -> pl.DataFrame:
    clocks = a.manifest.clock, b.manifest.clock
    if clocks[0] == clocks[1]:
        return none_found()
    message = "the studies count time on different clocks; days cannot be compared"
    return problem("manifest", column="clock", value=" | ".join(clocks), rule="clocks", message=message)


def _measures(a: Study, b: Study) -> pl.DataFrame:
    measures = {m for study in (a, b) for m in _measures_of(study)}
    if len(measures) < 2:
        return none_found()
    message = "one study holds counts and the other proportions; they never stand in one study"
    value = " | ".join(sorted(measures))
    return problem(
        "abundances", column="count;proportion", value=value, rule="mixed_measures", message=message
    )


def _measures_of(study: Study) -> list[str]:
    frame = study.read("abundances", columns=["count", "proportion"])
    return [c for c in frame.columns if frame[c].null_count() < frame.height]


def _conflicts(a: Study, b: Study, table: Table) -> pl.DataFrame:
    """Problems of one table: keys that stand twice in one study, and values that differ."""
    frames = a.read(table.name), b.read(table.name)
    repeated = joined([_repeated(frame, table, side) for frame, side in zip(frames, "ab", strict=True)])
    if repeated.height:
        return repeated
    both = _joined(frames[0].with_row_index("row"), frames[1], table, how="inner")
    return joined([_differing(both, table, column) for column in _values(table)])


def _repeated(frame: pl.DataFrame, table: Table, side: str) -> pl.DataFrame:
    broken = frame.with_row_index("row").filter(~pl.struct(table.key).is_first_distinct())
    message = f"a row with this key stands above in study {side}; check that study first"
    return problems_at(broken, table.name, column=table.key[0], rule="duplicate_key", message=message)


def _differing(both: pl.DataFrame, table: Table, column: str) -> pl.DataFrame:
    mine, other = pl.col(column), pl.col(_other(column))
    broken = both.filter(mine.is_not_null(), other.is_not_null(), mine != other)
    if not broken.height:
        return none_found()
    key = pl.concat_str([pl.col(k).cast(pl.String).fill_null("") for k in table.key], separator=" / ")
    shown = pl.concat_str([mine.cast(pl.String), pl.lit(" | "), other.cast(pl.String)])
    told = broken.select("row", shown.alias(column), key.alias("key"))
    found = problems_at(told, table.name, column=column, rule="conflict", message="")
    return found.with_columns(message=pl.format("the studies disagree on {} (first | second)", told["key"]))


def _union(a: pl.DataFrame, b: pl.DataFrame, table: Table) -> pl.DataFrame:
    both = _joined(a, b, table, how="full")
    filled = [pl.coalesce(c, _other(c)).alias(c) for c in _values(table)]
    return both.with_columns(filled).select(table.names).sort(table.key, nulls_last=True)


def _joined(a: pl.DataFrame, b: pl.DataFrame, table: Table, *, how: str) -> pl.DataFrame:
    b = b.rename({c: _other(c) for c in _values(table)})
    # A null in a key (a donation nobody knows) is the same unknown on both sides.
    return a.join(b, on=list(table.key), how=how, nulls_equal=True, coalesce=True)  # type: ignore[arg-type]


def _values(table: Table) -> list[str]:
    return [name for name in table.names if name not in table.key]


def _other(column: str) -> str:
    return f"{column} of b"


def _manifest(a: Study, b: Study) -> Manifest:
    first, second = sorted((a.manifest, b.manifest), key=lambda m: (m.data_hash, m.to_json()))
    cuts = [first.data_cut_day, second.data_cut_day]
    known = [cut for cut in cuts if cut is not None]
    origins = [
        f"merged from: {m.origin} (data {m.data_hash[:12]}, cut {m.data_cut_day})" for m in (first, second)
    ]
    return Manifest(
        origin="merge",
        clock=first.clock,
        data_cut_day=min(known) if len(known) == len(cuts) else None,
        seed=first.seed if first.seed == second.seed else None,
        notes=tuple(dict.fromkeys((*origins, *first.notes, *second.notes, *_truth_note(a, b)))),
        changes=tuple(dict.fromkeys((*first.changes, *second.changes))),
    )


def _files(a: Study, b: Study, part: str) -> dict[str, bytes]:
    """The kept files of both studies; one name with two contents becomes two names."""
    mine, other = ({name: path.read_bytes() for name, path in study.kept(part).items()} for study in (a, b))
    clash = {name for name in mine.keys() & other.keys() if mine[name] != other[name]}
    kept: dict[str, bytes] = {}
    for files in (mine, other):
        for name, content in files.items():
            kept[_hashed_name(name, content) if name in clash else name] = content
    return kept


def _hashed_name(name: str, content: bytes) -> str:
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem}-{hashlib.sha256(content).hexdigest()[:12]}{path.suffix}"))


def _truth(a: Study, b: Study) -> dict[str, bytes]:
    mine, other = (
        {name: path.read_bytes() for name, path in study.kept("truth").items()} for study in (a, b)
    )
    if mine and other and mine != other:
        return {}
    return mine or other


def _truth_note(a: Study, b: Study) -> tuple[str, ...]:
    if (a.kept("truth") or b.kept("truth")) and not _truth(a, b):
        return ("truth/ was left out: the studies were simulated apart, and neither truth is the union's",)
    return ()
