"""Scores and rules of an instrument, for one patient and for a frame.

Both walk the same declaration: check the answers, compute each score, judge each criterion. A value
outside its range is refused: it counts as missing, and every score that reads it is withheld.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from commensal.errors import InputError, nearest
from commensal.vocabulary.instruments.declaration import Instrument, Item, Score, instrument
from commensal.vocabulary.instruments.expressions import BASELINE, evaluate, expression

if TYPE_CHECKING:
    import polars as pl

OUT_OF_RANGE, TOTAL_DIFFERS, ITEMS_MISSING = "out_of_range", "total_differs_from_items", "items_missing"
KEYS = ("patient_id", "visit_id", "occurrence")
_RAW, _BAD = "raw:", "bad:"


@dataclass(frozen=True)
class Scored:
    """One assessment, scored.

    ``scores`` and ``criteria`` hold every score and criterion of the instrument, None where it cannot be
    told. ``reason`` says why the primary score is None; ``problems`` names each refused answer in words.
    """

    instrument: str
    scores: Mapping[str, float | None]
    criteria: Mapping[str, bool | None]
    band: str | None
    reason: str | None
    problems: tuple[str, ...]


# ---- one patient -----------------------------------------------------------------------------------------


def score_one(
    code: str, answers: Mapping[str, float | None], *, baseline: Mapping[str, float | None] | None = None
) -> Scored:
    """Score one assessment.

    Parameters
        answers: item code → value, None or absent where missing; a score's own code holds a recorded total.
        baseline: the answers of the baseline assessment, for criteria that compare with it.

    Refuses
        ``InputError`` for an item that the instrument does not have.
    """
    declared = instrument(code)
    values, reasons, problems = _values(declared, answers)
    before = _values(declared, baseline or {})[0]
    known = values | {BASELINE + name: value for name, value in before.items()}
    criteria = {c.code: _as_truth(evaluate(c.tree, known)) for c in declared.criteria}
    primary, banding = values[declared.primary], declared.banding()
    return Scored(
        instrument=declared.code,
        scores={score.code: values[score.code] for score in declared.scores},
        criteria=criteria,
        band=banding.name_of(primary) if banding else None,
        reason=reasons.get(declared.primary),
        problems=problems,
    )


def _values(
    declared: Instrument, answers: Mapping[str, float | None]
) -> tuple[dict[str, float | None], dict[str, str], tuple[str, ...]]:
    """Return every item and score, why each missing score is missing, and the refused answers."""
    inputs = declared.inputs
    named = [(declared.input_code(name), value) for name, value in answers.items()]
    _refuse_unknown(declared, [name for name, _ in named])
    given = {name: float(value) for name, value in named if value is not None}
    bad = {name for name, value in given.items() if not inputs[name].admits(value)}
    values: dict[str, float | None] = {
        item.code: item.scored(given[item.code]) if item.code in given and item.code not in bad else None
        for item in declared.items
    }
    reasons: dict[str, str] = {}
    for score in declared.scores:
        values[score.code], reason = _score_value(score, values, given, bad)
        if reason:
            reasons[score.code] = reason
    return values, reasons, tuple(_refusal(inputs[name], given[name]) for name in sorted(bad))


def _score_value(
    score: Score, values: Mapping[str, float | None], given: Mapping[str, float], bad: set[str]
) -> tuple[float | None, str | None]:
    if bad & (score.reads | {score.code}):
        return None, OUT_OF_RANGE
    recorded = given.get(score.code)
    computed = evaluate(score.tree, values) if score.tree is not None else None
    if computed is None:
        return recorded, None if recorded is not None else ITEMS_MISSING
    if recorded is not None and abs(recorded - computed) > score.tolerance + 1e-9:
        return None, TOTAL_DIFFERS
    if not score.minimum - 1e-9 <= computed <= score.maximum + 1e-9:
        return None, OUT_OF_RANGE
    return float(computed), None


def _as_truth(value: float | bool | None) -> bool | None:
    return None if value is None else bool(value)


def _refusal(item: Item, value: float) -> str:
    allowed = (
        "one of " + ", ".join(f"{v:g}" for v in item.values)
        if item.values
        else f"{item.minimum:g} to {item.maximum:g}" + (f" in steps of {item.step:g}" if item.step else "")
    )
    return f"{item.code} is {value:g}, expected {allowed}"


def _refuse_unknown(declared: Instrument, items: list[str]) -> None:
    inputs = declared.inputs
    for name in items:
        if name not in inputs:
            raise InputError(
                f"{name!r} is not an item of {declared.label} ({declared.code})",
                expected=nearest(name, inputs),
                do="correct the item code",
            )


# ---- a frame ---------------------------------------------------------------------------------------------


def score(
    code: str, assessments: pl.DataFrame | pl.LazyFrame, *, baseline_visits: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Score every assessment of one instrument.

    Parameters
        assessments: long, one row per answer [patient_id, visit_id, instrument, item, occurrence, value];
            rows of other instruments are left out.
        baseline_visits: [patient_id, visit_id] of each patient's baseline, one row per patient. Without it
            criteria that compare with baseline are null.

    Returns
        One row per patient_id, visit_id and occurrence, sorted: ``instrument``; each score; ``score`` (the
        primary one), ``band``, ``reason`` (why ``score`` is null), ``n_refused`` (answers out of range); each
        criterion (true, false, or null when it cannot be told).

    Refuses
        ``InputError`` for items the instrument does not have, for an answer given twice, and for a patient
        with two baseline assessments.
    """
    import polars as pl

    declared = instrument(code)
    wide = _with_scores(_wide(_answers(declared, assessments), declared), declared)
    known = _with_baseline(wide, declared, baseline_visits)
    return (
        known.with_columns(
            expression(c.tree).cast(pl.Boolean).alias(_CRITERION + c.code) for c in declared.criteria
        )
        .select(_output(declared))
        .sort(KEYS)
    )


