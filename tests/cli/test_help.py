"""The command line itself: help is quick and prints once, commands exist, usage errors end with code 2."""

import importlib
import sys

import click
import pytest

from hpcadmm import __version__
from hpcadmm.cli import COMMANDS

HEAVY = ("numpy", "mpi4py", "h5py", "scipy", "numba", "pydantic", "rich", "matplotlib")


def test_help_shows_every_command(hpcadmm):
    done = hpcadmm("--help").check()
    for name, (_, text) in COMMANDS.items():
        assert name in done.stdout
        assert text in done.stdout


@pytest.mark.parametrize("option", ["--help", "-h", "--version"])
def test_help_imports_nothing_heavy(spawn, option):
    program = (
        "import sys; from hpcadmm.cli import main; code = main(); "
        f"sys.exit(code or [m for m in {HEAVY} if m in sys.modules] or 0)"
    )
    spawn(0, "-c", program, option).check()


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_on_several_ranks_is_printed_once(hpcadmm, option):
    assert hpcadmm(option, n=2).check().stdout == hpcadmm(option).check().stdout


def test_version(hpcadmm):
    assert hpcadmm("--version").check().stdout == f"hpcadmm {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_exists_and_has_help(name):
    module, attribute = COMMANDS[name][0].split(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command(inside, name):
    assert f"Usage: hpcadmm {name}" in inside(name, "--help").check().stdout


@pytest.mark.parametrize("n", [0, 3])
@pytest.mark.parametrize("arguments", [["nosuch"], ["--nosuch"], ["doctor", "--nosuch"], ["doctor", "too", "many"]])
def test_a_usage_error_is_one_message(hpcadmm, inside, n, arguments):
    done = hpcadmm(*arguments, n=n) if n else inside(*arguments)
    assert done.returncode == 2
    assert done.output.count("Error: ") == 1
    assert "Traceback" not in done.output
    assert done.stdout == ""


def test_under_mpi4py(spawn):
    done = spawn(2, "-m", "mpi4py", "-m", "hpcadmm", "nosuch")
    assert (done.returncode, done.output.count("Error: No such command 'nosuch'")) == (2, 1)
    assert "MPI_Abort" not in done.output


def test_the_installed_script(hpcadmm):
    from importlib.metadata import entry_points

    scripts = entry_points(group="console_scripts", name="hpcadmm")
    if not scripts:
        pytest.skip("the package is not installed here")
    from hpcadmm.__main__ import main

    (script,) = scripts
    assert script.load() is main
    assert "hpcadmm.cli" in sys.modules
