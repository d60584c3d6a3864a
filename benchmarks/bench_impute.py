"""Time and memory of multiple imputation at three sizes: 20 imputations of 16 mixed columns, 10 rounds.

Every column has gaps, from 5 % to 35 %: 5 continuous, 5 binary, 3 ordered and 3 nominal ones. Beside it, at
the middle size, a plain twin: one chain of scikit-learn's IterativeImputer (ridge regression with posterior
draws, all columns as numbers; no matching, no categories), 20 times the time of one.

Run: OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/bench_impute.py
"""

from __future__ import annotations

import resource
import time

import numpy as np
import polars as pl

from commensal.evidence.missing import impute

SIZES = (400, 4_000, 40_000)
N_COLUMNS, IMPUTATIONS, ROUNDS = 16, 20, 10
TARGET_SECONDS = 5.0
KINDS = ("continuous", "binary", "ordered", "nominal")


def drawn_frame(n: int, *, seed: int) -> tuple[pl.DataFrame, dict[str, str]]:
    """Correlated columns of four kinds with gaps."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((n, N_COLUMNS)) @ (np.eye(N_COLUMNS) + 0.3)
    columns, kinds = {}, {}
    for j in range(N_COLUMNS):
        kind = KINDS[j % 4] if j < 12 else KINDS[j % 2]
        name, value = f"{kind}_{j}", latent[:, j]
        made = {
            "continuous": value,
            "binary": value > 0.3,
            "ordered": np.digitize(value, [-0.5, 0.8]),
            "nominal": np.array(list("abcd"))[np.digitize(value + rng.standard_normal(n), [-1, 0, 1])],
        }[kind]
        seen = pl.Series(rng.random(n) > 0.05 + 0.02 * j)
        columns[name] = pl.select(pl.when(seen).then(pl.Series(made))).to_series()
        kinds[name] = kind
    return pl.DataFrame(columns), kinds


def twin_seconds(frame: pl.DataFrame) -> float:
    """CPU time of one chain of IterativeImputer."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    codes = frame.with_columns(pl.col(pl.String).cast(pl.Categorical).to_physical()).cast(pl.Float64)
    began = time.process_time()
    IterativeImputer(max_iter=ROUNDS, tol=0, sample_posterior=True, random_state=1).fit_transform(
        codes.to_numpy()
    )
    return time.process_time() - began


def main() -> None:
    small, kinds = drawn_frame(200, seed=1)
    impute(small, kinds=kinds, m=1, iterations=2, seed=1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print("| rows | seconds (CPU) | seconds a round of a chain | memory above imports, MB |")
    print("|---|---|---|---|")
    for n in SIZES:
        frame, kinds = drawn_frame(n, seed=1)
        began = time.process_time()
        impute(frame, kinds=kinds, m=IMPUTATIONS, iterations=ROUNDS, seed=1)
        spent = time.process_time() - began
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(f"| {n:,} | {spent:.2f} | {spent / IMPUTATIONS / ROUNDS:.4f} | {grown:.0f} |", flush=True)
        if n == 4_000:
            twin = IMPUTATIONS * twin_seconds(frame)
            print(f"| {n:,}, twin × {IMPUTATIONS} | {twin:.2f} (ratio {twin / spent:.1f}) | | |")
            print(
                f"| {n:,}, target {TARGET_SECONDS:.0f} | ratio {TARGET_SECONDS / spent:.2f} | | |", flush=True
            )


if __name__ == "__main__":
    main()
