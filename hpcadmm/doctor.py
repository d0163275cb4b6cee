"""Checks what a job needs: MPI, cores, BLAS, compiled kernels, HDF5, a folder; each finding with its cure."""

import os
import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Literal

import numpy as np
from threadpoolctl import threadpool_info

from hpcadmm.comm import launcher, probe
from hpcadmm.comm.launch import check_launcher, no_library, phase, start_mpi
from hpcadmm.comm.library import ask
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError

Level = Literal["ok", "warning", "error"]
OWN_KERNELS = "import numpy, threadpoolctl as t; print(*(i.get('architecture') for i in t.threadpool_info()))"


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    level: Level
    name: str
    text: str
    cure: str = ""


def joined() -> tuple[World, Finding | None]:
    """All ranks; where MPI is missing or does not start, this process alone, and the finding that says so.

    Without a launcher another process tries first, since an MPI that fails may end its process.
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
    """All findings, the same on every rank; communicates. `folder` is tried out by the first rank.

    missing: what `joined` says of an MPI that is not there; then nothing is asked of it.
    """
    findings = [missing] if missing else [Finding("ok", "MPI library", probe.library()), check_start(world)]
    with phase("gathering facts"):
        facts = world.gather(about_this_rank())
    findings += [hosts(facts), *cores(facts)]
    with phase("trying the folder"):
        own = [*blas(facts), *kernels(), *disk(folder)] if world.first else []
        findings += [Finding(*row) for row in world.share([[f.level, f.name, f.text, f.cure] for f in own])]
        findings += shared(world, folder) if world.size > 1 else []
    with phase("timing messages"):
        findings += [] if missing else [*messages(world)]
    return findings


def about_this_rank() -> dict[str, Any]:
    """Host, the cores this rank may use, and its BLAS."""
    available = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    libraries = [info for info in threadpool_info() if info["user_api"] == "blas"]
    names = {f"{i['internal_api']} {i['version']} {i.get('architecture', '')}".strip() for i in libraries}
    return {
        "host": platform.node(),
        "cores": sorted(available),
        "threads": max((info["num_threads"] for info in libraries), default=1),
        "blas": ", ".join(sorted(names)) or "unknown",
    }


def check_start(world: World) -> Finding:
    """Does the launcher belong to the MPI library?"""
    name = launcher.launcher_name()
    try:
        check_launcher(world)
    except UsageError as error:
        text, cure = str(error).split("\n", 1)
        return Finding("error", "launcher", text, cure.replace("\n", " "))
    text = f"{name}: matches the library" if name != "none" else "none: one process (several: mpiexec -n N hpcadmm ...)"
    return Finding("ok", "launcher", text)


def hosts(facts: list[dict[str, Any]]) -> Finding:
    """How the ranks lie on the hosts."""
    count = Counter(fact["host"] for fact in facts)
    shown = ", ".join(f"{n} on {host}" for host, n in list(count.items())[:8])
    more = f", ... ({len(count)} hosts)" if len(count) > 8 else ""
    return Finding("ok", "ranks", f"{len(facts)}: {shown}{more}")


def cores(facts: list[dict[str, Any]]) -> Iterator[Finding]:
    """Have the ranks that share a set of cores a core for each thread?"""
    groups = Counter((fact["host"], tuple(fact["cores"])) for fact in facts)
    on_host = {host: {c for f in facts if f["host"] == host for c in f["cores"]} for host, _ in groups}
    for (host, available), ranks in groups.items():
        threads = sum(f["threads"] for f in facts if f["host"] == host and tuple(f["cores"]) == available)
        said = f"{host}: ranks {ranks}, threads {threads}, cores {len(available)}"
        if threads <= len(available):
            yield Finding("ok", "cores", said)
        elif len(available) < len(on_host[host]) or len(available) == 1:
            cure = (
                "give each rank cores of its own: mpiexec -bind-to core, Open MPI --bind-to core, srun --cpu-bind=cores"
            )
            yield Finding("warning", "cores", f"{said}: they are bound to the same cores {list(available)}", cure)
        else:
            cure = "start fewer ranks, or set OMP_NUM_THREADS to cores / ranks"
            yield Finding("warning", "cores", f"{said}: more threads than cores, they wait for one another", cure)


def blas(facts: list[dict[str, Any]]) -> Iterator[Finding]:
    """Which BLAS, with which kernels; is it the same everywhere, and the one for this CPU?"""
    names = sorted({fact["blas"] for fact in facts})
    if len(names) > 1:
        cure = "use nodes of one kind, or set OPENBLAS_CORETYPE to the oldest of them on all ranks"
        text = f"differs between ranks, and so will the last bits of the weights: {'; '.join(names)}"
        yield Finding("warning", "BLAS", text, cure)
    forced = os.environ.get("OPENBLAS_CORETYPE")
    own = own_kernels() if forced and "openblas" in names[0] else ""
    if own and own not in names[0]:
        text = f"{names[0]}: OPENBLAS_CORETYPE={forced} forces these kernels; this CPU's own are {own}"
        yield Finding("warning", "BLAS", text, "unset OPENBLAS_CORETYPE")
    elif len(names) == 1:
        yield Finding("ok", "BLAS", names[0])


def own_kernels() -> str:
    """The kernels that OpenBLAS would choose by itself; empty if that cannot be told."""
    env = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    done = subprocess.run(
        [sys.executable, "-c", OWN_KERNELS], env=env, capture_output=True, text=True, errors="replace", check=False
    )
    return (done.stdout.split() or [""])[0]


def kernels() -> Iterator[Finding]:
    """Are the compiled kernels kept from run to run?"""
    from hpcadmm import kernels as compiled
    from hpcadmm.comm.exact.sums import Exact

    Exact((2, 2), np.float64, 1).add(np.ones((2, 2), order="F"))
    lost = compiled.lost()
    kept = Finding("ok", "numba cache", compiled.kept())
    yield Finding("warning", "numba cache", lost, compiled.CURE) if lost else kept


def disk(folder: Path) -> Iterator[Finding]:
    """HDF5, and the speed and locks of the folder."""
    from hpcadmm.storage import disk as tried

    yield Finding("ok", "HDF5", tried.hdf5_version())
    try:
        speed = tried.write_speed(folder)
    except OSError as error:
        cure = "name a folder that exists, can be written and has 64 MB free: --folder DIR"
        yield Finding("error", "folder", f"{folder.absolute()}: {error.strerror}", cure)
        return
    yield Finding("ok", "folder", f"{folder.absolute()}: 64 MiB written and synced at {speed / 1e6:.0f} MB/s")
    yield lock(folder, tried.locks)


def lock(folder: Path, locks: Callable[[Path], bool]) -> Finding:
    """Do file locks work in the folder? Two jobs in one run folder are told apart by them."""
    cure = "do not start two jobs in one run folder; Lustre: mount with -o flock"
    try:
        works, why = locks(folder), "a second lock was granted"
    except OSError as error:
        works, why = False, str(error.strerror)
    return Finding("ok", "locks", "flock works") if works else Finding("warning", "locks", f"flock: {why}", cure)


def shared(world: World, folder: Path) -> list[Finding]:
    """Do all ranks see the same folder? Communicates."""
    with ExitStack() as stack:
        mark = ""
        if world.first and os.access(folder, os.W_OK):
            mark = stack.enter_context(NamedTemporaryFile(dir=folder, prefix=".doctor-")).name
        mark = world.share(mark)
        seen = world.gather(Path(folder, Path(mark).name).exists())
    if all(seen) or not mark:
        return []
    blind = [rank for rank, sees in enumerate(seen) if not sees]
    text = f"{folder.absolute()} is not the same folder on ranks {blind[:8]} of {world.size} as on rank 0"
    return [Finding("error", "folder", text, "use a folder on a file system that all nodes share")]


def messages(world: World) -> Iterator[Finding]:
    """Latency, bandwidth and sums between the ranks. Communicates."""
    if world.size == 1:
        yield Finding("ok", "messages", "one rank: nothing to measure")
        return
    latency, large = probe.pingpong(world, 8), probe.pingpong(world, 1 << 23)
    yield Finding("ok", "ping-pong", f"8 B {latency * 1e6:.2f} us, 8 MiB {(1 << 23) / large / 1e9:.2f} GB/s")
    sums = [probe.allreduce(world, nbytes) for nbytes in (8, 1 << 20, 1 << 25)]
    text = f"8 B {sums[0] * 1e6:.1f} us, 1 MiB {sums[1] * 1e3:.2f} ms, 32 MiB {sums[2] * 1e3:.1f} ms"
    yield Finding("ok", "Allreduce", text)
