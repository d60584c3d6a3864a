"""The page of a trace at three sizes of the bank: time in process, as a person with one centre sees it.

Run: python benchmarks/bench_recall.py [SIZE …]; on PostgreSQL with DATABASE_URL set to an empty database.
Half the units are given to patients, one in ten is a pool of two donors; a donor stands behind 400 units.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from datetime import date, timedelta
from itertools import islice
from pathlib import Path

SIZES = (10_000, 100_000, 1_000_000)
UNITS_OF_A_DONOR, UNITS_OF_A_BATCH = 400, 4
STORY = ("collected", "processed", "frozen", "released", "issued", "administered")
FIRST_DAY = date(2020, 1, 1)
CHUNK = 20_000
RUNS = 9


def fill(connection, n: int) -> None:
    """Insert a bank of n units as it would have grown, without the audit trail (it is not read here)."""
    from commensal.registry import triggers

    with connection.cursor() as cursor:
        tables = {name: [] for name in connection.introspection.table_names(cursor)}
        for statement in triggers.drop_statements(connection.vendor, tables):
            cursor.execute(statement)
    n_donors, n_given = max(1, n // UNITS_OF_A_DONOR), n // 2
    _put(connection, "donors", ("donor_id", "site_id"), ((_donor(i), "S1") for i in range(n_donors)))
    _put(connection, "batches", ("batch_id",), ((f"B{i}",) for i in range(n // UNITS_OF_A_BATCH + 1)))
    columns = ("donation_id", "donor_id", "donated_on")
    _put(
        connection,
        "donations",
        columns,
        ((f"N{i}", _donor(i % n_donors), _day(i)) for i in range(n // UNITS_OF_A_BATCH + 1)),
    )
    columns = ("patient_id", "site_id", "arm")
    _put(connection, "patients", columns, ((f"P{i}", "S1", "fmt") for i in range(n_given // 2)))
    columns = ("session_id", "patient_id", "administered_on", "route")
    _put(
        connection,
        "sessions",
        columns,
        ((f"S{i}", f"P{i // 2 % (n_given // 2)}", _day(i), "colonoscopy") for i in range(n_given)),
    )
    columns = (
        *("unit_id", "batch_id", "site_id", "release_pathway", "expires_on"),
        *("custody_state", "is_released", "fraction_left"),
    )
    _put(connection, "units", columns, (_unit(i, n_given) for i in range(n)))
    _put(
        connection,
        "unit_donors",
        ("unit_id", "donor_id", "donation_id", "share"),
        (row for i in range(n) for row in _parts(i, n_donors)),
    )
    _put(
        connection,
        "session_units",
        ("session_id", "unit_id", "fraction"),
        ((f"S{i}", f"U{i}", 1.0) for i in range(n_given)),
    )
    columns = ("event_id", "unit_id", "sequence", "event", "occurred_on", "patient_id", "session_id")
    _put(connection, "custody", columns, (row for i in range(n) for row in _events(i, n_given)))
    columns = ("adverse_event_id", "patient_id", "term", "began_on")
    _put(
        connection,
        "adverse_events",
        columns,
        ((f"A{i}", f"P{i}", "ae16" if i % 1000 == 0 else "ae01", _day(i)) for i in range(n_given // 2)),
    )
    with connection.cursor() as cursor:
        cursor.execute("analyze")


def _put(connection, table, columns, rows) -> None:
    marks = ", ".join(["%s"] * len(columns))
    sql = f"insert into {table} ({', '.join(columns)}) values "  # noqa: S608  own names
    at_once = 1 if connection.vendor == "sqlite" else 500
    with connection.cursor() as cursor:
        while some := list(islice(rows, CHUNK)):
            if at_once == 1:
                cursor.executemany(f"{sql}({marks})", some)
                continue
            for start in range(0, len(some), at_once):
                part = some[start : start + at_once]
                cursor.execute(sql + ", ".join([f"({marks})"] * len(part)), [v for row in part for v in row])


def _donor(i: int) -> str:
    return f"D{i}"


def _day(i: int) -> str:
    return (FIRST_DAY + timedelta(days=i % 2000)).isoformat()


def _unit(i: int, n_given: int) -> tuple:
    is_given = i < n_given
    state = "administered" if is_given else "released"
    return (
        f"U{i}",
        f"B{i // UNITS_OF_A_BATCH}",
        "S1",
        "bookend",
        "2030-01-01",
        state,
        True,
        0.0 if is_given else 1.0,
    )


def _parts(i: int, n_donors: int) -> list[tuple]:
    donation = i // UNITS_OF_A_BATCH
    first = (f"U{i}", _donor(donation % n_donors), f"N{donation}", 0.5 if donation % 10 == 0 else 1.0)
    if donation % 10 or n_donors == 1:
        return [first]
    return [first, (f"U{i}", _donor((donation + 1) % n_donors), None, 0.5)]


def _events(i: int, n_given: int) -> list[tuple]:
    story = STORY if i < n_given else STORY[:4]
    patient = f"P{i // 2 % (n_given // 2)}"
    return [
        (
            f"E{i}-{n}",
            f"U{i}",
            n,
            event,
            _day(i),
            patient if event in ("issued", "administered") else None,
            f"S{i}" if event == "administered" else None,
        )
        for n, event in enumerate(story, start=1)
    ]


def measure(n: int) -> None:
    """Print the times of a trace from a donor, a unit and a patient at one size."""
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client()
    client.force_login(get_user_model().objects.get(username="admin"))
    for start, key in (("donor", "D3"), ("unit", "U12"), ("patient", "P6")):
        times, processor = [], []
        for _ in range(RUNS):
            began, used = time.perf_counter(), time.process_time()
            answer = client.get("/trace", {start: key})
            times.append(time.perf_counter() - began)
            processor.append(time.process_time() - used)
            assert answer.status_code == 200, answer.status_code
        with CaptureQueriesContext(connection) as queries:
            client.get("/trace", {start: key})
        print(
            f"{connection.vendor:>10} {n:>9,} units, from a {start}: median "
            f"{statistics.median(times) * 1e3:6.0f} ms, worst of {RUNS} {max(times) * 1e3:6.0f} ms, "
            f"processor {statistics.median(processor) * 1e3:.0f} ms; "
            f"{len(queries)} queries, {len(answer.content) / 1024:.0f} KB; load {os.getloadavg()[0]:.0f}",
            flush=True,
        )


def main() -> None:
    """One database for each size."""
    import subprocess

    if len(sys.argv) == 2:
        one(int(sys.argv[1]))
        return
    for n in SIZES[: 1 if os.environ.get("DATABASE_URL") else None]:
        subprocess.run([sys.executable, __file__, str(n)], check=True)  # noqa: S603  itself


def one(n: int) -> None:
    """Make the registry, fill it, measure."""
    with tempfile.TemporaryDirectory(prefix="commensal-bench-") as folder:
        from commensal.registry.site import create_person, open_registry

        create_person("admin", "correct horse battery", site="S1", data_dir=Path(folder))
        open_registry(Path(folder))
        from django.conf import settings
        from django.db import connection, transaction

        settings.ALLOWED_HOSTS = ["*"]
        began = time.perf_counter()
        with transaction.atomic():
            fill(connection, n)
        print(
            f"{connection.vendor:>10} {n:>9,} units filled in {time.perf_counter() - began:.0f} s", flush=True
        )
        measure(n)


if __name__ == "__main__":
    main()
