"""Trial of the monitoring: false alarms and power on streams of courses, 2,000 replicates; Markdown out.

A centre draws courses with its case mix, the model is fitted in every replicate and leaves the donor out; the
truth is known. Limits, funnel and verdict are those of the analysis.

Run: python benchmarks/trial_monitoring.py [replicates]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from commensal.evidence.monitoring import Settings, cusum_alarm_probability, cusum_limit
from commensal.evidence.monitoring.expected import risk_model
from commensal.evidence.monitoring.units import CUSUM, Stream, watched

SEED = 20_260_101
N_DONORS, N_COURSES = 12, 720
# Failure of the primary endpoint and share of the patients, four kinds of indication.
CASE_MIX = ((0.14, 0.15), (0.70, 0.30), (0.52, 0.30), (0.77, 0.25))


def drawn(
    rng: np.random.Generator, *, bad_odds_ratio: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Design, outcomes, donors and true probabilities of one centre; donor 0 has the odds ratio."""
    kind = rng.choice(len(CASE_MIX), N_COURSES, p=[share for _, share in CASE_MIX])
    severity = rng.normal(size=N_COURSES)
    donor = rng.integers(0, N_DONORS, N_COURSES)
    base = np.array([failure for failure, _ in CASE_MIX])[kind]
    odds = base / (1 - base) * np.exp(0.35 * severity) * np.where(donor == 0, bad_odds_ratio, 1.0)
    true = odds / (1 + odds)
    design = np.column_stack([np.ones(N_COURSES), *(kind == k for k in (1, 2, 3)), severity])
    return design, (rng.random(N_COURSES) < true).astype(float), donor, true


def replicate(
    rng: np.random.Generator, settings: Settings, *, bad_odds_ratio: float
) -> dict[str, bool | float]:
    """Which rules alarmed, of donor 0 and of any other."""
    design, outcome, donor, _ = drawn(rng, bad_odds_ratio=bad_odds_ratio)
    model = risk_model(design, outcome)
    streams = []
    for d in range(N_DONORS):
        rows = np.flatnonzero(donor == d)
        streams.append(
            Stream(
                str(d),
                [""] * len(rows),
                rows.tolist(),
                outcome[rows],
                model.without(rows),
                model.uncertainty(rows),
            )
        )
    made = watched(streams, dimension="donor", outcome="failure", kind=CUSUM, settings=settings, level=0.95)
    alarms = made.alarms.select("rule", "unit_id").rows()
    mine = made.funnels.row(0, named=True)
    return {
        "any": bool(alarms),
        "any_cusum": any(rule == "cusum" for rule, _ in alarms),
        "any_funnel": any(rule == "funnel" for rule, _ in alarms),
        "bad": any(unit == "0" for _, unit in alarms),
        "bad_cusum": ("cusum", "0") in alarms,
        "stated": mine["power"],
    }


def trial(
    n_replicates: int, *, odds_ratios: Sequence[float] = (1.0, 2.0, 4.0, 8.0)
) -> dict[float, dict[str, float]]:
    """Means over replicates for each true odds ratio of donor 0; 1 is the null centre."""
    settings = Settings()
    found = {}
    for ratio, seed in zip(odds_ratios, np.random.SeedSequence(SEED).spawn(len(odds_ratios)), strict=True):
        rng = np.random.default_rng(seed)
        runs = [replicate(rng, settings, bad_odds_ratio=ratio) for _ in range(n_replicates)]
        found[ratio] = {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}
    return found


def power_limits() -> list[tuple[float, float, int, float]]:
    """Expected, true, median courses to an alarm, P(alarm in 20): odds ratio 2, 5 % false alarms in 100."""
    rows = []
    for expected, truths in ((0.16, (0.3, 0.4, 0.6)), (0.6, (0.75, 0.95))):
        limit = cusum_limit(expected, horizon=100)
        for true in truths:
            chance = [
                cusum_alarm_probability(np.full(n, expected), limit=limit, true=np.full(n, true))
                for n in range(1, 101)
            ]
            rows.append((expected, true, int(np.argmax(np.array(chance) >= 0.5)) + 1, chance[19]))
    return rows


def main(n_replicates: int) -> None:
    """Print the trial as Markdown."""
    print(
        f"# Monitoring: false alarms and power\n\n{n_replicates} replicates, seed {SEED}; "
        f"{N_COURSES} courses, {N_DONORS} donors; stated false-alarm rate 5 % over all donors, "
        "charts and funnel together.\n"
    )
    print(
        "| true odds ratio of one donor | any alarm | any CUSUM | any funnel | that donor | its CUSUM |",
        end="",
    )
    print(" stated power at 2 |")
    print("|---|---|---|---|---|---|---|")
    for ratio, row in trial(n_replicates).items():
        cells = ("any", "any_cusum", "any_funnel", "bad", "bad_cusum", "stated")
        print(f"| {ratio:g} | " + " | ".join(f"{row[c]:.3f}" for c in cells) + " |")
    error = 1.96 * (0.05 * 0.95 / n_replicates) ** 0.5
    print(f"\nMonte-Carlo error of a rate of 5 %: ± {error:.3f}. 'any' includes the bad donor.\n")
    print("| expected | true | median courses to an alarm | P(alarm in 20) |\n|---|---|---|---|")
    for expected, true, median, chance in power_limits():
        print(f"| {expected:g} | {true:g} | {median} | {chance:.3f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
