"""Normal equations with one factor of many levels eliminated: what linear and logistic mixed models share.

Rows belong to groups (patients, say) with a few columns of their own; what is left is dense. The matrix of
the groups is block diagonal, so it is inverted block by block and the dense part solved by its Schur
complement: thousands of patients cost little more than their rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit

from commensal.errors import RefusedError

Array = np.ndarray

MOST_STEPS = 100
CLOSE = 1e-11


@dataclass(frozen=True, eq=False)
class Blocks:
    """Columns of a model: ``own`` (n, k) of each row's group, ``dense`` (n, q) of all rows.

    ``group`` (n,) are codes 0 … ``n_groups`` − 1. ``k`` may be 0: nothing is eliminated.
    """

    group: Array
    n_groups: int
    own: Array
    dense: Array

    def summed(self, values: Array) -> Array:
        """Sum rows (n, …) to groups (n_groups, …)."""
        flat = values.reshape(len(values), -1)
        sums = [np.bincount(self.group, weights=column, minlength=self.n_groups) for column in flat.T]
        return (
            np.stack(sums, axis=1).reshape(self.n_groups, *values.shape[1:])
            if sums
            else np.zeros((self.n_groups, *values.shape[1:]))
        )

    def predicted(self, own: Array, dense: Array) -> Array:
        """Return the linear predictor (n,) of coefficients (n_groups, k) and (q,)."""
        return (self.own * own[self.group]).sum(axis=1) + self.dense @ dense

    def moments(self, values: Array) -> tuple[Array, Array]:
        """Return the columns' products with ``values`` (n,): (n_groups, k) and (q,)."""
        return self.summed(self.own * values[:, None]), self.dense.T @ values


@dataclass(frozen=True, eq=False)
class Solved:
    """A factorised system: ``log_determinant`` of the whole, and what solves it."""

    blocks: Blocks
    inverse: Array
    cross: Array
    schur: tuple[Array, bool]
    log_determinant: float

    def solve(self, own: Array, dense: Array) -> tuple[Array, Array]:
        """Return the solution for right-hand sides (n_groups, k) and (q,)."""
        flat = self.cross.reshape(self.cross.shape[0] * self.cross.shape[1], self.cross.shape[2])
        first = (self.inverse @ own[:, :, None])[:, :, 0]
        rest = cho_solve(self.schur, dense - flat.T @ first.ravel())
        back = (self.inverse @ (self.cross @ rest)[:, :, None])[:, :, 0]
        return first - back, rest

    @property
    def covariance(self) -> Array:
        """The inverse's dense block, (q, q)."""
        return cho_solve(self.schur, np.eye(self.cross.shape[2]))

    def leverage(self) -> Array:
        """Return x_i' H⁻¹ x_i of every row, (n,)."""
        b = self.blocks
        lifted = np.einsum("ni,nij->nj", b.own, self.inverse[b.group])
        rest = b.dense - np.einsum("nj,njq->nq", lifted, self.cross[b.group], optimize=True)
        return (lifted * b.own).sum(axis=1) + (rest * cho_solve(self.schur, rest.T).T).sum(axis=1)


def cross_products(blocks: Blocks, weights: Array) -> tuple[Array, Array, Array]:
    """Return X'WX by block: (n_groups, k, k), (n_groups, k, q) and (q, q)."""
    weighted = blocks.own * weights[:, None]
    own = blocks.summed(weighted[:, :, None] * blocks.own[:, None, :])
    cross = np.zeros((blocks.n_groups, blocks.own.shape[1], blocks.dense.shape[1]))
    if blocks.own.shape[1]:
        order, starts = _sorted_groups(blocks)
        for i in range(blocks.own.shape[1]):
            rows = (weighted[:, i, None] * blocks.dense)[order]
            cross[:, i, :] = np.add.reduceat(rows, starts, axis=0) if len(rows) else 0.0
    return own, cross, blocks.dense.T @ (weights[:, None] * blocks.dense)


def _sorted_groups(blocks: Blocks) -> tuple[Array, Array]:
    order = np.argsort(blocks.group, kind="stable")
    return order, np.searchsorted(blocks.group[order], np.arange(blocks.n_groups))


