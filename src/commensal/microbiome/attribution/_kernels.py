"""Fits of one sink after another to its sources: arrays in, arrays out; no frames, no options.

Layout: CSR matrices as (indptr, indices, data); ``members`` is (sinks, K), rows of the sources, -1 for none;
``left_out`` is (sinks, E), rows of people, -1 for none. Taxa are columns. Each sink is worked alone, so that
neither its neighbours nor the number of threads can change its result. A stool has a small part of all taxa:
only the taxa of a sink and its sources are walked, and at each only the sources that have it; what another
stool of the other sources would bring is summed over taxa once a step.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit, prange

N_FEATURES = 26
STEPS = 30
PLAIN_STEPS = 100
# A fit stops where no share moves by more than this in a step.
SETTLED = 2e-4
# Part of a drifted source that its shown stool had not, at a drift of 1, and the squared coefficient of
# variation of what is new in it or comes from the unknown.
TURNOVER, NEW_VARIATION = 0.07, 3.0


class Sink(NamedTuple):
    """One sink over its J taxa. ``reads``, ``prevalence`` and ``log_odds`` of it, ``level`` (mean share in
    people who have the taxon) and ``background`` (mean share in all) are (J,). The shares of the K sources
    and their ``apart`` at drift 1 are listed by taxon: those of taxon j stand from ``starts[j]`` on, of the
    source ``owners``. ``depths`` are those of the sources, ``total`` that of the sink."""

    reads: np.ndarray
    starts: np.ndarray
    owners: np.ndarray
    shares: np.ndarray
    apart: np.ndarray
    depths: np.ndarray
    prevalence: np.ndarray
    log_odds: np.ndarray
    level: np.ndarray
    background: np.ndarray
    total: float


@njit(cache=True)
def variation(shares):
    """Squared coefficient of variation of taxa between two stools of one person, by their shares."""
    out = np.empty(shares.size)
    for i in range(shares.size):
        kept = 1.0 - 1.0 / (1.0 + (max(shares[i], 1e-5) / 6e-4) ** 0.9)
        out[i] = min(math.exp(0.64) / kept - 1.0, 8.0)
    return out


@njit(cache=True)
def stirling(x):
    """ln Γ(x) without its constant, for x ≥ 8 (error below 1e-9)."""
    inverse = 1.0 / x
    square = inverse * inverse
    return (x - 0.5) * math.log(x) - x + inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square / 1260.0))


@njit(cache=True)
def log_rising(shape, count, scale):
    """ln Γ(shape + count) − ln Γ(shape) − count ln scale."""
    if count == 0.0:
        return 0.0
    if shape > 1e7:
        return count * math.log(shape / scale)
    ratio = 1.0
    if count <= 16.0 and count == math.floor(count):
        for i in range(int(count)):
            ratio *= (shape + i) / scale
        return math.log(ratio)
    for i in range(8):
        ratio *= (shape + i) / (shape + count + i)
    return stirling(shape + count + 8.0) - stirling(shape + 8.0) + math.log(ratio) - count * math.log(scale)


@njit(cache=True)
def marginal(mean, var, count, total):
    """Poisson count of a gamma share: log probability less terms of the count, posterior mean, variance."""
    shape, rate = mean * mean / var, mean / var
    summed = rate + total
    log_p = shape * math.log(rate / summed) + log_rising(shape, count, summed)
    share = (count + shape) / summed
    return log_p, share, share / summed


@njit(cache=True)
def share_out(sink, j, drift, mixing, gains, odds, known, either, moved, spread, weight):
    """Give each source that has taxon ``j`` its part of the expected share; ``known`` and ``either`` are
    (mean, variance, posterior mean, posterior variance) without and with the unknown."""
    (m0, v0, x0, c0), (m1, v1, x1, c1) = known, either
    on, u0, u1 = odds, (x0 - m0) / v0, (x1 - m1) / v1
    u = (1.0 - on) * u0 + on * u1
    for i in range(sink.starts[j], sink.starts[j + 1]):
        k, x = sink.owners[i], sink.shares[i]
        new = gains[k] * sink.background[j]
        cv2 = sink.apart[i] * drift[k]
        mean = mixing[k] * ((1.0 - gains[k]) * x + new)
        new_var = NEW_VARIATION * new * sink.level[j]
        var = mixing[k] ** 2 * (x * x * cv2 + x / sink.depths[k] + new_var)
        here = (1.0 - on) * max(mean + var * u0, 0.0) + on * max(mean + var * u1, 0.0)
        # What is new in a source is added for all taxa together; this taxon's is part of ``here``.
        moved[k] += here - mixing[k] * new - mixing[k] ** 2 * new_var * u
        r0, r1 = var / v0, var / v1
        d0 = var * (1.0 - r0) + r0 * r0 * c0 + (var * u0) ** 2
        d1 = var * (1.0 - r1) + r1 * r1 * c1 + (var * u1) ** 2
        seen = min(1.0, x * mixing[k] * sink.total / 5.0)
        spread[k] += seen * ((1.0 - on) * d0 + on * d1) / ((mixing[k] * x) ** 2 * sink.apart[i] + 1e-14)
        weight[k] += seen
    return u


@njit(cache=True)
def expected(sink, j, drift, mixing, gains):
    """Mean and variance of taxon ``j`` from all sources but the unknown; what is new stands outside."""
    mean = var = 0.0
    for i in range(sink.starts[j], sink.starts[j + 1]):
        k, x = sink.owners[i], sink.shares[i]
        mean += mixing[k] * (1.0 - gains[k]) * x
        var += mixing[k] ** 2 * (x * x * sink.apart[i] * drift[k] + x / sink.depths[k])
    return mean, var


@njit(cache=True)
def gamma_step(sink, drift, mixing, moved, spread):
    """One EM step of the mixture of drifting sources and an unknown that has a taxon or has not.

    Writes the expected share of each source into ``moved`` (K+1,) and of its drift into ``spread`` (K,);
    returns the log likelihood up to a constant.
    """
    n_sources = drift.size
    gains = TURNOVER * np.minimum(1.0, drift)
    unknown = mixing[n_sources]
    new_mean = (mixing[:n_sources] * gains).sum()
    new_var = NEW_VARIATION * (mixing[:n_sources] ** 2 * gains).sum()
    moved[:], spread[:] = 0.0, 0.0
    weight = np.full(n_sources, 1e-6)
    likelihood, product, first, second = 0.0, 1.0, 0.0, 0.0
    for j in range(sink.reads.size):
        m0, v0 = expected(sink, j, drift, mixing, gains)
        bg, level, s = sink.background[j], sink.level[j], sink.reads[j]
        m0 += 1e-9 + new_mean * bg
        v0 += 1e-17 + new_var * bg * level
        extra = unknown * level
        m1, v1 = m0 + extra, v0 + NEW_VARIATION * extra * extra
        l0, x0, c0 = marginal(m0, v0, s, sink.total)
        l1, x1, c1 = marginal(m1, v1, s, sink.total)
        l1 += sink.log_odds[j]
        ratio = math.exp(-abs(l0 - l1))
        on = 1.0 / (1.0 + ratio) if l1 > l0 else ratio / (1.0 + ratio)
        # Logs are dear: products of up to 2 are gathered and their log taken now and then.
        likelihood += max(l0, l1)
        product *= 1.0 + ratio
        if product > 1e250:
            likelihood += math.log(product)
            product = 1.0
        known, either = (m0, v0, x0, c0), (m1, v1, x1, c1)
        u = share_out(sink, j, drift, mixing, gains, on, known, either, moved, spread, weight)
        first += bg
        second += bg * level * u
        come = extra + NEW_VARIATION * extra * extra * (x1 - m1) / v1
        moved[n_sources] += on * max(come, 0.0)
    for k in range(n_sources):
        spread[k] /= weight[k]
        new = mixing[k] * gains[k] * (first + NEW_VARIATION * mixing[k] * second)
        moved[k] = max(moved[k] + new, 0.0)
    moved /= moved.sum()
    return likelihood + math.log(product)


@njit(cache=True)
def gamma_fit(sink, drift, mixing, learns):
    """EM of the drifting mixture from ``mixing``; the drift of each source is learnt where asked."""
    n_sources = drift.size
    moved, spread = np.empty(n_sources + 1), np.empty(n_sources)
    likelihood = 0.0
    for _ in range(STEPS):
        likelihood = gamma_step(sink, drift, mixing, moved, spread)
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
    return likelihood


@njit(cache=True)
def plain_step(sink, mixing, moved):
    """One EM step of a multinomial mixture of fixed profiles; writes ``moved``."""
    last = mixing.size - 1
    moved[:] = 0.0
    for j in range(sink.reads.size):
        s = sink.reads[j]
        if s == 0.0:
            continue
        part = mixing[last] * sink.background[j]
        whole = part
        for i in range(sink.starts[j], sink.starts[j + 1]):
            whole += mixing[sink.owners[i]] * sink.shares[i]
        scale = s / whole
        moved[last] += part * scale
        for i in range(sink.starts[j], sink.starts[j + 1]):
            moved[sink.owners[i]] += mixing[sink.owners[i]] * sink.shares[i] * scale


@njit(cache=True)
def plain_fit(sink, mixing):
    """EM of a multinomial mixture of fixed profiles, the last the background; writes ``mixing``."""
    moved = np.empty(mixing.size)
    for _ in range(PLAIN_STEPS):
        plain_step(sink, mixing, moved)
        moved /= moved.sum()
        change = np.abs(moved - mixing).max()
        mixing[:] = moved
        if change < 1e-6:
            break


@njit(cache=True)
def logit(p):
    p = min(max(p, 2e-4), 1.0 - 2e-4)
    return math.log(p / (1.0 - p))


@njit(cache=True)
def quantiles(ratios, weights, out):
    """Write weighted quantiles of the log ratios into ``out``; -5 where there are none, -6 at least."""
    order = np.argsort(ratios)
    weight = weights.sum() + 1e-12
    running, at = 0.0, 0
    out[:] = -5.0
    limits = (0.15, 0.3, 0.5, 0.75)
    for i in order:
        running += weights[i] / weight
        while at < 4 and running >= limits[at]:
            out[at] = max(ratios[i], -6.0)
            at += 1


@njit(cache=True)
def describe(sink, k, out):
    """Write what source ``k`` alone could have brought, and how evenly the sink has it, into ``out``."""
    only_sink = only_source = rare_sink = rare_source = alike = 0.0
    seen, there = np.zeros(3), np.full(3, 0.5)
    n_taxa = sink.reads.size
    ratios, weights, n = np.empty(n_taxa), np.empty(n_taxa), 0
    for j in range(n_taxa):
        q = sink.reads[j] / sink.total
        for i in range(sink.starts[j], sink.starts[j + 1]):
            if sink.owners[i] != k:
                continue
            x = sink.shares[i]
            alike += min(x, q)
            if sink.starts[j + 1] - sink.starts[j] > 1:
                continue
            only_sink += q
            only_source += x
            if sink.prevalence[j] < 0.2:
                rare_sink += q
                rare_source += x
                there[2] += 1.0
                seen[2] += q > 0.0
            group = 1 if x > 5e-3 else 0
            there[group] += 1.0
            seen[group] += q > 0.0
            ratios[n] = math.log((sink.reads[j] + 0.5) / (sink.total * x + 0.5))
            weights[n] = min(x * sink.total, 20.0)
            n += 1
    out[0] = logit(only_sink)
    out[1] = only_source
    out[2] = math.log((only_sink + 1e-3) / (only_source + 1e-3))
    out[3] = math.log((rare_sink + 1e-3) / (rare_source + 1e-3))
    out[4:7] = seen / there
    out[7] = alike
    quantiles(ratios[:n], weights[:n], out[8:12])


@njit(cache=True)
def from_nowhere(sink):
    """Share of the sink's reads in taxa that none of its sources has."""
    reads = 0.0
    for j in range(sink.reads.size):
        if sink.starts[j + 1] == sink.starts[j]:
            reads += sink.reads[j]
    return reads / sink.total


