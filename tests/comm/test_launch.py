"""If one rank fails, all ranks end with a nonzero exit code and one traceback. A timeout fails the test."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from hpcadmm.comm import launcher
from hpcadmm.comm.signals import Signals
from tests.conftest import LAUNCHED

DIGITS = Path(__file__).resolve().parents[2] / "jobs" / "digits-taylor.toml"
WAYS = [["-m", "mpi4py"], []]  # `python -m mpi4py program` ends all ranks by itself; plain python does not
PROGRAM = """
import os, signal, sys, time
from hpcadmm.comm.launch import guarded, phase, start_mpi
from hpcadmm.comm.launcher import expected_rank
from hpcadmm.errors import Interrupted, UsageError

def describe(error):
    codes = {UsageError: 2, Interrupted: 75}
    return (codes[type(error)], f"Error: {error}") if type(error) in codes else None

def run():
BODY

sys.exit(guarded(run, describe))
"""
TRANSIT = "import numpy\nworld.start_sum(numpy.ones(1 << 20))\n"
START = """
with phase("starting"):
    world = start_mpi()
last = world.rank == world.size - 1
"""


@pytest.fixture
def guarded(spawn, tmp_path):
    """guarded(n, body, way=[]): the body of a function `run` that is called under the guard, on n ranks."""

    def run(n, body, way=(), **options):
        indented = "\n".join("    " + line for line in body.splitlines())
        script = tmp_path / "program.py"
        script.write_text(PROGRAM.replace("BODY", indented))
        return spawn(n, *way, str(script), **options)

    return run


def one_traceback(done, phase, *words):
    """The job failed, and printed one traceback with rank, host and phase."""
    host = os.uname().nodename
    assert done.returncode != 0
    assert done.output.count("Traceback (most recent call last)") == 1, done.output
    assert f" of {done.n} on {host}, phase: {phase}\n" in done.output
    for word in words:
        assert word in done.output


@pytest.mark.parametrize(
    ("others", "way"),
    [("world.barrier()", WAYS[0]), *((o, WAYS[1]) for o in ("world.barrier()", "pass", "time.sleep(1000)"))],
)
def test_one_rank_raises(guarded, way, others):
    body = (
        START
        + f"""
with phase("training"):
    if last:
        with phase("reading the data"):
            raise ValueError("seven")
    {others}
