"""Donors for recipients of a trial: "donors are equal" stays a hypothesis until the outcomes speak.

Two hypotheses are weighed by how well they foretold the outcomes. Under the null every donor has the same
effect, and recipients are spread evenly. Under the alternative donors differ, their effects shrunk towards
each other, and a donor's share is the probability of being the best. What is allocated is the mixture. It
is a design for a study: without a protocol nothing is allocated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from scipy.special import expit, logsumexp, xlogy

from commensal.errors import InputError, RefusedError

# Log-odds of remission on which likelihoods are held, and the shifts of their common level.
GRID = np.linspace(-6.0, 6.0, 241)
SHIFTS = np.linspace(-1.5, 1.5, 61)
SHIFT_SD = 0.5
# Worlds this much (log) less probable than the most probable one are not looked at donor by donor.
LEAST_WORLD = math.log(1e-5)
# Recipients by which an indication's rate is drawn towards the overall rate.
RATE_WEIGHT = 4.0

OUTCOME_COLUMNS = ("donor_id", "indication", "n", "n_success")


@dataclass(frozen=True)
class TrialProtocol:
    """What a study protocol fixes before the first recipient.

    ``study_id`` is the registered study that switches adaptive allocation on. ``prior_null`` is the
    probability, before any outcome, that donors are equal: one half or more. ``effect_sds`` are the
    standard deviations of donor effects (log-odds) that the alternative holds possible, equally. ``cap``
    is the largest share of recipients one donor may get. A donor is called much better (or worse) than the
    average where the posterior probability of an odds ratio beyond ``claim_odds_ratio`` reaches
    ``claim_at``.
    """

    study_id: str
    prior_null: float = 0.5
    effect_sds: tuple[float, ...] = (0.25, 0.5, 1.0)
    cap: float = 0.3
    claim_odds_ratio: float = 1.5
    claim_at: float = 0.95

    def __post_init__(self) -> None:
        if not self.study_id.strip():
            raise RefusedError("adaptive allocation has no study", expected="the id of a registered study")
        _demand(0.5 <= self.prior_null < 1, "prior_null", self.prior_null, "at least .5 and below 1")
        _demand(0 < self.cap <= 1, "cap", self.cap, "a share above 0, at most 1")
        _demand(self.claim_odds_ratio >= 1, "claim_odds_ratio", self.claim_odds_ratio, "1 or more")
        _demand(0.5 < self.claim_at < 1, "claim_at", self.claim_at, "between .5 and 1")
        sds_are_right = bool(self.effect_sds) and all(0 < s <= 2 for s in self.effect_sds)
        _demand(sds_are_right, "effect_sds", self.effect_sds, "log-odds above 0, at most 2")


def _demand(is_right: bool, name: str, value: object, expected: str) -> None:
    if not is_right:
        raise InputError(f"the protocol's {name} is {value}", expected=expected)


@dataclass(frozen=True)
class Belief:
    """What the outcomes say of one donor.

    ``effect`` is the posterior mean log-odds ratio to the average of the donors (0 under the null);
    ``p_best`` the probability of being the best of the donors, were they to differ; ``p_better`` and
    ``p_worse`` those of an odds ratio beyond the protocol's, either way.
    """

    donor_id: str
    n: int
    n_success: int
    effect: float
    p_best: float
    p_better: float
    p_worse: float


@dataclass(frozen=True)
class Allocation:
    """The allocation probabilities of one day, to be logged as they are.

    ``probabilities`` add up to one over the donors; ``p_null`` is the posterior probability that donors
    are equal; ``much_better`` and ``much_worse`` name the donors whose posterior clears the protocol's bar.
    """

    protocol: TrialProtocol
    p_null: float
    probabilities: Mapping[str, float]
    beliefs: tuple[Belief, ...]
    much_better: tuple[str, ...] = field(default=())
    much_worse: tuple[str, ...] = field(default=())


def allocate(outcomes: pl.DataFrame, *, donors: Sequence[str], protocol: TrialProtocol | None) -> Allocation:
    """Return each donor's share of the next recipients, from the outcomes known so far.

    Parameters
    ----------
    outcomes : donor_id, indication, n (recipients with a known outcome), n_success; one row for each donor
        and indication, none where nothing is known. Outcomes that are not due yet are not in it.
    donors : the donors that may be allocated. Outcomes of others count for the hypotheses.
    protocol : the study's; None where no study has switched adaptive allocation on.

    Refuses
    -------
    RefusedError without a protocol; InputError for no donors, donors named twice, a cap that cannot be kept
    (cap × donors below 1), and counts that are none.

    Notes
    -----
    log-odds of remission = indication's level + c + u_d, c ~ N(0, ½²) common to all. Null: u_d = 0.
    Alternative: u_d ~ N(0, s²), s one of ``effect_sds``. P(null) by the marginal likelihoods, u and c
    integrated on a grid. "Better" and "worse" are against the average of the donors with outcomes and the
    donors named. Share of d before the cap: P(null)/donors + (1 − P(null)) · P(d best |
    alternative). The indication's level is the pooled rate, drawn to the overall rate by 4 recipients.

    References
    ----------
    Olesen et al. 2016 on adaptive donor allocation; Thompson 1933, doi:10.1093/biomet/25.3-4.285.
    """
    if protocol is None:
        raise RefusedError(
            "adaptive allocation is off: no study protocol switches it on",
            expected="a TrialProtocol with the id of a registered study",
            do="choose among eligible donors as usual",
        )
    names = _checked(donors, protocol)
    table = _counts(outcomes)
    everyone = tuple(dict.fromkeys([*names, *table["donor_id"].unique(maintain_order=True).sort()]))
    likelihood = _likelihood(table, everyone)
    posterior = _posterior(likelihood, protocol)
    at = [everyone.index(name) for name in names]
    best = posterior.best(at)
    shares = posterior.p_null / len(names) + (1 - posterior.p_null) * best
    beliefs = _beliefs(names, at, table, posterior, best, protocol=protocol)
    return Allocation(
        protocol=protocol,
        p_null=posterior.p_null,
        probabilities=dict(zip(names, capped(shares, cap=protocol.cap).tolist(), strict=True)),
        beliefs=beliefs,
        much_better=tuple(b.donor_id for b in beliefs if b.p_better >= protocol.claim_at),
        much_worse=tuple(b.donor_id for b in beliefs if b.p_worse >= protocol.claim_at),
    )


def _checked(donors: Sequence[str], protocol: TrialProtocol) -> tuple[str, ...]:
    if not donors:
        raise InputError("there is no donor to allocate", expected="at least one")
    if len(set(donors)) < len(donors):
        raise InputError("a donor is named twice", expected="each donor once")
    if protocol.cap * len(donors) < 1 - 1e-12:
        raise InputError(
            f"a cap of {protocol.cap} for {len(donors)} donors leaves recipients without a donor",
            expected=f"at least {1 / len(donors):.3f}, or more donors",
        )
    return tuple(sorted(donors))


def _counts(outcomes: pl.DataFrame) -> pl.DataFrame:
    if missing := [c for c in OUTCOME_COLUMNS if c not in outcomes.columns]:
        raise InputError(f"the outcomes have no column {missing[0]}", expected=", ".join(OUTCOME_COLUMNS))
    table = outcomes.select(OUTCOME_COLUMNS).sort("donor_id", "indication")
    wrong = pl.col("n_success").is_between(0, pl.col("n")).fill_null(False).not_()
    if table.null_count().sum_horizontal().sum() or table.filter(wrong).height:
        raise InputError("a count of outcomes is missing or impossible", expected="0 ≤ n_success ≤ n")
    return table.filter(pl.col("n") > 0)


def _likelihood(table: pl.DataFrame, donors: Sequence[str]) -> np.ndarray:
    """Return the log-likelihood of each donor's outcomes at each shift of its log-odds, (donors, grid)."""
    out = np.zeros((len(donors), len(GRID)))
    levels = _levels(table)
    row = {donor: i for i, donor in enumerate(donors)}
    for donor, indication, n, successes in table.iter_rows():
        chance = expit(levels[indication] + GRID)
        out[row[donor]] += xlogy(successes, chance) + xlogy(n - successes, 1 - chance)
    return out


