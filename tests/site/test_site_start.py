"""Starting the registry: a user's mistake is one message, before anything is written."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
COMMENSAL = str(Path(sys.executable).parent / "commensal")


def serve(folder: Path, *, port: int, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMENSAL, "serve", "--port", str(port)],
        env={**os.environ, "COMMENSAL_REGISTRY": str(folder), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_busy_port_is_told(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = serve(tmp_path, port=port)
    assert found.returncode == 2
    assert f"port {port} cannot be used" in found.stderr
    assert "Traceback" not in found.stderr


def test_a_database_that_is_not_postgresql_is_told(tmp_path: Path):
    found = serve(tmp_path, port=8000, DATABASE_URL="mysql://nobody@127.0.0.1/x")
    assert found.returncode == 2
    assert "postgresql://" in found.stderr
    assert "Traceback" not in found.stderr
    assert list(tmp_path.iterdir()) == []
