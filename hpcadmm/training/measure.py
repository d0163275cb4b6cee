"""What a row of metrics.jsonl holds, and what it cost: never counted as solver time."""

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hpcadmm.comm.exact.sums import sum_by_tile
from hpcadmm.comm.world import World
from hpcadmm.model.losses.base import decide
from hpcadmm.model.problem import Part, Problem
from hpcadmm.model.state import Arrays
from hpcadmm.model.tiles import block, pieces

Row = dict[str, Any]


@dataclass
class Clock:
    """The solver's own time and traffic on this rank, and what earlier sessions of the run add to it."""

    world: World
    before: Row = field(default_factory=dict)  # the row of the checkpoint that the run was resumed from
    seconds: float = 0.0
    communicate: float = 0.0
    bytes: int = 0
    messages: int = 0

    @contextmanager
    def solver(self) -> Iterator[None]:
        """Count a step: its seconds, and the part of them, the bytes and the messages of its communication."""
        traffic = self.world.traffic
        start = time.perf_counter(), traffic.seconds, traffic.bytes, traffic.messages
        yield
        self.seconds += time.perf_counter() - start[0]
        self.communicate += traffic.seconds - start[1]
        self.bytes += traffic.bytes - start[2]
        self.messages += traffic.messages - start[3]

    @property
    def total_seconds(self) -> float:
        """This rank's solver seconds, those of earlier sessions included."""
        return self.seconds + float(self.before.get("seconds", 0.0))

    def row(self) -> Row:
        """Totals since the start of the run; seconds are the slowest rank's. Collective."""
        mine = np.array([self.seconds, self.seconds - self.communicate, self.communicate])
        (high,), (low,) = self.world.max(mine), self.world.min(mine)
        mean, traffic = self.world.sum(mine / self.world.size, np.array([self.bytes, self.messages]))
        row: Row = {"seconds": float(high[0])}
        for k, name in ((1, "compute_seconds"), (2, "communicate_seconds")):
            row[name] = {"min": float(low[k]), "mean": float(mean[k]), "max": float(high[k])}
        row["bytes"], row["messages"] = int(traffic[0]), int(traffic[1])
        return _added(row, self.before)


def _added(row: Row, before: Row) -> Row:
    """Entry by entry the sum of two rows of totals."""
    return {
        key: _added(value, before.get(key, {})) if isinstance(value, dict) else value + before.get(key, 0)
        for key, value in row.items()
    }


def measure(solver: Any, state: Any, problem: Problem, world: World) -> Row:
    """Objective, residual, accuracy or error on both parts (None for a part without samples). Collective."""
    row: Row = dict(solver.measure(state, problem, world))
    W = solver.weights(state, world)
    for name, part in (("train", problem.train), ("test", problem.test)):
        row[f"{name}_{score_name(problem)}"] = score(W, problem, part, world)
    return row


def score_name(problem: Problem) -> str:
    """ "accuracy", the fraction that is right; in a regression "error", the mean squared error of a target."""
    return "accuracy" if problem.classes else "error"


def score(W: Arrays, problem: Problem, part: Part, world: World) -> float | None:
    """Accuracy or mean squared error over all columns of a part, None if there are none. Collective; the same bits at
    any rank count.

    Ranks that hold the same columns share the work.
    """
    if not part.tiles.n:
        return None
    values = np.zeros((len(part.tiles), 1))
    mine = slice(*block(len(part.tiles), world.chain.size, world.chain.rank))
    for value, (_, columns) in list(zip(values, part.tiles, strict=True))[mine]:
        for t in pieces(columns):
            z = problem.network.forward(W, part.x[:, t])
            if problem.classes:
                value[0] += np.count_nonzero(decide(z) == part.labels[t])
            else:
                value[0] += float(np.square(z - part.y[:, t]).sum(dtype=np.float64)) / len(z)
    return float(sum_by_tile(world, part.tiles, values)[0]) / part.tiles.n


def weights_sha256(W: Arrays) -> str:
    """The digest of W[1..L], row by row: one value whatever the number of ranks."""
    digest = hashlib.sha256()
    for w in W[1:]:
        digest.update(np.ascontiguousarray(w).data)
    return digest.hexdigest()


def better(row: Mapping[str, Any], best: float | None) -> bool:
    """Is the test score of this row a new best?"""
    accuracy, error = row.get("test_accuracy"), row.get("test_error")
    if best is None:
        return True
    return bool(error < best) if error is not None else accuracy is None or bool(accuracy > best)
