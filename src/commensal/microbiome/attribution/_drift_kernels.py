"""EM fit of a sink to sources that drift and an unknown one: arrays in, arrays out; no frames, no options.

Layout: J taxa of one sink and its K sources, those the sink has first; tables of sources are (K, J), zero
where a source has not the taxon. Each loop walks the taxa, writes one array and has no branch, so that the
compiler spreads it over lanes; sums are taken in a fixed order, so that the width changes no bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from commensal.engine.elementary import exp_of, log_of, total_of

STEPS = 30
# A fit stops where no share moves by more than this in a step.
SETTLED = 2e-4
# Part of a drifted source that its shown stool had not, at a drift of 1, and the squared coefficient of
# variation of what is new in it or comes from the unknown.
TURNOVER, NEW_VARIATION = 0.07, 3.0


class Sink(NamedTuple):
    """One sink over its J taxa, the ``n_read`` that it has first.

    ``reads``, ``prevalence`` and ``log_odds`` of it, ``level`` (mean share in people who have the taxon) and
    ``background`` (mean share in all) are (J,). Of the sources, (K, J): ``shares``, their variance at a drift
    of 1, ``varied``, and that of their reads, ``noise``. ``total`` is the number of reads of the sink."""

    reads: np.ndarray
    n_read: int
    shares: np.ndarray
    varied: np.ndarray
    noise: np.ndarray
    prevalence: np.ndarray
    log_odds: np.ndarray
    level: np.ndarray
    background: np.ndarray
    total: float


class Guess(NamedTuple):
    """What is expected of each taxon with or without the unknown, (J,) each: ``mean`` and ``var`` of its
    share, ``inverse`` 1 / (mean + var · total), ``log_p`` of its reads, and its ``pull``, the posterior mean
    less the mean over the variance."""

    mean: np.ndarray
    var: np.ndarray
    inverse: np.ndarray
    log_p: np.ndarray
    pull: np.ndarray


class Room(NamedTuple):
    """Memory of a fit: ``means`` and ``variances`` of the sources (K, J); ``known`` and ``either`` the
    guesses without and with the unknown; ``on`` how likely it has the taxon; ``left``, ``scratch`` (J,)."""

    means: np.ndarray
    variances: np.ndarray
    known: Guess
    either: Guess
    on: np.ndarray
    left: np.ndarray
    scratch: np.ndarray


@njit(cache=True)
def guess_of(n):
    return Guess(np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n))


@njit(cache=True)
def room_of(n_sources, n):
    tables = np.empty((n_sources, n)), np.empty((n_sources, n))
    return Room(tables[0], tables[1], guess_of(n), guess_of(n), np.empty(n), np.empty(n), np.empty(n))


@njit(cache=True, error_model="numpy", inline="always")
def log_rising(shape, count, scale):
    """ln Γ(shape + count) − ln Γ(shape) − count ln scale, by Stirling's series from 8 on (to 1e-9)."""
    a, b = shape + 8.0, shape + count + 8.0
    up = shape * (shape + 1.0) * (shape + 2.0) * (shape + 3.0)
    up *= (shape + 4.0) * (shape + 5.0) * (shape + 6.0) * (shape + 7.0)
    c = shape + count
    down = c * (c + 1.0) * (c + 2.0) * (c + 3.0)
    down *= (c + 4.0) * (c + 5.0) * (c + 6.0) * (c + 7.0)
    p, q = 1.0 / a, 1.0 / b
    more = q * (1.0 / 12.0 - q * q * (1.0 / 360.0 - q * q / 1260.0))
    less = p * (1.0 / 12.0 - p * p * (1.0 / 360.0 - p * p / 1260.0))
    near = (a - 0.5) * log_of(b * p) - count + log_of(up / down) + (more - less)
    # Of a large shape the first two terms are nothing but what rounding leaves.
    return count * log_of(b / scale) + (near if shape <= 1e7 else 0.0)


@njit(cache=True, error_model="numpy")
def expect(guess, reads, n_read, total):
    """Fill the Poisson count of a gamma share: log probability less terms of the count, and pull."""
    mean, var, inverse, log_p, pull = guess
    for j in range(mean.size):
        inverse[j] = 1.0 / (mean[j] + var[j] * total)
    for j in range(mean.size):
        log_p[j] = mean[j] * mean[j] / var[j] * log_of(mean[j] * inverse[j])
    for j in range(n_read):
        rate = mean[j] / var[j]
        log_p[j] += log_rising(mean[j] * rate, reads[j], rate + total)
    for j in range(mean.size):
        pull[j] = (reads[j] - mean[j] * total) * inverse[j]


@njit(cache=True, error_model="numpy")
def guess_shares(sink, drift, mixing, room):
    """Fill the guesses of every taxon, and how likely the unknown has it."""
    n_sources = drift.size
    known, either = room.known, room.either
    background, level = sink.background, sink.level
    known.mean[:], known.var[:] = 1e-9, 1e-17
    for k in range(n_sources):
        gain, part = TURNOVER * min(1.0, drift[k]), mixing[k]
        old, new = part * (1.0 - gain), part * gain
        square, moved, more = part * part, drift[k], NEW_VARIATION * gain
        _mean_of(sink.shares[k], background, old, new, room.means[k])
        _variance_of(sink.varied[k], sink.noise[k], background, level, square, moved, more, room.variances[k])
        _add(room.means[k], known.mean)
        _add(room.variances[k], known.var)
    unknown = mixing[n_sources]
    for j in range(level.size):
        either.mean[j] = known.mean[j] + unknown * level[j]
    for j in range(level.size):
        extra = unknown * level[j]
        either.var[j] = known.var[j] + NEW_VARIATION * extra * extra
    expect(known, sink.reads, sink.n_read, sink.total)
    expect(either, sink.reads, sink.n_read, sink.total)
    _add(sink.log_odds, either.log_p)
    _chance(known.log_p, either.log_p, room.on)


