"""Commands that need no ranks never start MPI: nor in a shell of srun, on a login node, or without an MPI library."""

import json
import os
import sys
from pathlib import Path

import pytest

from hpcadmm.cli import main
from hpcadmm.comm import launcher
from hpcadmm.comm.launcher import launched

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "jobs" / "digits-taylor.toml"
SRUN = {"SLURM_JOB_ID": "9", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4", "SLURM_LOCALID": "0"}
SHELL = SRUN | {"SLURM_PROCID": "0"}  # as srun -n 4 --pty bash sets them
NO_MPI = {"MPI4PY_LIBMPI": "/nonexistent/libmpi.so"}
ALONE = """
import sys
sys.modules["mpi4py.MPI"] = None  # an import of it fails
from hpcadmm.cli import main
for line in open("commands"):
    sys.argv = ["hpcadmm", *line.split()]
    code = main()
    print(code, line, file=sys.stderr, end="")
"""
COMMANDS = """\

--help
data
slurm
scaling
data list
data inspect plain.csv
train JOB --print-job
train JOB --print-job --help
slurm script JOB --out there
slurm submit JOB --out there --time 1:00:00
slurm status there
show RUN
show RUN there
plot RUN -o a.svg
export RUN -o a.npz
report RUN -o a.html
engines
export RUN -o a.onnx
scaling advise JOB --ranks 4 --machine machine.json
tune JOB --vary solver.gamma=log:1:2 --budget 1 --metric test_error
compare JOB --target 2
show nothing
data inspect nothing.csv
train nothing.toml --print-job
"""
FAIL = ("tune", "compare", "show nothing", "data inspect nothing", "train nothing", "scaling advise")


@pytest.fixture
def folder(tmp_path):
    """A table, and an sbatch that gives a number."""
    (tmp_path / "plain.csv").write_text("1,2,0\n2,1,1\n3,3,0\n4,0,1\n5,5,0\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sbatch").write_text("#!/bin/sh\necho 77\n")
    (tmp_path / "bin/sbatch").chmod(0o755)
    (tmp_path / "commands").write_text(COMMANDS.replace("JOB", str(DIGITS)).replace("RUN", "run"))
    return tmp_path


def test_no_such_command_needs_mpi(folder, hpcadmm, spawn):
    hpcadmm("train", DIGITS, "--set", "stop.iterations=2", "--out", "run", "--quiet").check()
    env = SHELL | NO_MPI | {"PATH": f"{folder}/bin:{os.environ['PATH']}"}
    done = spawn(0, "-c", ALONE, env=env).check()
    assert "Traceback" not in done.output
    lines = [line for line in done.stderr.splitlines() if line[:2] in ("0 ", "2 ")]
    assert [line[2:].strip() for line in lines] == [line.strip() for line in (folder / "commands").open()]
    assert [line for line in lines if (line[0] != "0") != line[2:].startswith(FAIL)] == []
    assert "job 77" in done.stdout
    assert json.loads((folder / "there.job.json").read_text()) == {"job": "77"}
    assert "start=(srun)" in (folder / "there.sbatch").read_text().splitlines()


def test_one_process_converts_without_mpi(folder, hpcadmm):
    hpcadmm("data", "convert", "plain.csv", "plain.h5", env=NO_MPI).check()


def test_under_a_launcher_one_rank_submits(folder, hpcadmm):
    done = hpcadmm("slurm", "submit", DIGITS, "--out", "r", n=2, env={"PATH": f"{folder}/bin:{os.environ['PATH']}"})
    assert done.check().stdout.count("job 77") == 1


def test_a_number_that_cannot_be_kept_is_still_a_submission(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f"{folder}/bin:{os.environ['PATH']}")
    (folder / "r.job.json.partial").mkdir()
    monkeypatch.setattr(sys, "argv", ["hpcadmm", "slurm", "submit", str(DIGITS), "--out", "r"])
    assert main() == 0
    out, err = capsys.readouterr()
    assert "job 77" in out
    assert "Warning: job 77 is submitted, but" in err


def test_doctor_reports_a_missing_mpi(hpcadmm):
    for n in (0, 2):
        done = hpcadmm("doctor", "--json", n=n, env=NO_MPI)
        assert done.returncode == 1
        findings = json.loads(done.stdout)
        assert [(one["level"], one["name"]) for one in findings if one["level"] == "error"] == [
            ("error", "MPI library")
        ]
        assert "/path/to/libmpi.so" in findings[0]["cure"]
        assert {"cores", "BLAS", "HDF5", "folder"} <= {one["name"] for one in findings}


@pytest.mark.parametrize(
    "command", ["train JOB", "resume run", "evaluate run", "predict run in.npz -o out.csv", "bench"]
)
def test_a_command_of_ranks_says_what_is_missing(hpcadmm, command):
    done = hpcadmm(*command.replace("JOB", str(DIGITS)).split(), env=NO_MPI)
    assert (done.returncode, done.output.count("Error: no MPI library can be loaded")) == (2, 1)
    assert "hpcadmm[mpich]" in done.output


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import os; os.abort()", "ended with code -6"),
        ("import time; time.sleep(60)", "within 0 s"),
        ("1 / 0", "division"),
    ],
)
def test_an_mpi_that_ends_its_process_or_hangs_is_a_message(monkeypatch, program, said):
    monkeypatch.setattr(launcher, "PROGRAM", program)
    monkeypatch.setattr(launcher, "PATIENCE", 0.2 if "sleep" in program else 60.0)
    name, fault = launcher.ask(start=True)
    assert name == ""
    assert said in fault


@pytest.mark.parametrize(
    ("variables", "expected"),
    [({}, False), (SHELL, False), (SRUN | {"SLURM_PROCID": "1"}, True), ({"PMI_SIZE": "1"}, True),
     (SHELL | {"PMI_SIZE": "2", "MPI_LOCALNRANKS": "2"}, True)],
)  # fmt: skip
def test_a_shell_of_srun_is_no_launch(monkeypatch, variables, expected):
    for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", "MPI_LOCALNRANKS", *SHELL):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert launched() is expected


@pytest.mark.parametrize("group", [[], ["data"], ["slurm"], ["scaling"]])
def test_a_group_alone_prints_its_help(monkeypatch, capsys, group):
    monkeypatch.setattr(sys, "argv", ["hpcadmm", *group])
    assert main() == 0
    assert "Commands" in capsys.readouterr().out
