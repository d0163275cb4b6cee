"""What the environment says about the launcher, without MPI: how many processes it started, and which is this one.

A launcher that does not belong to the MPI library starts n processes that each believe to be alone.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from hpcadmm.errors import UsageError

SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
RANKS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", "SLURM_PROCID")
LOCAL_RANKS = ("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "MV2_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")


def _numbers(names: Sequence[str]) -> list[int]:
    """The values of those variables that are set to a whole number."""
    return [int(value) for name in names if (value := os.environ.get(name, "")).isdigit()]


def in_srun() -> bool:
    """True inside a step of srun; SLURM_NTASKS in a batch script, outside srun, proves nothing."""
    return all(name in os.environ for name in ("SLURM_STEP_ID", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"))


def expected_size() -> int:
    """How many processes the launcher says it started; 1 without a launcher.

    An MPI launcher comes first: inside it the variables of srun are those of its own daemons, one a node.
    """
    said = _numbers(SIZES) or (_numbers(["SLURM_STEP_NUM_TASKS"]) if in_srun() else [])
    return max(said, default=1)


def expected_rank() -> int:
    """Which of them this is, by the launcher's word; 0 without a launcher."""
    return next(iter(_numbers(RANKS)), 0) if expected_size() > 1 else 0


def first_on_node() -> bool:
    """True for one process of each node, by the launcher's word."""
    return next(iter(_numbers(LOCAL_RANKS)), 0) == 0


def launcher_name() -> str:
    """The launcher as a user knows it; "none" without one.

    PMI variables come from MPICH's Hydra and its relatives (these set MPI_LOCALNRANKS too) or from srun --mpi=pmi2.
    """
    if "OMPI_COMM_WORLD_SIZE" in os.environ:
        return "mpirun (Open MPI)"
    if in_srun() and "MPI_LOCALNRANKS" not in os.environ:
        return "srun"
    if "PMI_SIZE" in os.environ:
        return "mpiexec (MPICH)"
    return "mpirun_rsh (MVAPICH)" if "MV2_COMM_WORLD_SIZE" in os.environ else "none"


def launched() -> bool:
    """Has a launcher started this process itself, not a shell (`srun --pty bash`) in which it was typed?"""
    if launcher_name() != "srun" or expected_rank() > 0:
        return launcher_name() != "none"
    try:
        return Path(f"/proc/{os.getppid()}/comm").read_text(encoding="utf-8").strip() == "slurmstepd"
    except OSError:
        return True


def limit_threads() -> None:
    """One BLAS thread a rank under a launcher, unless the user has set a number; call before numpy is imported.

    OpenBLAS would start a thread for every core in every rank. The job's `threads` are set later, by threadpoolctl.
    """
    if expected_size() > 1 and not any(name in os.environ for name in THREADS):
        os.environ.update(dict.fromkeys(THREADS, "1"))


def matching_launcher(library: str) -> str:
    """How a program with this MPI library (name and version) is to be started."""
    beside = Path(sys.executable).parent / "mpiexec"
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec") or "mpiexec"
    return f"the mpiexec of this library (is it {mpiexec}?), or under Slurm srun --mpi={plugin(library)}"


def plugin(library: str) -> str:
    """What srun's --mpi has to be for this MPI library.

    >>> plugin("Open MPI 5.0.11"), plugin("MPICH 5.0.2")
    ('pmix', 'pmi2')
    """
    return "pmix" if library.startswith("Open MPI") else "pmi2"


def check_size(size: int, library: str) -> None:
    """Raise UsageError if the launcher started more processes than the `size` of COMM_WORLD."""
    expected = expected_size()
    if expected <= size:
        return
    raise UsageError(
        f"the launcher, {launcher_name()}, started {expected} processes, but COMM_WORLD has {size}: "
        f"it does not belong to the MPI library, {library}.\n"
        f"Start with {matching_launcher(library)};\n"
        "or give mpi4py the launcher's library: MPI4PY_LIBMPI=/path/to/libmpi.so"
    )
