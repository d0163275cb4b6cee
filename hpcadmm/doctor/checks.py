"""Checks what a job needs: MPI, cores, BLAS, compiled kernels, HDF5, a folder. Each finding names its cure."""

import os
import platform
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from hpcadmm.comm import launcher, probe
from hpcadmm.comm.launch import check_launcher, no_library, phase, start_mpi
from hpcadmm.comm.launcher import ask
from hpcadmm.comm.world import World
from hpcadmm.doctor.finding import Finding
from hpcadmm.doctor.messages import messages
from hpcadmm.errors import UsageError

OWN_KERNELS = "import numpy, threadpoolctl as t; print(*(i.get('architecture') for i in t.threadpool_info()))"
SLOWER = 'bfloat16 is slower than float32 on this CPU: use precision = "float32"'
SIDE = 1000  # of the matrices whose product is timed
BIND = "give each rank its own cores: mpiexec -bind-to core, Open MPI --bind-to core, srun --cpu-bind=cores"
AS_ROOT = ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM")
MAPPING = "PRTE_MCA_rmaps_default_mapping_policy"


def joined() -> tuple[World, Finding | None]:
    """All ranks, or this process alone with the finding that MPI is missing or fails.

    Without a launcher another process tries MPI first, since a failing MPI may end its process.
    """
    fault = "" if launcher.launched() else ask(start=True)[1]
    try:
        if fault:
            raise no_library(fault)
        return start_mpi(check=False), None
    except UsageError as error:
        text, cure = str(error).split("\n", 1)
        return World.without_mpi(), Finding("error", "MPI library", text, cure)


def examine(world: World, folder: Path, missing: Finding | None = None) -> list[Finding]:
    """All findings, the same on every rank. The first rank tests the folder. Collective.

    missing: the finding of `joined` that there is no MPI; then checks of MPI are skipped.
    """
    findings = [missing] if missing else [Finding("ok", "MPI library", probe.library()), check_start(world)]
    findings += [] if missing else open_mpi(probe.library())
    with phase("gathering facts"):
        facts = world.gather(about_this_rank())
    findings += [hosts(facts), *cores(facts)]
    with phase("testing the folder"):
        own = [*blas(facts), products(), *kernels(), *disk(folder)] if world.first else []
        findings += [Finding(*row) for row in world.share([[f.level, f.name, f.text, f.cure] for f in own])]
        findings += shared(world, folder) if world.size > 1 else []
    with phase("timing messages"):
        findings += [] if missing else [*messages(world)]
    return findings


def about_this_rank() -> dict[str, Any]:
    """Host, usable cores and BLAS of this rank."""
    libraries = [info for info in threadpool_info() if info["user_api"] == "blas"]
    names = {f"{i['internal_api']} {i['version']} {i.get('architecture', '')}".strip() for i in libraries}
    return {
        "host": platform.node(),
        "cores": launcher.cores(),
        "threads": max((info["num_threads"] for info in libraries), default=1),
        "blas": ", ".join(sorted(names)) or "unknown",
    }


def check_start(world: World) -> Finding:
    """Does the launcher match the MPI library?"""
    name = launcher.launcher_name()
    try:
        check_launcher(world)
    except UsageError as error:
        text, cure = str(error).split("\n", 1)
        return Finding("error", "launcher", text, cure.replace("\n", " "))
    text = f"{name}: matches the library" if name != "none" else "none: one process (several: mpiexec -n N hpcadmm ...)"
    return Finding("ok", "launcher", text)


def open_mpi(library: str) -> Iterator[Finding]:
    """What the mpirun of Open MPI needs to be told before it starts ranks; a running one was told."""
    if launcher.launched() or not library.startswith("Open MPI"):
        return
    if os.geteuid() == 0 and any(os.environ.get(name) != "1" for name in AS_ROOT):
        cure = f"export {' '.join(f'{name}=1' for name in AS_ROOT)}"
        yield Finding("warning", "launcher", "the mpirun of Open MPI refuses to run as root", cure)
    if MAPPING not in os.environ:
        text = f"the mpirun of Open MPI starts at most as many ranks as cores, {len(launcher.cores())} here"
        yield Finding("ok", "launcher", text, f"for more: export {MAPPING}=:oversubscribe")


def hosts(facts: list[dict[str, Any]]) -> Finding:
    """How many ranks run on each host?"""
    count = Counter(fact["host"] for fact in facts)
    shown = ", ".join(f"{n} on {host}" for host, n in list(count.items())[:8])
    more = f", ... ({len(count)} hosts)" if len(count) > 8 else ""
    return Finding("ok", "ranks", f"{len(facts)}: {shown}{more}")


def cores(facts: list[dict[str, Any]]) -> Iterator[Finding]:
    """Do the ranks that share a set of cores have one core per thread?"""
    groups = Counter((fact["host"], tuple(fact["cores"])) for fact in facts)
    on_host = {host: {c for f in facts if f["host"] == host for c in f["cores"]} for host, _ in groups}
    for (host, available), ranks in groups.items():
        threads = sum(f["threads"] for f in facts if f["host"] == host and tuple(f["cores"]) == available)
        text = f"{host}: ranks {ranks}, threads {threads}, cores {len(available)}"
        if threads <= len(available):
            yield Finding("ok", "cores", text)
        elif len(available) < len(on_host[host]) or len(available) == 1:
            yield Finding("warning", "cores", f"{text}: all are bound to the same cores {list(available)}", BIND)
        else:
            cure = "start fewer ranks, or set OMP_NUM_THREADS to cores / ranks"
            yield Finding("warning", "cores", f"{text}: more threads than cores, so they wait for each other", cure)


