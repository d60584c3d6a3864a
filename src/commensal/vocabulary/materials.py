"""What is given and what goes with it: products, preparation, exposures, support, limits of a dose."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from commensal.vocabulary.codes import Book, Entry, read_book
from commensal.vocabulary.routes import Route, routes
from commensal.vocabulary.sources import read_table

_FILE = "materials.toml"


@dataclass(frozen=True, kw_only=True)
class Product(Entry):
    """A kind of FMT material: its ``form`` (suspension, capsule) and how it is stored (none, frozen,
    refrigerated, supplier)."""

    form: str
    storage: str


@dataclass(frozen=True, kw_only=True)
class PreparationItem(Entry):
    """One thing done before or after a session, with its usual ``rule`` in words."""

    group: str
    rule: str


@dataclass(frozen=True, kw_only=True)
class ExposureClass(Entry):
    """A class of drugs or care beside FMT. ``is_immunosuppressing`` and ``is_rescue_candidate`` say which
    gate or intercurrent event it may bear on; neither decides anything alone."""

    is_immunosuppressing: bool
    is_rescue_candidate: bool


@dataclass(frozen=True, kw_only=True)
class Support(Entry):
    """Diet or lifestyle support that is recorded beside FMT, with no claim that it works."""

    area: str


@dataclass(frozen=True, kw_only=True)
class DosingLimit(Entry):
    """A plausible range of a dose, both ends allowed; outside it the value is a mistake."""

    minimum: float
    maximum: float
    unit: str

    def admits(self, value: float) -> bool:
        """Return whether ``value`` (in ``unit``) lies in the range; NaN does not."""
        return self.minimum <= value <= self.maximum


@functools.cache
def products() -> Book[Product]:
    """Return the product types."""
    return read_book("product type", Product, _FILE, "products")


@functools.cache
def preparation_items() -> Book[PreparationItem]:
    """Return the preparation and aftercare items."""
    return read_book("preparation item", PreparationItem, _FILE, "preparation")


@functools.cache
def exposure_classes() -> Book[ExposureClass]:
    """Return the classes of exposures beside FMT."""
    return read_book("exposure class", ExposureClass, _FILE, "exposures")


@functools.cache
def support_items() -> Book[Support]:
    """Return the diet and lifestyle support that may be recorded."""
    return read_book("support item", Support, _FILE, "support")


@functools.cache
def dosing_limits() -> Book[DosingLimit]:
    """Return the plausible range of each part of a dose."""
    return read_book("dosing limit", DosingLimit, _FILE, "dosing_limits")


def is_compatible(product: str, *, route: Route) -> bool:
    """Return whether ``product`` can be given by ``route``; raise ``InputError`` for an unknown product."""
    return products().get(product).code in routes().get(route.value).products


def least_dose_grams(*, age_years: float, weight_kilograms: float | None) -> float | None:
    """Return the dose in grams below which a session is unusually small; None when weight is needed
    (under 18) and not known. A child's dose is capped at the adult standard dose."""
    low = read_table(_FILE)["low_dose"]
    if age_years >= low["adult_from_years"]:
        return low["adult_grams"]
    if weight_kilograms is None:
        return None
    return min(low["child_grams_per_kilogram"] * weight_kilograms, low["child_cap_grams"])