@njit(cache=True)
def fit_one(sink, out, drift):
    """Fit one sink; write the features of each source and, last, of the unknown, (K+1, N_FEATURES)."""
    n_sources = drift.size
    fits = np.full((4, n_sources + 1), 1.0 / (n_sources + 1))
    plain_fit(sink, fits[0])
    for f in range(1, 4):
        fits[f] = 0.9 * fits[0] + 0.1 / (n_sources + 1)
    found = np.empty(3)
    starts = (1e-3, 1.0, 0.1)
    for f in range(3):
        drift[:] = starts[f]
        found[f] = gamma_fit(sink, drift, fits[f + 1], f == 2)
    found = np.tanh((found - found.max()) / 20.0)
    nowhere = logit(from_nowhere(sink))
    for k in range(n_sources + 1):
        o = out[k]
        o[:] = 0.0
        for f in range(4):
            o[f] = logit(fits[f, k])
        o[4:7] = found
        o[7] = nowhere
        o[8] = math.log(sink.total) - 8.5
        o[9] = logit(fits[0, n_sources])
        o[10] = logit(fits[2, n_sources])
        o[11] = math.log(n_sources)
        o[12] = 1.0 if k == n_sources else 0.0
        if k < n_sources:
            o[13] = math.log(drift[k])
            describe(sink, k, o[14:26])


