"""The web server: gunicorn, bound to this machine, whole audit trail or no start."""

from __future__ import annotations

import socket
from typing import Any

from gunicorn.app.base import BaseApplication

from commensal.errors import InputError

WORKERS, THREADS = 2, 4


class _Server(BaseApplication):
    def __init__(self, *, port: int) -> None:
        self.port = port
        super().__init__()

    def load_config(self) -> None:
        options = {
            "bind": f"127.0.0.1:{self.port}",
            "workers": WORKERS,
            "threads": THREADS,
            "worker_class": "gthread",
            "preload_app": True,
            "accesslog": None,
            "loglevel": "warning",
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        from commensal.registry.wsgi import application

        return application


def _demand_free(port: int) -> None:
    """Refuse (InputError) a port something else listens on, before anything starts."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise InputError(
                f"port {port} cannot be used: {error.strerror}", do="choose another --port"
            ) from error


def run_server(*, port: int) -> None:
    """Serve until stopped."""
    from django.db import connections

    _demand_free(port)
    connections.close_all()
    print(f"The registry is at http://127.0.0.1:{port}/  (stop with Ctrl-C)", flush=True)  # noqa: T201
    _Server(port=port).run()
