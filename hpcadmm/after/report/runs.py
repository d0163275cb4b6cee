"""The runs of a report, and the table of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpcadmm.after import plot, reached, show
from hpcadmm.after.report.markup import paragraph, table
from hpcadmm.storage.readers import read_environment
from hpcadmm.storage.run import read_metrics, read_summary

LADDER = (0.5, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995)  # accuracies; without targets the highest two that are reached
READING = (
    "Seconds are the solver's own, without measuring and reading data; in brackets the iteration. Targets are looked "
    "for in the measured iterations. Synchronisations are the messages of one rank: a sum over all ranks is one. Bytes "
    "are those of all ranks."
)
LEFT = ("run", "state", "solver", "network", "data")
ELSEWHERE = ("scaling", "weights", "why")  # cells that the section of the run tells

Row = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """A run. row: as `hpcadmm show` has it; rows: of metrics.jsonl; last: the totals at its end, or as far as it is."""

    folder: Path
    name: str
    row: Row
    rows: list[Row]
    last: Row
    environment: Row

    @classmethod
    def of(cls, name: str, folder: Path) -> "Told":
        """Read a run folder. Raises UsageError if it is none, or is damaged."""
        rows, row = read_metrics(folder), show.row(folder)
        ended = (row["state"] not in ("running", "killed") and read_summary(folder)) or {}
        return cls(folder, name, row, rows, {**(rows or [{}])[-1], **ended}, read_environment(folder))

    @property
    def curves(self) -> plot.Curves:
        return plot.Curves(self.name, self.rows, self.row["solver"])

    @property
    def ranks(self) -> int:
        """1 if the number is not known."""
        found = self.row["ranks"] or self.environment.get("ranks")
        return found if isinstance(found, int) and found > 0 else 1

    @property
    def linear(self) -> bool:
        return str(self.row["network"]).startswith("none ")

    @property
    def sentence(self) -> str:
        """What was trained, and how it ended."""
        network = "a linear model" if self.linear else f"a network of hidden layers {self.row['network']}"
        ranks = f"{self.ranks} rank{'s' if self.ranks > 1 else ''}"
        line = show.line(self.row)
        why, weights = line["why"], f" SHA-256 of the weights: {line['weights']}." if line["weights"] else ""
        return (
            f"{self.row['solver']} trains {network} on {self.row['data']} with the loss {self.row['loss']}, in "
            f"{self.row['precision']} on {ranks}; {self.row['state']}{f': {why}' if why else ''}.{weights}"
        )


def usual(runs: Sequence[Told]) -> list[float]:
    """The highest two accuracies of LADDER that any run reached."""
    found = [run.rows for run in runs if reached.measured(run.rows) == "accuracy"]
    return [step for step in LADDER if any(reached.at(rows, step) for rows in found)][-2:]


def overview(runs: Sequence[Told], targets: Sequence[float]) -> Iterator[str]:
    """The table of the runs, without columns that say nothing."""
    measure = "accuracy" if any(reached.measured(run.rows) == "accuracy" for run in runs) else "error"
    lines = [cells(run, targets, measure) for run in runs]
    head = [key for key in lines[0] if any(line[key] for line in lines)]
    rows = ([line[key] for key in head] for line in lines)
    yield table("The runs", head, rows, {*head} - {*LEFT}, links=[f"run-{k}" for k in range(1, len(runs) + 1)])
    yield paragraph(READING, "note")


def cells(run: Told, targets: Sequence[float], measure: str) -> dict[str, str]:
    """The cells of `hpcadmm show`; the best test score; seconds to each target, of a run with this measure; traffic."""
    line, found, own = show.line(run.row), reached.best(run.rows), reached.measured(run.rows)
    line |= {"run": run.name, "network": "linear" if run.linear else line["network"]}
    if found and not line["best"]:
        line["best"] = show.best({"metric": f"test_{own}", "value": found[0], "iteration": found[1]["iteration"]})
    for to in targets:
        name = f"s to {100 * to:g} %" if measure == "accuracy" else f"s to {to:g}"
        line[name] = arrival(run.rows, to) if own == measure else ""
    last = reached.with_costs(run.last, run.ranks)
    for name, how in (("synchronisations", ".6g"), ("bytes", ",d")):
        line[name] = show.number(last.get(name) or "", how)
    return {key: text for key, text in line.items() if key not in ELSEWHERE}


def arrival(rows: Sequence[Row], target: float) -> str:
    """The seconds to a target, and the iteration."""
    row = reached.at(rows, target)
    return f"{show.number(row.get('seconds'), '.2f')} ({row['iteration']})" if row else "not reached"
