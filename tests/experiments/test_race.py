"""The races with PyTorch and scikit-learn: entrants are jobs that can be read and run; rivals need no hpcadmm."""

import json
import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location

import numpy as np
import pytest

from hpcadmm.experiments.plan import read
from hpcadmm.trials.vary import varied
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
    assert 2 * len(ours) <= len(names), "at least as many of theirs"
    assert "mpadmm" in ours


@pytest.mark.parametrize(
    ("study", "job", "least"),
    [
        ("taylor-mnist", "mnist-taylor.toml", 7),
        ("dladmm-mnist", "mnist-dladmm.toml", 12),
        ("pdadmm-cifar", "pdadmm-2020/accuracy-pdadmm.toml", 12),
        ("shallow-mnist", "pdadmm-2020/accuracy-pdadmm.toml", 12),
    ],
)
def test_every_entrant_of_the_papers_is_a_job_at_both_sizes(study, job, least):
    said = subprocess.run([ROOT / "results/papers/make.sh", "list", study], capture_output=True, text=True, check=True)
    for line in said.stdout.splitlines():
        _, settings, vary, larger = (cell.strip() for cell in line.split("|"))
        small, full = (read(ROOT / "jobs" / job, [*settings.split(), *more]) for more in ([], larger.split()))
        assert full.data.first > small.data.first
        for one in varied(vary.split()) if vary else []:
            for value in one.probes():
                assert read(ROOT / "jobs" / job, [*settings.split(), one.override(value)])
    assert len(said.stdout.splitlines()) >= least


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


@pytest.mark.parametrize("name", ["race/torch_rival.py", "convex/rival.py"])
def test_the_rival_needs_no_hpcadmm(name):
    """It runs in an environment of its own."""
    text = (RACE.parent / name).read_text()
    assert "import hpcadmm" not in text
    assert "from hpcadmm" not in text
    compile(text, name, "exec")


def test_every_convex_problem_and_entrant_is_a_job():
    script = ROOT / "results/convex/make.sh"
    said = subprocess.run([script, "list"], capture_output=True, text=True, check=True).stdout.splitlines()
    for line in said:
        name, *cells = (cell.strip() for cell in line.split("|"))
        if len(cells) == 1:
            assert read(ROOT / "jobs/convex/dense.toml", [*cells[0].split(), "penalty.name=l2", f"name={name}"])
            continue
        (job, *settings), other, (method, *options) = cells[0].split(), cells[1], cells[2].split()
        rival = ["solver.name=program", "solver.command=$RIVAL", f"solver.method={method}", *options]
        for solver in (["solver.name=unwrapped"], [f"solver.name={other}"] * (other != "-"), rival):
            assert read(ROOT / f"jobs/convex/{job}.toml", [*settings, *solver])
    assert len(said) == 21


def test_the_table_of_suboptimality(tmp_path, capsys):
    spec = spec_from_file_location("table", ROOT / "results/convex/table.py")
    table = module_from_spec(spec)
    sys.modules["table"] = table  # dataclasses look there
    spec.loader.exec_module(table)
    for name, objectives, prepared, W in (
        ("a", [4.0, 2.0, 1.00005], 0.5, [1.0, 0.0]),
        ("b", [3.0, 1.0], 0, [1.0, 2.0]),
    ):
        place = tmp_path / "runs" / name
        place.mkdir(parents=True)
        (place / "job.toml").write_text(f'name = "{name}"\n[network]\nbias = false\n[solver]\nname = "unwrapped"\n')
        rows = [
            {"iteration": k, "seconds": float(k), "objective": F, "messages": 2 * k} for k, F in enumerate(objectives)
        ]
        (place / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
        (place / "summary.json").write_text(json.dumps({"ranks": 2, "prepare_seconds": prepared}))
        np.save(place / "weights.npy", np.array([W]))
    found = table.runs_of(tmp_path)
    best = found["b"][0]
    a, b = table.table(found, best, 1e-4)
    assert (a["seconds_to_target"], a["rounds_to_target"], a["nonzeros"], a["other_support"]) == (2.5, 2.0, 1, 1)
    assert (b["seconds_to_target"], b["suboptimality"], b["bytes_to_target"]) == (1.0, 0.0, None)
    assert a["suboptimality"] == pytest.approx(5e-5)
