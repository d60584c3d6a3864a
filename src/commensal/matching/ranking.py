"""The tables of a match run: every failed rule of a lot, or its rank with the parts in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from commensal.matching.columns import Judged
from commensal.matching.gates import Gates
from commensal.matching.parts import Made, Part
from commensal.matching.policy import PARTS, Policy
from commensal.matching.scores import Scores, limit_of
from commensal.matching.stock import Stock
from commensal.study import RESULTS
from commensal.vocabulary.rules import OUTCOMES
from commensal.vocabulary.sources import find_source

ANY_DONOR = "any eligible donor: no order, since donor effects are not clinically relevant in CDI"
NO_PROFILE = "cannot tell: no sample with a profile of every donor of the lot"
NOT_ELIGIBLE = "not eligible"
RESEARCH = "comparison for research: not eligible by any gate that needs dates"
QUESTIONS = "comparison only, not eligible yet: questions about the recipient are open"
EVERY_GATE = "Every gate is met."


@dataclass(frozen=True, eq=False)
class Compared:
    """The lots that are put beside each other: their places in the stock, their parts and scores.

    ``scores`` is None where no order is given at all. ``note`` says why the lots are compared though none of
    them is eligible; ``is_strict`` that an order within bands was shown to help.
    """

    lots: np.ndarray
    parts: tuple[Made, ...]
    scores: Scores | None
    note: str | None
    is_strict: bool


def _gather(texts: Sequence[str | None], which: np.ndarray) -> pl.Series:
    return pl.Series("text", texts, dtype=pl.String).gather(which)


def refusals(stock: Stock, gates: Gates) -> pl.DataFrame:
    """Return a row of ``refusals`` for each lot and each binding rule it fails, lots and rules in order."""
    judged = gates.failed
    common = gates.common_failed
    n_own = len(judged)
    texts = [t for j in judged for t in j.texts] + [v.explain() for v in common]
    starts = np.cumsum([0, *(len(j.texts) for j in judged)])
    fails = np.zeros((gates.n_lots, n_own + len(common)), dtype=bool)
    for i, j in enumerate(judged):
        fails[:, i] = j.is_failed
    fails[:, n_own:] = True
    lots, rules = np.nonzero(fails)
    verdicts = np.zeros(fails.shape, dtype=np.int8)
    words = np.zeros(fails.shape, dtype=np.int32)
    for i, j in enumerate(judged):
        verdicts[:, i], words[:, i] = j.verdicts, starts[i] + j.which
    verdicts[:, n_own:] = [OUTCOMES.index(v.outcome) for v in common]
    words[:, n_own:] = starts[n_own] + np.arange(len(common))
    all_rules = [*(j.rule for j in judged), *(v.rule for v in common)]
    return pl.DataFrame(
        {
            "unit_id": stock.units["unit_id"].gather(lots),
            "donor_id": stock.units["donor_id"].gather(lots),
            "rule_id": _gather([r.id for r in all_rules], rules),
            "verdict": _gather(OUTCOMES, verdicts[lots, rules]),
            "explanation": _gather(texts, words[lots, rules]),
            "source": _gather([f"{find_source(r.source).title} ({r.source})" for r in all_rules], rules),
        }
    )


def _joined(series: Sequence[pl.Series], separator: str, n_lots: int) -> pl.Series:
    """Return texts of several rules joined for each lot; null where a lot has none."""
    if not series:
        return pl.Series([None] * n_lots, dtype=pl.String)
    frame = pl.DataFrame({f"c{i}": s for i, s in enumerate(series)})
    joined = frame.select(pl.concat_str(pl.all(), separator=separator, ignore_nulls=True).alias("text"))
    return joined.select(pl.when(pl.col("text") != "").then(pl.col("text")))["text"]


def _said(judged: Judged, start: str = "") -> pl.Series:
    """Return the words of a rule on each lot; null where it is met."""
    return _gather([f"{start}{text}" if text else None for text in judged.texts], judged.which)


def _failed_rules(gates: Gates) -> pl.Series:
    own = [_gather([None, j.rule.id], j.is_failed.astype(np.int8)) for j in gates.failed]
    common = [pl.Series([v.rule.id]).new_from_index(0, gates.n_lots) for v in gates.common_failed]
    return _joined([*own, *common], ";", gates.n_lots)


def _refused_words(gates: Gates) -> pl.Series:
    """Return the failed rules of a lot in words; those on the recipient by their ids, as for every lot."""
    common = gates.common_failed
    ids = ", ".join(v.rule.id for v in common)
    of_recipient = [f"Of the recipient, as for every lot, not met or not answered: {ids}."] if ids else []
    shared = [pl.Series([text]).new_from_index(0, gates.n_lots) for text in of_recipient]
    return _joined([*(_said(j) for j in gates.failed), *shared], " ", gates.n_lots)


def rankings(stock: Stock, gates: Gates, compared: Compared) -> pl.DataFrame:
    """Return a row of ``rankings`` for each lot: the ranked, those nobody can tell, then the refused."""
    n = gates.n_lots
    cautions = _joined([_said(j, "Caution: ") for j in gates.warnings], " ", n)
    rows = stock.units.select("unit_id", "donor_id").with_columns(
        is_eligible=pl.Series(gates.is_eligible, dtype=pl.Boolean),
        failed_rules=_failed_rules(gates),
        explanation=_refused_words(gates).fill_null(pl.lit(EVERY_GATE)),
        reason=pl.when(pl.Series(gates.is_eligible)).then(pl.lit(NO_PROFILE)).otherwise(pl.lit(NOT_ELIGIBLE)),
        at=pl.int_range(n),
    )
    found = _compared_rows(gates, stock, compared)
    rows = rows.join(found, on="at", how="left", maintain_order="left").with_columns(
        explanation=pl.concat_str(
            pl.when(pl.col("words").is_null() | (pl.col("explanation") != EVERY_GATE)).then("explanation"),
            "words",
            cautions,
            separator=" ",
            ignore_nulls=True,
        ),
        reason=pl.coalesce("why", "reason"),
    )
    place = pl.when("is_eligible").then(0).otherwise(1)
    return rows.sort(place, "rank", -pl.col("score"), "unit_id", nulls_last=True).drop("at", "words", "why")


def _compared_rows(gates: Gates, stock: Stock, compared: Compared) -> pl.DataFrame:
    scores, at = compared.scores, compared.lots
    if scores is None:
        rank = np.where(gates.is_eligible[at], 1, 0)
        frame = pl.DataFrame(
            {
                "at": at,
                "rank": rank,
                "band": ["1"] * at.size,
                "why": ["; ".join(filter(None, (compared.note, ANY_DONOR)))] * at.size,
            },
            schema={"at": pl.Int64, "rank": pl.Int64, "band": pl.String, "why": pl.String},
        )
        return frame.with_columns(
            pl.when(pl.col("rank") > 0).then("rank"),
            *(pl.lit(None, dtype=pl.Float64).alias(c) for c in ("score", "lower", "upper")),
            pl.lit(None, dtype=pl.String).alias("words"),
        )
    frame = pl.DataFrame(
        {
            "at": pl.Series(at, dtype=pl.Int64),
            "rank": _ranks(scores, is_strict=compared.is_strict),
            "is_in": gates.is_eligible[at],
            "score": pl.Series(scores.values, dtype=pl.Float64).fill_nan(None),
            "lower": pl.Series(scores.lower, dtype=pl.Float64).fill_nan(None),
            "upper": pl.Series(scores.upper, dtype=pl.Float64).fill_nan(None),
            "band": pl.Series(scores.band).cast(pl.String),
        }
    )
    return frame.with_columns(
        rank=pl.when("is_in").then("rank"),
        words=_words(compared),
        why=pl.Series(_why(stock, compared), dtype=pl.String),
    ).drop("is_in")


def _ranks(scores: Scores, *, is_strict: bool) -> np.ndarray:
    """Return one rank for all lots of a band; by the score only where that order was shown to help."""
    key = -scores.values if is_strict else scores.band.astype(float)
    ordered = np.sort(key)
    return np.searchsorted(ordered, key, side="left") + 1


def _words(compared: Compared) -> pl.Series:
    """Return the parts of each lot in words."""
    told = []
    for part in compared.parts:
        if isinstance(part, Part):
            value = pl.Series(np.round(part.counted, 2))
            known = pl.format(f"{_plain(part.name)} {{}}: {{}}", value.alias("v"), part.measured.alias("m"))
            unknown = pl.lit(f"{_plain(part.name)}: not known, counted as the middle of the scale")
            told.append(
                pl.select(pl.when(pl.Series(part.is_known)).then(known).otherwise(unknown)).to_series()
            )
    return _joined(told, "; ", len(compared.lots)) + "."


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _why(stock: Stock, compared: Compared) -> list[str | None]:
    """Return what limits the order: lots without a credible difference, and parts nobody could compute."""
    scores = compared.scores
    if scores is None:
        return []
    donors = stock.donors.codes[compared.lots]
    pairs = np.unique(np.stack([scores.band, donors]), axis=1)
    others = np.bincount(pairs[0], minlength=int(scores.band.max(initial=0)) + 1) - 1
    tail = [f"left out: {_plain(p.name)} ({p.reason})" for p in scores.left_out]
    if scores.weight < 1 - 1e-9:
        tail.append(f"the score is the mean of parts with {scores.weight:.0%} of the weight")
    by_band = {
        band: "; ".join([*([compared.note] if compared.note else []), *_shared(int(others[band])), *tail])
        for band in set(scores.band.tolist())
    }
    return [by_band[band] or None for band in scores.band.tolist()]


def _shared(others: int) -> list[str]:
    return [f"no credible difference from {others} other donors in the band"] if others else []


def score_parts(stock: Stock, compared: Compared, *, policy: Policy) -> pl.DataFrame:
    """Return a row of ``score_parts`` for each lot compared and each part of the policy, known or not."""
    frames = [_part_rows(part, stock, compared, policy=policy) for part in compared.parts]
    if not frames:
        return RESULTS["score_parts"].empty().drop("match_run_id")
    both = pl.concat(frames)
    return both.sort("at", "order").drop("at", "order")


def _part_rows(part: Made, stock: Stock, compared: Compared, *, policy: Policy) -> pl.DataFrame:
    at = compared.lots
    names = list(PARTS)
    units = stock.units.select("unit_id", "donor_id")[at]
    same = units.with_columns(
        at=pl.Series(at, dtype=pl.Int64),
        order=pl.lit(names.index(part.name)),
        part=pl.lit(part.name),
        label=pl.lit(PARTS[part.name]),
        weight=pl.lit(policy.weight(part.name)),
    )
    if not isinstance(part, Part):
        none = pl.lit(None, dtype=pl.Float64)
        return same.with_columns(
            value=none, lower=none, upper=none, measured=pl.lit(None, dtype=pl.String),
            reason=pl.lit(f"left out: {part.reason}"),
        )  # fmt: skip
    lower, upper = limit_of(part, level=policy.level)
    is_known = pl.Series(part.is_known)
    unknown = pl.lit("; counted as the middle of the scale with the widest interval")
    reason = part.reasons
    return same.with_columns(
        value=pl.Series(part.values).fill_nan(None),
        lower=pl.when(is_known).then(pl.Series(lower)),
        upper=pl.when(is_known).then(pl.Series(upper)),
        measured=pl.when(is_known).then(part.measured),
        reason=pl.when(is_known).then(reason).otherwise(reason + unknown),
    )
