"""Coverage of class-conditional conformal sets over replicates: split and cross, and with unequal observing.

Each replicate draws patients with a logistic truth, fits a ridge model, calibrates sets at 90 % and asks 400
new patients. "unequal" observes patients with a chance that depends on a predictor, and weights by one over
it or does not.

Run: python benchmarks/trial_conformal.py [replicates]   (about two minutes on one quiet core)
"""

from __future__ import annotations

import sys

import numpy as np
from scipy.special import expit

from commensal import engine
from commensal.evidence.prediction import conformal, cross_conformal
from commensal.evidence.prediction.learners import ridge

SEED, REPLICATES, N_NEW, LEVEL, PENALTY = 1, 2_000, 400, 0.9, 4
SETTINGS = ("split", "cross", "unequal, weighted", "unequal, not weighted")


def drawn(n: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x = np.column_stack([np.ones(n), generator.normal(size=(n, 4))])
    return x, (generator.random(n) < expit(-0.6 + x[:, 1] - 0.5 * x[:, 2])).astype(float)


def replicate(item: tuple[str, int], generator: np.random.Generator) -> np.ndarray:
    """Held and asked, successes then failures, and sets of one outcome: (5,)."""
    setting, n = item
    x, y = drawn(n if setting in ("split", "cross") else 2 * n, generator)
    weights = np.ones(len(y))
    if setting.startswith("unequal"):
        chance = expit(0.5 - 1.2 * x[:, 1])
        seen = generator.random(len(y)) < chance
        x, y = x[seen], y[seen]
        weights = 1 / chance[seen] if setting == "unequal, weighted" else np.ones(len(y))
    new_x, new_y = drawn(N_NEW, generator)
    new_weights = 1 / expit(0.5 - 1.2 * new_x[:, 1]) if setting == "unequal, weighted" else None
    if setting == "cross":
        fold = np.arange(len(y)) % 5
        own, new = np.empty(len(y)), np.empty((N_NEW, 5))
        for k in range(5):
            here = fold == k
            said = ridge(x[~here], y[~here], np.ones((~here).sum()), np.vstack([x[here], new_x]))[:, PENALTY]
            own[here], new[:, k] = said[: here.sum()], said[here.sum() :]
        sets = cross_conformal(y, own, fold, new, level=LEVEL)
    else:
        half = len(y) // 2
        said = ridge(x[:half], y[:half], np.ones(half), np.vstack([x[half:], new_x]))[:, PENALTY]
        rest = len(y) - half
        sets = conformal(
            y[half:], said[:rest], said[rest:], level=LEVEL, weights=weights[half:], new_weights=new_weights
        )
    yes = new_y == 1
    alone = sets.holds_success != sets.holds_failure
    return np.array([sets.holds_success[yes].sum(), yes.sum(), sets.holds_failure[~yes].sum(), (~yes).sum(),
                     alone.sum()])  # fmt: skip


def main() -> None:
    n_replicates = int(sys.argv[1]) if len(sys.argv) > 1 else REPLICATES
    print(f"{n_replicates} replicates a setting, seed {SEED}, level {LEVEL:.0%}, {N_NEW} new patients each\n")
    print("| setting | patients | coverage of successes (SE) | of failures (SE) | one outcome alone |")
    print("|---|---:|---:|---:|---:|")
    for setting in SETTINGS:
        for n in (200, 400):
            found = np.array(engine.map(replicate, [(setting, n)] * n_replicates, seed=SEED))
            shares = []
            for held, asked in ((0, 1), (2, 3)):
                each = found[:, held] / found[:, asked]
                shares.append(f"{each.mean():.4f} ({each.std(ddof=1) / np.sqrt(len(each)):.4f})")
            alone = found[:, 4].sum() / (n_replicates * N_NEW)
            print(f"| {setting} | {n} | {shares[0]} | {shares[1]} | {alone:.3f} |")


if __name__ == "__main__":
    main()
