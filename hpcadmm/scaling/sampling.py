"""One sample: processes under the launcher, what they report, and how busy the machine was."""

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hpcadmm.errors import UsageError
from hpcadmm.experiments.launcher import Launcher, Relay, launcher, refuse_other, usable_cores
from hpcadmm.experiments.plan import Planned
from hpcadmm.experiments.runner import message
from hpcadmm.scaling.experiment import Experiment, Point
from hpcadmm.scaling.folder import Folder, Sample
from hpcadmm.storage.durable import write_text
from hpcadmm.storage.readers import ENVIRONMENT, plain, read_metrics, read_summary

Say = Callable[[str], None]


def cores() -> int:
    """The cores that ranks may use: of the Slurm allocation, or else of this process."""
    given = os.environ.get("SLURM_JOB_CPUS_PER_NODE")
    return allocated(given) if given and "SLURM_JOB_ID" in os.environ else usable_cores()


def allocated(per_node: str) -> int:
    """The sum of Slurm's list of processors on each node.

    >>> allocated("4"), allocated("2(x3),1"), allocated("72(x2),36(x2)")
    (4, 7, 216)
    """
    parts = re.findall(r"(\d+)(?:\(x(\d+)\))?", per_node)
    return sum(int(count) * int(times or 1) for count, times in parts)


@dataclass(frozen=True)
class Sampler:
    """Takes the samples of a folder. words: the given launcher."""

    folder: Folder
    experiment: Experiment
    words: str | None
    say: Say

    def __call__(self, one: Planned, point: Point, repeat: int, relay: Relay) -> Sample | None:
        """Run it and keep its report; None after a failure, which is said, or a signal.

        Raises UsageError if the job or the launcher is wrong.
        """
        name = f"{point.name}_{repeat}"
        there = self.folder.run(name)
        shutil.rmtree(there, ignore_errors=True)  # of one that was interrupted
        code, session = self.session(point, name, relay)
        if relay.raised:
            return None
        said = message(self.folder.said(name).read_text(encoding="utf-8", errors="replace"))
        if code == 2:
            raise UsageError(said)
        report = read(self.experiment, one, there, self.folder.record(name)) if code == 0 else None
        shutil.rmtree(there, ignore_errors=True)
        if report is None:
            self.say(f"{name} failed: {said or f'exit code {code}'}")
            return None
        refuse_other(point.ranks, report["figures"]["ranks"])
        sample = Sample(point, repeat, cores(), report, session)
        write_text(self.folder.sample_file(point, repeat), sample.text())
        return sample

    def session(self, point: Point, name: str, relay: Relay) -> tuple[int, dict[str, Any]]:
        """Run the processes of a sample; returns their exit code and the circumstances."""
        arguments = arguments_of(self.experiment, self.folder.job(point.name), self.folder.run(name))
        code, found = relay.session(
            started(point, self.words), arguments, self.folder.said(name), self.folder.record(name)
        )
        inside = f"{self.folder.path}{os.sep}"  # the record does not tell where the folder lies
        return code, found | {"command": [word.replace(inside, "") for word in found["command"]]}


def arguments_of(experiment: Experiment, job: Path, there: Path) -> list[object]:
    """The arguments of hpcadmm."""
    if experiment.kind == "accuracy":
        return ["train", job, "--out", there, "--quiet"]
    times = ["--warm", experiment.warm, "--iterations", experiment.iterations]
    return ["bench", job, *times, "--only", "floor", "--only", "iteration", "--json"]


def started(point: Point, words: str | None) -> Launcher:
    """The launcher of a point; srun needs the number of threads."""
    found = launcher(point.ranks, words)
    if point.threads > 1 and os.path.basename(found.words[0]) == "srun":
        return replace(found, words=[*found.words, f"--cpus-per-task={point.threads}"])
    return found


def read(experiment: Experiment, one: Planned, there: Path, output: Path) -> dict[str, Any] | None:
    """The report of the processes; None if they wrote none."""
    if experiment.kind == "accuracy":
        return trained(one, there, experiment.target or 1.0)
    text = output.read_text(encoding="utf-8", errors="replace")
    try:
        report: dict[str, Any] = json.loads(text[text.index("{") :])
    except ValueError:
        return None
    # Units and the figures of single products and layers stay in the file of the processes.
    figures = {name: value for name, value in report["figures"].items() if "[" not in name}
    return {key: value for key, value in report.items() if key != "units"} | {"figures": figures}


def trained(one: Planned, there: Path, target: float) -> dict[str, Any] | None:
    """A training as a report: the solver's seconds to the target, their parts, and the accuracy against them."""
    summary, rows = read_summary(there), read_metrics(there)
    if summary is None or not rows:
        return None
    environment = json.loads((there / ENVIRONMENT).read_text(encoding="utf-8"))
    last = rows[-1]  # a late sum and the last checkpoint come after the target
    compute, communicate = last["compute_seconds"], last["communicate_seconds"]
    reached = (summary.get("test_accuracy") or 0.0) >= target
    figures = {
        "ranks": summary["ranks"],
        "iterations_done": summary["iterations"],
        "test_accuracy": summary.get("test_accuracy"),
        "objective": summary["objective"],
        "compute_seconds": compute["mean"],
        "communicate_seconds": communicate["min"],
        "wait_seconds": last["seconds"] - compute["mean"] - communicate["min"],
        "hidden_seconds": last.get("hidden_seconds", {"mean": 0.0})["mean"],  # earlier versions had none
        "imbalance": compute["max"] / compute["mean"],
    }
    grid = one.job.solver.grid_of(len(one.job.layers.hidden) + 1, summary["ranks"])
    found = {
        "figures": figures,
        "notes": {"weights_sha256": summary["weights_sha256"], "stop_reason": summary["stop_reason"]},
        "samples": {
            "seconds_to_target": [last["seconds"]] if reached else [],
            "curve": [[row["seconds"], row.get("test_accuracy")] for row in rows],
        },
        "environment": environment[-1] if isinstance(environment, list) else environment,
        "problem": {"solver": one.job.solver.name, "grid": list(grid), "precision": one.job.head.precision},
    }
    return dict(plain(found))
