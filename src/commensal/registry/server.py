"""The web server: gunicorn, bound to this machine, whole audit trail or no start."""

from __future__ import annotations

from typing import Any

from gunicorn.app.base import BaseApplication

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


def run_server(*, port: int) -> None:
    """Serve until stopped."""
    from django.db import connections

    connections.close_all()
    print(f"The registry is at http://127.0.0.1:{port}/  (stop with Ctrl-C)", flush=True)  # noqa: T201
    _Server(port=port).run()