def _levels(table: pl.DataFrame) -> dict[str, float]:
    """Return the log-odds of remission of each indication, all donors together."""
    n, successes = int(table["n"].sum()), int(table["n_success"].sum())
    overall = (successes + 0.5) / (n + 1)
    sums = table.group_by("indication").agg(pl.col("n").sum(), pl.col("n_success").sum())
    rates = {i: (x + RATE_WEIGHT * overall) / (m + RATE_WEIGHT) for i, m, x in sums.iter_rows()}
    return {i: math.log(rate / (1 - rate)) for i, rate in rates.items()}


@dataclass(frozen=True, eq=False)
class _Posterior:
    """Weights of the worlds (effect sd, common shift) and each donor's log-odds in each of them.

    ``weights`` (worlds,) add up to one; ``density`` (worlds, donors, grid) adds up to one over the grid.
    """

    p_null: float
    weights: np.ndarray
    density: np.ndarray

    def best(self, donors: Sequence[int]) -> np.ndarray:
        """Return the probability that each of some donors is the best of them, shape (donors,)."""
        own = self.density[:, list(donors)]
        # A tie on the grid is shared: half of a point's own mass lies below it.
        below = np.log(np.maximum(np.cumsum(own, axis=2) - own / 2, 1e-300))
        others = np.exp(below.sum(axis=1, keepdims=True) - below)
        share = np.einsum("w,wdg->d", self.weights, own * others)
        return share / share.sum()

    @property
    def means(self) -> np.ndarray:
        """The mean log-odds of each donor in each world, (worlds, donors)."""
        return self.density @ GRID

    def effects(self) -> np.ndarray:
        """Return the mean log-odds of each donor less that of the average donor, shape (donors,)."""
        means = self.means
        return self.weights @ (means - means.mean(axis=1, keepdims=True))

    def beyond(self, log_odds: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the probabilities of lying above and below the average donor by more than a log-odds."""
        gap = GRID[None, :] - self.means.mean(axis=1)[:, None]
        masks = (gap > log_odds).astype(float), (gap < -log_odds).astype(float)
        better, worse = (np.einsum("w,wdg,wg->d", self.weights, self.density, m) for m in masks)
        return better, worse


def _log_sum(values: np.ndarray) -> float:
    """The logarithm of a sum of exponentials, as a number."""
    return float(np.asarray(logsumexp(values)))


def _posterior(likelihood: np.ndarray, protocol: TrialProtocol) -> _Posterior:
    """Weigh the null and every world of the alternative by their marginal likelihoods."""
    log_shift = -0.5 * (SHIFTS / SHIFT_SD) ** 2
    log_shift = log_shift - _log_sum(log_shift)
    # The shifts are points of the grid.
    null = _log_sum(log_shift + likelihood[:, np.searchsorted(GRID, SHIFTS - 1e-9)].sum(axis=0))
    prior = _prior(protocol.effect_sds)
    highest = likelihood.max(axis=1, keepdims=True)
    scaled = np.exp(likelihood - highest)
    marginal = np.log(np.maximum(scaled @ prior.T, 1e-300)) + highest
    n_sds = len(protocol.effect_sds)
    world = marginal.sum(axis=0) + np.tile(log_shift, n_sds) - math.log(n_sds)
    alternative = _log_sum(world)
    log_prior_odds = math.log(protocol.prior_null / (1 - protocol.prior_null))
    kept = world > world.max() + LEAST_WORLD
    density = scaled[None, :, :] * prior[kept][:, None, :]
    return _Posterior(
        p_null=float(expit(log_prior_odds + null - alternative)),
        weights=np.exp(world[kept] - _log_sum(world[kept])),
        density=density / density.sum(axis=2, keepdims=True),
    )


def _prior(effect_sds: Sequence[float]) -> np.ndarray:
    """Return the prior of a donor's log-odds in each world, shape (worlds, grid): sds, then shifts."""
    sds = np.repeat(effect_sds, len(SHIFTS))[:, None]
    gap = GRID[None, :] - np.tile(SHIFTS, len(effect_sds))[:, None]
    density = np.exp(-0.5 * (gap / sds) ** 2)
    return density / density.sum(axis=1, keepdims=True)


def _beliefs(
    names: Sequence[str],
    at: Sequence[int],
    table: pl.DataFrame,
    posterior: _Posterior,
    best: np.ndarray,
    *,
    protocol: TrialProtocol,
) -> tuple[Belief, ...]:
    sums = table.group_by("donor_id").agg(pl.col("n").sum(), pl.col("n_success").sum())
    counts = {donor: (n, successes) for donor, n, successes in sums.iter_rows()}
    differ = 1 - posterior.p_null
    better, worse = posterior.beyond(math.log(protocol.claim_odds_ratio))
    mean = posterior.effects()
    return tuple(
        Belief(
            donor_id=name,
            n=counts.get(name, (0, 0))[0],
            n_success=counts.get(name, (0, 0))[1],
            effect=float(differ * mean[row]),
            p_best=float(chance),
            p_better=float(differ * better[row]),
            p_worse=float(differ * worse[row]),
        )
        for name, row, chance in zip(names, at, best, strict=True)
    )


def capped(shares: np.ndarray, *, cap: float) -> np.ndarray:
    """Return shares of which none is above the cap; what is cut goes to the others in proportion."""
    out = shares / shares.sum()
    for _ in range(len(out)):
        over = out > cap + 1e-12
        if not over.any():
            break
        fixed = over | np.isclose(out, cap)
        left = 1 - cap * fixed.sum()
        out = np.where(fixed, cap, out)
        rest = out[~fixed].sum()
        out[~fixed] = out[~fixed] * left / rest if rest > 0 else left / max(1, (~fixed).sum())
    return out


def draw(
    allocation: Allocation, recipients: Sequence[str], *, stock: Mapping[str, int], seed: int
) -> pl.DataFrame:
    """Return a donor drawn for each recipient, with the probability it was drawn with.

    ``stock`` holds the units each donor has left; a donor without is not drawn, and the probability logged
    is the one over the donors who had units when the recipient's turn came. Recipients take their turn in
    the order of their ids; one for whom there is no unit has a row without donor or probability.
    Columns: recipient_id, donor_id, probability.
    """
    rng = np.random.default_rng(seed)
    left = {donor: stock.get(donor, 0) for donor in allocation.probabilities}
    rows: list[tuple[str, str | None, float | None]] = []
    for recipient in sorted(recipients):
        able = [donor for donor, n in left.items() if n > 0]
        if not able:
            rows.append((recipient, None, None))
            continue
        shares = np.array([allocation.probabilities[donor] for donor in able])
        shares = shares / shares.sum()
        chosen = int(rng.choice(len(able), p=shares))
        left[able[chosen]] -= 1
        rows.append((recipient, able[chosen], float(shares[chosen])))
    schema = {"recipient_id": pl.String, "donor_id": pl.String, "probability": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")
