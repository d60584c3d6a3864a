"""Time and memory of source attribution at three sizes, beside non-negative least squares one sink at a time.

Run: python benchmarks/bench_attribution.py
"""

from __future__ import annotations

import resource
import time

import numpy as np
from scipy import sparse
from scipy.optimize import nnls

from commensal.microbiome.attribution.model import Shares, attribute_counts

SIZES = ((20, 10, 731), (1_000, 10, 2_000), (10_000, 10, 2_000))
N_PEOPLE, DEPTH, SEEN = 50, 10_000, 0.1


def communities(n: int, n_taxa: int, *, generator: np.random.Generator) -> np.ndarray:
    """About a tenth of the taxa in each, as in 16S data; proportions."""
    drawn = generator.lognormal(0.0, 1.5, (n, n_taxa)) * (generator.random((n, n_taxa)) < SEEN)
    return drawn / drawn.sum(axis=1, keepdims=True)


def drawn(n_sinks: int, n_sources: int, n_taxa: int, *, seed: int) -> dict[str, object]:
    generator = np.random.default_rng(seed)
    people = communities(N_PEOPLE, n_taxa, generator=generator)
    sources = np.round(people * DEPTH)
    members = np.array([generator.permutation(N_PEOPLE - 1)[:n_sources] for _ in range(n_sinks)])
    shares = generator.dirichlet(np.ones(n_sources + 1), n_sinks)
    chunks = []
    for first in range(0, n_sinks, 500):
        part = slice(first, first + 500)
        mixed = np.einsum("sk,skt->st", shares[part, :-1], people[members[part]])
        mixed += shares[part, -1:] * people[-1]
        chunks.append(sparse.csr_array(generator.multinomial(DEPTH, mixed / mixed.sum(1, keepdims=True))))
    return {
        "sinks": sparse.vstack(chunks).tocsr(),
        "sources": sources,
        "members": members,
        "people": people,
        "left_out": np.c_[members, np.full(n_sinks, N_PEOPLE - 1)],
        "shares": shares,
    }


def memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def attributed(case: dict[str, object]) -> Shares:
    named = {name: case[name] for name in ("members", "people", "left_out")}
    return attribute_counts(case["sinks"], case["sources"], **named)


def least_squares(case: dict[str, object], *, n: int) -> np.ndarray:
    profiles = case["sources"] / case["sources"].sum(1, keepdims=True)
    sinks = case["sinks"][:n].toarray() / DEPTH
    return np.array([nnls(profiles[m].T, y)[0] for m, y in zip(case["members"][:n], sinks, strict=True)])


def main() -> None:
    attributed(drawn(4, 2, 400, seed=0))  # compiles, or reads what was compiled before
    start = memory()
    for size in SIZES:
        case = drawn(*size, seed=1)
        wall, cpu = time.perf_counter(), time.process_time()
        found = attributed(case)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        some = min(size[0], 200)
        slow = time.perf_counter()
        fitted = least_squares(case, n=some)
        slow = (time.perf_counter() - slow) * size[0] / some
        error = np.abs(found.proportion - case["shares"]).mean()
        plain = np.abs(fitted - case["shares"][:some, :-1]).mean()
        print(
            f"{size[0]:>6,} sinks × {size[1]} sources × {size[2]:,} taxa, intervals included: {wall:.2f} s "
            f"({cpu:.2f} s of CPU); least squares {slow:.2f} s, no intervals ({slow / wall:.2f} ×); error of "
            f"a share {error:.4f}, least squares {plain:.4f}; peak {memory() - start:.0f} MB above the start"
        )


if __name__ == "__main__":
    main()
