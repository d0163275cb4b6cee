"""The race with PyTorch: its entrants are jobs that can be read, tuned and run; its rival needs no hpcadmm."""

import os
import subprocess

import pytest

from hpcadmm.compare.vary import varied
from hpcadmm.experiments.plan import read
from tests.conftest import ROOT

RACE = ROOT / "results/race"
NETWORKS = ("mnist", "wide", "higgs")


def made(*arguments):
    environment = {key: value for key, value in os.environ.items() if key != "TORCH_PYTHON"}
    return subprocess.run([RACE / "make.sh", *arguments], capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_entrant_is_a_job_and_its_ranges_are_of_keys_that_it_has(network):
    path, names = ROOT / f"jobs/speed/{network}.toml", []
    for line in made("list", network).stdout.splitlines():
        name, settings, vary, target = (cell.strip() for cell in line.split("|"))
        names.append(name)
        assert 0.5 < float(target) < 1
        for one in varied(vary.split()):
            for value in one.probes():
                job = read(path, [*settings.split(), f"name={name}", one.override(value)])
                assert job.head.name == name
    assert len(names) == len(set(names)) >= 10
    ours = [name for name in names if not name.startswith("torch-")]
    assert abs(2 * len(ours) - len(names)) <= 1, "as many of theirs"
    assert "mpadmm" in ours


def test_every_entrant_between_hosts_is_a_job():
    said = subprocess.run([ROOT / "results/network/make.sh", "list"], capture_output=True, text=True, check=True).stdout
    for line in said.splitlines():
        _, settings, vary = (cell.strip() for cell in line.split("|"))
        for one in varied(vary.split()):
            for value in one.probes():
                assert read(ROOT / "jobs/network/mnist.toml", [*settings.split(), one.override(value)])
    assert len(said.splitlines()) == 10


@pytest.mark.parametrize("arguments", [("race", "nowhere"), ("walk", "mnist")])
def test_what_the_script_does_not_know_is_said(arguments):
    done = made(*arguments)
    assert done.returncode == 2
    assert "known" in done.stderr


def test_the_rival_needs_no_hpcadmm():
    """It runs in an environment of its own."""
    text = (RACE / "torch_rival.py").read_text()
    assert "import hpcadmm" not in text
    assert "from hpcadmm" not in text
    compile(text, "torch_rival.py", "exec")
