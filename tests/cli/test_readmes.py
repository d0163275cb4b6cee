"""Commands of a README are as one types them, or marked `sh pattern`: all of them are parsed, the quick ones run."""

import os
import re
import shlex
import subprocess
import tomllib

import click
import pytest

from hpcadmm.cli import hpcadmm as program
from tests.conftest import ROOT

TOPS = ("hpcadmm", "jobs", "results", "slurm", "tests")
READMES = ["README.md", *sorted(p.relative_to(ROOT).as_posix() for top in TOPS for p in (ROOT / top).rglob("README*"))]
TEXTS = {name: (ROOT / name).read_text() for name in READMES}
BLOCK = re.compile(r"^( *)```([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SHELL, OTHERS = ("sh", "sh pattern"), ("toml", "python")
# Programs whose words are not looked at.
PLAIN = ("apptainer", "echo", "export", "install", "module", "python3", "sbatch", "source", "spack", "srun")
TARGETS = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
QUICK = {"train", "evaluate", "predict", "resume", "show", "plot", "report", "export"}


def commands(block):
    """The commands of a block, as words, without variables and `mpirun -n N` before them."""
    for line in block.replace("\\\n", " ").splitlines():
        for command in re.split(r"&&|(?<!\\)>>?", line):
            words = shlex.split(command, comments=True)
            while words and re.match(r"\w+=", words[0]):
                del words[0]
            if words and not words[0].startswith(("~", "/")):
                yield words


def parse(words):
    """Parse words of the command line as click does, without running the command."""
    command, words = program, list(words)
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words[0]) if words else None
        assert found is not None, words
        command, words = found, words[1:]
    with command.make_context(command.name, words):
        return command


def check(words, marked):
    """Fail if the program refuses these words, or if a file of this project that they name is missing."""
    name = words[0].rpartition("/")[2]
    if name in ("hpcadmm", "mpirun"):
        parse(words[words.index("hpcadmm") + 1 :])
    elif name == "make":
        assert set(words[1:]) <= set(TARGETS)
    elif name == "pip":
        extras = re.findall(r"\[(.*)\]", " ".join(words))
        assert {extra for found in extras for extra in found.split(",")} <= set(EXTRAS)
    else:
        assert name in PLAIN or os.access(ROOT / words[0], os.X_OK), words
    named = [word.partition(":")[0] for word in words if word.startswith(tuple(f"{top}/" for top in TOPS))]
    missing = [path for path in named if not (ROOT / path).exists()]
    assert marked or not [word for word in words if re.fullmatch("[A-Z_]{2,}|.*[.]{3}", word)], words
    assert missing == []


def test_every_readme_is_looked_at():
    assert {"README.md", "jobs/README.md", "slurm/README.md", "results/race/README.md"} <= set(READMES)
    assert "|".join(TARGETS).count("train") == 1


@pytest.mark.parametrize("name", READMES)
def test_every_command_is_printed_as_it_is_typed(name):
    blocks = BLOCK.findall(TEXTS[name])
    assert {kind for _, kind, _ in blocks} <= {*SHELL, *OTHERS}, "a block says what it is; sh or sh pattern: commands"
    rest = BLOCK.sub("", TEXTS[name])
    assert not re.search(r"^    +(hpcadmm|mpirun|make|pip) ", rest, re.MULTILINE), "commands stand in a block"
    for _, kind, text in blocks:
        if kind in SHELL:
            subprocess.run(["bash", "-n", "-c", text], check=True)
            for words in commands(text):
                check(words, kind != "sh")


@pytest.mark.parametrize("name", READMES)
def test_commands_within_the_text_exist_and_take_these_options(name):
    for span in re.findall(r"`(hpcadmm [^`]+)`", BLOCK.sub("", TEXTS[name])):
        command, words = program, re.split(r"[\s|]+", span)[1:]
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            command, words = command.get_command(click.Context(command), words[0]), words[1:]
            assert command is not None, span
        known = [*(option for p in command.params for option in p.opts), "--help"]
        assert [word for word in words if word.startswith("--") and word.partition("=")[0] not in known] == [], span


def test_the_quick_commands_of_the_readme_run(inside, tmp_path, monkeypatch):
    """On one rank: mpirun itself takes seconds, and other tests start it."""
    monkeypatch.setattr("hpcadmm.cli.train.heed", lambda: None)  # it would handle the signals of pytest
    for top in ("hpcadmm", "jobs"):
        (tmp_path / top).symlink_to(ROOT / top)
    ran = set()
    for _, _, text in (block for block in BLOCK.findall(TEXTS["README.md"]) if block[1] == "sh"):
        for words in commands(text):
            ours = words[words.index("hpcadmm") + 1 :] if "hpcadmm" in words else [""]
            if ours[0] in QUICK:
                inside(*ours).check()
                ran.add(ours[0])
    assert ran == QUICK
    assert (tmp_path / "network.onnx").exists()


def test_make_train_ends_with_how_to_go_on(tmp_path):
    for name in ("pyproject.toml", "installed"):
        (tmp_path / name).touch()
    for name in ("results/runs/old", "results/runs/new"):
        (tmp_path / name).mkdir(parents=True)
    os.utime(tmp_path / "results/runs/old", (0, 0))
    done = subprocess.run(
        ["make", "--no-print-directory", "-f", ROOT / "Makefile", "train", "BASE=installed", "MPIRUN=true"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    _, told, activate, *steps = done.stdout.splitlines()[-6:]
    assert told == "The run folder is results/runs/new. How to go on:"
    assert activate == "  source .venv/bin/activate"
    assert steps[0] == "  hpcadmm evaluate results/runs/new"
    for step in steps:
        words = shlex.split(step)
        parse(words[words.index("hpcadmm") + 1 :])
