"""The gates between lots and one recipient: facts gathered, rules judged, every failure in words.

The rules are the vocabulary's, cited: those of a lot, of a recipient, of the preparation and of the planned
route. What is not recorded or answered is unknown, and unknown does not pass. One thing is read from
silence: a recipient without a recorded reaction to a donor had none. Rules that ask nothing of a lot are
judged once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, cached_property
from typing import Any

import numpy as np

from commensal.matching.barrels import single_barrelled
from commensal.matching.columns import Column, Judged, judge_columns
from commensal.matching.recipient import Recipient
from commensal.matching.stock import Stock, gate_rules
from commensal.vocabulary import Route, Rule, Verdict, is_compatible, judge_each, rule_set
from commensal.vocabulary.rules import OUTCOMES, in_force

SETS = ("recipient", "preparation", "routes")
"""The rule sets on the recipient; the last only where a route is planned: without one a gate says so."""

ALLERGY = "REC15"
"""Asks for no anaphylaxis, or a donor restricted by allergen: the second is a gate of every lot."""

NOT_MET = OUTCOMES.index("not_met")


@dataclass(frozen=True, eq=False)
class Gates:
    """The rules on all lots: ``lots`` those that ask a lot (in order), ``common`` the verdicts on the
    recipient, the same for every lot."""

    lots: tuple[Judged, ...]
    common: tuple[Verdict, ...]
    n_lots: int

    @cached_property
    def failed(self) -> tuple[Judged, ...]:
        """Binding rules that some lot fails."""
        return tuple(j for j in self.lots if j.rule.is_binding and j.is_failed.any())

    @cached_property
    def common_failed(self) -> tuple[Verdict, ...]:
        """Binding rules on the recipient that are not met or undetermined."""
        return tuple(v for v in self.common if v.rule.is_binding and v.outcome != "met")

    @cached_property
    def is_fit(self) -> np.ndarray:
        """Lots that pass every gate of their own, shape (lots,)."""
        fails = np.zeros(self.n_lots, dtype=bool)
        for judged in self.failed:
            fails |= judged.is_failed
        return ~fails

    @property
    def is_eligible(self) -> np.ndarray:
        """Lots that pass every gate, those on the recipient too, shape (lots,)."""
        return self.is_fit & (not self.common_failed)

    @property
    def is_recipient_refused(self) -> bool:
        """A rule on the recipient is not met: no lot can help that."""
        return any(v.outcome == "not_met" for v in self.common_failed)

    @property
    def warnings(self) -> tuple[Judged, ...]:
        """Rules that warn of some lot."""
        return tuple(j for j in self.lots if not j.rule.is_binding and j.is_failed.any())

    def cautions(self) -> list[str]:
        """Return what the rules that only warn say of the recipient: what is not met in words, what is
        open by its sentence."""
        soft = [v for v in self.common if not v.rule.is_binding]
        said = [v.explain() for v in soft if v.outcome == "not_met"]
        unanswered = [v.rule.sentence for v in soft if v.outcome == "undetermined"]
        return said + ([f"Not answered: {' '.join(unanswered)}"] if unanswered else [])


def judge(stock: Stock, who: Recipient, *, route: Route | None, on: date | None) -> Gates:
    """Judge every lot of a stock for one recipient."""
    columns = {**stock.columns, **recipient_columns(stock, who, route=route)}
    facts = {**who.facts, "route": route.value if route else None}
    ahead = {j.rule.id: j for j in stock.judged}
    of_lots = [rule for rule in gate_rules(on=on) if set(rule.facts) & set(columns)]
    left = [rule for rule in of_lots if rule.id not in ahead]
    judged = {j.rule.id: j for j in judge_columns(left, columns, facts=facts, n_lots=len(stock.lots))}
    of_recipient = [rule for rule in gate_rules(on=on) if not set(rule.facts) & set(columns)]
    return Gates(
        lots=tuple({**ahead, **judged}[rule.id] for rule in of_lots),
        common=judge_each(facts, rules=[*of_recipient, *recipient_rules(route=route, on=on)]),
        n_lots=len(stock.lots),
    )


@cache
def recipient_rules(*, route: Route | None, on: date | None) -> tuple[Rule, ...]:
    """Return the rules on the recipient, the preparation and the planned route, each saying one thing."""
    names = SETS if route else SETS[:-1]
    rules = [rule for name in names for rule in rule_set(name)]
    rules = rules if on is None else list(in_force(rules, on=on))
    softened = [replace(r, consequence="warn") if r.id == ALLERGY else r for r in rules]
    return single_barrelled(softened)


def recipient_columns(stock: Stock, who: Recipient, *, route: Route | None) -> dict[str, Column]:
    """Return what stands between each lot and a recipient; not recorded is None."""
    n = len(stock.lots)
    own, reserved = stock.given_by.get(who.patient_id), stock.reserved.get(who.patient_id)
    weight = who.facts["body_mass_kilograms"]
    return {
        "has_allergen_conflict": stock.foods.map(lambda eaten: _conflict(who.allergens, eaten)),
        "had_reaction_to_donor": stock.donors.map(
            lambda donors: any_known(who.reactions.get(d, False) for d in donors)
        ),
        "is_product_fit_for_route": stock.product.map(
            lambda product: is_compatible(product, route=route) if route and product else None
        ),
        "is_donor_recipient": _marked(n, own, False, True),
        "is_meant_for_recipient": _meant(stock, who, own=own, reserved=reserved),
        "dose_grams_per_kilogram": stock.columns["dose_grams"].map(
            lambda dose: dose / weight if dose is not None and weight else None
        ),
        "bar_to_issue": _bar(stock, reserved),
    }


def _marked(n: int, places: np.ndarray | None, other: Any, here: Any) -> Column:
    codes = np.zeros(n, dtype=np.int32)
    codes[places if places is not None else []] = 1
    return Column((other, here), codes)


def _meant(stock: Stock, who: Recipient, *, own: np.ndarray | None, reserved: np.ndarray | None) -> Column:
    """Own material is meant for the donor; of directed material only a reservation says for whom."""
    autologous = stock.columns["is_autologous"]
    is_own_kind = np.array([v is True for v in autologous.values], dtype=bool)[autologous.codes]
    # Autologous material of anybody else is not meant for the recipient; of other material nobody knows.
    codes = np.where(is_own_kind, 1, 0).astype(np.int32)
    for lot in own if own is not None else ():
        donors = stock.lots[lot].donors
        if is_own_kind[lot] and all(d.get("patient_id") == who.patient_id for d in donors):
            codes[lot] = 2
    if reserved is not None:
        codes[reserved[~is_own_kind[reserved]]] = 2
    return Column((None, False, True), codes)


def _bar(stock: Stock, reserved: np.ndarray | None) -> Column:
    """Return the bars of custody; a reservation for this very recipient is none."""
    bars = stock.columns["bar_to_issue"]
    if reserved is None:
        return bars
    codes = bars.codes.copy()
    is_reserved = np.array([v == "reserved" for v in bars.values], dtype=bool)[codes[reserved]]
    codes[reserved[is_reserved]] = len(bars.values)
    return Column((*bars.values, "none"), codes)


def _conflict(allergens: frozenset[str] | None, eaten: Sequence[frozenset[str] | None]) -> bool | None:
    if allergens is None:
        return None
    return any_known(None if foods is None else bool(foods & allergens) for foods in eaten)


def any_known(answers: Iterable[bool | None]) -> bool | None:
    """Return True where an answer is, None where none is and one is unknown, else False."""
    found = list(answers)
    if True in found:
        return True
    return None if None in found else False


def lot_answers(stock: Stock, columns: Mapping[str, Column], lot: int) -> dict[str, Any]:
    """Return the facts of one lot, as the interpreter for one reads them."""
    return {name: column.at(lot) for name, column in {**stock.columns, **columns}.items()}
