"""environment.json tells what a run ran on, and no secrets."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

import hpcadmm
from hpcadmm.comm.world import World
from hpcadmm.storage.environment import commit, environment


def test_the_environment_has_versions_but_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("SLURM_JWT", "s3cret")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    facts = environment(World.alone(), 2, {"library": "MPI x"})
    text = json.dumps(facts)
    assert "s3cret" not in text
    assert facts["variables"]["SLURM_JOB_ID"] == "17"
    assert facts["hpcadmm"] == hpcadmm.__version__
    assert facts["packages"]["numpy"] == np.__version__
    assert facts["mpi"] == {"library": "MPI x"}
    assert (facts["ranks"], facts["threads"]) == (1, 2)
    assert facts["blas"][0]["num_threads"] >= 1
    assert facts["hosts"][0]["ranks"] == [0]


def test_the_commit_is_that_of_the_package_or_none(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    package, installed = tmp_path / "package", tmp_path / "site"
    for folder in (package, installed):
        folder.mkdir()
        (folder / "__init__.py").write_text("")
    assert commit(package) is None
    for command in (["init", "-q"], ["add", "package"], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    assert commit(package) == {"commit": head, "changed": False}
    assert commit(installed) is None  # inside somebody's repository, but not tracked by it
    (package / "__init__.py").write_text("x = 1")
    assert commit(package) == {"commit": head, "changed": True}


def test_no_git_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit(Path(hpcadmm.__file__).parent) is None
