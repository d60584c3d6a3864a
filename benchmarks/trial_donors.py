"""Trial of the donor model: how often equal donors are called different, and how often a bad one is found.

Patients are drawn from a small model with the structure of the analysis (indications, periods, routes, donors
in pools, donors active in some periods only), because a whole synthetic centre takes seconds a replicate.
Scenarios: all donors equal; one donor bad by a log-odds of −1.5; donors normal with a standard deviation of
.5. Markdown goes to standard output.

Run: python benchmarks/trial_donors.py [replicates] [seed]
"""

from __future__ import annotations

import sys
import time

import numpy as np
from scipy.special import expit
from scipy.stats import kstest, norm

from commensal.evidence.effects.donors import DIFFERENT, EQUAL, DonorFit, donor_model
from commensal.evidence.effects.mixed import Membership

REPLICATES = 2000
N_PATIENTS, N_DONORS, N_PERIODS = 600, 20, 3
BAD = -1.5
SCENARIOS = ("equal", "bad donor", "different")
LEVELS = np.array([-1.0, -0.3, 0.4, 1.5])


def drawn(scenario: str, rng: np.random.Generator) -> tuple[np.ndarray, Membership, list[str]]:
    """Return outcomes, donors and strata of one study; donor 0 is the bad one."""
    indication = rng.integers(len(LEVELS), size=N_PATIENTS)
    period, route = rng.integers(N_PERIODS, size=N_PATIENTS), rng.integers(3, size=N_PATIENTS)
    # Donor 0 gives in all periods; each other one in one of them more than in the others.
    home = np.concatenate([[-1], rng.integers(N_PERIODS, size=N_DONORS - 1)])
    shares = np.zeros((N_PATIENTS, N_DONORS))
    for i in range(N_PATIENTS):
        weight = np.where((home == period[i]) | (home < 0), 3.0, 1.0)
        chosen = rng.choice(
            N_DONORS, size=1 if rng.random() < 0.7 else 2, replace=False, p=weight / weight.sum()
        )
        shares[i, chosen] = 1 / len(chosen)
    effect = np.zeros(N_DONORS)
    if scenario == "bad donor":
        effect[0] = BAD
    if scenario == "different":
        effect = rng.normal(0, 0.5, N_DONORS)
    log_odds = LEVELS[indication] + 0.3 * (period - 1) + 0.2 * (route - 1) + shares @ effect
    strata = [f"{a}|{b}|{c}" for a, b, c in zip(indication, period, route, strict=True)]
    donors = Membership(tuple(f"D{d:02d}" for d in range(N_DONORS)), shares)
    return (rng.random(N_PATIENTS) < expit(log_odds)).astype(float), donors, strata


def theory(n_replicates: int, seed: int) -> float:
    """Power of a one-sided Wald test of donor 0 alone at 5 %, Bonferroni over donors, known strata."""
    powers = []
    for i in range(n_replicates):
        y, donors, _ = drawn("bad donor", np.random.default_rng([seed, 99, i]))
        share = donors.shares[:, 0]
        information = float(((share - share.mean()) ** 2).sum()) * y.mean() * (1 - y.mean())
        powers.append(norm.sf(norm.isf(0.05 / N_DONORS) - abs(BAD) * information**0.5))
    return float(np.mean(powers))


def fitted(scenario: str, seed: int, replicate: int) -> DonorFit:
    y, donors, strata = drawn(scenario, np.random.default_rng([seed, SCENARIOS.index(scenario), replicate]))
    return donor_model(y, donors=donors, strata=strata, seed=replicate)


def row(scenario: str, fits: list[DonorFit]) -> str:
    n = len(fits)
    verdicts = [f.verdict for f in fits]
    p = np.array([f.p_value for f in fits])
    worse = np.array([f.p_worse[0] >= 0.95 for f in fits])
    others = np.array([(f.p_worse[1:] >= 0.95).any() or (f.p_better >= 0.95).any() for f in fits])
    lowest = np.array([f.effect.argmin() == 0 for f in fits])
    cells = [
        f"{verdicts.count(DIFFERENT) / n:.3f}",
        f"{verdicts.count(EQUAL) / n:.3f}",
        f"{(p <= 0.05).mean():.3f}",
        f"{np.mean([f.p_null for f in fits]):.3f}",
        f"{np.mean([f.power for f in fits]):.3f}",
        f"{worse.mean():.3f}",
        f"{lowest.mean():.3f}",
        f"{others.mean():.3f}",
    ]
    return f"| {scenario} | " + " | ".join(cells) + " |"


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else REPLICATES
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 20261122
    began = time.process_time()
    found = {s: [fitted(s, seed, i) for i in range(n)] for s in SCENARIOS}
    p = np.array([f.p_value for f in found["equal"]])
    print(f"# Donor model: {n:,} replicates a scenario, seed {seed}\n")
    print(f"{N_PATIENTS} patients, {N_DONORS} donors, a third of patients with pools of two.\n")
    print(
        "| scenario | called different | called equal | permutation p ≤ .05 | mean P(equal) | "
        "power printed (SD .5) | donor 0 called much worse | donor 0 lowest | another donor called |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for scenario in SCENARIOS:
        print(row(scenario, found[scenario]))
    print(f"\nMonte-Carlo standard error of a share: at most {0.5 / n**0.5:.4f}.")
    # The p value is discrete (steps of .001): spread evenly within its step it is uniform under the null.
    spread = p - np.random.default_rng(seed).random(n) / 1000
    uniform = kstest(spread, "uniform").pvalue
    print(f"Permutation p under equal donors against uniform: Kolmogorov–Smirnov p = {uniform:.3f}.")
    print(
        f"Theory: a Wald test of donor 0 alone, one-sided at .05/{N_DONORS}, has power "
        f"{theory(min(n, 200), seed):.3f}."
    )
    print(f"{(time.process_time() - began) / (n * len(SCENARIOS)):.3f} s CPU a replicate.")


if __name__ == "__main__":
    main()