"""
    )
    done = guarded(3, body, way)
    one_traceback(done, "reading the data", f"rank {done.n - 1} of", "ValueError: seven")


@pytest.mark.parametrize("way", WAYS)
def test_all_ranks_raise_the_same(guarded, way):
    done = guarded(3, START + "with phase('training'):\n    raise ValueError('seven')", way)
    one_traceback(done, "training", "rank 0 of", "ValueError: seven")
    assert done.returncode == 1
    assert "also rank" not in done.output


def test_all_ranks_raise_something_else(guarded):
    done = guarded(3, START + "raise ValueError(world.rank)")
    one_traceback(done, "command line", "ValueError: 0", "also rank 1: ValueError: 1")


def test_two_of_three_raise(guarded):
    done = guarded(3, START + "if not last:\n    raise ValueError('seven')\nworld.barrier()")
    one_traceback(done, "command line", "rank 0 of")


def test_the_echo_of_a_failure_is_not_shown(guarded):
    body = START + "with world.together('reading'):\n    if last:\n        raise ValueError('seven')"
    done = guarded(3, body)
    one_traceback(done, "command line", f"rank {done.n - 1} of", "ValueError: seven")
    assert "RankFailed" not in done.output


@pytest.mark.parametrize("way", WAYS)
def test_raises_before_mpi_starts(guarded, way):
    done = guarded(2, "if expected_rank() == 1:\n    raise ValueError('seven')\nstart_mpi().barrier()", way)
    one_traceback(done, "command line", "rank 1 of", "ValueError: seven")


def test_raises_while_the_others_need_no_mpi(guarded):
    one_traceback(guarded(2, "if expected_rank() == 1:\n    raise ValueError('seven')"), "command line", "rank 1 of")


def test_raises_while_the_others_are_in_the_start(guarded):
    body = (
        "import mpi4py.MPI\nif mpi4py.MPI.COMM_WORLD.rank == 1:\n    raise ValueError('seven')\nstart_mpi().barrier()"
    )
    one_traceback(guarded(2, body), "command line", "ValueError: seven")


@pytest.mark.parametrize(
    ("code", "way"), [("0", WAYS[0]), ("2", WAYS[1]), ("None", WAYS[0]), ("'seven'", WAYS[1]), ("1000", WAYS[0])]
)
def test_one_rank_exits(guarded, way, code):
    done = guarded(2, START + f"if last:\n    with phase('training'):\n        sys.exit({code})\nworld.barrier()", way)
    one_traceback(done, "training", f"rank {done.n - 1} of", "SystemExit")


def test_keyboard_interrupt(guarded):
    done = guarded(2, START + "if last:\n    os.kill(os.getpid(), signal.SIGINT)\nworld.barrier()")
    one_traceback(done, "command line", "KeyboardInterrupt")


@pytest.mark.parametrize("way", WAYS)
def test_a_usage_error_on_all_ranks_is_one_message(guarded, way):
    """A sum that is in transit then does no harm."""
    done = guarded(3, START + TRANSIT + "raise UsageError('beta = -1')", way)
    assert done.returncode == 2
    assert done.output.strip() == "Error: beta = -1"


def test_a_usage_error_on_all_ranks_before_mpi_starts(guarded):
    done = guarded(3, "raise UsageError('beta = -1')")
    assert (done.returncode, done.output.count("beta = -1"), done.output.count("rank")) == (2, 1, 0)


@pytest.mark.parametrize(("others", "way"), [("world.barrier()", WAYS[0]), ("pass", WAYS[1])])
def test_a_usage_error_on_one_rank_only(guarded, way, others):
    done = guarded(2, START + f"if last:\n    raise UsageError('beta = -1')\n{others}", way)
    assert done.returncode != 0
    assert done.output.count("Error: beta = -1") == 1
    assert f"rank {done.n - 1} of {done.n} on" in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize("n", [0, 1, 2])
def test_interrupted_by_a_signal(guarded, n):
    done = guarded(n, START + "raise Interrupted('resume me')")
    assert (done.returncode, done.output.count("resume me")) == (75, 1)


@pytest.mark.parametrize(("n", "way"), [(0, WAYS[1]), (1, WAYS[0]), (3, WAYS[0]), (3, WAYS[1])])
def test_a_good_end(guarded, n, way):
    body = "world.barrier()\nif last:\n    world.sum(1.0) if world.size == 1 else None"
    done = guarded(n, START + TRANSIT + body, way)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_exit_code_is_the_same_on_all_ranks(guarded):
    assert guarded(2, START + "return 3 if last else 0").returncode == 3


@pytest.mark.parametrize("n", [0, 1])
def test_without_others(guarded, n):
    one_traceback_of_one = guarded(n, "with phase('reading'):\n    raise ValueError('seven')")
    assert one_traceback_of_one.returncode == 1
    assert ", phase: reading\nTraceback" in one_traceback_of_one.stderr
    assert guarded(n, "sys.exit(3)").returncode == 3
    assert guarded(n, "sys.exit()").returncode == 0


def test_a_killed_rank(guarded):
    done = guarded(2, START + "if last:\n    os.kill(os.getpid(), signal.SIGKILL)\nworld.barrier()")
    assert done.returncode != 0


def test_a_stopped_rank(guarded):
    body = (
        START
        + "with phase('training'):\n    if last:\n        os.kill(os.getpid(), signal.SIGSTOP)\n    world.barrier()"
    )
    done = guarded(3, body, env={"HPCADMM_WATCHDOG": "1"})
    host = os.uname().nodename
    assert done.returncode != 0
    assert f"rank 0 of {done.n} on {host}, phase: training" in done.output
    assert f"): no answer from rank {done.n - 1} on {host}: stopped" in done.output
    assert done.output.count("HPCADMM_WATCHDOG") == 1, "one of those that wait reports"


def test_a_rank_that_is_far_behind(guarded):
    body = START + "with phase('reading' if last else 'training'):\n    time.sleep(60 * last)\n    world.barrier()"
    done = guarded(2, body, env={"HPCADMM_WATCHDOG": "1"})
    assert done.returncode != 0
    assert f"rank {done.n - 1} on {os.uname().nodename} is far behind, in phase: reading" in done.output


def test_a_slow_rank_is_let_be(guarded):
    body = START + "if last:\n    time.sleep(1)\nworld.barrier()"
    assert guarded(2, body, env={"HPCADMM_WATCHDOG": "20"}).returncode == 0


@pytest.mark.parametrize("limit", ["soon", "-1", "nan"])
def test_a_bad_watchdog_limit(guarded, limit):
    done = guarded(2, START, env={"HPCADMM_WATCHDOG": limit})
    assert (done.returncode, done.output.count("HPCADMM_WATCHDOG = ")) == (2, 1)


SIZES = [{"OMPI_COMM_WORLD_SIZE": "3", "OMPI_COMM_WORLD_RANK": "0"}, {"MV2_COMM_WORLD_SIZE": "3"}]
STEP = {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "3", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}


@pytest.mark.parametrize("env", [*SIZES, STEP])
def test_a_launcher_that_does_not_belong_to_the_library(mpi_library, guarded, env):
    if mpi_library == "Open MPI" and "OMPI_COMM_WORLD_SIZE" in env:
        pytest.skip("these variables are this library's own")
    done = guarded(0, START, env=env)
    assert done.returncode == 2
    assert done.output.count("started 3 processes, but COMM_WORLD has 1") == 1
    for cure in ("mpiexec", "srun --mpi=", "MPI4PY_LIBMPI"):
        assert cure in done.output


def test_of_many_processes_without_one_world_only_one_speaks(guarded):
    env = {**STEP, "SLURM_PROCID": "1", "SLURM_LOCALID": "1"}
    done = guarded(0, START, env=env)
    assert (done.returncode, done.output) == (2, "")


def test_a_batch_script_of_slurm_outside_srun_proves_nothing(guarded):
    batch = {"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_JOB_ID": "7"}
    assert guarded(0, START, env=batch).returncode == 0


@pytest.mark.parametrize(("parent", "by_srun"), [("slurmstepd", True), ("starter", True), ("bash", False)])
def test_a_step_of_srun_is_told_from_a_shell_in_it_also_in_a_container(monkeypatch, tmp_path, parent, by_srun):
    """Between slurmstepd and the first rank lies Apptainer's `starter`."""
    for name in [*os.environ]:
        if name.startswith(LAUNCHED):
            monkeypatch.delenv(name)
    for name, value in STEP.items():
        monkeypatch.setenv(name, value)
    program, pipe = shutil.copy(shutil.which("cat"), tmp_path / parent), subprocess.PIPE
    with subprocess.Popen(program, stdin=pipe, stdout=pipe, bufsize=0) as process:
        process.stdin.write(b"x")
        assert process.stdout.read(1) == b"x", "it has its name now"
        monkeypatch.setattr(os, "getppid", lambda: process.pid)
        found = launcher.launched()
        process.stdin.close()
    assert found is by_srun


