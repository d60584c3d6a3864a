"""Sums over taxa behind identity: arrays in, arrays out; no frames, no options.

Presence is CSR as (indptr, indices): row i has the taxa ``indices[indptr[i] : indptr[i + 1]]``. Sums of
log(1 + exp) are logs of running products, emptied before they overflow: the log is dear, the product cheap.
Each candidate and each sample is summed alone, over taxa in their order, so that blocks change nothing.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from commensal.engine.elementary import exp_of, total_of

HIGH, SAFE = 1e150, 300.0
# exp(-45) of a whole is below what a double resolves, of some thousand candidates also.
NOTHING = -45.0
# After so many factors it is seen which candidates no longer count.
FACTORS_AT_ONCE = 8


@njit(cache=True)
def sum_rows(indptr, indices, data, starts, members, total):
    """Add up rows of a CSR matrix: group g of ``total`` is rows ``members[starts[g] : starts[g + 1]]``."""
    for g in range(total.shape[0]):
        for m in range(starts[g], starts[g + 1]):
            for k in range(indptr[members[m]], indptr[members[m] + 1]):
                total[g, indices[k]] += data[k]


@njit(cache=True)
def logistic_terms(features, present, weight, at, slope, bend):
    """Return the weighted negative log-likelihood of a logistic regression at ``at``.

    Writes its downhill gradient into ``slope`` and the lower half of its second derivatives into ``bend``.
    Most features of most observations are zero. One pass in order: no number of threads changes a digit.
    """
    n, n_features = features.shape
    slope[:] = 0.0
    bend[:] = 0.0
    loss = 0.0
    for i in range(n):
        eta = 0.0
        for a in range(n_features):
            eta += features[i, a] * at[a]
        small = math.exp(-abs(eta))
        mean = 1.0 / (1.0 + small) if eta >= 0.0 else small / (1.0 + small)
        loss += weight[i] * (max(eta, 0.0) + math.log1p(small) - present[i] * eta)
        left = weight[i] * (present[i] - mean)
        spread = weight[i] * mean * (1.0 - mean)
        for a in range(n_features):
            x = features[i, a]
            if x != 0.0:
                slope[a] += left * x
                for b in range(a + 1):
                    bend[a, b] += spread * x * features[i, b]
    return loss


@njit(cache=True)
def weigh(at, common, frequency, level, is_known, odds, evidence, normaliser):
    """Write log-odds that sources add into ``evidence`` (taxa × candidates), and each candidate's sum over
    taxa of log(1 + odds · exp(evidence)) into ``normaliser`` (depths × candidates).

    ``at`` four coefficients for each source and, of two or more, one for the last two together;
    ``frequency`` and ``level`` (sources × candidates × taxa), ``is_known`` (sources × candidates), ``odds``
    (depths × taxa).
    """
    n_sources, n_candidates, n_taxa = frequency.shape
    gain = np.empty(n_taxa)
    for c in range(n_candidates):
        nothing = 0.0
        for k in range(n_sources):
            if not is_known[k, c]:
                nothing += at[4 * k + 3]
        silent = math.exp(nothing)
        for t in range(n_taxa):
            e, is_silent = nothing, True
            for k in range(n_sources):
                f = frequency[k, c, t]
                if f > 0.0:
                    e += f * (at[4 * k] + at[4 * k + 1] * level[k, c, t] + at[4 * k + 2] * common[t])
                    is_silent = False
            if n_sources > 1:
                e += at[-1] * frequency[n_sources - 1, c, t] * frequency[n_sources - 2, c, t]
            evidence[t, c] = e
            gain[t] = silent if is_silent else math.exp(e)
        for d in range(odds.shape[0]):
            total, product = 0.0, 1.0
            for t in range(n_taxa):
                x = odds[d, t] * gain[t]
                if x > HIGH:
                    total += math.log(odds[d, t]) + evidence[t, c]
                    continue
                product *= 1.0 + x
                if product > HIGH:
                    total += math.log(product)
                    product = 1.0
            normaliser[d, c] = total + math.log(product)


@njit(cache=True)
def add_up(indptr, indices, depth, evidence, normaliser, found):
    """Write the score of each sample under each candidate into ``found`` (samples × candidates).

    ``depth`` (samples,) is the row of ``normaliser`` that a sample reads.
    """
    n_samples, n_candidates = found.shape
    for i in range(n_samples):
        for j in range(n_candidates):
            found[i, j] = -normaliser[depth[i], j]
        for k in range(indptr[i], indptr[i + 1]):
            t = indices[k]
            for j in range(n_candidates):
                found[i, j] += evidence[t, j]


@njit(cache=True)
def add_up_paired(indptr, indices, depth, evidence, normaliser, found):
    """Write the score of sample i under candidate i into ``found`` (samples,)."""
    for i in range(found.shape[0]):
        total = -normaliser[depth[i], i]
        for k in range(indptr[i], indptr[i + 1]):
            total += evidence[indices[k], i]
        found[i] = total


@njit(cache=True)
def donor_costs(odds, before, gain, both, alone, together, most, cost):
    """Write each donor's sum over taxa of log(1 + odds · exp(its gain)) - log(1 + odds) into ``cost``.

    ``odds`` (taxa,) the odds without a donor, ``before`` (taxa,) the share of the patient's samples from
    before with the taxon. The gain is ``gain + before · both`` (taxa × donors); ``alone`` is its exponential
    where ``before`` is 0, ``together`` where it is 1, as for most patients; ``most`` (taxa,) bounds its size.
    """
    n_taxa, n_donors = gain.shape
    product = np.ones(n_donors)
    cost[:] = 0.0
    size = 0.0
    for t in range(n_taxa):
        if most[t] == 0.0:
            continue
        if size + most[t] > SAFE:
            for j in range(n_donors):
                cost[j] += math.log(product[j])
                product[j] = 1.0
            size = 0.0
        size += most[t]
        x, b = odds[t], before[t]
        share = 1.0 / (1.0 + x)
        if b == 0.0:
            for j in range(n_donors):
                product[j] *= (1.0 + x * alone[t, j]) * share
        elif b == 1.0:
            for j in range(n_donors):
                product[j] *= (1.0 + x * together[t, j]) * share
        else:
            for j in range(n_donors):
                product[j] *= (1.0 + x * math.exp(gain[t, j] + b * both[t, j])) * share
    for j in range(n_donors):
        cost[j] += math.log(product[j])


@njit(cache=True)
def add_up_donors(
    indptr, indices, depth, patient, order, ground, own, before, gain, both, alone, together, most, found
):
    """Write the score of each sample under each donor, against no donor at all, into ``found``.

    ``order`` are the samples, those of one patient and depth together, which share their normalising sums.
    ``ground`` (depths × taxa) log-odds without sources, ``own`` (patients × taxa) what the patient's samples
    from before add, ``before`` (patients × taxa) the share of these with the taxon; the rest as in
    ``donor_costs``.
    """
    n_taxa, n_donors = gain.shape
    odds, cost = np.empty(n_taxa), np.empty(n_donors)
    last_patient, last_depth = -1, -1
    for i in order:
        p, d = patient[i], depth[i]
        if p != last_patient or d != last_depth:
            last_patient, last_depth = p, d
            for t in range(n_taxa):
                odds[t] = math.exp(ground[d, t] + own[p, t])
            donor_costs(odds, before[p], gain, both, alone, together, most, cost)
        for j in range(n_donors):
            found[i, j] = -cost[j]
        for k in range(indptr[i], indptr[i + 1]):
            t = indices[k]
            b = before[p, t]
            for j in range(n_donors):
                found[i, j] += gain[t, j] + b * both[t, j]


@njit(cache=True)
def own_chances(found, own, factors, chances):
    """Write the softmax of ``factor · found`` at each sample's own candidate into ``chances``.

    ``found`` (samples × candidates, -inf for none), ``own`` (samples,), ``factors`` rising, ``chances``
    (samples × factors). A candidate that no longer counts at one factor does not at the higher ones.
    """
    left, grown = np.empty(found.shape[1]), np.empty(found.shape[1])
    for i in range(found.shape[0]):
        high = found[i].max()
        mine = found[i, own[i]] - high
        n = 0
        for j in range(found.shape[1]):
            if np.isfinite(found[i, j]):
                left[n] = found[i, j] - high
                n += 1
        for k in range(factors.shape[0]):
            if k % FACTORS_AT_ONCE == 0:
                kept = 0
                for j in range(n):
                    z = left[j]
                    left[kept] = z
                    kept += z * factors[k] > NOTHING
                n = kept
            _grow(left[:n], factors[k], grown[:n])
            chances[i, k] = math.exp(mine * factors[k]) / total_of(grown[:n])


@njit(cache=True, error_model="numpy")
def _grow(values, factor, out):
    for j in range(out.size):
        out[j] = exp_of(values[j] * factor)
