"""The bank: donations, batches and units made for the sessions that were given, and what became of the rest.

Material given before the bank's records begin is historical: its donor is known, its screening is not, and
the record holds only the administration.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commensal.errors import InputError
from commensal.simulate.donors import ACTIVE, DONATION_GRID, Donors, assign_donors, give_window, gives_on
from commensal.simulate.draws import Flags, Floats, Ints, names, within_groups
from commensal.simulate.people import Patients, day_of
from commensal.simulate.regimen import Courses, Sessions
from commensal.simulate.scenario import Scenario

RELEASE_AFTER = 91  # the last closing serology (day 84) is reported by then
ADMINISTERED, STORED, RELEASED, EXPIRED, WASTED, HISTORICAL, DESTROYED = range(7)


@dataclass(frozen=True)
class CourseDonors:
    """For each course its donor and its donation day (since 1970-01-01); -1 where nobody gave."""

    donor: Ints
    donation_day: Ints


@dataclass(frozen=True)
class Stock:
    """Units with their donations and batches; one entry a unit. Days since 1970-01-01.

    ``session`` and ``donation`` are -1 where there is none, ``second_donation`` is -1 outside pools, and
    ``fate`` says how the unit ended.
    """

    unit_id: np.ndarray
    donation: Ints
    second_donation: Ints
    donor: Ints
    session: Ints
    fate: Ints
    made_day: Ints
    release_day: Ints
    fate_day: Ints
    donation_id: np.ndarray
    donation_donor: Ints
    donation_day: Ints
    batch_id: np.ndarray
    batch_of_donation: Ints
    mass_grams: Floats

    def __len__(self) -> int:
        return len(self.donation)

    @property
    def batch(self) -> Ints:
        """Position of each unit's batch; -1 for historical material."""
        known = self.batch_of_donation[np.maximum(self.donation, 0)]
        return np.where(self.donation >= 0, known, -1)


def plan_donors(
    scenario: Scenario,
    patients: Patients,
    donors: Donors,
    courses: Courses,
    *,
    usual: Ints,
    rng: np.random.Generator,
) -> CourseDonors:
    """Choose for each course a donor and the day of the donation that its sessions will use.

    ``usual`` is the donor of each patient's first course (-1 where unknown yet). Directed donors give for
    their own patient. A course planned for a day on which nobody gives (after the data cut) has donor -1.
    """
    bank = scenario.bank
    lag = rng.integers(bank.min_lag_days, bank.max_lag_days - DONATION_GRID + 1, len(courses))
    wanted = (patients.index_day[courses.row] + courses.day).astype(np.int64) - lag
    donor = assign_donors(donors, wanted, usual=usual[courses.row], rng=rng)
    relative = np.full(len(patients), -1)
    of = np.flatnonzero(donors.for_patient >= 0)
    relative[donors.for_patient[of]] = of
    kin = relative[courses.row]
    able = (kin >= 0) & (donors.begin[kin] <= wanted) & (wanted <= donors.end[kin])
    donor = np.where(able, kin, donor)
    return CourseDonors(donor, wanted - (wanted - donors.begin[donor]) % DONATION_GRID)


def first_donors(n_patients: int, courses: Courses, plan: CourseDonors) -> tuple[Ints, Ints]:
    """Return donor and donation day of each patient's first course; -1 for a comparator."""
    donor, day = np.full(n_patients, -1), np.full(n_patients, -1)
    is_first = courses.number == 1
    donor[courses.row[is_first]] = plan.donor[is_first]
    day[courses.row[is_first]] = plan.donation_day[is_first]
    return donor, day


def make_stock(
    scenario: Scenario,
    patients: Patients,
    donors: Donors,
    sessions: Sessions,
    plan: CourseDonors,
    *,
    prefix: str,
    rng: np.random.Generator,
) -> Stock:
    """Make a unit for every session and the spare ones, and the donations and batches they come from.

    Refuses (InputError) a scenario whose donors leave a session without material.
    """
    donor, day = plan.donor[sessions.course], plan.donation_day[sessions.course]
    if (donor < 0).any():
        raise InputError(
            f"for {int((donor < 0).sum())} sessions no donor had given",
            expected="donors whose periods of giving cover the programme",
            do="raise bank.donors_per_4000_patients or bank.active_days_mean in the scenario",
        )
    given_day = patients.index_day[sessions.row] + sessions.day
    spare_donor, spare_day = _spares(scenario, donors, len(sessions), rng)
    donor, day = np.r_[donor, spare_donor], np.r_[day, spare_day]
    session = np.r_[np.arange(len(sessions)), np.full(len(spare_donor), -1)]
    used_on = np.r_[given_day, np.full(len(spare_donor), -1)]
    historical = day < day_of(scenario.calendar.bank_records_begin)
    keep = ~historical | (session >= 0)
    order = np.lexsort((session, day, donor))
    order = order[keep[order]]
    donor, day, session, used_on, historical = (a[order] for a in (donor, day, session, used_on, historical))
    donation, donation_donor, donation_day, mass = _donations(scenario, donor, day, historical, rng)
    second, donation_donor, donation_day, mass = _pooled(
        scenario, donors, donation, donation_donor, donation_day, mass, rng
    )
    n_batches = int(donation.max(initial=-1)) + 1
    made = np.where(historical, used_on, donation_day[np.maximum(donation, 0)])
    release = made + RELEASE_AFTER + rng.integers(0, 7, len(donor))
    fate, fate_day = _fates(scenario, session, used_on, made, release, historical, rng)
    return Stock(
        unit_id=names(f"{prefix}U", np.arange(1, len(donor) + 1), width=6),
        donation=donation,
        second_donation=second,
        donor=donor,
        session=session,
        fate=fate,
        made_day=made,
        release_day=release,
        fate_day=fate_day,
        donation_id=names(f"{prefix}N", np.arange(1, len(donation_donor) + 1), width=6),
        donation_donor=donation_donor,
        donation_day=donation_day,
        batch_id=names(f"{prefix}B", np.arange(1, n_batches + 1), width=6),
        batch_of_donation=np.arange(len(donation_donor)),
        mass_grams=mass,
    )


