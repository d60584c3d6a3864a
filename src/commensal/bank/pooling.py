"""What each donation is of a batch, by mass, and what may be pooled at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from commensal.errors import InputError, RefusedError

ROUNDING = 1e-6
FOR_ONE_PATIENT = ("autologous", "directed")


@dataclass(frozen=True)
class Part:
    """One donation of a batch: whose it is, the donor's kind, and the stool that goes in.

    ``mass_grams`` is null where nobody weighed it; ``left_grams`` is what earlier batches left of the
    donation, null where that is not known.
    """

    donation_id: str
    donor_id: str
    donor_kind: str | None
    is_accepted: bool | None
    mass_grams: float | None = None
    left_grams: float | None = None


def shares(parts: Iterable[Part]) -> dict[str, float]:
    """Return each donation's share of the batch by mass: donation → share; they add up to 1.

    A donation alone is the whole batch, weighed or not. Refuses (RefusedError) a donation that was not
    accepted, more stool than is left of one, and a pool with material meant for one patient; (InputError) no
    donation, and a pool of which a mass is not known.
    """
    found = list(parts)
    if not found:
        raise InputError("no donation in the batch", do="enter the grams of at least one donation")
    for part in found:
        _demand_usable(part)
    if len(found) == 1:
        return {found[0].donation_id: 1.0}
    _demand_poolable(found)
    masses = {part.donation_id: part.mass_grams or 0.0 for part in found}
    total = sum(masses.values())
    return {donation: mass / total for donation, mass in masses.items()}


def _demand_usable(part: Part) -> None:
    if not part.is_accepted:
        raise RefusedError(f"donation {part.donation_id} was not accepted for processing")
    mass, left = part.mass_grams, part.left_grams
    if mass is not None and mass <= 0:
        raise InputError(f"{mass:g} g of donation {part.donation_id}", expected="more than 0 g")
    if mass is not None and left is not None and mass > left + ROUNDING:
        raise RefusedError(
            f"{mass:g} g of donation {part.donation_id} where {left:g} g is left", do="weigh it again"
        )


def _demand_poolable(parts: list[Part]) -> None:
    for part in parts:
        is_pooled = len({p.donor_id for p in parts}) > 1
        if is_pooled and (part.donor_kind is None or part.donor_kind in FOR_ONE_PATIENT):
            raise RefusedError(
                f"donation {part.donation_id} is of a donor whose kind is {part.donor_kind or 'not known'}",
                expected="only donors for everybody in a pool",
                do="make a batch of it alone",
            )
        if part.mass_grams is None:
            raise InputError(
                f"the grams of donation {part.donation_id} are missing", expected="a mass for every donation"
            )


def demand_enough(masses: Mapping[str, float | None], *, n_units: int, dose_grams: float | None) -> None:
    """Refuse (RefusedError) units that stand for more stool than went in; unknown masses are not compared."""
    known = [mass for mass in masses.values() if mass is not None]
    if dose_grams is None or len(known) < len(masses):
        return
    if n_units * dose_grams > sum(known) + ROUNDING:
        raise RefusedError(
            f"{n_units} units of {dose_grams:g} g are {n_units * dose_grams:g} g of stool",
            expected=f"at most the {sum(known):g} g that went in",
            do="make fewer or smaller units, or correct the grams",
        )
