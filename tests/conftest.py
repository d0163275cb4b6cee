"""Fixtures that run programs on ranks in new processes; a program that hangs is killed and fails its test."""

import os
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings
from threadpoolctl import threadpool_limits

settings.register_profile("hpcadmm", deadline=None, max_examples=40)
settings.load_profile("hpcadmm")

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = {"mpirun", "hpcadmm", "spawn"}
CASES = 2  # of a parametrised test in `make test-quick`
# Let Open MPI run as root, and with more ranks than cores. MPICH does not read these variables.
OPEN_MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}
LAUNCHED = (
    "OMPI_",
    "PMI_",
    "PMIX_",
    "PRTE_",
    "HYDI_",
    "MPI_LOCAL",
    "SLURM_",
    "MV2_",
)  # a launcher around pytest


@dataclass(frozen=True)
class Finished:
    """A program that has ended: number of ranks (0: without a launcher), exit code, output."""

    n: int
    returncode: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr

    def check(self) -> "Finished":
        """Itself; fails the test if the program failed."""
        assert self.returncode == 0, self.output
        return self


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start MPI processes, and the cases that `make test-quick` leaves out."""
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        cases[item.nodeid.partition("[")[0]].append(item)
        if FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.mpi)
    for same in cases.values():
        kept = same[:: -(-len(same) // CASES)]
        for item in same:
            if item not in kept:
                item.add_marker(pytest.mark.further)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """BLAS with more threads changes the last bits."""
    with threadpool_limits(1):
        yield


def mpiexec() -> str:
    """The launcher: $HPCADMM_MPIEXEC, the one of this environment, or the one on the PATH."""
    beside = Path(sys.executable).parent / "mpiexec"
    found = os.environ.get("HPCADMM_MPIEXEC") or (str(beside) if beside.exists() else shutil.which("mpiexec"))
    if not found:
        pytest.skip("no mpiexec found")
    return found


def ranks(n: int) -> int:
    """n, or the number of ranks of `make test-4` if n > 1."""
    return int(os.environ.get("HPCADMM_TEST_RANKS", n)) if n > 1 else n


def environment(changes: Mapping[str, str | None] | None) -> dict[str, str]:
    """The variables of a program: no outer launcher's, one thread per rank, then the changes (None removes one).

    Bytecode is kept, or some hundred processes would each compile the package.
    """
    dropped = (*LAUNCHED, "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    base = {
        **OPEN_MPI,
        **kept,
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    base |= {name: value for name, value in (changes or {}).items() if value is not None}
    return {name: value for name, value in base.items() if (changes or {}).get(name, "") is not None}


def kill_session(leader: int) -> None:
    """Kill every process of a session; launchers put ranks into other process groups."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(entry.name)) == leader:
                os.kill(int(entry.name), signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
    if not Path("/proc/self").exists():
        os.killpg(leader, signal.SIGKILL)


def finish(argv: Sequence[str], n: int, timeout: float, env: Mapping[str, str | None] | None, cwd: Path) -> Finished:
    """Run a program in a new session; after `timeout` seconds kill all its processes and fail the test."""
    with subprocess.Popen(
        argv,
        cwd=cwd,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except BaseException as error:
            kill_session(process.pid)
            stdout, stderr = process.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                pytest.fail(f"hung for {timeout} s: {' '.join(argv)}\n{stdout}{stderr}", pytrace=False)
            raise
        kill_session(process.pid)  # ranks that outlived their launcher
    return Finished(n, process.returncode, stdout, stderr)


@pytest.fixture
def spawn(tmp_path: Path) -> Callable[..., Finished]:
    """spawn(n, *arguments of python, timeout=60, env={}): python on n ranks, or without a launcher if n is 0."""

    def run(n: int, *arguments: str, timeout: float = 60, env: Mapping[str, str | None] | None = None) -> Finished:
        n = ranks(n)
        prefix = [mpiexec(), "-n", str(n)] if n else []
        return finish([*prefix, sys.executable, *arguments], n, timeout, env, tmp_path)

    return run


@pytest.fixture
def mpirun(spawn: Callable[..., Finished], tmp_path: Path) -> Callable[..., Finished]:
    """mpirun(n, code or [script or -m module, arguments...], timeout=60, env={}): a program on n ranks.

    Run by `python -m mpi4py`, so that an exception on one rank ends them all; in the folder tmp_path.
    """

    def run(n: int, program: str | Sequence[str], **options: object) -> Finished:
        if isinstance(program, str):
            script = tmp_path / f"program-{len(list(tmp_path.glob('program-*.py')))}.py"
            script.write_text(program)
            program = [str(script)]
        return spawn(n, "-m", "mpi4py", *map(str, program), **options)

    return run


@pytest.fixture
def hpcadmm(spawn: Callable[..., Finished]) -> Callable[..., Finished]:
    """hpcadmm(*arguments, n=0, timeout=60, env={}): the command line, on n ranks, in the folder tmp_path."""

    def run(*arguments: object, n: int = 0, **options: object) -> Finished:
        return spawn(n, "-m", "hpcadmm", *map(str, arguments), **options)

    return run


@pytest.fixture
def inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Finished]:
    """inside(*arguments): the command line in this process, in the folder tmp_path; a new process takes twenty times as
    long. For what starts no MPI here: help, refusals, and commands that start the ranks themselves."""
    from hpcadmm.cli import describe, run

    def command(*arguments: object) -> Finished:
        monkeypatch.chdir(tmp_path)
        variables = environment(None)
        for name in {*os.environ, *variables}:
            monkeypatch.setenv(name, variables[name]) if name in variables else monkeypatch.delenv(name)
        monkeypatch.setattr(sys, "argv", ["hpcadmm", *map(str, arguments)])
        capsys.readouterr()
        try:
            code = run() or 0
        except Exception as error:
            told = describe(error)
            if told is None:
                raise
            code = told[0]
            print(told[1], file=sys.stderr)
        said = capsys.readouterr()
        return Finished(0, code, said.out, said.err)

    return command


@pytest.fixture(scope="session")
def mpi_library() -> str:
    """The name of the MPI library: "MPICH" or "Open MPI" or another."""
    code = "from mpi4py import MPI; print(MPI.get_vendor()[0])"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(None)
    ).stdout.strip()
