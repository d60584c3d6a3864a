"""Jobs: done once, tried again when they fail, taken over when their worker was lost."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from commensal.registry import working
from commensal.registry.actions import jobs
from commensal.registry.models import MODELS

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent


@pytest.fixture
def done(db, monkeypatch):
    """A kind of job that notes what it was given; "bad" fails."""
    seen = []

    def run(*, word="", is_bad=False):
        if is_bad:
            raise ValueError("no paper")
        seen.append(word)
        return f"printed {word}"

    monkeypatch.setitem(working.JOBS, "print", run)
    return seen


def later(monkeypatch, **by):
    now = timezone.now() + timedelta(**by)
    monkeypatch.setattr(jobs.timezone, "now", lambda: now)


def test_a_job_is_done_once_with_what_it_was_given(done):
    key = jobs.ask_for("print", by="ann", inputs={"word": "label"})
    assert working.do_one().pk == key
    assert working.do_one() is None
    row = MODELS["jobs"].objects.get()
    assert (done, row.result, row.error, row.requested_by) == (["label"], "printed label", None, "ann")
    assert row.done_at is not None


def test_a_job_asked_for_twice_under_one_name_is_one(done):
    assert jobs.ask_for("print", key="tonight") == jobs.ask_for("print", key="tonight")
    working.do_one()
    jobs.ask_for("print", key="tonight")
    assert working.do_one() is None


def test_nothing_is_done_before_it_is_due(done, monkeypatch):
    jobs.ask_for("print", due_at=timezone.now() + timedelta(hours=1))
    assert working.do_one() is None
    later(monkeypatch, hours=2)
    assert working.do_one() is not None


def test_what_failed_is_told_and_tried_three_times(done, monkeypatch):
    jobs.ask_for("print", inputs={"is_bad": True})
    for hours in (0, 1, 2):
        later(monkeypatch, hours=hours)
        assert working.do_one() is not None
        assert working.do_one() is None
    later(monkeypatch, hours=24)
    assert working.do_one() is None
    row = MODELS["jobs"].objects.get()
    assert (row.attempts, row.error, row.done_at) == (3, "ValueError: no paper", None)


def test_a_job_whose_worker_was_lost_is_taken_over(done, monkeypatch):
    jobs.ask_for("print", inputs={"word": "again"})
    lost = jobs.claim()
    assert jobs.claim() is None
    later(monkeypatch, minutes=61)
    assert working.do_one() is not None
    assert done == ["again"]
    jobs.finish(lost, result="too late")  # the lost worker comes back: its word no longer counts
    assert MODELS["jobs"].objects.get().result == "printed again"


def test_a_kind_nobody_knows_is_an_error_of_the_job(db):
    jobs.ask_for("no such kind")
    working.do_one()
    assert "no such kind" in MODELS["jobs"].objects.get().error


def test_each_night_has_its_jobs_once(db):
    for hour in (0, 1, 12, 23):
        working.plan_night(datetime(2026, 5, 1, hour, tzinfo=UTC))
    keys = set(MODELS["jobs"].objects.values_list("pk", flat=True))
    assert {"backup-2026-05-01", "backup-2026-05-02", "clear-sessions-2026-05-02"} <= keys
    assert len(keys) == 4


def test_the_nights_backup_lets_the_oldest_go(db, tmp_path, monkeypatch):
    monkeypatch.setenv("COMMENSAL_BACKUPS", str(tmp_path))
    monkeypatch.setattr(working, "BACKUPS_KEPT", 2)

    def write(folder, *, with_keys):
        assert not with_keys
        folder.mkdir()
        (folder / "manifest.json").write_text("{}")
        return {"audit": {"rows": 1, "head": "x"}}

    monkeypatch.setattr(working, "write_backup", write)
    for name in ("2026-01-01T020000", "2026-01-02T020000"):
        write(tmp_path / name, with_keys=False)
    (tmp_path / "other").mkdir()
    working.back_up()
    assert not (tmp_path / "2026-01-01T020000").exists()
    assert (tmp_path / "2026-01-02T020000").exists()
    assert (tmp_path / "other").exists()


def claims(environment):
    """How many of 40 jobs eight workers did at once, how often each, how many are left."""
    program = [sys.executable, str(HERE / "claimers.py")]
    found = subprocess.run(
        program, env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return found.stdout.split()


def test_of_eight_workers_exactly_one_does_each_job(tmp_path):
    if "DATABASE_URL" in os.environ:
        pytest.skip("run against a database of its own by the tests of PostgreSQL")
    assert claims({"COMMENSAL_REGISTRY": str(tmp_path)}) == ["40", "40", "0"]
