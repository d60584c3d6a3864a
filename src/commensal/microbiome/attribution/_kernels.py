"""Fits of one sink after another to its sources: arrays in, arrays out; no frames, no options.

Layout: CSR matrices as (indptr, indices, data); ``members`` is (sinks, K), rows of the sources, -1 for none;
``left_out`` is (sinks, E), rows of people, -1 for none. Taxa are columns. Each sink is worked alone, so that
neither its neighbours nor the number of threads can change its result. A stool has a small part of all taxa:
only the taxa of a sink and its sources are walked, gathered into a small dense table.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

from commensal.engine.elementary import total_of
from commensal.microbiome.attribution._drift_kernels import Sink, gamma_fit, room_of

N_FEATURES = 26
PLAIN_STEPS = 100


@njit(cache=True)
def variation(shares):
    """Squared coefficient of variation of taxa between two stools of one person, by their shares."""
    out = np.empty(shares.size)
    for i in range(shares.size):
        kept = 1.0 - 1.0 / (1.0 + (max(shares[i], 1e-5) / 6e-4) ** 0.9)
        out[i] = min(math.exp(0.64) / kept - 1.0, 8.0)
    return out


@njit(cache=True, error_model="numpy")
def plain_step(sink, mixing, moved, whole, out):
    """One EM step of a multinomial mixture of fixed profiles, over the taxa with reads; writes ``moved``."""
    last = mixing.size - 1
    reads, background = sink.reads, sink.background
    for j in range(whole.size):
        whole[j] = mixing[last] * background[j]
    for k in range(last):
        _add_times(sink.shares[k], mixing[k], whole)
    for j in range(whole.size):
        whole[j] = reads[j] / whole[j]
    for k in range(last):
        _times(sink.shares[k], whole, out)
        moved[k] = mixing[k] * total_of(out)
    _times(background, whole, out)
    moved[last] = mixing[last] * total_of(out)


@njit(cache=True, error_model="numpy")
def _add_times(values, factor, out):
    for j in range(out.size):
        out[j] += values[j] * factor


@njit(cache=True, error_model="numpy")
def _times(values, factors, out):
    for j in range(out.size):
        out[j] = values[j] * factors[j]


@njit(cache=True)
def plain_fit(sink, mixing):
    """EM of a multinomial mixture of fixed profiles, the last the background; writes ``mixing``."""
    moved, whole, out = np.empty(mixing.size), np.empty(sink.n_read), np.empty(sink.n_read)
    for _ in range(PLAIN_STEPS):
        plain_step(sink, mixing, moved, whole, out)
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
def describe(sink, owners, k, out):
    """Write what source ``k`` alone could have brought, and how evenly the sink has it, into ``out``.

    ``owners`` (J,): how many sources have each taxon.
    """
    only_sink = only_source = rare_sink = rare_source = alike = 0.0
    seen, there = np.zeros(3), np.full(3, 0.5)
    n_taxa = sink.reads.size
    ratios, weights, n = np.empty(n_taxa), np.empty(n_taxa), 0
    for j in range(n_taxa):
        x, q = sink.shares[k, j], sink.reads[j] / sink.total
        alike += min(x, q)
        if x == 0.0 or owners[j] > 1:
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
def owners_of(sink):
    """How many sources have each taxon, (J,)."""
    found = np.zeros(sink.reads.size, dtype=np.int64)
    for k in range(sink.shares.shape[0]):
        for j in range(found.size):
            found[j] += sink.shares[k, j] > 0.0
    return found


@njit(cache=True)
def fit_one(sink, out, drift):
    """Fit one sink; write the features of each source and, last, of the unknown, (K+1, N_FEATURES)."""
    n_sources = drift.size
    fits = np.full((4, n_sources + 1), 1.0 / (n_sources + 1))
    plain_fit(sink, fits[0])
    for f in range(1, 4):
        fits[f] = 0.9 * fits[0] + 0.1 / (n_sources + 1)
    found, owners = np.empty(3), owners_of(sink)
    room = room_of(n_sources, sink.reads.size)
    starts = (1e-3, 1.0, 0.1)
    for f in range(3):
        drift[:] = starts[f]
        found[f] = gamma_fit(sink, drift, fits[f + 1], f == 2, room)
    found = np.tanh((found - found.max()) / 20.0)
    # Share of the reads in taxa that none of the sources has.
    nowhere = logit(sink.reads[owners == 0].sum() / sink.total)
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
            describe(sink, owners, k, o[14:26])


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
def dense(rows, indptr, indices, values, place, n):
    """The rows of a sink's sources over its n taxa."""
    found = np.zeros((rows.size, n))
    for k in range(rows.size):
        for i in range(indptr[rows[k]], indptr[rows[k] + 1]):
            found[k, place[indices[i]]] = values[i]
    return found


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
        n_read = n
        for source in rows:
            n = _gather(source, source_ptr, source_taxa, place, taxa, n)
        reads = np.zeros(n)
        for i in range(sink_ptr[row], sink_ptr[row + 1]):
            reads[place[sink_taxa[i]]] = sink_reads[i]
        shares = dense(rows, source_ptr, source_taxa, source_shares, place, n)
        varied = shares * shares * dense(rows, source_ptr, source_taxa, source_apart, place, n)
        noise = shares / source_depths[rows].reshape(-1, 1)
        prevalence, level, background = others(
            taxa[:n], place, people_ptr, people_taxa, people_shares, share_sum, seen_sum, left_out[row]
        )
        log_odds = np.log(prevalence / (1.0 - prevalence))
        sink = Sink(
            reads, n_read, shares, varied, noise, prevalence, log_odds, level, background, reads.sum(),
        )  # fmt: skip
        fit_one(sink, features[row, : used + 1], drifts[row, :used])
