"""Time and memory of the grouped counts of a cohort at three sizes, beside a Polars twin in memory.

The largest is a million patients with 5.6 million visits, in two orders of the visits: by patient (as the
simulator and most exports write) and shuffled. Then Kaplan–Meier and Aalen–Johansen curves with intervals in
24 strata from the counts. Each query runs in a process of its own; memory is the peak above the same process
once everything is imported and the study is open. The twin joins and counts whole frames in memory.

Run: python benchmarks/bench_cohort_query.py [patients …]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl

from commensal.evidence.counts import cohort_counts
from commensal.evidence.landmarks import windows_of
from commensal.evidence.survival import aalen_johansen, kaplan_meier
from commensal.study import Manifest, open_study
from commensal.study.folder import StudyWriter

SIZES = (10_000, 100_000, 1_000_000)
VISITS_A_PATIENT = 5.6
CUT = 20_700
AT = ["W8", "M3", "Y1", "Y5"]
INDICATIONS = ("uc", "crohns", "ibs", "rcdi", "constipation", "ms", "fibromyalgia", "parkinsons")
COHORTS = ("prospective", "retrospective", "ambispective")


def write_drawn_study(folder: Path, n: int, *, by_patient: bool, seed: int = 1) -> None:
    """A centre with visits about the landmarks; a third of the patients has a disposition."""
    generator = np.random.default_rng(seed)
    ids = pl.Series("patient_id", np.char.add("P", np.char.zfill(np.arange(n).astype(str), 7)))
    index = generator.integers(16_000, 20_500, n)
    m = int(VISITS_A_PATIENT * n)
    who = generator.integers(0, n, m)
    who = np.sort(who) if by_patient else who
    day = index[who] + generator.choice([-10, 28, 56, 91, 183, 365, 730, 1826], m)
    day += generator.integers(-15, 15, m)
    left = np.sort(generator.choice(n, n // 3, replace=False))
    kinds = ["death", "lost_to_follow_up", "withdrawal", "last_contact"]
    tables = {
        "patients": {
            "patient_id": ids,
            "arm": pl.repeat("fmt", n, eager=True),
            "cohort": generator.choice(COHORTS, n),
            "indication": generator.choice(INDICATIONS, n),
            "index_day": index,
        },
        "sessions": {"session_id": ids, "patient_id": ids, "administered_day": index},
        "visits": {
            "visit_id": np.arange(m),
            "patient_id": ids.gather(who),
            "visited_day": day,
            "status": generator.choice(["attended", "missed"], m, p=[0.9, 0.1]),
        },
        "dispositions": {
            "disposition_id": np.arange(len(left)),
            "patient_id": ids.gather(left),
            "kind": generator.choice(kinds, len(left), p=[0.1, 0.5, 0.1, 0.3]),
            "occurred_day": index[left] + generator.integers(1, 1_900, len(left)),
        },
    }
    manifest = Manifest(origin="benchmark", data_cut_day=CUT, clock="calendar")
    with StudyWriter(folder, manifest=manifest) as writer:
        for name, columns in tables.items():
            writer.append(name, pl.DataFrame(columns))


def grouped(folder: Path) -> pl.DataFrame:
    return cohort_counts(open_study(folder), windows=windows_of(), at=AT)


def twin(folder: Path) -> pl.DataFrame:
    """The same counts of frames read whole: n, and who was seen in the window and due, by stratum and end."""
    study = open_study(folder)
    patients = study.read("patients").select("patient_id", "indication", "cohort", "index_day")
    rows = study.read("dispositions").rename({"occurred_day": "day"})
    visits = study.read("visits").filter(pl.col("status") == "attended").rename({"visited_day": "day"})
    sessions = study.read("sessions").rename({"administered_day": "day"})
    touch = rows.filter(pl.col("kind").is_in(["death", "last_contact"]))
    known = pl.concat([f.select("patient_id", "day") for f in (visits, sessions, touch)])
    made = patients.join(
        known.group_by("patient_id").agg(known=pl.col("day").max()), on="patient_id", how="left"
    )
    for name in ("death", "lost_to_follow_up", "withdrawal"):
        first = (
            rows.filter(pl.col("kind") == name).group_by("patient_id").agg(pl.col("day").min().alias(name))
        )
        made = made.join(first, on="patient_id", how="left")
    since = visits.join(patients, on="patient_id").with_columns(since=pl.col("day") - pl.col("index_day"))
    for landmark in AT:
        windows = windows_of().filter(pl.col("landmark") == landmark).select("cohort", "open", "close")
        inside = since.join(windows, on="cohort").filter(pl.col("since").is_between("open", "close"))
        seen = inside.select("patient_id").unique().with_columns(pl.lit(True).alias(f"in_{landmark}"))
        made = made.join(seen, on="patient_id", how="left").join(windows, on="cohort")
        is_seen = (pl.col(f"in_{landmark}")) & (pl.col("index_day") + pl.col("close") <= CUT)
        made = made.with_columns(is_seen.fill_null(False).alias(f"n_seen_{landmark}")).drop("open", "close")
    end = pl.min_horizontal("death", "lost_to_follow_up", "withdrawal", "known", pl.lit(CUT)) - pl.col(
        "index_day"
    )
    made = made.with_columns(time=pl.max_horizontal(end, 0).cast(pl.Int64))
    died = (pl.col("death") - pl.col("index_day") <= pl.col("time")).fill_null(False).cast(pl.Int64)
    counted = made.with_columns(event=died).group_by("indication", "cohort", "time", "event")
    return counted.agg(
        n=pl.len().cast(pl.Int64), **{f"n_seen_{a}": pl.col(f"n_seen_{a}").sum().cast(pl.Int64) for a in AT}
    ).sort("indication", "cohort", "time", "event")


def measured(
    function: Callable[[Path], pl.DataFrame], folder: Path
) -> tuple[float, float, float, pl.DataFrame]:
    """Return seconds and CPU seconds of the second run (warm), MB above the imports, and the counts."""
    open_study(folder).frame("patients").head(1).collect("polars")
    before = peak()
    function(folder)
    wall, cpu = time.perf_counter(), time.process_time()
    result = function(folder)
    return time.perf_counter() - wall, time.process_time() - cpu, peak() - before, result


def alone(function: Callable[[Path], pl.DataFrame], folder: Path) -> tuple[float, float, float, pl.DataFrame]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measured, function, folder).result()


def peak() -> float:
    """Return the greatest resident memory of this process so far, in MB.

    Not ``getrusage``: a child begins with the greatest memory of its parent there.
    """
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def seconds_of_curves(counts: pl.DataFrame) -> tuple[float, int]:
    """Kaplan–Meier and Aalen–Johansen with intervals in every stratum, warm."""
    stratum = counts.select(pl.concat_str("indication", "cohort", separator=" ")).to_series()
    time_, event, n = (counts[c].to_numpy() for c in ("time", "event", "n"))
    for _ in range(2):
        start = time.perf_counter()
        for estimate in (kaplan_meier, aalen_johansen):
            estimate(time_.astype(float), event, n=n, stratum=stratum)
        taken = time.perf_counter() - start
    return taken, stratum.n_unique()


def main() -> None:
    sizes = [int(a) for a in sys.argv[1:]] or SIZES
    for n in sizes:
        for by_patient in (True, False):
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place) / "study"
                write_drawn_study(folder, n, by_patient=by_patient)
                wall, cpu, memory, counts = alone(grouped, folder)
                slow, slow_cpu, slow_memory, plain = alone(twin, folder)
            assert counts.select(plain.columns).equals(plain), "the twin disagrees"
            order = "by patient" if by_patient else "shuffled"
            curves, strata = seconds_of_curves(counts)
            print(
                f"{n:>9,} patients, {order}: {wall:.2f} s "
                f"({cpu:.2f} s CPU, {memory:.0f} MB above imports); Polars twin {slow:.2f} s ({slow_cpu:.2f} "
                f"s CPU, {slow_memory:.0f} MB), {slow / wall:.1f} × time, {slow_memory / max(memory, 1):.1f} "
                f"× MB; curves in {strata} strata {curves:.3f} s"
            )


if __name__ == "__main__":
    main()
