"""Files spoilt or made to harm: no crash, no half import, bounded time; kill −9 leaves all or nothing."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mutations import harmful, seeds, spoilt

from commensal.errors import CommensalError
from commensal.registry import staged
from commensal.registry.actions import interchange
from commensal.registry.models import MODELS

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
N_SPOILT, SECONDS = 120, 20
MAPPING = """
[[tables]]
table = "patients"
[tables.columns]
patient_id = "Patient"
sex = { column = "Sex", values = { F = "female", M = "male" } }
arm = { constant = "fmt" }
arm_as_recorded = "Note"
index_on = { column = "First FMT", date_format = "%d.%m.%Y" }
[[tables]]
table = "sessions"
columns = { session_id = { template = "{Patient}-1" }, patient_id = "Patient", route = "Route" }
"""
TOUCHED = ("patients", "sessions", "visits", "diagnoses", "lab_results", "donors", "units")


def counts():
    return {table: MODELS[table].objects.count() for table in TOUCHED}


def tried(universe, format_name, name, content):
    """Lay a file before the registry and look at it; every refusal is one in words."""
    try:
        row = interchange.lay_before(
            by=universe.ann,
            site="S1",
            content=content,
            file_name=name,
            format_name=format_name,
            source="spoilt",
            has_registry_ids=False,
            mapping=MAPPING if format_name == "table" else None,
        )
        found = interchange.dry_run(by=universe.ann, upload=row.pk)
    except CommensalError:
        return "unreadable"
    return "whole" if found.may_go else "refused"


def test_whole_files_of_every_kind_would_go(universe):
    without_dictionary = ("redcap", "a.csv")
    found = {seed[:2]: tried(universe, *seed) for seed in seeds()}
    assert found.pop(without_dictionary) == "unreadable"
    assert set(found.values()) == {"whole"}


@pytest.mark.parametrize("seed", range(3))
def test_spoilt_files_are_refused_in_words_and_change_nothing(universe, seed):
    rng = random.Random(seed)
    files, before, outcomes = seeds(), counts(), set()
    for _ in range(N_SPOILT // 3):
        format_name, name, content = rng.choice(files)
        outcomes.add(tried(universe, format_name, name, spoilt(content, rng)))
        assert counts() == before
    assert {"unreadable", "refused"} <= outcomes


@pytest.mark.parametrize(("harm", "format_name", "name", "content"), harmful(), ids=[h[0] for h in harmful()])
def test_a_file_made_to_harm_is_refused_in_time(universe, harm, format_name, name, content):
    started = time.monotonic()
    assert tried(universe, format_name, name, content) in ("unreadable", "refused"), harm
    assert time.monotonic() - started < SECONDS
    assert not any(counts().values())


def test_a_file_that_is_too_large_is_refused_before_it_is_read(universe, monkeypatch):
    monkeypatch.setattr(staged, "MAX_BYTES", 100)
    assert tried(universe, *seeds()[0]) == "unreadable"
    monkeypatch.undo()
    monkeypatch.setattr(staged, "MAX_ROWS", 2)
    assert tried(universe, *seeds()[0]) == "unreadable"


@pytest.mark.parametrize("wait", [0.0, 0.15, 0.4])
def test_kill_9_in_the_middle_leaves_all_or_nothing(tmp_path, wait):
    if "DATABASE_URL" in os.environ:
        pytest.skip("kills a registry of its own on SQLite")
    env = {
        **os.environ,
        "COMMENSAL_REGISTRY": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "commensal.registry.settings",
    }
    program = [sys.executable, str(HERE / "importers.py")]
    importing = subprocess.Popen([*program, "import"], env=env, stdout=subprocess.PIPE, text=True)
    assert importing.stdout.readline().strip() == "writing", "it did not come to writing"
    time.sleep(wait)
    importing.send_signal(signal.SIGKILL)
    importing.wait()
    importing.stdout.close()
    left = subprocess.run(
        [*program, "count"], env=env, capture_output=True, text=True, check=True
    ).stdout.split()
    patients, sessions, origins, stage, audited = left
    assert (patients, sessions, origins, stage) in (
        ("0", "0", "0", "laid_before"),
        ("2000", "2000", "4000", "imported"),
    )
    assert audited == "whole"
