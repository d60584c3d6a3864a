"""Does any spoilt import file crash the registry, or get in by half?

Whole files of every kind (sheet, workbook, REDCap, FHIR, ODM) are spoilt by chance and laid before an empty
registry; each must be refused in words, or go through whole in the dry run, and leave no row behind.

Run: python benchmarks/trial_import_files.py --files 100000
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "site"))


def main() -> None:
    """Spoil, try, count; exit with 1 on the first crash or row left behind."""
    options = argparse.ArgumentParser()
    options.add_argument("--files", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    os.environ["COMMENSAL_REGISTRY"] = tempfile.mkdtemp(prefix="commensal-import-trial-")
    from commensal.registry.site import open_registry

    open_registry()
    from mutations import seeds, spoilt
    from test_site_bad_files import counts, tried
    from universe import Universe

    universe, rng, files = Universe(), random.Random(given.seed), seeds()
    outcomes: Counter[str] = Counter()
    slowest, started = 0.0, time.monotonic()
    for _ in range(given.files):
        format_name, name, content = rng.choice(files)
        begun = time.monotonic()
        outcomes[tried(universe, format_name, name, spoilt(content, rng))] += 1
        slowest = max(slowest, time.monotonic() - begun)
        assert not any(counts().values()), "a row was left behind"
    seconds = time.monotonic() - started
    print(f"{given.files:,} files, seed {given.seed}, {seconds:.0f} s, slowest {slowest:.2f} s")
    print(", ".join(f"{what}: {n:,}" for what, n in sorted(outcomes.items())))
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
