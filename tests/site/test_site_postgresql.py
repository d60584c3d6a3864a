"""The same promises hold on PostgreSQL: the tests of the registry, run again on a throw-away server."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from test_site_load import dispense

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]
HERE = Path(__file__).parent
SAME = ("test_site_path.py", "test_site_audit.py", "test_site_rules.py", "test_site_load.py")


def program(name):
    """A server program, on the path or where Debian keeps it."""
    kept = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or (str(kept[0]) if kept else None)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL server of its own on this machine, gone afterwards."""
    initdb, pg_ctl = program("initdb"), program("pg_ctl")
    if not initdb or not pg_ctl:
        pytest.skip("PostgreSQL's programs are not installed (apt-get install postgresql)")
    folder, port = Path(tempfile.mkdtemp(prefix="commensal-pg-", dir="/tmp")), free_port()
    as_owner = []
    if os.geteuid() == 0:  # the server refuses to run as root
        shutil.chown(folder, "postgres", "postgres")
        as_owner = ["runuser", "-u", "postgres", "--"]
    folder.chmod(0o755)

    def run(*command):
        subprocess.run([*as_owner, *command], check=True, capture_output=True, text=True, cwd="/tmp")

    data = str(folder / "data")
    run(initdb, "-D", data, "-U", "commensal", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    run(pg_ctl, "-D", data, "-w", "-t", "60", "-l", str(folder / "log"), "-o", options, "start")
    yield f"postgresql://commensal@127.0.0.1:{port}/postgres"
    run(pg_ctl, "-D", data, "-m", "immediate", "-w", "stop")
    shutil.rmtree(folder, ignore_errors=True)


def test_the_registry_keeps_its_promises_on_postgresql(server):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(str(HERE / f) for f in SAME)]
    found = subprocess.run(
        command,
        env={**os.environ, "DATABASE_URL": server},
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-8000:]
    assert found.stdout.count("SKIPPED") <= 1


def test_of_eight_people_giving_one_unit_exactly_one_succeeds_on_postgresql(server, tmp_path):
    assert dispense({"DATABASE_URL": server, "COMMENSAL_REGISTRY": str(tmp_path)}) == ["1", "1", "1", "8"]