@pytest.mark.parametrize("n", [0, 2])
def test_no_mpi_library(guarded, n, tmp_path):
    package = tmp_path / "hidden" / "mpi4py"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "MPI.py").write_text("raise RuntimeError('cannot load MPI library')")
    path = os.pathsep.join([str(package.parent), str(Path(__file__).resolve().parents[2])])
    done = guarded(n, START, env={"PYTHONPATH": path})
    assert done.returncode == 2
    assert done.output.count("cannot load MPI library") == 1
    for cure in ("hpcadmm[mpich]", "module load", "MPI4PY_LIBMPI"):
        assert cure in done.output


def test_signals_only_set_a_flag():
    before = signal.getsignal(signal.SIGUSR1)
    with Signals() as signals:
        assert signals.raised is None
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.raised == "SIGUSR1"
    assert signal.getsignal(signal.SIGUSR1) is before


def test_one_thread_a_rank_unless_the_user_says_otherwise(monkeypatch):
    for name in launcher.THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    launcher.limit_threads()
    assert "OPENBLAS_NUM_THREADS" not in os.environ
    monkeypatch.delenv("OMP_NUM_THREADS")
    launcher.limit_threads()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
    for name in launcher.THREADS:
        monkeypatch.delenv(name)


def test_signals_within_signals_know_of_the_earlier_ones_and_later_ones_do_no_harm():
    with Signals() as outer:
        os.kill(os.getpid(), signal.SIGUSR1)
        with Signals() as inner:
            assert inner.raised == "SIGUSR1"
        os.kill(os.getpid(), signal.SIGTERM)
        assert outer.raised == "SIGUSR1"
    with Signals() as fresh:
        assert fresh.raised is None


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGTERM"])
def test_a_signal_before_the_work_begins_saves_after_the_first_iteration(mpirun, tmp_path, name):
    """And one that comes after the end does not change the exit code."""
    program = f"""
import os, signal, sys
from hpcadmm.training import loop as training
from hpcadmm.cli import main

set_up = training.set_up

def early(*given):
    os.kill(os.getpid(), signal.{name})
    return set_up(*given)

training.set_up = early
sys.argv = ["hpcadmm", "train", {str(DIGITS)!r}, "--out", {str(tmp_path / "run")!r}, "--quiet"]
code = main()
os.kill(os.getpid(), signal.{name})
sys.exit(code)
"""
    done = mpirun(2, program)
    assert done.returncode == 75, done.output
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["iteration-0000000001"]