@njit(cache=True)
def _gather(row, indptr, indices, place, taxa, n):
    """Append the taxa of a row which have no place yet; returns how many there are now."""
    for i in range(indptr[row], indptr[row + 1]):
        t = indices[i]
        if place[t] < 0:
            place[t] = n
            taxa[n] = t
            n += 1
    return n


@njit(cache=True)
def by_taxon(rows, indptr, indices, shares, apart, place, n):
    """List the entries of a sink's sources by taxon: starts (n+1,), owners, shares and apart."""
    starts = np.zeros(n + 2, dtype=np.int64)
    for row in rows:
        for i in range(indptr[row], indptr[row + 1]):
            starts[place[indices[i]] + 2] += 1
    starts = np.cumsum(starts)
    size = starts[n + 1]
    owners, listed, spreads = np.empty(size, dtype=np.int64), np.empty(size), np.empty(size)
    for k, row in enumerate(rows):
        for i in range(indptr[row], indptr[row + 1]):
            at = starts[place[indices[i]] + 1]
            owners[at], listed[at], spreads[at] = k, shares[i], apart[i]
            starts[place[indices[i]] + 1] += 1
    return starts[:-1], owners, listed, spreads


@njit(cache=True)
def others(taxa, place, people_ptr, people_taxa, people_shares, share_sum, seen_sum, left_out):
    """Return prevalence, level in who has it, and mean share of each taxon in people but those left out."""
    background, seen = share_sum[taxa], seen_sum[taxa]
    left = people_ptr.size - 1
    for person in left_out:
        if person < 0:
            continue
        left -= 1
        for i in range(people_ptr[person], people_ptr[person + 1]):
            j = place[people_taxa[i]]
            if j >= 0:
                background[j] -= people_shares[i]
                seen[j] -= 1.0
    prevalence, level = np.empty(taxa.size), np.empty(taxa.size)
    for j in range(taxa.size):
        known = seen[j] > 0.5
        level[j] = max(background[j] / seen[j], 1e-5) if known else 1e-3
        prevalence[j] = min(max(seen[j] / left, 0.02), 0.98) if known else 0.02
        background[j] = background[j] / left + 1e-6 if known else 1e-6
    return prevalence, level, background


