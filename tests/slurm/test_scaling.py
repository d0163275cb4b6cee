"""A scaling experiment by batch jobs in a real Slurm."""

import json
import subprocess
import sys

import pytest

from tests.helpers.studies import experiment, sampled

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(240)]


def test_each_number_of_ranks_takes_its_missing_sample_in_its_own_allocation(lab, tmp_path):
    path = experiment(tmp_path, ranks=[1, 2])
    folder = sampled(path, tmp_path / "out", 4)
    words = ["scaling", "run", str(path), "--slurm", "--wait", "--partition", "main", "--out", str(folder.path)]
    done = subprocess.run(
        [sys.executable, "-m", "hpcadmm", *words],
        env=lab.environment, capture_output=True, text=True, timeout=200, cwd=tmp_path,
    )  # fmt: skip
    logs = "".join(file.read_text() for file in (folder.path / "slurm").glob("*.out"))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    for n in (1, 2):
        last = json.loads((folder.path / f"samples/{n}_4.json").read_text())
        assert last["session"]["command"][:4] == ["srun", last["session"]["command"][1], "-n", str(n)]
        assert last["report"]["environment"]["variables"]["SLURM_JOB_ID"]
        assert last["cores"] >= n
    assert "results: the same weights, bit for bit, at every number of ranks" in done.stdout