def _spares(
    scenario: Scenario, donors: Donors, n_sessions: int, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Units beyond need: some over the whole time, and every donor's weekly donations of the last half year,
    which make the stock at the data cut."""
    bank = scenario.bank
    first, cut = give_window(scenario)
    n = int(n_sessions * bank.spare_units_share)
    day = rng.integers(first, cut - 30, n)
    donor = assign_donors(donors, day, rng=rng)
    recent = np.arange(cut - bank.shelf_life_days + 2, cut - 5, DONATION_GRID)
    grid = gives_on(donors, recent) & (donors.fate == ACTIVE) & (donors.for_patient < 0)
    grid &= rng.random(grid.shape) < 0.5
    row, column = np.nonzero(grid)
    donor = np.r_[donor, np.repeat(column, 2)]
    day = np.r_[day, np.repeat(recent[row], 2)]
    donor, day = donor[donor >= 0], day[donor >= 0]
    return donor, day - (day - donors.begin[donor]) % DONATION_GRID


def _donations(
    scenario: Scenario, donor: Ints, day: Ints, historical: Flags, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints, Floats]:
    """Group units into donations of at most ``units_per_donation``; a busy week has several donation days."""
    key = donor * 100_000 + day
    part = within_groups(key) // scenario.bank.units_per_donation
    combined = np.where(historical, -1, key * 64 + part)
    found, donation = np.unique(combined, return_inverse=True)
    is_none = len(found) > 0 and found[0] == -1
    found, donation = (found[1:], donation - 1) if is_none else (found, donation)
    donation_day = found // 64 % 100_000 + np.minimum(found % 64, 3)
    n_units = np.bincount(donation[donation >= 0], minlength=len(found))
    mass = np.round(n_units * 50 + rng.uniform(20, 90, len(found)), 0)
    return donation, found // 64 // 100_000, donation_day, mass


def _pooled(
    scenario: Scenario,
    donors: Donors,
    donation: Ints,
    donation_donor: Ints,
    donation_day: Ints,
    mass: Floats,
    rng: np.random.Generator,
) -> tuple[Ints, Ints, Ints, Floats]:
    """Add a second donor's donation of the same day to some batches. Returns each unit's second donation."""
    n = len(donation_donor)
    # A day within 52 of the last full screen, so that the closing stool screen follows the donation.
    offset = (donation_day[:, None] - donors.begin) % 56
    allowed = gives_on(donors, donation_day) & (donors.fate == ACTIVE) & (donors.for_patient < 0)
    allowed &= (offset <= 52) & (np.arange(len(donors)) != donation_donor[:, None])
    # A planted effect and a relative's material stay unmixed, so that the truth is one donor's.
    apart = (donors.for_patient >= 0) | (donors.log_odds != 0)
    allowed[:, apart] = False
    allowed[apart[donation_donor]] = False
    other = (rng.random(allowed.shape) * allowed).argmax(axis=1)
    is_pool = allowed.any(axis=1) & (rng.random(n) < scenario.bank.pool_share)
    pools = np.flatnonzero(is_pool)
    second_of = np.full(n, -1)
    second_of[pools] = n + np.arange(len(pools))
    second = np.where(donation >= 0, second_of[np.maximum(donation, 0)], -1)
    return (
        second,
        np.r_[donation_donor, other[pools]],
        np.r_[donation_day, donation_day[pools]],
        np.r_[mass, mass[pools]],
    )


def _fates(
    scenario: Scenario,
    session: Ints,
    used_on: Ints,
    made: Ints,
    release: Ints,
    historical: Flags,
    rng: np.random.Generator,
) -> tuple[Ints, Ints]:
    cut = day_of(scenario.calendar.data_cut)
    expires = made + scenario.bank.shelf_life_days
    wasted = rng.random(len(session)) < 0.15
    wasted_on = release + 5 + rng.integers(0, 20, len(session))
    fate = np.select(
        [session >= 0, wasted & (wasted_on <= cut), expires < cut, release <= cut],
        [ADMINISTERED, WASTED, EXPIRED, RELEASED],
        default=STORED,
    )
    fate = np.where(historical, HISTORICAL, fate)
    day = np.select(
        [session >= 0, fate == WASTED, fate == EXPIRED], [used_on, wasted_on, expires + 1], default=cut
    )
    return fate, day