@njit(parallel=True, cache=True)
def fit_all(
    sink_ptr, sink_taxa, sink_reads,
    source_ptr, source_taxa, source_shares, source_apart, source_depths,
    people_ptr, people_taxa, people_shares,
    share_sum, seen_sum, members, left_out, features, drifts,
):  # fmt: skip
    """Fit each sink; ``features`` is (sinks, K+1, N_FEATURES), ``drifts`` (sinks, K).

    The background of a sink is the mean of all people but those left out: their share and how many have it.
    """
    n_taxa = share_sum.size
    for row in prange(members.shape[0]):
        place = np.full(n_taxa, -1, dtype=np.int64)
        taxa = np.empty(n_taxa, dtype=np.int64)
        used = (members[row] >= 0).sum()
        rows = members[row, :used]
        n = _gather(row, sink_ptr, sink_taxa, place, taxa, 0)
        for source in rows:
            n = _gather(source, source_ptr, source_taxa, place, taxa, n)
        reads = np.zeros(n)
        for i in range(sink_ptr[row], sink_ptr[row + 1]):
            reads[place[sink_taxa[i]]] = sink_reads[i]
        listed = by_taxon(rows, source_ptr, source_taxa, source_shares, source_apart, place, n)
        prevalence, level, background = others(
            taxa[:n], place, people_ptr, people_taxa, people_shares, share_sum, seen_sum, left_out[row]
        )
        log_odds = np.log(prevalence / (1.0 - prevalence))
        sink = Sink(
            reads, listed[0], listed[1], listed[2], listed[3], source_depths[rows],
            prevalence, log_odds, level, background, reads.sum(),
        )  # fmt: skip
        fit_one(sink, features[row, : used + 1], drifts[row, :used])
