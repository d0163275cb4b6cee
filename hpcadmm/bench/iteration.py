"""The figures of a job: its iteration, the floor under it, its memory, and the iteration of another job."""

import numpy as np
from numpy.typing import NDArray

from hpcadmm.bench.subject import Subject
from hpcadmm.bench.timing import peak_bytes, table
from hpcadmm.experiments.report import Report
from hpcadmm.training.measure import weights_sha256

LATER = 60  # least number of later iterations that the first one is compared with
ALLOWANCE = 250e6  # bytes a rank may hold besides 1.25 x (state + data)
Seconds = NDArray[np.float64]
Slowest = tuple[list[float], list[float]]  # by round, of the slowest rank: seconds by the clock, and of the CPU


def memory_figures(report: Report, subject: Subject) -> None:
    """Peak memory of set-up, iterations and evaluation against the bar, on the rank closest to it. Collective."""
    peaks, held = table(subject.world, [peak_bytes(), subject.held_bytes]).T
    bars = 1.25 * held + ALLOWANCE
    worst = int(np.argmax(peaks / bars))
    report.add("peak_memory_mb", peaks[worst] / 1e6, "MB")
    report.add("memory_bar_mb", bars[worst] / 1e6, "MB")
    report.add("memory_over_bar", peaks[worst] / bars[worst])


def traffic_figures(report: Report, subject: Subject) -> int:
    """Messages and bytes of one iteration, on the rank with most. Returns the bytes of the largest mean message, a
    multiple of 8. Collective."""
    size, count = subject.sent
    message = size // count // 8 * 8 if count else 8
    most_bytes, most, message = (int(v) for v in subject.world.max(np.array([size, count, message]))[0])
    report.add("messages_per_iteration", most)
    report.add("bytes_per_iteration", most_bytes, "B")
    return message


def against_floor(report: Report, subject: Subject, rounds: int) -> None:
    """Iteration, floor, iteration, floor, ...; iterations alone if the solver has no bill. All iterations come first
    where sums of one travel into the next: under a floor between them they would cost nothing. Collective."""
    if not subject.job.solver.billed():
        report.notes["floor"] = f"{subject.job.solver.name} has no list of its matrix products (a `bill`)"
        alone(report, subject, rounds)
        return
    subject.floor()
    subject.floors.clear()
    subject.floor_cpu.clear()
    first = subject.done
    if subject.job.solver.carries:
        for _ in range(rounds):
            subject.step()
        for k in range(rounds):
            subject.floor(first + k)
    else:
        for _ in range(rounds):
            subject.step()
            subject.floor()
    steps = step_figures(report, subject)
    floors = floor_figures(report, subject)
    ratios(report, "iteration_over_floor", steps, floors)


def against_another(report: Report, subject: Subject, other: Subject, rounds: int) -> None:
    """One iteration of each, then of each in the other order, and so on; all of one after all of the other where sums
    of one travel into its next. Collective."""
    pair = [subject, other]
    turns = [one for k in range(rounds) for one in (pair if k % 2 == 0 else pair[::-1])]
    if any(one.job.solver.carries for one in pair):
        turns.sort(key=lambda one: one is other)
    for one in turns:
        one.step()
    steps = step_figures(report, subject)
    others = step_figures(report, other, "against_")
    ratios(report, "seconds_over_against", steps, others)


def alone(report: Report, subject: Subject, rounds: int) -> None:
    """Iterations only. Collective."""
    for _ in range(rounds):
        subject.step()
    step_figures(report, subject)


def first(report: Report, subject: Subject, rounds: int) -> None:
    """Iteration 1 of this process against the median of later ones, and the seconds of compiling or loading kernels
    before it. Collective."""
    for _ in range(1 + max(rounds, LATER)):
        subject.step()
    seconds = table(subject.world, subject.steps)[..., 0].max(axis=0).tolist()
    report.add("kernels_seconds", subject.kernels_seconds, "s")
    report.add("first_seconds", seconds[0], "s")
    report.seconds("later_seconds", seconds[1:])
    report.add("first_over_later", seconds[0] / float(np.median(seconds[1:])))
    report.samples["iteration_seconds"] = seconds


