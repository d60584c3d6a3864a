"""The worker: does what is due, one job at a time, and lets the nights' work begin by itself.

A kind of job is a function under a name: ``@job("reminders")``; one with an hour is due every night then.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import close_old_connections
from django.utils import timezone

from commensal.registry.actions.jobs import ask_for, claim, fail, finish
from commensal.registry.keeping import MANIFEST, write_backup

Job = Callable[..., str]
JOBS: dict[str, Job] = {}
NIGHTLY: dict[str, int] = {}
BACKUPS, BACKUPS_KEPT = "backups", 14
PAUSE_SECONDS = 5.0


def job(kind: str, *, hour: int | None = None) -> Callable[[Job], Job]:
    """Make a function a kind of job; given an hour of the registry's day, it is due each night."""

    def decorate(function: Job) -> Job:
        JOBS[kind] = function
        if hour is not None:
            NIGHTLY[kind] = hour
        return function

    return decorate


@job("backup", hour=2)
def back_up() -> str:
    """Write tonight's backup beside the others and let the oldest go."""
    folder = backups() / timezone.localtime().strftime("%Y-%m-%dT%H%M%S")
    manifest = write_backup(folder, with_keys=False)
    for old in sorted(path.parent for path in backups().glob(f"*/{MANIFEST}"))[:-BACKUPS_KEPT]:
        shutil.rmtree(old)
    return f"{folder.name}: {manifest['audit']['rows']} audit rows, head {manifest['audit']['head']}"


def backups() -> Path:
    """Return the folder of the nights' backups: COMMENSAL_BACKUPS, better on another disk."""
    return Path(os.environ.get("COMMENSAL_BACKUPS") or settings.FOLDER / BACKUPS)


@job("clear-sessions", hour=3)
def clear_sessions() -> str:
    """Delete sessions that are over."""
    call_command("clearsessions")
    return "cleared"


def plan_night(now: datetime) -> None:
    """Put each night's jobs on the list for the next time their hour comes."""
    here = timezone.localtime(now)
    for kind, hour in NIGHTLY.items():
        day = here.date() if here.hour < hour else here.date() + timedelta(days=1)
        due = timezone.make_aware(datetime.combine(day, time(hour)))
        ask_for(kind, due_at=due, key=f"{kind}-{day.isoformat()}")


def do_one() -> Any | None:
    """Do the job that is due longest and return it; None where nothing is due. A failure is recorded."""
    taken = claim()
    if taken is None:
        return None
    try:
        inputs = json.loads(taken.inputs or "{}")
        finish(taken, result=JOBS[taken.kind](**inputs))
    except Exception as error:
        # Whatever went wrong, the worker goes on; the job says why and is tried again.
        fail(taken, error=f"{type(error).__name__}: {error}")
    return taken


def work_on(*, once: bool) -> int:
    """Do what is due until stopped (or, ``once``, until nothing is due) and return how many that were."""
    stop, n_done = threading.Event(), 0
    if threading.current_thread() is threading.main_thread():
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
    while not stop.is_set():
        close_old_connections()
        plan_night(timezone.now())
        while not stop.is_set() and do_one() is not None:
            n_done += 1
        if once:
            break
        stop.wait(PAUSE_SECONDS)
    return n_done
