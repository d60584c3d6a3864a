"""Donor effects of a study as rows: what matching reads, and whether donors differ at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from commensal import engine
from commensal.errors import RefusedError
from commensal.evidence.effects.donors import POWER_SD, PROFILE_SDS, DonorFit, DonorPrior, donor_model
from commensal.evidence.effects.mixed import Membership
from commensal.evidence.effects.observed import Observed, observed_at, pooled_at, reported
from commensal.evidence.effects.settings import Settings
from commensal.evidence.ground import Ground
from commensal.evidence.material import UNKNOWN
from commensal.vocabulary.indications import indications, is_within

MODEL = "donors"
METHOD = (
    "logistic model: donors equal, or normal effects of donors, pools by shares; indication × period × route "
    "× course number strata, sites crossed; Laplace"
)
PERMUTED = "donors permuted within indication × period × route × course number strata, sum of squared scores"
SIZES = "published re-analyses: differences between donors need more than 100 (CDI) to 200 (IBD) patients"
# The largest variance between donors that the profile looks at; where it ends, nothing was estimated.
LARGEST = PROFILE_SDS[-1] ** 2


@dataclass(frozen=True, eq=False)
class _Question:
    """One donor model to fit: the outcome, its donors and what it is fitted with."""

    observed: Observed
    shares: pl.DataFrame
    n_unknown: int
    prior: DonorPrior
    period_years: int
    n_permutations: int
    level: float


@dataclass(frozen=True, eq=False)
class _Answer:
    fit: DonorFit | None
    refusal: str


def donor_rows(
    ground: Ground, *, settings: Settings, level: float, seed: int, processes: int = 1
) -> dict[str, list[pl.DataFrame]]:
    """Return parts of ``donor_effects``, ``variance_components`` and ``hypothesis_tests``.

    The primary endpoint of each indication and of all indications together ("all"), at the landmark of the
    settings. Patients any part of whose material has an unknown donor are left out and counted.
    """
    questions = [_question(ground, found, settings, level) for found in _outcomes(ground, settings)]
    answers = engine.map(_answer, questions, seed=seed, processes=processes)
    tables: dict[str, list[pl.DataFrame]] = {
        "donor_effects": [],
        "variance_components": [],
        "hypothesis_tests": [],
    }
    for question, answer in zip(questions, answers, strict=True):
        for table, part in _rows(question, answer).items():
            tables[table].append(part)
    return tables


def _outcomes(ground: Ground, settings: Settings) -> list[Observed]:
    found = []
    for landmark in sorted({settings.donor_landmark, settings.cdi_landmark}):
        for one in observed_at(ground, landmark=landmark, by=("endpoint", "indication")):
            known = one.indication in indications()
            is_cdi = known and is_within(one.indication, "cdi")
            if landmark == (settings.cdi_landmark if is_cdi else settings.donor_landmark):
                found.append(one)
    found.append(pooled_at(ground, landmark=settings.donor_landmark))
    labelled = reported(ground)
    # Without any outcome of its own a study may still carry the labels of its authors.
    return [*found, labelled] if labelled is not None else found


def _question(ground: Ground, found: Observed, settings: Settings, level: float) -> _Question:
    received = ground.received.join(found.rows.select("patient_id"), on="patient_id", how="semi")
    untold = received.filter(pl.col("donor_id") == UNKNOWN)["patient_id"].unique()
    # A patient without any recorded session has no donor either.
    told = received.filter(~pl.col("patient_id").is_in(untold.implode()))
    rows = found.rows.join(told.select("patient_id").unique(), on="patient_id", how="semi")
    kept = Observed(found.indication, found.endpoint, found.landmark, found.population, rows, found.n_missing)
    return _Question(
        kept,
        told.select("patient_id", "donor_id", "share"),
        found.rows.height - rows.height,
        settings.prior,
        settings.period_years,
        settings.n_permutations,
        level,
    )


def _answer(question: _Question, generator: np.random.Generator) -> _Answer:
    rows = question.observed.rows
    seed = int(generator.integers(2**62))
    try:
        return _Answer(
            donor_model(
                rows["success"].cast(pl.Int8).to_numpy(),
                donors=membership(rows["patient_id"], question.shares),
                strata=_strata(rows, question.period_years).to_list(),
                sites=rows["site_id"].fill_null(UNKNOWN).to_list(),
                prior=question.prior,
                level=question.level,
                n_permutations=question.n_permutations,
                seed=seed,
            ),
            "",
        )
    except RefusedError as refused:
        return _Answer(None, refused.what)


def membership(patients: pl.Series, shares: pl.DataFrame) -> Membership:
    """Return the donors' shares of these patients, one row each in their order, donors sorted."""
    donors = shares["donor_id"].unique().sort()
    matrix = np.zeros((patients.len(), donors.len()))
    place = {patient: i for i, patient in enumerate(patients)}
    column = {donor: i for i, donor in enumerate(donors)}
    for patient, donor, share in shares.iter_rows():
        matrix[place[patient], column[donor]] += share
    return Membership(tuple(donors), matrix)


