"""What the stool given had to offer: by hand, and against the complementarity of the room."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from commensal.microbiome import complementarity, complementarity_given
from commensal.study import Manifest, Study, study_of

# Letters are taxa; a and b are common to all donors, c to two of three, the rest are one donor's.
DONORS = {"D1": "abc", "D2": "abcx", "D3": "aby"}


def study(baseline: str, units: dict[str, list[str]], donors: dict[str, str] | None = None) -> Study:
    """Patient P with a baseline, given one session of each unit on day 0; one sample a donor."""
    donors = DONORS if donors is None else donors
    given = {donor for found in units.values() for donor in found}
    taxa = {"p-0": baseline, "p-28": "ab", **{f"s-{d}": letters for d, letters in donors.items()}}
    frames = {
        "patients": [{"patient_id": "P", "arm": "fmt", "index_day": 0}],
        "samples": [
            {"sample_id": "p-0", "patient_id": "P", "donor_id": None, "collected_day": -1},
            {"sample_id": "p-28", "patient_id": "P", "donor_id": None, "collected_day": 28},
            *({"sample_id": f"s-{d}", "donor_id": d} for d in donors),
        ],
        "sessions": [{"session_id": f"s{u}", "patient_id": "P", "administered_day": 0} for u in units],
        "session_units": [{"session_id": f"s{u}", "unit_id": u} for u in units],
        "units": [{"unit_id": u, "release_pathway": "historical"} for u in units],
        "unit_donors": [{"unit_id": u, "donor_id": d} for u, found in units.items() for d in found],
        "donors": [{"donor_id": d, "kind": "universal"} for d in sorted({*donors, *given})],
        "abundances": [
            {"sample_id": s, "taxon_id": t, "count": 1000} for s, letters in taxa.items() for t in letters
        ],
    }
    return study_of(
        {name: pl.DataFrame(rows) for name, rows in frames.items()},
        manifest=Manifest(origin="test", clock="patient"),
    )


def value(given: Study) -> float | None:
    rows = complementarity_given(given)
    assert rows.select("subject_id", "sample_id", "day").rows() == [("P", "p-0", -1)]
    return rows["value"][0]


@pytest.mark.parametrize(
    ("baseline", "donor", "expected"),
    [
        ("z", "D1", 1.0),  # lacks a, b, c; the donor has all
        ("z", "D3", 2 / (2 + 2 / 3)),  # c is lacking and not on offer
        ("ab", "D3", 0.0),
        ("ab", "D2", 1.0),  # x is one donor's: nobody misses it
        ("abc", "D1", None),  # nothing common is lacking
    ],
)
def test_by_hand(baseline, donor, expected):
    assert value(study(baseline, {"u": [donor]})) == pytest.approx(expected)


def test_a_pool_offers_what_any_of_its_donors_has():
    assert value(study("ab", {"u": ["D3", "D1"]})) == 1.0


def test_a_donor_that_was_not_sequenced_and_too_few_donors_give_no_value():
    assert value(study("z", {"u": ["D9"]})) is None
    assert value(study("z", {"u": ["D1"]}, {"D1": "abc", "D2": "ab"})) is None


def test_a_study_without_samples_gives_no_row():
    empty = study_of({}, manifest=Manifest(origin="test", clock="patient"))
    assert complementarity_given(empty).is_empty()


def test_it_is_the_complementarity_of_the_room():
    generator = np.random.default_rng(3)
    letters = np.array(list("abcdefghijklmnopqrst"))
    drawn = {f"D{i}": "".join(letters[generator.random(20) < 0.6]) for i in range(6)}
    baseline = "".join(letters[generator.random(20) < 0.4])
    held = np.array([[float(letter in drawn[d]) for letter in letters] for d in drawn])
    own = np.array([float(letter in baseline) for letter in letters])
    naive = complementarity(
        own, sparse.csr_array(held), prevalence=held.mean(axis=0), least_prevalence=0.5
    ).values
    for i, donor in enumerate(drawn):
        assert value(study(baseline, {"u": [donor]}, drawn)) == pytest.approx(naive[i])