def blas(facts: list[dict[str, Any]]) -> Iterator[Finding]:
    """Do all ranks use the same BLAS, with the kernels for this CPU?"""
    names = sorted({fact["blas"] for fact in facts})
    if len(names) > 1:
        cure = "use nodes of one kind, or set OPENBLAS_CORETYPE to the oldest of them on all ranks"
        text = f"differs between ranks, and so will the last bits of the weights: {'; '.join(names)}"
        yield Finding("warning", "BLAS", text, cure)
    forced = os.environ.get("OPENBLAS_CORETYPE")
    own = own_kernels() if forced and "openblas" in names[0] else ""
    if own and own not in names[0]:
        text = f"{names[0]}: forced by OPENBLAS_CORETYPE={forced}; this CPU's own kernels are {own}"
        yield Finding("warning", "BLAS", text, "unset OPENBLAS_CORETYPE")
    elif len(names) == 1:
        yield Finding("ok", "BLAS", names[0])


def own_kernels() -> str:
    """The kernels that OpenBLAS would choose by itself; empty if unknown."""
    env = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    done = subprocess.run(
        [sys.executable, "-c", OWN_KERNELS], env=env, capture_output=True, text=True, errors="replace", check=False
    )
    return (done.stdout.split() or [""])[0]


def products() -> Finding:
    """How fast does one core multiply in float32 and in bfloat16?"""
    from hpcadmm.products import rates

    names = ["float32", *(["bfloat16"] if rates.installed() else [])]
    calls = {name: rates.square(name, SIDE) for name in names}
    with threadpool_limits(1):
        speed = {name: 2e-9 * SIDE**3 / min(map(seconds, [call] * 5)) for name, call in calls.items()}
    text = "one core: " + ", ".join(f"{name} {speed[name]:.0f} GFLOP/s" for name in names)
    if "bfloat16" not in speed:
        text += "; bfloat16 is not installed: pip install 'hpcadmm[bf16]'"
        return Finding("ok", "products", text)
    text += f" ({rates.kernels()})"
    slower = speed["bfloat16"] < speed["float32"]
    return Finding("warning", "products", text, SLOWER) if slower else Finding("ok", "products", text)


def seconds(call: Callable[[], Any]) -> float:
    """Of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def kernels() -> Iterator[Finding]:
    """Are the compiled kernels cached between runs?"""
    from hpcadmm import kernels as compiled
    from hpcadmm.comm.exact.sums import Exact

    Exact((2, 2), np.float64, 1).add(np.ones((2, 2), order="F"))
    lost = compiled.lost()
    kept = Finding("ok", "numba cache", compiled.kept())
    yield Finding("warning", "numba cache", lost, compiled.CURE) if lost else kept


def disk(folder: Path) -> Iterator[Finding]:
    """Which HDF5 is used; how fast is the folder, and do its locks work?"""
    from hpcadmm.storage.durable import write_speed
    from hpcadmm.storage.environment import hdf5_version
    from hpcadmm.storage.lock import locks

    yield Finding("ok", "HDF5", hdf5_version())
    try:
        speed = write_speed(folder)
    except OSError as error:
        cure = "choose an existing, writable folder with 64 MB free: --folder DIR"
        yield Finding("error", "folder", f"{folder.absolute()}: {error.strerror}", cure)
        return
    yield Finding("ok", "folder", f"{folder.absolute()}: 64 MiB written and synced at {speed / 1e6:.0f} MB/s")
    yield lock(folder, locks)


def lock(folder: Path, locks: Callable[[Path], bool]) -> Finding:
    """Do file locks work in the folder? They keep two jobs out of one run folder."""
    cure = "never start two jobs in one run folder; Lustre: mount with -o flock"
    try:
        works, why = locks(folder), "a second lock was granted"
    except OSError as error:
        works, why = False, str(error.strerror)
    return Finding("ok", "locks", "flock works") if works else Finding("warning", "locks", f"flock: {why}", cure)


def shared(world: World, folder: Path) -> list[Finding]:
    """Do all ranks see the same folder? Collective."""
    with ExitStack() as stack:
        mark = ""
        if world.first and os.access(folder, os.W_OK):
            mark = stack.enter_context(NamedTemporaryFile(dir=folder, prefix=".doctor-")).name
        mark = world.share(mark)
        seen = world.gather(Path(folder, Path(mark).name).exists())
    if all(seen) or not mark:
        return []
    blind = [rank for rank, sees in enumerate(seen) if not sees]
    text = f"ranks {blind[:8]} of {world.size} do not see rank 0's {folder.absolute()}"
    return [Finding("error", "folder", text, "use a folder on a file system that all nodes share")]
