"""Time and peak memory of the demonstration's steps, as commands, at 400, 4,000 and 40,000 patients.

Run: python benchmarks/bench_run.py [patients ...]. Each step is a command in a process of its own. ``run``
ends with report, PDF and the patients' page; the peak is of its first process and of the largest beside it,
with all that they import. CPU seconds are those of all processes: if far below cores times seconds,
the machine had other work.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time

SIZES = ("400", "4000", "40000")


def commands(patients: str, folder: str) -> dict[str, list[str]]:
    study, results = f"{folder}/study", f"{folder}/results"
    return {
        "simulate": ["simulate", "--out", study, "--patients", patients, "--seed", "7"],
        "run": ["run", study, "--out", results],
        "report": ["report", results, "--out", f"{folder}/report.html"],
        "report --pdf": ["report", results, "--out", f"{folder}/report.pdf", "--pdf"],
    }


def command(arguments: list[str]) -> None:
    """Run one command here and say what it took, on the last line of the output."""
    from commensal.cli import main

    start = time.perf_counter()
    try:
        main(arguments)
    except SystemExit as left:
        if left.code:
            raise
    seconds = time.perf_counter() - start
    here, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu = here.ru_utime + here.ru_stime + others.ru_utime + others.ru_stime
    print(
        f"{seconds:>7.1f} s {cpu:>7.1f} CPU s {here.ru_maxrss / 1024:>6.0f} MB and beside it "
        f"{others.ru_maxrss / 1024:>6.0f} MB"
    )


def main(sizes: list[str]) -> None:
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            for name, arguments in commands(size, folder).items():
                told = subprocess.run(  # noqa: S603
                    [sys.executable, __file__, "--command", *arguments],
                    check=True,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                print(f"{size:>7} patients {name:<14}{told.stdout.splitlines()[-1]}", flush=True)


if __name__ == "__main__":
    if "--command" in sys.argv:
        command(sys.argv[2:])
    else:
        main(sys.argv[1:] or list(SIZES))
