"""Batch jobs: what is submitted, with a Slurm that only says it has them."""

import json
import re
import subprocess

import pytest

from hpcadmm.errors import UsageError
from hpcadmm.scaling.batch import submit_all
from hpcadmm.scaling.experiment import Point
from hpcadmm.scaling.folder import Folder
from hpcadmm.scaling.run import Options
from tests.helpers.studies import experiment, study


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """sbatch, which gives the number of ranks as the id, and squeue, which lists job 2 as long as there is a file."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "sbatch").write_text('#!/bin/sh\nbasename "$2" .sbatch\n')
    busy = tmp_path / "busy"
    (programs / "squeue").write_text(f"#!/bin/sh\nif [ -f {busy} ]; then rm {busy}; echo 2; fi\necho 777\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    return busy


def submitted(path, asked=None, wait=False, **options):
    said = []
    code = submit_all(path, Options(path.parent / "out", **options), asked or {}, wait, said.append, every=0.0)
    return code, said


def test_a_job_for_each_number_of_ranks(slurm, tmp_path):
    path = experiment(tmp_path, ranks=[1, 2, 4], threads=[1, 3])
    code, said = submitted(path, {"partition": "main", "time": "1:00:00", "mpi": "pmix"})
    assert (code, said[:3]) == (0, ["job 1: 1 ranks", "job 2: 2 ranks", "job 4: 4 ranks"])
    out = tmp_path / "out"
    assert json.loads((out / "slurm/jobs.json").read_text()) == {"1": "1", "2": "2", "4": "4"}
    for n in (1, 2, 4):
        file = out / f"slurm/{n}.sbatch"
        text = file.read_text()
        lines = {"--ntasks": str(n), "--cpus-per-task": "3", "--partition": "main", "--time": "1:00:00"}
        assert dict(re.findall(r"#SBATCH (--[\w-]+)=(\S+)", text)).items() >= lines.items()
        assert f"scaling run {path} --out {out} --only-ranks {n} --launcher 'srun --mpi=pmix'\n" in text
        subprocess.run(["bash", "-n", str(file)], check=True)
    assert Folder(out).experiment().ranks == [1, 2, 4]


def test_only_what_is_missing_is_submitted(slurm, tmp_path):
    path = experiment(tmp_path)
    folder = study(path, lambda point, repeat: [1.0])
    folder.sample_file(Point(2), 0).unlink()
    _, said = submitted(path, launcher="mpirun")
    assert said[:2] == ["1 ranks: all samples are there", "job 2: 2 ranks"]
    assert "--launcher mpirun" in (tmp_path / "out/slurm/2.sbatch").read_text()
    assert submitted(path, only=(1,))[1][0] == "1 ranks: all samples are there"


def test_waiting_ends_with_the_jobs_and_says_what_is_missing(slurm, tmp_path):
    path = experiment(tmp_path)
    folder = study(path, lambda point, repeat: [1.0])
    folder.sample_file(Point(2), 3).unlink()
    slurm.touch()
    code, said = submitted(path, wait=True)
    assert code == 1
    assert "missing: point 2: 3 of 4 samples are there; see " in "\n".join(said)
    assert not slurm.exists()
    text = folder.sample_file(Point(2), 2).read_text().replace('"repeat": 2', '"repeat": 3')
    folder.sample_file(Point(2), 3).write_text(text)
    assert submitted(path, wait=True)[0] == 0


@pytest.mark.parametrize("value", ["a b", "-x", "$(touch x)", "a\nb", "'"])
def test_hostile_values_are_refused_before_anything_is_written(slurm, tmp_path, value):
    with pytest.raises(UsageError, match="--partition"):
        submitted(experiment(tmp_path), {"partition": value})
    assert not (tmp_path / "out").exists()


def test_options_of_slurm_need_slurm(hpcadmm, tmp_path):
    done = hpcadmm("scaling", "run", experiment(tmp_path), "--partition", "main")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--partition needs --slurm" in done.stderr
