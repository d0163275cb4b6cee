"""What a run ran on: versions, MPI, BLAS, hosts, and the environment variables named here, no others."""

import contextlib
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import threadpoolctl

import hpcadmm
from hpcadmm.products import rates

if TYPE_CHECKING:
    from hpcadmm.comm.world import World

PACKAGES = ("numpy", "scipy", "numba", "h5py", "mpi4py", "numkong")
VARIABLES = (
    *("OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"),
    *("SLURM_JOB_ID", "SLURM_RESTART_COUNT", "SLURM_JOB_NODELIST", "SLURM_JOB_PARTITION"),
    *("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"),
)


def environment(world: "World", threads: int, mpi: dict[str, Any] | None = None) -> dict[str, Any]:
    """The content of `environment.json`; mpi: facts about the MPI library. Collective."""
    return {
        "hpcadmm": hpcadmm.__version__,
        "commit": commit(Path(hpcadmm.__file__).parent) if world.first else None,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "hdf5": h5py.version.hdf5_version,
        "mpi": mpi or {},
        "blas": _blas(),
        "bfloat16": rates.in_use(),
        "ranks": world.size,
        "threads": threads,
        "hosts": _hosts(world),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def hdf5_version() -> str:
    """The versions of the HDF5 library and h5py."""
    return f"HDF5 {h5py.version.hdf5_version}, h5py {h5py.__version__}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _blas() -> list[dict[str, Any]]:
    facts = ("internal_api", "version", "architecture", "num_threads")
    pools = [pool for pool in threadpoolctl.threadpool_info() if pool.get("user_api") == "blas"]
    return [{fact: pool.get(fact) for fact in facts} for pool in pools]


def _hosts(world: "World") -> list[dict[str, Any]]:
    """The ranks, processor and cores of each host."""
    hosts: dict[str, dict[str, Any]] = {}
    for rank, (name, processor, cores) in enumerate(world.gather([world.host, _processor(), os.cpu_count()])):
        host = hosts.setdefault(name, {"host": name, "processor": processor, "cores": cores, "ranks": []})
        host["ranks"].append(rank)
    return list(hosts.values())


def _processor() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit(package: Path) -> dict[str, Any] | None:
    """The git commit of a package's source and whether it has changed since; None if git does not track it."""
    if _git(package, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    head = _git(package, "rev-parse", "HEAD")
    changed = _git(package, "status", "--porcelain", "--untracked-files=no", ".")
    return {"commit": head, "changed": bool(changed)} if head else None


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=10,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
