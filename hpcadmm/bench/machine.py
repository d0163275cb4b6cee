"""The speed of the machine: GEMM, memory bandwidth, messages; all ranks work at the same time."""

from collections import Counter
from pathlib import Path

import numpy as np

from hpcadmm.bench.timing import repeated
from hpcadmm.comm.launcher import cores
from hpcadmm.comm.probe import allreduce, pingpong
from hpcadmm.comm.world import World
from hpcadmm.experiments.report import Report
from hpcadmm.kernels import kernel
from hpcadmm.products import rates
from hpcadmm.storage.environment import environment

SQUARE = 2048  # of the GEMM
BANDWIDTH_BYTES = 1 << 22  # of the ping-pong that measures bandwidth
MEGABYTE = 1 << 20
SHORT_OF_AVX512 = ("Haswell", "Zen")  # kernels of OpenBLAS, also chosen for processors that it does not know


def place(report: Report, world: World, threads: int) -> None:
    """Ranks, threads, cores and BLAS of the measurement. Collective."""
    report.environment = environment(world, threads, world.library)
    usable = {(host, core) for host, cores_there in world.gather([world.host, cores()]) for core in cores_there}
    for name, value in (("ranks", world.size), ("threads", threads), ("cores", len(usable))):
        report.add(name, value)
    pools = report.environment["blas"]
    report.notes["blas"] = ", ".join(f"{p['internal_api']} {p['version']} {p['architecture']}" for p in pools)
    report.notes["processor"] = ", ".join(dict.fromkeys(host["processor"] for host in report.environment["hosts"]))
    if any(p["architecture"] in SHORT_OF_AVX512 for p in pools) and "avx512f" in processor_flags():
        report.notes["hint"] = "this OpenBLAS does not use AVX-512 here; try OPENBLAS_CORETYPE=SkylakeX"
    if world.size * threads > len(usable):
        report.notes["oversubscribed"] = (
            f"{world.size} ranks of {threads} threads on {len(usable)} cores: the figures are not comparable"
        )


def processor_flags() -> set[str]:
    """The instruction sets of this processor, if the system lists them."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(errors="replace").splitlines() if file.exists() else []
    return set(next((line for line in lines if line.startswith("flags")), "").split())


def machine(report: Report, world: World, precision: str, repeats: int, message: int | None) -> None:
    """GEMM in each precision, triad, and with several ranks ping-pong and Allreduce. Collective.

    precision: of `gemm_gflops`. message: bytes of the job's Allreduce; None without a job.
    """
    for name in ("float32", "float64", *(["bfloat16"] if rates.installed() else [])):
        seconds = repeated(rates.square(name, SQUARE, world.rank), world, repeats)
        report.rate(f"gemm_gflops[{name}]", 2 * SQUARE**3 / 1e9, seconds, "GFLOP/s")
    if rates.installed():
        report.notes["bfloat16"] = rates.kernels()
        if report.figures["gemm_gflops[bfloat16]"] < report.figures["gemm_gflops[float32]"]:
            report.notes["slower"] = 'bfloat16 is slower than float32 on this processor: use precision = "float32"'
    for end in ("", "_best"):
        report.add("gemm_gflops" + end, report.figures[f"gemm_gflops{end}[{precision}]"], "GFLOP/s")
    triad_figures(report, world, repeats)
    if world.size > 1:
        messages(report, world, message)


@kernel
def triad(a, b, c, scale):  # type: ignore[no-untyped-def]
    """a = b + scale c."""
    for i in range(a.size):
        a[i] = b[i] + scale * c[i]


def triad_figures(report: Report, world: World, repeats: int) -> None:
    """Bandwidth of a = b + s c: 24 bytes per entry, as STREAM counts, without the read of `a` before its write."""
    entries = triad_bytes(max(Counter(world.gather(world.host)).values())) // 8
    a, b, c = (np.full(entries, float(k)) for k in range(3))
    seconds = repeated(lambda: triad(a, b, c, 0.5), world, repeats)
    report.rate("triad_gb_per_second", 24e-9 * entries, seconds, "GB/s")
    report.rate("triad_total_gb_per_second", 24e-9 * entries * world.size, seconds, "GB/s")
    report.add("triad_array_mb", 8e-6 * entries, "MB")


def triad_bytes(ranks: int) -> int:
    """Bytes of one array per rank of a host: together four times the last cache, but 32 to 128 MB.

    >>> triad_bytes(10**9) >> 20
    32
    """
    caches = Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")
    sizes = [int(text[:-1]) * 1024 for file in caches if (text := file.read_text().strip()).endswith("K")]
    wanted = 4 * max(sizes, default=64 * MEGABYTE) // ranks
    return min(max(wanted, 32 * MEGABYTE), 128 * MEGABYTE)


def messages(report: Report, world: World, message: int | None) -> None:
    """Ping-pong between two ranks; Allreduce of 8 bytes and of the job's message."""
    report.add("pingpong_seconds", pingpong(world, 8), "s")
    report.add("pingpong_gb_per_second", 1e-9 * BANDWIDTH_BYTES / pingpong(world, BANDWIDTH_BYTES), "GB/s")
    report.add("allreduce_seconds[8 B]", allreduce(world, 8), "s")
    name = "1 MB" if message is None else "job"
    size = MEGABYTE if message is None else message
    report.add(f"allreduce_seconds[{name}]", allreduce(world, size), "s")
    report.add("allreduce_bytes", size, "B")