@njit(cache=True, error_model="numpy")
def _mean_of(shares, background, old, new, out):
    for j in range(out.size):
        out[j] = old * shares[j] + new * background[j]


@njit(cache=True, error_model="numpy")
def _variance_of(varied, noise, background, level, square, drift, more, out):
    for j in range(out.size):
        out[j] = square * (varied[j] * drift + noise[j] + more * background[j] * level[j])


@njit(cache=True, error_model="numpy")
def _add(values, out):
    for j in range(out.size):
        out[j] += values[j]


@njit(cache=True, error_model="numpy")
def _chance(without, having, out):
    for j in range(out.size):
        out[j] = 1.0 / (1.0 + exp_of(without[j] - having[j]))


@njit(cache=True, error_model="numpy")
def log_likelihood(room):
    """Σ ln(eˡ⁰ + eˡ¹) of the last guesses, up to a constant."""
    without, having, out = room.known.log_p, room.either.log_p, room.scratch
    for j in range(out.size):
        apart = abs(without[j] - having[j])
        out[j] = max(without[j], having[j]) + log_of(1.0 + exp_of(-apart))
    return total_of(out)


@njit(cache=True, error_model="numpy")
def gamma_step(sink, drift, mixing, learns, room, moved, spread):
    """One EM step of the mixture of drifting sources and an unknown that has a taxon or has not.

    Writes the expected share of each source into ``moved`` (K+1,), and of its drift into ``spread`` (K,)
    where that is learnt.
    """
    n_sources = drift.size
    guess_shares(sink, drift, mixing, room)
    p0, p1, on, out = room.known.pull, room.either.pull, room.on, room.scratch
    for k in range(n_sources):
        _share_out(sink.shares[k], room.means[k], room.variances[k], p0, p1, on, out)
        moved[k] = max(total_of(out), 0.0)
    _from_unknown(sink.level, p1, on, mixing[n_sources], out)
    moved[n_sources] = total_of(out)
    moved /= moved.sum()
    if learns:
        _remaining(room.known, sink.reads, room.left)
        _remaining(room.either, sink.reads, out)
        _between(out, on, room.left)
        for k in range(n_sources):
            square = mixing[k] * mixing[k]
            _drifted(sink.varied[k], room.variances[k], room.left, square, out)
            reach = mixing[k] * sink.total / 5.0
            _weigh(sink.shares[k], reach, out)
            spread[k] = total_of(out)
            out[:] = 1.0
            _weigh(sink.shares[k], reach, out)
            spread[k] /= total_of(out) + 1e-6


@njit(cache=True, error_model="numpy")
def _share_out(shares, mean, var, p0, p1, on, out):
    """The part of each taxon that comes from one source; what is new in it may cancel over its taxa."""
    for j in range(out.size):
        without, having = mean[j] + var[j] * p0[j], mean[j] + var[j] * p1[j]
        is_free = shares[j] == 0.0
        without = without if is_free else max(without, 0.0)
        having = having if is_free else max(having, 0.0)
        out[j] = (1.0 - on[j]) * without + on[j] * having


@njit(cache=True, error_model="numpy")
def _from_unknown(level, pull, on, part, out):
    for j in range(out.size):
        extra = part * level[j]
        out[j] = on[j] * max(extra + NEW_VARIATION * extra * extra * pull[j], 0.0)


@njit(cache=True, error_model="numpy")
def _remaining(guess, reads, out):
    """What the second moment of a part, less its variance, is over that variance squared."""
    mean, var, inverse, _, pull = guess
    for j in range(out.size):
        share = (reads[j] + mean[j] * mean[j] / var[j]) * inverse[j] * inverse[j]
        out[j] = share + pull[j] * pull[j] - 1.0 / var[j]


@njit(cache=True, error_model="numpy")
def _between(having, on, out):
    for j in range(out.size):
        out[j] = (1.0 - on[j]) * out[j] + on[j] * having[j]


@njit(cache=True, error_model="numpy")
def _drifted(varied, var, left, square, out):
    for j in range(out.size):
        out[j] = (var[j] + var[j] * var[j] * left[j]) / (square * varied[j] + 1e-14)


@njit(cache=True, error_model="numpy")
def _weigh(shares, reach, out):
    """Weigh by the reads expected of a source, up to five; a taxon it has not weighs nothing."""
    for j in range(out.size):
        out[j] *= min(1.0, shares[j] * reach)


@njit(cache=True)
def gamma_fit(sink, drift, mixing, learns, room):
    """EM of the drifting mixture from ``mixing``; the drift of each source is learnt where asked.

    Writes ``mixing`` and ``drift``, returns the log likelihood before the last step.
    """
    n_sources = drift.size
    moved, spread = np.empty(n_sources + 1), np.empty(n_sources)
    for _ in range(STEPS):
        gamma_step(sink, drift, mixing, learns, room, moved, spread)
        change = 0.0
        for k in range(n_sources + 1):
            change = max(change, abs(moved[k] - mixing[k]))
            mixing[k] = max(moved[k], 1e-5)
        mixing /= mixing.sum()
        if learns:
            for k in range(n_sources):
                new = min(max(spread[k], 1e-3), 3.0)
                change = max(change, 0.01 * abs(new - drift[k]))
                drift[k] = new
        if change < SETTLED:
            break
    return log_likelihood(room)
