"""Fits of one sink after another to its sources: arrays in, arrays out; no frames, no options.

Layout: CSR matrices as (indptr, indices, data); ``members`` is (sinks, K), rows of the sources, -1 for none;
``left_out`` is (sinks, E), rows of people, -1 for none. Taxa are columns. Each sink is worked alone, so that
neither its neighbours nor the number of threads can change its result.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

N_FEATURES = 26
STEPS = 30
# A fit stops where no share moves by more than this in a step.
SETTLED = 2e-4


@njit(cache=True)
def variation(share: float) -> float:
    """Squared coefficient of variation of a taxon between two stools of one person, by its share."""
    kept = 1.0 - 1.0 / (1.0 + (max(share, 1e-5) / 6e-4) ** 0.9)
    return min(math.exp(0.64) / kept - 1.0, 8.0)


@njit(cache=True)
def log_rising(shape: float, count: float) -> float:
    """ln Γ(shape + count) − ln Γ(shape)."""
    if count == 0.0:
        return 0.0
    if shape > 1e7:
        return count * math.log(shape)
    return math.lgamma(shape + count) - math.lgamma(shape)


@njit(cache=True)
def gamma_step(reads, shares, apart, depths, prevalence, level, background, drift, mixing, moved, spread):
    """One EM step of the mixture of drifting sources and an unknown that has a taxon or has not.

    Writes the expected share of each source into ``moved`` and of its drift into ``spread``; returns the log
    likelihood up to a constant. Shapes: reads (J,), shares and their
    variation ``apart`` (K, J), mixing and moved (K+1,), drift (K,).
    """
    n_sources, n_taxa = shares.shape
    total = reads.sum()
    mean, var = np.empty(n_sources + 1), np.empty(n_sources + 1)
    weight = np.full(n_sources, 1e-6)
    moved[:] = 0.0
    spread[:] = 0.0
    likelihood = 0.0
    for j in range(n_taxa):
        m0, v0 = 1e-9, 1e-17
        for k in range(n_sources):
            x, gain = shares[k, j], 0.07 * min(1.0, drift[k])
            new = gain * background[j]
            cv2 = apart[k, j] * drift[k]
            mean[k] = mixing[k] * ((1.0 - gain) * x + new)
            var[k] = mixing[k] ** 2 * (x * x * cv2 + x / depths[k] + 3.0 * new * level[j])
            m0 += mean[k]
            v0 += var[k]
        mean[n_sources] = mixing[n_sources] * level[j]
        var[n_sources] = 3.0 * mean[n_sources] ** 2
        m1, v1 = m0 + mean[n_sources], v0 + var[n_sources]
        a0, b0, a1, b1 = m0 * m0 / v0, m0 / v0, m1 * m1 / v1, m1 / v1
        s = reads[j]
        l0 = log_rising(a0, s) - a0 * math.log1p(total / b0) - s * math.log(b0 + total)
        l1 = log_rising(a1, s) - a1 * math.log1p(total / b1) - s * math.log(b1 + total)
        l0 += math.log(1.0 - prevalence[j])
        l1 += math.log(prevalence[j])
        top = max(l0, l1)
        both = top + math.log(math.exp(l0 - top) + math.exp(l1 - top))
        likelihood += both
        on = math.exp(l1 - both)
        x0, x1 = (s + a0) / (total + b0), (s + a1) / (total + b1)
        c0, c1 = x0 / (total + b0), x1 / (total + b1)
        w0, w1 = 1.0 / v0, 1.0 / v1
        for k in range(n_sources):
            r0, r1 = var[k] * w0, var[k] * w1
            e0, e1 = mean[k] + r0 * (x0 - m0), mean[k] + r1 * (x1 - m1)
            here = (1.0 - on) * max(e0, 0.0) + on * max(e1, 0.0)
            moved[k] += here
            x = shares[k, j]
            if x > 0.0:
                d0 = var[k] * (1.0 - r0) + r0 * r0 * c0 + (e0 - mean[k]) ** 2
                d1 = var[k] * (1.0 - r1) + r1 * r1 * c1 + (e1 - mean[k]) ** 2
                seen = min(1.0, x * mixing[k] * total / 5.0)
                scale = (mixing[k] * x) ** 2 * apart[k, j] + 1e-14
                spread[k] += seen * ((1.0 - on) * d0 + on * d1) / scale
                weight[k] += seen
        new = mean[n_sources] + var[n_sources] / v1 * (x1 - m1)
        moved[n_sources] += on * max(new, 0.0)
    for k in range(n_sources):
        spread[k] /= weight[k]
    moved /= moved.sum()
    return likelihood


@njit(cache=True)
def gamma_fit(reads, shares, apart, depths, prevalence, level, background, drift, mixing, learns):
    """EM of the drifting mixture from ``mixing``; the drift of each source is learnt where asked."""
    n_sources = shares.shape[0]
    moved, spread = np.empty(n_sources + 1), np.empty(n_sources)
    likelihood = 0.0
    for _ in range(STEPS):
        likelihood = gamma_step(
            reads, shares, apart, depths, prevalence, level, background, drift, mixing, moved, spread
        )
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
def plain_fit(reads, shares, background, mixing):
    """EM of a multinomial mixture of fixed profiles, the last the background; writes ``mixing``."""
    n_sources, n_taxa = shares.shape
    moved = np.empty(n_sources + 1)
    for _ in range(100):
        moved[:] = 0.0
        for j in range(n_taxa):
            if reads[j] == 0.0:
                continue
            part = mixing[n_sources] * background[j]
            whole = part
            for k in range(n_sources):
                whole += mixing[k] * shares[k, j]
            moved[n_sources] += reads[j] * part / whole
            for k in range(n_sources):
                moved[k] += reads[j] * mixing[k] * shares[k, j] / whole
        change = 0.0
        whole = moved.sum()
        for k in range(n_sources + 1):
            new = moved[k] / whole
            change = max(change, abs(new - mixing[k]))
            mixing[k] = new
        if change < 1e-6:
            break


@njit(cache=True)
def logit(p):
    p = min(max(p, 2e-4), 1.0 - 2e-4)
    return math.log(p / (1.0 - p))


@njit(cache=True)
def describe(reads, shares, prevalence, k, out):
    """Write what source ``k`` alone could have brought, and how evenly the sink has it, into ``out``."""
    n_sources, n_taxa = shares.shape
    total = reads.sum()
    only_sink = only_source = rare_sink = rare_source = alike = 0.0
    seen, there = np.zeros(3), np.full(3, 0.5)
    ratios, weights, n = np.empty(n_taxa), np.empty(n_taxa), 0
    for j in range(n_taxa):
        x, q = shares[k, j], reads[j] / total
        alike += min(x, q)
        if x == 0.0:
            continue
        alone = True
        for other in range(n_sources):
            alone = alone and (other == k or shares[other, j] == 0.0)
        if not alone:
            continue
        only_sink += q
        only_source += x
        if prevalence[j] < 0.2:
            rare_sink += q
            rare_source += x
            there[2] += 1.0
            seen[2] += q > 0.0
        group = 1 if x > 5e-3 else 0
        there[group] += 1.0
        seen[group] += q > 0.0
        ratios[n] = math.log((reads[j] + 0.5) / (total * x + 0.5))
        weights[n] = min(x * total, 20.0)
        n += 1
    out[0] = logit(only_sink)
    out[1] = only_source
    out[2] = math.log((only_sink + 1e-3) / (only_source + 1e-3))
    out[3] = math.log((rare_sink + 1e-3) / (rare_source + 1e-3))
    out[4:7] = seen / there
    out[7] = alike
    order = np.argsort(ratios[:n])
    weight = weights[:n].sum() + 1e-12
    running, at = 0.0, 0
    out[8:12] = -5.0
    limits = (0.15, 0.3, 0.5, 0.75)
    for i in order:
        running += weights[i] / weight
        while at < 4 and running >= limits[at]:
            out[8 + at] = max(ratios[i], -6.0)
            at += 1


@njit(cache=True)
def fit_one(reads, shares, depths, prevalence, level, background, out, drift):
    """Fit one sink; write the features of each source and, last, of the unknown, (K+1, N_FEATURES)."""
    n_sources, _ = shares.shape
    apart = np.zeros(shares.shape)
    for k in range(n_sources):
        for j in range(reads.size):
            if shares[k, j] > 0.0:
                apart[k, j] = variation(shares[k, j])
    fits = np.full((4, n_sources + 1), 1.0 / (n_sources + 1))
    plain_fit(reads, shares, background, fits[0])
    for f in range(1, 4):
        fits[f] = 0.9 * fits[0] + 0.1 / (n_sources + 1)
    drift[:] = 1e-3
    same = gamma_fit(reads, shares, apart, depths, prevalence, level, background, drift, fits[1], False)
    drift[:] = 1.0
    other = gamma_fit(reads, shares, apart, depths, prevalence, level, background, drift, fits[2], False)
    drift[:] = 0.1
    learnt = gamma_fit(reads, shares, apart, depths, prevalence, level, background, drift, fits[3], True)
    neither = 0.0
    for j in range(reads.size):
        if shares[:, j].sum() == 0.0:
            neither += reads[j]
    best = max(same, other, learnt)
    for k in range(n_sources + 1):
        o = out[k]
        o[:] = 0.0
        for f in range(4):
            o[f] = logit(fits[f, k])
        o[4] = math.tanh((same - best) / 20.0)
        o[5] = math.tanh((other - best) / 20.0)
        o[6] = math.tanh((learnt - best) / 20.0)
        o[7] = logit(neither / reads.sum())
        o[8] = math.log(reads.sum()) - 8.5
        o[9] = logit(fits[0, n_sources])
        o[10] = logit(fits[2, n_sources])
        o[11] = math.log(n_sources)
        o[12] = 1.0 if k == n_sources else 0.0
        if k < n_sources:
            o[13] = math.log(drift[k])
            describe(reads, shares, prevalence, k, o[14:26])


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


@njit(parallel=True, cache=True)
def fit_all(
    sink_ptr, sink_taxa, sink_reads,
    source_ptr, source_taxa, source_shares, source_depths,
    people_ptr, people_taxa, people_shares,
    share_sum, seen_sum, members, left_out, first, last, features, drifts,
):  # fmt: skip
    """Fit sinks ``first`` to ``last``; ``features`` is (sinks, K+1, N_FEATURES), ``drifts`` (sinks, K).

    The background of a sink is the mean of all people but those left out: their share and how many have it.
    """
    n_taxa = share_sum.size
    n_people = people_ptr.size - 1
    for row in prange(first, last):
        place = np.full(n_taxa, -1, dtype=np.int64)
        taxa = np.empty(n_taxa, dtype=np.int64)
        used = 0
        while used < members.shape[1] and members[row, used] >= 0:
            used += 1
        n = _gather(row, sink_ptr, sink_taxa, place, taxa, 0)
        for k in range(used):
            n = _gather(members[row, k], source_ptr, source_taxa, place, taxa, n)
        reads, shares = np.zeros(n), np.zeros((used, n))
        depths = np.empty(used)
        for i in range(sink_ptr[row], sink_ptr[row + 1]):
            reads[place[sink_taxa[i]]] = sink_reads[i]
        for k in range(used):
            source = members[row, k]
            depths[k] = source_depths[source]
            for i in range(source_ptr[source], source_ptr[source + 1]):
                shares[k, place[source_taxa[i]]] = source_shares[i]
        background, seen = np.empty(n), np.empty(n)
        for j in range(n):
            background[j] = share_sum[taxa[j]]
            seen[j] = seen_sum[taxa[j]]
        left = n_people
        for e in range(left_out.shape[1]):
            person = left_out[row, e]
            if person < 0:
                continue
            left -= 1
            for i in range(people_ptr[person], people_ptr[person + 1]):
                j = place[people_taxa[i]]
                if j >= 0:
                    background[j] -= people_shares[i]
                    seen[j] -= 1.0
        prevalence, level = np.empty(n), np.empty(n)
        for j in range(n):
            known = seen[j] > 0.5
            level[j] = max(background[j] / seen[j], 1e-5) if known else 1e-3
            prevalence[j] = min(max(seen[j] / left, 0.02), 0.98) if known else 0.02
            background[j] = background[j] / left + 1e-6 if known else 1e-6
        out, drift = features[row, : used + 1], drifts[row, :used]
        fit_one(reads, shares, depths, prevalence, level, background, out, drift)
