"""Speed-up of a job with the ranks: one process after another under the launcher, the rank counts taking turns."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from hpcadmm.bench.report import Report
from hpcadmm.comm.launcher import launched, launcher_name
from hpcadmm.errors import UsageError

# Open MPI (5 and 4) refuses more ranks than cores unless told otherwise; others do not read these.
CROWDED = {"PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe", "OMPI_MCA_rmaps_base_oversubscribe": "1"}
SHARED_NOTES = ("blas", "processor", "hint", "oversubscribed")


@dataclass(frozen=True)
class Scaling:
    """`repeats` runs of each rank count of `ranks` ("1,2,4"), each of `iterations` timed iterations."""

    ranks: str = "1,2"
    repeats: int = 3
    iterations: int = 7
    launcher: str | None = None
    oversubscribe: bool = False
    target: float | None = None

    def counts(self) -> list[int]:
        """The rank counts. Raises UsageError unless they increase."""
        try:
            counts = [int(part) for part in self.ranks.split(",")]
        except ValueError:
            counts = []
        if len(counts) < 2 or counts[0] < 1 or any(b <= a for a, b in pairwise(counts)):
            raise UsageError(f"--ranks {self.ranks}: write two or more increasing rank counts, for example 1,2,4")
        return counts


def scale(job: Path | None, overrides: Sequence[str], scaling: Scaling) -> Report:
    """Time the job's iteration on each number of ranks. Starts processes itself, so not under a launcher.

    Raises UsageError for options or a job that will not do, RuntimeError if a run fails.
    """
    if job is None:
        raise UsageError("--scaling times a job on several rank counts: name the JOB")
    if launched():
        raise UsageError(f"--scaling starts the ranks itself: run it without {launcher_name()}")
    counts, cores = scaling.counts(), usable_cores()
    crowded = counts[-1] > cores
    if crowded and not scaling.oversubscribe:
        raise UsageError(
            f"--ranks {scaling.ranks}: {counts[-1]} ranks on {cores} cores is no measurement of a speed-up; "
            "take fewer ranks, or mark the figures with --oversubscribe"
        )
    report = Report()
    report.add("cores", cores)
    report.load("before")
    children: dict[int, list[dict[str, Any]]] = {n: [] for n in counts}
    for repeat in range(scaling.repeats):
        for n in counts if repeat % 2 == 0 else reversed(counts):
            children[n].append(child(command(n, job, overrides, scaling), crowded))
    report.load("after")
    figures(report, children, cores)
    last = counts[-1]
    report.aim(f"{mark(last, cores)}speedup[{last}]", scaling.target, at_least=True)
    return report


def usable_cores() -> int:
    """The cores (hardware threads) that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def mpiexec() -> str:
    """The launcher beside this Python, or else the one on the PATH. Raises UsageError if there is none."""
    beside = Path(sys.executable).parent / "mpiexec"
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        raise UsageError("no mpiexec beside this Python or on the PATH; name one: --launcher 'srun --mpi=pmi2'")
    return found


def command(n: int, job: Path, overrides: Sequence[str], scaling: Scaling) -> list[str]:
    """The command line of one run on n ranks."""
    launcher = shlex.split(scaling.launcher) if scaling.launcher else [mpiexec()]
    sets = [word for override in overrides for word in ("--set", override)]
    bench = [sys.executable, "-m", "hpcadmm", "bench", str(job), *sets, "--iterations", str(scaling.iterations)]
    return [*launcher, "-n", str(n), *bench, "--only", "iteration", "--json"]


def child(argv: Sequence[str], crowded: bool) -> dict[str, Any]:
    """Run a command that prints a report in JSON. Its usage errors are this program's."""
    environment = {**CROWDED, **os.environ} if crowded else None
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", env=environment
        )
    except OSError as error:
        raise UsageError(f"cannot start {argv[0]}: {error}") from None
    if done.returncode == 2:
        raise UsageError(done.stderr.strip().removeprefix("Error: "))
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode} from {shlex.join(argv)}\n{done.stderr}{done.stdout}")
    try:
        found: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    except ValueError:
        raise RuntimeError(f"no report from {shlex.join(argv)}\n{done.stderr}{done.stdout}") from None
    return found


def refuse_other(n: int, report: dict[str, Any]) -> None:
    """Raise UsageError if a report is not of n ranks, for which the launcher was asked."""
    got = report["figures"]["ranks"]
    if got != n:
        raise UsageError(f"asked the launcher for {n} ranks, got {got}: it does not belong to the MPI library")


def mark(n: int, cores: int) -> str:
    """What stands before the name of a figure of n ranks: those of more ranks than cores are not to be compared."""
    return "oversubscribed_" if n > cores else ""


def figures(report: Report, children: dict[int, list[dict[str, Any]]], cores: int) -> None:
    """Seconds of each rank count over all its runs, and the speed-ups against the first."""
    base = next(iter(children))
    seconds: dict[int, list[float]] = {}
    for n, runs in children.items():
        seconds[n] = one_count(report, n, runs, cores)
        if n != base:
            speedup = median(seconds[base]) / median(seconds[n])
            report.add(f"{mark(n, cores)}speedup[{n}]", speedup)
            report.add(f"{mark(n, cores)}speedup_min[{n}]", min(seconds[base]) / min(seconds[n]))
            report.add(f"{mark(n, cores)}efficiency[{n}]", speedup * base / n)
    report.add("base_ranks", base)
    digests = {run["notes"]["weights_sha256"] for runs in children.values() for run in runs}
    report.add("weights_agree", int(len(digests) == 1))
    last = list(children.values())[-1][-1]
    report.environment = last["environment"]
    report.notes |= {name: last["notes"][name] for name in SHARED_NOTES if name in last["notes"]}


def one_count(report: Report, n: int, runs: Sequence[dict[str, Any]], cores: int) -> list[float]:
    """The figures of n ranks; returns the seconds of all iterations of all runs."""
    for run in runs:
        refuse_other(n, run)
    seconds = [s for run in runs for s in run["samples"]["iteration_seconds"]]
    shares = [run["figures"]["iteration_cpu_share"] for run in runs]
    report.add(f"{mark(n, cores)}iteration_seconds[{n}]", median(seconds), "s")
    report.add(f"{mark(n, cores)}iteration_seconds_min[{n}]", min(seconds), "s")
    report.add(f"{mark(n, cores)}iteration_cpu_share[{n}]", median(shares))
    report.samples[f"iteration_seconds[{n}]"] = [run["samples"]["iteration_seconds"] for run in runs]
    report.samples[f"load_before[{n}]"] = [run["figures"].get("load_before") for run in runs]
    return seconds