def _strata(rows: pl.DataFrame, period_years: int) -> pl.Series:
    period = (pl.col("index_year") // period_years).cast(pl.Int64).cast(pl.String)
    parts = (pl.col("course_number"), pl.col("indication"), period, pl.col("index_route"))
    return rows.select(stratum=pl.concat_str([p.fill_null(UNKNOWN) for p in parts], separator="|"))["stratum"]


def _rows(question: _Question, answer: _Answer) -> dict[str, pl.DataFrame]:
    observed, fit = question.observed, answer.fit
    keys = observed.keys
    if observed.indication != "all":
        keys = {**keys, "population": f"{observed.population}, {observed.indication}"}
    n, n_events = observed.rows.height, int(observed.rows["success"].sum())
    counts = {"n": n, "n_events": n_events}
    cautions = _cautions(question)
    if fit is None:
        reason = "; ".join([answer.refusal, *cautions])
        component = {"model": MODEL, **keys, "component": "donor", **counts, "method": METHOD}
        cell = {"test": "donors_equal", **keys, "group_variable": "donor", **counts, "method": PERMUTED}
        return {
            "variance_components": pl.DataFrame([{**component, "verdict": "cannot_tell", "reason": reason}]),
            "hypothesis_tests": pl.DataFrame([{**cell, "reason": reason}]),
        }
    cautions = [*_power(fit), *cautions]
    return {
        "donor_effects": _effects(question, fit, cautions),
        "variance_components": _components(question, fit, keys, cautions),
        "hypothesis_tests": pl.DataFrame(
            [
                {
                    "test": "donors_equal",
                    **keys,
                    "group_variable": "donor",
                    "p_value": fit.p_value,
                    **counts,
                    "n_groups": len(fit.donors),
                    "method": f"{PERMUTED}, {question.n_permutations} permutations",
                    "reason": "; ".join([*_untestable(fit), *cautions]),
                }
            ]
        ),
    }


def _cautions(question: _Question) -> list[str]:
    said = []
    if question.n_unknown:
        said.append(f"{question.n_unknown} patients whose donor is unknown are left out")
    if question.observed.n_missing:
        said.append(f"{question.observed.n_missing} due without an observed outcome are left out")
    return said


def _power(fit: DonorFit) -> list[str]:
    return [
        f"power to see donors that differ with a standard deviation of {POWER_SD:g} log-odds: "
        f"{100 * fit.power:.0f} %",
        SIZES,
    ]


def _untestable(fit: DonorFit) -> list[str]:
    if fit.p_value is not None:
        return []
    return [f"no stratum of {fit.n_strata} has two donors: labels cannot be exchanged"]


def _within(variance: float) -> float | None:
    """A variance; none at the end of those looked at: there the likelihood does not say where it ends."""
    return None if variance >= LARGEST else variance


def _beyond(fit: DonorFit) -> list[str]:
    if _within(fit.variance) is None:
        return [f"so few outcomes that the variance has no most likely value up to {LARGEST:g}"]
    if _within(fit.variance_upper) is None:
        return [f"so few outcomes that the variance has no upper limit up to {LARGEST:g}"]
    return []


def _components(
    question: _Question, fit: DonorFit, keys: dict[str, str | None], cautions: list[str]
) -> pl.DataFrame:
    cells = {"model": MODEL, **keys, "level": question.level, "n": fit.n, "n_events": fit.n_events}
    rows: list[dict[str, object]] = [
        {
            **cells,
            "component": "donor",
            "variance": _within(fit.variance),
            "lower": fit.variance_lower,
            "upper": _within(fit.variance_upper),
            "probability_none": fit.p_null,
            "p_value": fit.p_value,
            "n_levels": len(fit.donors),
            "method": f"{METHOD}; variance and limits by the integrated likelihood",
            "verdict": fit.verdict,
            "reason": "; ".join([*_beyond(fit), *_untestable(fit), *cautions]),
        }
    ]
    if fit.site_variance is not None:
        rows.append(
            {
                **cells,
                "component": "site",
                "variance": fit.site_variance,
                "n_levels": question.observed.rows["site_id"].fill_null(UNKNOWN).n_unique(),
                "method": f"{METHOD}; the most likely of the variances held possible",
                "reason": "given that donors are equal; no limits are given",
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)


def _effects(question: _Question, fit: DonorFit, cautions: list[str]) -> pl.DataFrame:
    observed = question.observed
    given = question.shares.join(observed.rows.select("patient_id", "success"), on="patient_id")
    counts = given.group_by("donor_id").agg(n=pl.len(), n_events=pl.col("success").sum())
    effects = pl.DataFrame(
        {
            "donor_id": fit.donors,
            "effect": fit.effect,
            "se": fit.se,
            "lower": fit.lower,
            "upper": fit.upper,
            "called": [
                _called(question.prior, *both) for both in zip(fit.p_better, fit.p_worse, strict=True)
            ],
        }
    )
    pooled = "pools count by their members' shares"
    reason = pl.concat_str(
        pl.col("called"),
        pl.lit("; ".join([fit.verdict.replace("_", " "), pooled, *cautions])),
        separator="; ",
    )
    return effects.join(counts, on="donor_id", how="left").select(
        "donor_id",
        pl.lit(observed.indication).alias("indication"),
        pl.lit(observed.endpoint).alias("endpoint"),
        pl.lit(observed.landmark, dtype=pl.String).alias("landmark"),
        *("effect", "se", "lower", "upper"),
        pl.lit(question.level).alias("level"),
        pl.lit(fit.p_null).alias("probability_equal"),
        *("n", "n_events"),
        pl.lit(METHOD).alias("method"),
        reason.alias("reason"),
    )


def _called(prior: DonorPrior, better: float, worse: float) -> str:
    """What may be said of one donor, in the words of the allocation's claims."""
    ratio = prior.claim_odds_ratio
    if better >= prior.claim_at:
        return (
            f"much better than the average donor (probability of an odds ratio above {ratio:g}: {better:.2f})"
        )
    if worse >= prior.claim_at:
        return (
            f"much worse than the average donor (probability of an odds ratio below 1/{ratio:g}: {worse:.2f})"
        )
    return "cannot tell this donor from the average"