def step_figures(report: Report, subject: Subject, prefix: str = "") -> Slowest:
    """Seconds of an iteration on the slowest rank, CPU share and share of communication. Collective.

    communicate_share is that of the mean rank and includes waiting for slower ranks; communicate_share_least is that
    of the rank that waits least. If cpu_share is well below 1 (times the threads), other processes used the cores.
    """
    world = subject.world
    samples = table(world, subject.steps)  # (ranks, rounds, 3)
    wall, cpu, communicate = np.moveaxis(samples, -1, 0)
    seconds = [float(s) for s in wall.max(axis=0)]
    report.seconds(prefix + "iteration_seconds", seconds)
    report.add(prefix + "iteration_cpu_share", float(np.median((cpu / wall).min(axis=0))))
    report.add(prefix + "communicate_share", float(np.median(communicate.mean(axis=0) / wall.mean(axis=0))))
    report.add(prefix + "communicate_share_least", float(np.median((communicate / wall).min(axis=0))))
    breakdown(report, wall, communicate, prefix)
    each = subject.problem["samples_per_iteration"]
    report.rate(prefix + "samples_per_second", each, seconds, "1/s")
    work = float(world.sum(subject.bill.flops)[0]) / world.size
    report.rate(prefix + "iteration_gemm_gflops", work / 1e9, seconds, "GFLOP/s")
    report.samples[prefix + "iteration_seconds"] = seconds
    for l, mean in subject.layer_seconds().items():
        report.add(f"{prefix}layer_seconds[{l}]", mean, "s")
    report.notes[prefix + "weights_sha256"] = weights_sha256(subject.job.solver.weights(subject.state, world))
    report.add(prefix + "iterations_done", subject.done)
    report.add(prefix + "objective", subject.objective())
    if not subject.finite:
        report.notes[prefix + "diverged"] = "the iterate is not finite"
    return seconds, cpu.max(axis=0).tolist()


def breakdown(report: Report, wall: Seconds, communicate: Seconds, prefix: str = "") -> None:
    """Split the seconds (ranks, rounds) of an iteration: `compute` of the mean rank; `communicate` of the rank that
    waits least; `wait`, the rest, which the mean rank waits for others; `imbalance`, the most that a rank computes over
    the mean.
    """
    compute = wall - communicate
    parts = {"compute": compute.mean(axis=0), "communicate": communicate.min(axis=0)}
    parts["wait"] = wall.max(axis=0) - parts["compute"] - parts["communicate"]
    for name, seconds in parts.items():
        report.add(f"{prefix}{name}_seconds", float(np.median(seconds)), "s")
        report.samples[f"{prefix}{name}_seconds"] = seconds.tolist()
    report.add(prefix + "compute_seconds_least", float(np.median(compute.min(axis=0))), "s")
    report.add(prefix + "compute_seconds_most", float(np.median(compute.max(axis=0))), "s")
    report.add(prefix + "imbalance", float(np.median(compute.max(axis=0) / compute.mean(axis=0))))


def floor_figures(report: Report, subject: Subject) -> Slowest:
    """Seconds of all products on the slowest rank, and of each in the fastest round. Collective."""
    totals = [sum(seconds for seconds, _ in one.values()) for one in subject.floors]
    sums: NDArray[np.float64] = table(subject.world, totals)  # (ranks, rounds)
    seconds = [float(s) for s in sums.max(axis=0)]
    cpu = table(subject.world, subject.floor_cpu)
    best = int(np.argmin(seconds))
    mine = [(name, s, flops / 1e9) for name, (s, flops) in subject.floors[best].items()]
    slowest = subject.world.gather(mine)[int(np.argmax(sums[:, best]))]
    report.seconds("floor_seconds", seconds)
    report.add("floor_cpu_share", float(np.median((cpu[..., 1] / cpu[..., 0]).min(axis=0))))
    report.rate("floor_gemm_gflops", sum(work for _, _, work in slowest), seconds, "GFLOP/s")
    for name, s, _ in slowest:
        report.add(f"floor[{name}]", s, "s")
    for name, s, work in slowest:
        report.add(f"gemm_gflops[{name}]", work / s, "GFLOP/s")
    report.samples["floor_seconds"] = seconds
    return seconds, cpu[..., 1].max(axis=0).tolist()


def ratios(report: Report, name: str, over: Slowest, under: Slowest) -> None:
    """Ratios by the clock and, `_cpu`, by CPU seconds, which exclude the time of other processes."""
    report.ratio(name, over[0], under[0])
    report.ratio(name + "_cpu", over[1], under[1])
