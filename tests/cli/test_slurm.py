"""The command line of `hpcadmm slurm`, without Slurm: what it writes, and what it refuses."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "jobs" / "digits-taylor.toml"


def test_a_script_is_printed_and_written_for_this_library(hpcadmm, tmp_path, mpi_library):
    options = ("--nodes", 2, "--time", "1:00:00", "--setup", "module load a", "--set", "stop.iterations=7")
    asked = ("slurm", "script", DIGITS, "--out", "r", *options, "--set", "solver.gamma=2")
    printed = hpcadmm(*asked).check().stdout
    plugin = {"Open MPI": "pmix"}.get(mpi_library, "pmi2")
    for line in (
        "#SBATCH --job-name=digits-taylor",
        "#SBATCH --ntasks=2",
        f'#SBATCH --output="{tmp_path}/r.out"',
        "module load a || exit",
        f"hpcadmm=({sys.executable} -m hpcadmm)",
        f"start=(srun --mpi={plugin})",
        f"job={DIGITS}",
        f"run={tmp_path}/r",
        "settings=(--set stop.iterations=7 --set solver.gamma=2)",
        "changes=(--set stop.iterations=7)",
    ):
        assert line in printed.splitlines()
    hpcadmm(*asked, "-o", "to.sbatch").check()
    assert (tmp_path / "to.sbatch").read_text() == printed


def test_a_container_has_its_own_hpcadmm_and_mpi(inside, tmp_path):
    (tmp_path / "image.sif").touch()
    options = ("--container", "image.sif", "--module", "apptainer", "--signal", "term@300", "--set", "data.path=/data")
    printed = inside("slurm", "script", DIGITS, "--out", "r", *options).check().stdout.splitlines()
    binds = f'--bind {DIGITS.parent},{tmp_path},/data ${{HPCADMM_DATA:+--bind "$HPCADMM_DATA"}}'
    for line in (
        "#SBATCH --signal=TERM@300",
        "module load apptainer || exit",
        f"hpcadmm=(apptainer exec {binds} {tmp_path}/image.sif hpcadmm)",
        "start=(srun --mpi=pmi2)",
    ):
        assert line in printed


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--partition", "$(touch x)", "--time", "5 --uid=0", "--account=-x"], "--account '-x'"),
        (["--set", "solver.gamma=-1"], "solver.gamma"),
        (["--set", "a=1\n2"], "a"),
        (["--setup", "a; touch x"], "--setup"),
        (["--module", "a; touch x"], "--module"),
        (["--container", "nosuch.sif"], "there is no such image"),
        (["--launcher", "mpirun", "--mpi", "pmi2"], "only srun has this option"),
    ],
)
def test_what_is_refused_leaves_nothing(inside, tmp_path, arguments, word):
    done = inside("slurm", "submit", DIGITS, "--out", "r", *arguments)
    assert done.returncode == 2
    assert done.output.count("Error:") == 1
    assert word in done.output
    assert list(tmp_path.iterdir()) == []


def test_without_slurm_it_says_so(hpcadmm, tmp_path):
    done = hpcadmm("slurm", "submit", DIGITS, "--out", "r", env={"PATH": str(tmp_path)})
    assert done.returncode == 2
    assert "sbatch is not on the PATH" in done.output


def test_a_run_without_a_checkpoint_cannot_be_resumed(hpcadmm, tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "job.toml").write_text("name = 'a'\n")
    done = hpcadmm("slurm", "script", "r")
    assert (done.returncode, "has no checkpoint to resume from" in done.output) == (2, True)
