"""A run folder as the row of a table: accuracy, cost, and cost at the target."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hpcadmm.after import reached
from hpcadmm.errors import UsageError
from hpcadmm.experiments.folder import Folder
from hpcadmm.experiments.plan import Planned, described
from hpcadmm.experiments.runner import SETTLED, failure, state
from hpcadmm.plotting import finite
from hpcadmm.storage.readers import read_environment, read_metrics, read_summary

Row = dict[str, Any]
COSTS = ("seconds", "iterations", "synchronisations", "bytes")
TO_TARGET = {f"{cost}-to-target": cost for cost in COSTS}  # metrics of tune


@dataclass(frozen=True)
class Result:
    """A planned run with what its folder holds. rows: of metrics.jsonl, with `synchronisations` and `iterations`."""

    planned: Planned
    state: str
    message: str
    rows: list[Row]
    summary: Row
    environment: Row
    sessions: list[Row]

    @property
    def finished(self) -> bool:
        return self.state == "finished"

    @property
    def pending(self) -> bool:
        """Whether it can still finish: it was not started, or it stopped early, and the same command continues it."""
        return self.state in ("absent", "interrupted", "running")

    @property
    def measure(self) -> str:
        """The measure of the test part: "accuracy", "error" (mean squared), or "" if nothing was measured."""
        return reached.measured(self.rows)

    @property
    def program(self) -> str:
        """The name and version of the program that trained, if it was not hpcadmm."""
        return str(self.summary.get("program") or "")

    @property
    def kernels(self) -> str:
        """Which kernels multiplied matrices."""
        found = [str(pool.get("architecture")) for pool in self.environment.get("blas", [])]
        return str(self.summary.get("kernels") or "") if self.program else ", ".join(dict.fromkeys(found))

    def scores(self) -> list[float]:
        """The test accuracy or error of each measured iteration where it is a number."""
        return [value for value, _ in reached.scores(self.rows)]

    def best(self) -> float | None:
        """The best test accuracy or error."""
        found = reached.best(self.rows)
        return found[0] if found else None

    def final(self) -> float | None:
        """The test accuracy or error of the last measured iteration."""
        value = self.rows[-1].get(f"test_{self.measure}") if self.rows else None
        return float(value) if finite(value) else None

    def at(self, target: float | None) -> Row | None:
        """The first measured row whose test accuracy is at least the target, or whose test error is at most that."""
        return None if target is None else reached.at(self.rows, target)


def results(folder: Folder, plan: Sequence[Planned]) -> list[Result]:
    """The results of all planned runs."""
    return [result(folder, one) for one in plan]


def result(folder: Folder, one: Planned) -> Result:
    """The result of a planned run; only settled runs have rows and a summary."""
    if one.fault:
        return Result(one, "unfit", one.fault, [], {}, {}, [])
    there, found = folder.run(one.name), state(folder, one)
    rows: list[Row] = []
    summary: Row = {}
    if found in SETTLED:
        try:
            rows, summary = read_metrics(there), read_summary(there) or {}
        except UsageError as error:
            return Result(one, "damaged", str(error), [], {}, {}, folder.records(one.name))
    ranks = max(int(summary.get("ranks", 1)), 1)
    said = failure(folder, one) or (str(summary.get("stop_reason", "")) if found != "finished" else "")
    rows = [reached.with_costs(row, ranks) for row in rows]
    environment = read_environment(there)
    return Result(one, found, said, rows, summary, environment, folder.records(one.name))


def row(one: Result, target: float | None) -> Row:
    """The cells of table.csv; None where nothing is known."""
    planned, last, there = one.planned, one.rows[-1] if one.rows else {}, one.at(target) or {}
    loads = [session[key] for session in one.sessions for key in ("load_before", "load_after") if key in session]
    commit = one.environment.get("commit") or {}
    return {
        "run": planned.name,
        "job": planned.label,
        "seed": planned.job.head.seed,
        "state": one.state,
        **described(planned.job),
        "ranks": one.summary.get("ranks"),
        "measure": one.measure,
        "best": one.best(),
        "final": one.final(),
        **{f"target_{cost}": there.get(cost) for cost in COSTS},
        **{cost: last.get(cost) for cost in COSTS},
        "evaluated_every": planned.job.evaluate.every,
        "load_before": one.sessions[-1].get("load_before") if one.sessions else None,
        "load_most": max(loads, default=None),
        "processor": processor(one.environment),
        "program": one.program,
        "kernels": one.kernels,
        "commit": str(commit.get("commit", ""))[:12] + ("+" if commit.get("changed") else ""),
        "weights_sha256": one.summary.get("weights_sha256"),
        "message": one.message,
    }


def processor(environment: Row) -> str:
    """The processors of a run's hosts, each once."""
    return ", ".join(dict.fromkeys(str(host.get("processor")) for host in environment.get("hosts", [])))