def factorised(blocks: Blocks, products: tuple[Array, Array, Array]) -> Solved:
    """Factorise the system of cross products (penalties already added).

    Refuses (RefusedError) a dense part that is not positive definite: columns that depend on each other.
    """
    own, cross, dense = products
    inverse = np.linalg.inv(own) if own.size else own
    flat = cross.reshape(cross.shape[0] * cross.shape[1], cross.shape[2])
    reduced = dense - flat.T @ (inverse @ cross).reshape(flat.shape)
    try:
        schur = cho_factor(reduced, lower=True)
    except np.linalg.LinAlgError:
        raise RefusedError(
            f"of {dense.shape[0]} columns some depend on others: no coefficient can be told"
        ) from None
    log_determinant = 2 * float(np.log(np.diag(schur[0])).sum())
    if own.size:
        log_determinant += float(np.linalg.slogdet(own)[1].sum())
    return Solved(blocks, inverse, cross, schur, log_determinant)


@dataclass(frozen=True, eq=False)
class Mode:
    """The mode of a penalised logistic likelihood: coefficients, fitted chances and the curvature there."""

    own: Array
    dense: Array
    fitted: Array
    objective: float
    solved: Solved


def logistic_mode(
    blocks: Blocks,
    successes: Array,
    trials: Array,
    *,
    offset: Array,
    own_precision: Array,
    dense_precision: Array,
    start: tuple[Array, Array] | None = None,
) -> Mode:
    """Maximise ℓ(η) − ½ Σ_g o_g'P o_g − ½ d'Q d over own and dense coefficients, by Newton with halved steps.

    ``successes`` (n,) of ``trials`` (n,); ``own_precision`` P (k, k), ``dense_precision`` Q (q, q); a zero in
    Q is a column without penalty. ``objective`` leaves the binomial coefficients out.
    """
    own, dense = start or _zeros(blocks)
    eta = offset + blocks.predicted(own, dense)
    value = _objective(eta, successes, trials, own, dense, own_precision, dense_precision)
    for _ in range(MOST_STEPS):
        chance = expit(eta)
        products = cross_products(blocks, trials * chance * (1 - chance))
        solved = factorised(blocks, (products[0] + own_precision, products[1], products[2] + dense_precision))
        to_own, to_dense = blocks.moments(successes - trials * chance)
        step = solved.solve(to_own - own @ own_precision, to_dense - dense_precision @ dense)
        before = value

        def objective(eta: Array, own: Array, dense: Array) -> float:
            return _objective(eta, successes, trials, own, dense, own_precision, dense_precision)

        own, dense, eta, value = _climbed(
            blocks, (own, dense), step, before=value, objective=objective, offset=offset
        )
        if abs(value - before) <= CLOSE * (abs(value) + 1):
            break
    return Mode(
        own, dense, expit(eta), value, _curvature(blocks, eta, trials, own_precision, dense_precision)
    )


def _climbed(
    blocks: Blocks,
    at: tuple[Array, Array],
    step: tuple[Array, Array],
    *,
    before: float,
    objective: Callable[[Array, Array, Array], float],
    offset: Array,
) -> tuple[Array, Array, Array, float]:
    """Take the step, halved until the objective does not fall."""
    for halvings in range(30):
        own, dense = (a + s * 0.5**halvings for a, s in zip(at, step, strict=True))
        eta = offset + blocks.predicted(own, dense)
        found = objective(eta, own, dense)
        if found >= before - CLOSE * abs(before):
            return own, dense, eta, found
    return *at, offset + blocks.predicted(*at), before


def _curvature(blocks: Blocks, eta: Array, trials: Array, own: Array, dense: Array) -> Solved:
    chance = expit(eta)
    products = cross_products(blocks, trials * chance * (1 - chance))
    return factorised(blocks, (products[0] + own, products[1], products[2] + dense))


def _zeros(blocks: Blocks) -> tuple[Array, Array]:
    return np.zeros((blocks.n_groups, blocks.own.shape[1])), np.zeros(blocks.dense.shape[1])


def _objective(
    eta: Array, successes: Array, trials: Array, own: Array, dense: Array, p: Array, q: Array
) -> float:
    likelihood = float(successes @ eta - trials @ np.logaddexp(0, eta))
    return likelihood - 0.5 * float(((own @ p) * own).sum()) - 0.5 * float(dense @ q @ dense)
