"""Help teaches: every command says what it does, what each option is, and shows one way to call it."""

import shlex

import pytest
import typer

from commensal.cli.app import app

PROGRAM = typer.main.get_command(app)
COMMANDS = PROGRAM.commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_teaches(commensal, name):
    said = commensal(name, "--help")
    assert (said.code, said.err) == (0, "")
    assert f"Usage: commensal {name}" in said.out
    assert f"Example: commensal {name}" in said.out
    for parameter in COMMANDS[name].params:
        assert parameter.help, f"{name} {parameter.name} is not explained"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_in_the_help_is_one_that_parses(name):
    first = COMMANDS[name].epilog.removeprefix("Example: commensal ").split(" && ")[0]
    arguments = shlex.split(first)
    assert arguments.pop(0) == name
    COMMANDS[name].make_context(name, arguments)


def test_help_of_the_program_names_every_command_and_exit_code(commensal):
    said = commensal("--help")
    assert said.code == 0
    assert all(f"\n  {name} " in said.out for name in COMMANDS)
    words = " ".join(said.out.split())
    assert "2 something in the input is wrong, 3 a parenteral route" in words
    assert "does not order treatment" in words


def test_the_version_is_said(commensal):
    assert commensal("--version").out.startswith("commensal ")


def test_commands_are_those_of_the_design():
    assert set(COMMANDS) >= {
        "demo", "simulate", "import", "merge", "check", "run", "engraft", "attribute", "dysbiosis",
        "identify", "match", "plan", "trace", "report", "serve", "load", "freeze",
    }  # fmt: skip


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("run",), ("check", "--nonsense"), ("serve", "--port", "x")]
)
def test_a_slip_of_the_keyboard_is_code_2_without_a_traceback(refused, arguments):
    assert "Usage: commensal" in refused(*arguments, code=2)


@pytest.mark.slow
def test_the_installed_program_answers(process):
    said = process("--help")
    assert (said.code, said.err) == (0, "")
    assert "Usage: commensal" in said.out
    assert process("run", "--help").code == 0
