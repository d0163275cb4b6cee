"""The whole way of a table: train on a file, evaluate, predict its own raw rows, and compare the two."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from hpcadmm.after.evaluate import evaluate
from hpcadmm.after.predict import Reading, predict
from hpcadmm.comm.world import World
from hpcadmm.job.job import parse
from hpcadmm.training import loop
from hpcadmm.training.progress import Progress

SMALL = {"network": {"hidden": [4]}, "solver": {"name": "lbfgs"}, "stop": {"iterations": 3}}


@dataclass(frozen=True)
class Round:
    """A finished run and all that was said about its data."""

    run: Path
    said: list[str]

    def evaluated(self, *data: str, part: str = "all") -> dict[str, Any]:
        return evaluate(self.run, data, part, None, World.alone(), self.said.append)

    def predicted(self, source: Path, column: str = "name") -> list[str]:
        """One column of the predictions for a file: the class, or the first value of a regression."""
        out = self.run.parent / "predicted.csv"
        predict(self.run, source, out, Reading(), True, None, World.alone(), self.said.append)
        with open(out, encoding="utf-8", newline="") as file:
            head, *rows = list(csv.reader(file))
        at = head.index(column) if column in head else 0
        return [row[at] for row in rows]


def trained(place: Path, data: dict[str, Any], loss: str, **tables: Any) -> Round:
    """A run on these data, in place/run."""
    job = {"name": "wild", "data": data, "loss": {"name": loss}, **SMALL, **tables}
    loop.train(parse(tomli_w.dumps(job)), place / "run", World.alone(), Progress(False))
    return Round(place / "run", [line[21:] for line in (place / "run" / "log.txt").read_text().splitlines()])


def accuracy(predicted: Sequence[str], truth: Sequence[str]) -> float:
    """The share of rows whose class is predicted; rows without a label do not count."""
    return float(np.mean([a == b for a, b in zip(predicted, truth, strict=True) if b]))


def rmse(predicted: Sequence[str], truth: Sequence[str]) -> float:
    return float(np.sqrt(np.mean(np.square(np.array(predicted, float) - np.array(truth, float)))))


def summary(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return found
