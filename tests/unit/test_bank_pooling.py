"""What each donation is of a batch, and what may be pooled at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal.bank import shares
from commensal.bank.boxes import Position, all_positions, first_free, read_position
from commensal.bank.pooling import Part, demand_enough
from commensal.errors import InputError, RefusedError


def part(name, grams, *, donor=None, kind="universal", left=None, accepted=True):
    return Part(name, donor or f"D-{name}", kind, accepted, mass_grams=grams, left_grams=left)


def test_shares_are_by_mass():
    assert shares([part("N1", 100.0), part("N2", 50.0), part("N3", 50.0)]) == {
        "N1": 0.5,
        "N2": 0.25,
        "N3": 0.25,
    }


@settings(deadline=None)
@given(st.lists(st.floats(min_value=0.1, max_value=2000), min_size=1, max_size=12))
def test_shares_add_up_to_the_whole(masses):
    found = shares([part(f"N{n}", mass) for n, mass in enumerate(masses)])
    assert sum(found.values()) == pytest.approx(1)
    assert all(0 < share <= 1 for share in found.values())


def test_a_donation_alone_is_the_whole_weighed_or_not():
    assert shares([part("N1", None)]) == {"N1": 1.0}


@pytest.mark.parametrize(
    ("parts", "error", "words"),
    [
        ([], InputError, "no donation"),
        ([part("N1", 50.0, accepted=False)], RefusedError, "not accepted"),
        ([part("N1", 50.0, accepted=None)], RefusedError, "not accepted"),
        ([part("N1", 0.0)], InputError, "more than 0"),
        ([part("N1", 60.0, left=50.0)], RefusedError, "50 g is left"),
        ([part("N1", 50.0), part("N2", None)], InputError, "missing"),
        ([part("N1", 50.0), part("N2", 50.0, kind="directed")], RefusedError, "directed"),
        ([part("N1", 50.0), part("N2", 50.0, kind="autologous")], RefusedError, "autologous"),
        ([part("N1", 50.0), part("N2", 50.0, kind=None)], RefusedError, "not known"),
    ],
)
def test_what_may_not_be_pooled(parts, error, words):
    with pytest.raises(error, match=words):
        shares(parts)


def test_donations_of_one_directed_donor_may_go_together():
    assert shares(
        [part("N1", 1.0, donor="D", kind="directed"), part("N2", 3.0, donor="D", kind="directed")]
    ) == {
        "N1": 0.25,
        "N2": 0.75,
    }


def test_units_never_stand_for_more_stool_than_went_in():
    demand_enough({"N1": 100.0}, n_units=2, dose_grams=50.0)
    demand_enough({"N1": None}, n_units=9, dose_grams=50.0)
    with pytest.raises(RefusedError, match="150 g of stool"):
        demand_enough({"N1": 60.0, "N2": 40.0}, n_units=3, dose_grams=50.0)


@settings(deadline=None)
@given(st.integers(1, 26), st.integers(1, 40))
def test_a_position_is_read_as_it_is_printed(row, column):
    assert read_position(str(Position(row, column))) == Position(row, column)


@pytest.mark.parametrize("text", ["", "7", "B", "B0", "BB7", "7B", "B-7", "Ä1"])
def test_what_is_no_position_is_refused(text):
    with pytest.raises(InputError):
        read_position(text)


def test_the_first_free_position_goes_row_by_row():
    taken = set(all_positions(2, 3)[:4])
    assert str(first_free(2, 3, taken=taken)) == "B2"
    assert first_free(2, 3, taken=set(all_positions(2, 3))) is None
    assert str(read_position(" b07 ")) == "B7"
