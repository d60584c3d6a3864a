"""The command line as its users meet it: arguments in; exit code, output, and what then lies on the disk."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from commensal.cli import main

ABUNDANCE = "feature_id\ts1\ts2\ts3\nf1\t30\t5\t9\nf2\t7\t0\t4\nf3\t0\t8\t11\n"
METADATA = (
    "sample_id\tsubject_id\trole\tday\tdonor_id\tarm\tdisease\troute\toutcome\n"
    "s1\tp1\trecipient\t-7\td1\tFMT\tulcerative colitis\tcolonoscopy\tremission\n"
    "s2\tp1\trecipient\t28\td1\tFMT\tulcerative colitis\tcolonoscopy\tremission\n"
    "s3\td1\tdonor\t\td1\t\thealthy donor\t\t\n"
)
TAXONOMY = (
    "feature_id\ttaxonomy\nf1\td__Bacteria;g__Blautia\nf2\td__Bacteria;g__Dorea\nf3\td__Bacteria;g__X\n"
)


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


def tree(folder: Path) -> dict[str, bytes]:
    """Everything below a folder, hidden files too, with its content."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() if p.is_file() else b"" for p in folder.rglob("*")
    }


@pytest.fixture
def commensal(capsys):
    """Run a command in this process."""

    def call(*arguments: object) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(a) for a in arguments])
        told = capsys.readouterr()
        return Said(int(left.value.code or 0), told.out, told.err)

    return call


@pytest.fixture
def process():
    """Run a command as a process of its own, with nothing that is a terminal."""
    program = Path(sys.executable).parent / "commensal"

    def call(*arguments: object, cwd: Path | None = None) -> Said:
        done = subprocess.run(
            [program, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, stdin=subprocess.DEVNULL
        )
        return Said(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def refused(commensal, tmp_path):
    """Run a command that must fail with a code: no traceback, and the disk is as before."""

    def call(*arguments: object, code: int) -> str:
        before = tree(tmp_path)
        said = commensal(*arguments)
        assert said.code == code, said
        assert "Traceback" not in said.err
        assert said.err.startswith(("commensal: ", "Usage: ")), said.err
        assert tree(tmp_path) == before, "nothing is written, nothing is left behind"
        return said.err

    return call


@pytest.fixture
def tidy(tmp_path) -> Path:
    """A sound study in the tidy layout: one patient, one donor, three samples."""
    source = tmp_path / "source"
    source.mkdir()
    for name, text in (("abundance", ABUNDANCE), ("metadata", METADATA), ("taxonomy", TAXONOMY)):
        (source / f"{name}.tsv").write_text(text, encoding="utf-8")
    return source


@pytest.fixture
def study(commensal, tidy, tmp_path) -> Path:
    """The same, imported."""
    assert commensal("import", "tidy", tidy, "--out", tmp_path / "study").code == 0
    return tmp_path / "study"
