"""The launcher and the MPI library, seen without starting MPI here.

The environment says how many processes the launcher started and which this is. A launcher of another MPI library starts
n processes that each see one rank.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from hpcadmm.errors import UsageError

SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
RANKS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", "SLURM_PROCID")
LOCAL_RANKS = ("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "MV2_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
PATIENCE = 60.0  # seconds that the MPI library may take to load and start
STARTERS = ("slurmstepd", "starter", "starter-suid")  # of Slurm, and of Apptainer if the program is in a container
ANCESTORS = 6  # of this process, among which mpiexec is sought
TO_FILES = (b"-errfile", b"--errfile", b"-output", b"--output")  # options of mpiexec: standard error goes to files
MARK = "hpcadmm: "
PROGRAM = """\
import json, sys, warnings
warnings.simplefilter("ignore")
import mpi4py
mpi4py.rc.initialize = mpi4py.rc.finalize = sys.argv[1] == "start"
from mpi4py import MPI
print("\\nhpcadmm: " + json.dumps(MPI.get_vendor()), flush=True)
"""


def _numbers(names: Sequence[str]) -> list[int]:
    """The values of the variables that are set to a whole number."""
    return [int(value) for name in names if (value := os.environ.get(name, "")).isdigit()]


def cores() -> list[int]:
    """The cores (hardware threads) that this process may run on."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def in_srun() -> bool:
    """Is this a step of srun? SLURM_NTASKS does not tell: a batch script has it too."""
    return all(name in os.environ for name in ("SLURM_STEP_ID", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"))


def expected_size() -> int:
    """The number of processes that the launcher says it started; 1 without a launcher.

    An MPI launcher takes precedence: inside it srun's variables describe the launcher's own daemons, one per node.
    """
    said = _numbers(SIZES) or (_numbers(["SLURM_STEP_NUM_TASKS"]) if in_srun() else [])
    return max(said, default=1)


def expected_rank() -> int:
    """The number of this process, according to the launcher; 0 without a launcher."""
    return next(iter(_numbers(RANKS)), 0) if expected_size() > 1 else 0


def first_on_node() -> bool:
    """Is this the first process of its node, according to the launcher?"""
    return next(iter(_numbers(LOCAL_RANKS)), 0) == 0


def launcher_name() -> str:
    """The launcher's name for the user; "none" without one.

    PMI variables come from MPICH's Hydra and its relatives (which set MPI_LOCALNRANKS too) or from srun --mpi=pmi2.
    """
    if "OMPI_COMM_WORLD_SIZE" in os.environ:
        return "mpirun (Open MPI)"
    if in_srun() and "MPI_LOCALNRANKS" not in os.environ:
        return "srun"
    if "PMI_SIZE" in os.environ:
        return "mpiexec (MPICH)"
    return "mpirun_rsh (MVAPICH)" if "MV2_COMM_WORLD_SIZE" in os.environ else "none"


def launched() -> bool:
    """Did a launcher start this process, not a shell (`srun --pty bash`) in which it was typed?"""
    if launcher_name() != "srun" or expected_rank() > 0:
        return launcher_name() != "none"
    try:
        return Path(f"/proc/{os.getppid()}/comm").read_text(encoding="utf-8").strip() in STARTERS
    except OSError:
        return True


def ancestors() -> list[int]:
    """The ids of the processes between the mpiexec that started this one, the last, and this one; without it none."""
    found = [os.getppid()]
    try:
        while len(found) <= ANCESTORS:
            name, _, rest = Path(f"/proc/{found[-1]}/stat").read_text(encoding="utf-8").rpartition(")")
            if name.partition("(")[2].startswith(("mpi", "prte")):
                return found
            found.append(int(rest.split()[1]))
    except (OSError, ValueError, IndexError):
        pass
    return []


def terminal(stream: TextIO) -> os.terminal_size | None:
    """The terminal on which mpiexec shows what this process writes to its standard error, `stream`; None if it goes
    elsewhere."""
    chain = ancestors()
    try:
        pipe = os.fstat(stream.fileno())
        words = Path(f"/proc/{chain[-1]}/cmdline").read_bytes().split(b"\0")
        if any(word.startswith(TO_FILES) for word in words) or not any(holds(one, pipe) for one in chain):
            return None
        shown = os.open(f"/proc/{chain[-1]}/fd/2", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, IndexError):
        return None
    try:
        return os.get_terminal_size(shown)
    except OSError:
        return None
    finally:
        os.close(shown)


def holds(process: int, file: os.stat_result) -> bool:
    """Does a process have this file, or the other end of this pipe, open?"""
    with os.scandir(f"/proc/{process}/fd") as entries:
        return any(os.path.samestat(entry.stat(), file) for entry in entries)


def limit_threads() -> None:
    """One BLAS thread per rank under a launcher, unless the user sets a number; call before numpy is imported.

    OpenBLAS would start a thread for every core in every rank. threadpoolctl sets the job's `threads` later.
    """
    if expected_size() > 1 and not any(name in os.environ for name in THREADS):
        os.environ.update(dict.fromkeys(THREADS, "1"))


def plugin(library: str) -> str:
    """The value of srun's --mpi for this MPI library.

    >>> plugin("Open MPI 5.0.11"), plugin("MPICH 5.0.2")
    ('pmix', 'pmi2')
    """
    return "pmix" if library.startswith("Open MPI") else "pmi2"


def found_mpiexec() -> str | None:
    """The mpiexec next to this Python, or else the one on the PATH; None if there is none."""
    neighbour = Path(sys.executable).parent / "mpiexec"
    return str(neighbour) if neighbour.exists() else shutil.which("mpiexec")


def check_size(size: int, library: str) -> None:
    """Raise UsageError if the launcher started more processes than the `size` of COMM_WORLD."""
    expected = expected_size()
    if expected <= size:
        return
    mpiexec = found_mpiexec() or "mpiexec"
    raise UsageError(
        f"the launcher, {launcher_name()}, started {expected} processes, but COMM_WORLD has {size}: "
        f"the launcher does not belong to the MPI library, {library}.\n"
        f"Start with the mpiexec of this library (is it {mpiexec}?), or under Slurm srun --mpi={plugin(library)};\n"
        "or make mpi4py use the launcher's library: MPI4PY_LIBMPI=/path/to/libmpi.so"
    )


def vendor_name(vendor: tuple[str, tuple[int, ...]]) -> str:
    """Name and version of the MPI library, from mpi4py's get_vendor().

    >>> vendor_name(("MPICH", (5, 0, 2)))
    'MPICH 5.0.2'
    """
    name, version = vendor
    return f"{name} {'.'.join(map(str, version))}"


def ask(*, start: bool) -> tuple[str, str]:
    """Load the MPI library in another process (and start MPI): a library that crashes or hangs does no harm here.

    Returns (name and version, "") if that worked, else ("", the error in one line).
    """
    import json
    import subprocess

    argv = [sys.executable, "-c", PROGRAM, "start" if start else "load"]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return "", f"it did not answer within {PATIENCE:.0f} s"
    except OSError as error:
        return "", f"cannot start {os.path.basename(sys.executable)}: {error.strerror or error}"
    answers = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if answers and not done.returncode:
        return vendor_name(json.loads(answers[-1].removeprefix(MARK))), ""
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return "", said[-1] if said else f"its process ended with code {done.returncode} and no message"
