"""The trial of allocation policies on the simulated centre, at full size.

Run: python benchmarks/trial_allocation.py   (about six minutes on two quiet cores)
"""

from __future__ import annotations

import polars as pl

from commensal.programme import policy_trial

SEED, REPLICATES = 1, 200


def main() -> None:
    rows = policy_trial(seed=SEED, n_replicates=REPLICATES, processes=2)
    shown = rows.select("setting", "policy", "measure", "estimate", "se", "lower", "upper", "unit", "verdict")
    with pl.Config(tbl_formatting="MARKDOWN", tbl_rows=-1, tbl_hide_dataframe_shape=True, fmt_str_lengths=80):
        print(f"{REPLICATES} replicates a setting, seed {SEED}\n\n{shown}")


if __name__ == "__main__":
    main()
