"""Functions and indices told by names: each cited, each name compared as it is meant."""

import pytest

from commensal.errors import InputError
from commensal.vocabulary.sources import sources
from commensal.vocabulary.taxon_functions import (
    DysbiosisIndex,
    TaxonFunction,
    dysbiosis_indices,
    names_of,
    plain_taxon,
    taxon_functions,
)


@pytest.mark.parametrize("book", [taxon_functions(), dysbiosis_indices()], ids=lambda b: b.kind)
def test_every_entry_is_cited_and_has_a_chinese_label(book):
    for entry in book:
        assert set(entry.source.split("; ")) <= set(sources())
        assert entry.label_zh
        assert entry.confidence in {"H", "M"}


def test_gmhi_has_its_seven_and_forty_three_species():
    index = dysbiosis_indices().get("gmhi")
    lists = index.numerator["species"], index.denominator["species"]
    assert [len(x) for x in lists] == [7, 43]
    assert not set(lists[0]) & set(lists[1])
    assert (index.richness_numerator, index.richness_denominator) == (7, 31)


def test_gmwi2_ships_no_coefficient():
    index = dysbiosis_indices().get("gmwi2")
    assert not index.numerator
    assert not index.denominator


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("s__Alistipes_senegalensis", "Alistipes senegalensis"),
        ("Escherichia/Shigella", "Escherichia-Shigella"),
        ("g__Coprococcus_A", "Coprococcus"),
        ("[Eubacterium] rectale", "Eubacterium rectale"),
    ],
)
def test_the_same_taxon_in_two_spellings(one, other):
    assert plain_taxon(one) == plain_taxon(other)


@pytest.mark.parametrize(
    ("one", "other"), [("Clostridium_XlVa", "Clostridium"), ("Ruminococcus2", "Ruminococcus")]
)
def test_other_genera_stay_other(one, other):
    assert plain_taxon(one) != plain_taxon(other)


def test_a_member_has_several_names():
    assert names_of("Escherichia|Escherichia/Shigella") == ("escherichia", "escherichia shigella")


ENTRY = {"code": "x", "label": "X", "source": "LOUIS09", "confidence": "M"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"told_at": "species"},
        {"concern": "balance"},
        {"members": {"tribe": ("A",), "genus": ("B",)}},
        {"members": {"genus": (" ",)}},
    ],
)
def test_a_function_checks_itself(wrong):
    good = {"told_at": "genus", "concern": "deficit", "members": {"genus": ("Roseburia",)}}
    assert TaxonFunction(**ENTRY, **good).code == "x"
    with pytest.raises(ValueError, match=r"x|tribe"):
        TaxonFunction(**ENTRY, **(good | wrong))


@pytest.mark.parametrize("wrong", [{"form": "difference"}, {"low_is": "bad"}])
def test_an_index_checks_itself(wrong):
    good = {"version": "1", "form": "ratio", "low_is": "healthy"}
    with pytest.raises(ValueError, match="index"):
        DysbiosisIndex(**ENTRY, **(good | wrong))


def test_a_source_nobody_listed_is_refused():
    entry = ENTRY | {"source": "NOBODY99"}
    with pytest.raises(InputError, match="NOBODY99"):
        TaxonFunction(**entry, told_at="genus", concern="deficit", members={"genus": ("Roseburia",)})
