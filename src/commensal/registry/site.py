"""The registry as plain functions: start it, load a study into it, freeze it, make its first person.

Each sets Django up for a folder (or the database named by DATABASE_URL) and brings the tables up to date.
"""

from __future__ import annotations

import os
import secrets
from datetime import UTC, date, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from commensal.errors import CommensalError

if TYPE_CHECKING:
    from commensal.study import Study

SETTINGS = "commensal.registry.settings"
FIRST = "admin"


def open_registry(data_dir: Path | str | None = None) -> None:
    """Set Django up, make or migrate the tables, and refuse a database whose audit triggers were touched."""
    import django
    from django.apps import apps
    from django.core.management import call_command
    from django.db import connection

    if data_dir is not None:
        os.environ["COMMENSAL_REGISTRY"] = str(Path(data_dir).absolute())
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)
    if not apps.ready:
        django.setup()
    from django.conf import settings

    settings.FOLDER.mkdir(parents=True, exist_ok=True)
    from commensal.registry import audit

    if is_current():
        audit.demand_whole(connection)
    else:
        call_command("migrate", interactive=False, verbosity=0)


def is_current() -> bool:
    """Whether every migration has been applied."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def create_person(
    username: str, password: str, *, site: str, site_name: str = "", data_dir: Path | str | None = None
) -> None:
    """Make the first person of an empty registry, in every role at one centre.

    Refuses (RefusedError) a registry that has people, (InputError) a weak password.
    """
    open_registry(data_dir)
    from commensal.registry.actions.accounts import first_person

    first_person(username=username, password=password, site=site, site_name=site_name or site)


def freeze(folder: Path | str, *, on: date | None = None, data_dir: Path | str | None = None) -> Study:
    """Write every row of the registry as a study folder, cut at a day (today where null), and open it.

    The manifest's notes hold the head of the audit trail: kept outside, it shows a trail that was cut.
    """
    open_registry(data_dir)
    from commensal.registry.freezing import freeze_rows

    return freeze_rows(folder, on=on or datetime.now(UTC).date())


def load(study: Study, *, data_dir: Path | str | None = None) -> dict[str, int]:
    """Put a study on a calendar clock into an empty registry and return the rows of each table.

    All or nothing. Refuses (RefusedError) a registry that holds patients or donors, (InputError) a study
    without dates or with a route, code or limit that the registry's tables do not admit.
    """
    open_registry(data_dir)
    from commensal.registry.loading import load_study

    return load_study(study)


def serve(*, port: int = 8000, demo: bool = False, data_dir: Path | str | None = None) -> None:
    """Start the registry on this machine; returns when it is stopped.

    The first start makes a person ``admin`` and prints a password once (or takes COMMENSAL_ADMIN_PASSWORD).
    ``demo`` loads a small synthetic centre into an empty registry.
    """
    open_registry(data_dir)
    if demo:
        # In a process of its own: the server forks, and Polars, once used, does not survive a fork.
        loading = get_context("spawn").Process(
            target=_load_demo, args=(os.environ.get("COMMENSAL_REGISTRY"),)
        )
        loading.start()
        loading.join()
        if loading.exitcode:
            raise CommensalError("the demonstration could not be loaded", do="see the message above")
    _first_person()
    from commensal.registry.server import run_server

    run_server(port=port)


def _first_person() -> None:
    from django.contrib.auth import get_user_model

    from commensal.registry.actions.accounts import first_person
    from commensal.registry.models import MODELS

    if get_user_model().objects.exists():
        return
    given = os.environ.get("COMMENSAL_ADMIN_PASSWORD")
    password = given or secrets.token_urlsafe(15)
    centre = MODELS["sites"].objects.order_by("site_id").first()
    first_person(
        username=FIRST,
        password=password,
        site=centre.site_id if centre else "SITE1",
        site_name=(centre.name if centre else None) or "First centre",
    )
    if not given:
        print(f"First start. Sign in as {FIRST!r} with the password {password}  (shown only now)", flush=True)  # noqa: T201


def _load_demo(data_dir: str | None) -> None:
    import tempfile

    open_registry(data_dir)
    from commensal.registry.models import MODELS
    from commensal.simulate import simulate

    if MODELS["patients"].objects.exists():
        return
    from commensal.registry.loading import load_study

    with tempfile.TemporaryDirectory() as folder:
        load_study(simulate(Path(folder) / "study", n_patients=60, seed=7, scenario="clinical_only"))