_CRITERION = "criterion:"


def _output(declared: Instrument) -> list[pl.Expr]:
    import polars as pl

    return [
        *map(pl.col, KEYS),
        pl.lit(declared.code).alias("instrument"),
        *(pl.col(s.code) for s in declared.scores),
        pl.col(declared.primary).alias("score"),
        _band_expr(declared).alias("band"),
        pl.col("reason:" + declared.primary).alias("reason"),
        pl.sum_horizontal(pl.col(_BAD + name).cast(pl.UInt32) for name in declared.inputs).alias("n_refused"),
        *(pl.col(_CRITERION + c.code).alias(c.code) for c in declared.criteria),
    ]


def _answers(declared: Instrument, assessments: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """Return the instrument's own rows, every item by its code and every value as Float64."""
    import polars as pl

    mine = assessments.lazy().filter(pl.col("instrument") == declared.code)
    long = mine.with_columns(pl.col("item").cast(pl.String), pl.col("value").cast(pl.Float64)).collect()
    codes = {name: declared.input_code(name) for name in long["item"].unique().sort().to_list()}
    _refuse_unknown(declared, list(codes.values()))
    return long.with_columns(pl.col("item").replace(codes))


def _wide(long: pl.DataFrame, declared: Instrument) -> pl.DataFrame:
    """One row per assessment, one Float64 column per input (prefixed raw:), null where missing."""
    import polars as pl

    if long.select([*KEYS, "item"]).is_duplicated().any():
        twice = long.filter(long.select([*KEYS, "item"]).is_duplicated()).row(0, named=True)
        raise InputError(
            f"{declared.code} item {twice['item']!r} of visit {twice['visit_id']!r} is answered twice",
            expected="one value per visit, item and occurrence",
            do="number repeated assessments by occurrence",
        )
    values = long.with_columns((_RAW + pl.col("item")).alias("item"))
    names = [_RAW + name for name in declared.inputs]
    wide = values.pivot(on="item", index=KEYS, values="value")
    return wide.with_columns(pl.lit(None, pl.Float64).alias(n) for n in names if n not in wide.columns)


def _with_scores(wide: pl.DataFrame, declared: Instrument) -> pl.DataFrame:
    import polars as pl

    inputs = declared.inputs.values()
    frame = wide.with_columns((~_admits_expr(i)).fill_null(value=False).alias(_BAD + i.code) for i in inputs)
    frame = frame.with_columns(
        pl.when(~pl.col(_BAD + i.code)).then(_scored_expr(i)).alias(i.code) for i in declared.items
    )
    for s in declared.scores:
        frame = frame.with_columns(_score_exprs(s))
    return frame


def _admits_expr(item: Item) -> pl.Expr:
    import polars as pl

    value = pl.col(_RAW + item.code)
    if item.values:
        return value.is_in([float(allowed) for allowed in item.values])
    # NaN counts as greater than every number in Polars, so it falls outside too.
    inside = (value >= item.minimum) & (value <= item.maximum)
    steps = (value - item.minimum) / item.step if item.step else pl.lit(0.0)
    return inside & ((steps - steps.round()).abs() < 1e-6)


def _scored_expr(item: Item) -> pl.Expr:
    import polars as pl

    value = pl.col(_RAW + item.code)
    if not item.recode:
        return value
    raw = [item.minimum + n for n in range(len(item.recode))]
    return value.round().replace_strict(raw, list(item.recode), default=None, return_dtype=pl.Float64)


def _score_exprs(s: Score) -> list[pl.Expr]:
    """Return the score and the reason why it is missing; the vector twin of ``_score_value``."""
    import polars as pl

    recorded = pl.col(_RAW + s.code)
    computed = expression(s.tree) if s.tree is not None else pl.lit(None, pl.Float64)
    bad = pl.any_horizontal(pl.col(_BAD + name) for name in sorted(s.reads | {s.code}))
    differs = ((recorded - computed).abs() > s.tolerance + 1e-9).fill_null(value=False)
    inside = computed.is_between(s.minimum - 1e-9, s.maximum + 1e-9).fill_null(value=True)
    value = pl.coalesce(computed, recorded)
    reason = (
        pl.when(bad)
        .then(pl.lit(OUT_OF_RANGE))
        .when(differs)
        .then(pl.lit(TOTAL_DIFFERS))
        .when(~inside)
        .then(pl.lit(OUT_OF_RANGE))
        .when(value.is_null())
        .then(pl.lit(ITEMS_MISSING))
    )
    return [pl.when(~bad & ~differs & inside).then(value).alias(s.code), reason.alias("reason:" + s.code)]


def _with_baseline(
    wide: pl.DataFrame, declared: Instrument, baseline_visits: pl.DataFrame | None
) -> pl.DataFrame:
    import polars as pl

    names = [*(item.code for item in declared.items), *(s.code for s in declared.scores)]
    if baseline_visits is None:
        return wide.with_columns(pl.lit(None, pl.Float64).alias(BASELINE + name) for name in names)
    rows = wide.join(baseline_visits.select("patient_id", "visit_id"), on=["patient_id", "visit_id"])
    if rows["patient_id"].is_duplicated().any():
        patient = rows.filter(rows["patient_id"].is_duplicated())["patient_id"][0]
        raise InputError(
            f"patient {patient!r} has two baseline assessments of {declared.code}",
            expected="one baseline visit per patient with one assessment",
            do="name one baseline visit for each patient",
        )
    before = rows.select("patient_id", *(pl.col(name).alias(BASELINE + name) for name in names))
    return wide.join(before, on="patient_id", how="left")


def _band_expr(declared: Instrument) -> pl.Expr:
    import polars as pl

    banding = declared.banding()
    if banding is None:
        return pl.lit(None, pl.String)
    value = pl.col(declared.primary)
    chosen: pl.Expr = pl.lit(banding.bands[-1].name)
    for band in reversed(banding.bands[:-1]):
        holds = value < band.below if band.below is not None else value <= band.up_to
        chosen = pl.when(holds).then(pl.lit(band.name)).otherwise(chosen)
    return pl.when(value.is_not_null()).then(chosen)


def check_answers(code: str, assessments: pl.DataFrame) -> pl.DataFrame:
    """Return every refused answer of one instrument as a row [*keys, item, value, rule].

    ``rule`` is ``out_of_range`` or, for all answers at once, ``suspect_scale``: no answer of the whole table
    is above the ceiling of a known other version of the form (IBS-SSS on 0-10 instead of 0-100).
    """
    import polars as pl

    declared = instrument(code)
    long = _answers(declared, assessments)
    wide = _with_scores(_wide(long, declared), declared)
    refused = [
        wide.filter(pl.col(_BAD + name)).select(
            *KEYS,
            pl.lit(name).alias("item"),
            pl.col(_RAW + name).alias("value"),
            pl.lit(OUT_OF_RANGE).alias("rule"),
        )
        for name in declared.inputs
    ]
    return pl.concat([*refused, _suspect_scale(long, declared)]).sort([*KEYS, "item"])


def _suspect_scale(long: pl.DataFrame, declared: Instrument) -> pl.DataFrame:
    import polars as pl

    ceiling, items = declared.suspect_if_never_above, [item.code for item in declared.items]
    answers = long.filter(pl.col("item").is_in(items))
    largest = answers["value"].max()
    if ceiling is None or not isinstance(largest, float) or largest > ceiling:
        answers = answers.clear()
    return answers.select(*KEYS, "item", "value", pl.lit("suspect_scale").alias("rule"))
