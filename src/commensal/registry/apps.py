"""The registry as a Django application: every connection names its actor, triggers follow migrations."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate


class RegistryConfig(AppConfig):
    """Connects the audit trail to connections and migrations."""

    name = "commensal.registry"
    label = "registry"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the functions triggers call, and put the triggers back after each migration."""
        from commensal.registry import audit

        connection_created.connect(audit.prepare, dispatch_uid="registry.audit.prepare")
        post_migrate.connect(_reinstall, sender=self, dispatch_uid="registry.audit.install")


def _reinstall(*, using: str, **_: Any) -> None:
    from django.db import connections

    from commensal.registry import audit

    audit.install(connections[using])
