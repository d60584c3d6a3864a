"""Abundances: what is refused, how ranks are summed, which sample is the deepest."""

from __future__ import annotations

import polars as pl
import pytest

from commensal.errors import InputError, RefusedError
from commensal.microbiome import Abundance, abundance_of, aggregate, rarefy
from commensal.microbiome.abundance import deepest, depths
from commensal.study import Manifest, study_of

ROWS = {"sample_id": ["s2", "s1", "s1"], "taxon_id": ["b", "a", "b"]}


def read(**columns: list) -> Abundance:
    frame = pl.DataFrame({**ROWS, **columns})
    return abundance_of(study_of({"abundances": frame}, manifest=Manifest(origin="test")))


def test_counts() -> None:
    abundance = read(count=[5, 1, 3])
    assert abundance.sample_ids == ("s1", "s2")
    assert abundance.values.toarray().tolist() == [[1, 3], [0, 5]]
    assert abundance.totals.tolist() == [4, 5]
    assert abundance.proportions.toarray().tolist() == [[0.25, 0.75], [0, 1]]
    assert abundance.presence.toarray().tolist() == [[1, 1], [0, 1]]


def test_proportions_have_no_reads() -> None:
    abundance = read(proportion=[1.0, 0.25, 0.75])
    assert not abundance.is_counts
    with pytest.raises(RefusedError, match="cannot be rarefied"):
        rarefy(abundance, depth=10, seed=0)
    samples = pl.DataFrame({"sample_id": ["s1", "s2"], "n_reads": [None, 900]})
    assert depths(abundance, samples) == {"s2": 900.0}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"count": [5, 1, None], "proportion": [None, None, 0.5]}, "mix counts and proportions"),
        ({"count": [5, 1, None]}, "1 abundances have no value"),
        ({"count": [5, 1, 1], "taxon_id": ["b", "a", "a"]}, "twice"),
        ({"proportion": [0.5, 0.1, float("nan")]}, "not a number"),
        ({"count": [5, -1, 1]}, "negative"),
    ],
)
def test_what_is_refused(columns: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(**columns)


def test_no_abundances_at_all() -> None:
    empty = abundance_of(study_of({}, manifest=Manifest(origin="test")))
    assert empty.sample_ids == ()
    assert empty.values.shape == (0, 0)


def test_an_unknown_sample_is_named() -> None:
    with pytest.raises(InputError, match="'s9' has no abundances"):
        read(count=[5, 1, 3]).select(["s9"])


def test_ranks_are_summed_and_nothing_unnamed_is_lost() -> None:
    taxa = pl.DataFrame(
        {
            "taxon_id": ["a", "b", "c", "d"],
            "family": ["F", "F", "G", None],
            "genus": ["x", "x", None, None],
        }
    )
    rows = {"sample_id": ["s"] * 4, "taxon_id": ["a", "b", "c", "d"], "count": [1, 2, 4, 8]}
    study = study_of({"abundances": pl.DataFrame(rows)}, manifest=Manifest(origin="test"))
    genera = aggregate(abundance_of(study), taxa, rank="genus")
    found = dict(zip(genera.taxon_ids, genera.values.toarray()[0].tolist(), strict=True))
    assert found == {"x": 3, "unnamed genus of G": 4, "unnamed genus of unknown lineage": 8}
    with pytest.raises(InputError, match="no rank"):
        aggregate(genera, taxa, rank="genera")


def test_one_name_in_two_families_stays_two_taxa() -> None:
    taxa = pl.DataFrame({"taxon_id": ["a", "b"], "family": ["F", "G"], "genus": ["Incertae", "Incertae"]})
    genera = aggregate(read(count=[5, 1, 3]), taxa, rank="genus")
    assert genera.values.shape == (2, 2)


def test_the_deepest_sample_and_ties() -> None:
    assert deepest(["b", "a", "c"], depth={"a": 5, "b": 5, "c": 4}) == "a"
    assert deepest(["b", "c"], depth={"c": 1}) == "c"
    assert deepest([], depth={}) is None
