"""The rows of metrics.jsonl and their cost, which never counts as solver time."""

import hashlib
from collections.abc import Iterator, Sequence
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
from hpcadmm.training.scores.answers import weight_of
from hpcadmm.training.scores.chosen import measured
from hpcadmm.training.scores.scored import Meaning

Row = dict[str, Any]


@dataclass
class Clock:
    """The solver's own time and traffic on this rank, added to those of earlier sessions of the run."""

    world: World
    before: Row = field(default_factory=dict)  # the totals in the checkpoint that the run was resumed from
    seconds: float = 0.0
    communicate: float = 0.0
    hidden: float = 0.0
    bytes: int = 0
    messages: int = 0

    @contextmanager
    def solver(self) -> Iterator[None]:
        """Count a step: its seconds, and the seconds, bytes and messages of its communication."""
        traffic = self.world.traffic
        start = traffic.mark(), traffic.seconds, traffic.hidden, traffic.bytes, traffic.messages
        yield
        self.seconds += traffic.mark() - start[0]
        self.communicate += traffic.seconds - start[1]
        self.hidden += traffic.hidden - start[2]
        self.bytes += traffic.bytes - start[3]
        self.messages += traffic.messages - start[4]

    @property
    def total_seconds(self) -> float:
        """This rank's solver seconds, earlier sessions included."""
        return self.seconds + float(self.before.get("seconds", 0.0))

    def row(self) -> Row:
        """Totals since the start of the run; seconds are the slowest rank's. `communicate_seconds`: spent in MPI;
        `hidden_seconds`: those of `compute_seconds` in which a sum was in transit. Collective."""
        mine = np.array([self.seconds, self.seconds - self.communicate, self.communicate, self.hidden])
        (high,), (low,) = self.world.max(mine), self.world.min(mine)
        mean, traffic = self.world.sum(mine / self.world.size, np.array([self.bytes, self.messages]))
        row: Row = {"seconds": float(high[0])}
        for k, name in enumerate(("compute_seconds", "communicate_seconds", "hidden_seconds"), start=1):
            row[name] = {"min": float(low[k]), "mean": float(mean[k]), "max": float(high[k])}
        row["bytes"], row["messages"] = int(traffic[0]), int(traffic[1])
        return _added(row, self.before)


def _added(row: Row, before: Row) -> Row:
    """The sum of two rows of totals, entry by entry."""
    return {
        key: _added(value, before.get(key, {})) if isinstance(value, dict) else value + before.get(key, 0)
        for key, value in row.items()
    }


def measure(
    solver: Any,
    state: Any,
    problem: Problem,
    world: World,
    metrics: Sequence[str] = (),
    meaning: Meaning | None = None,
    train: bool = True,
) -> Row:
    """The solver's measures, accuracy or error on both parts (None: no samples), the chosen metrics; without `train`
    nothing of the training part. Collective."""
    row: Row = dict(solver.measure(state, problem, world)) if train else {}
    W = solver.weights(state, world)
    score_name = "accuracy" if problem.classes else "error"
    for name, part in (("train", problem.train), ("test", problem.test))[not train :]:
        row[f"{name}_{score_name}"] = score(W, problem, part, world)
    return row | (measured(metrics, W, problem, meaning, world) if meaning else {})


def score(W: Arrays, problem: Problem, part: Part, world: World) -> float | None:
    """Accuracy (a fraction), in a regression the mean squared error of a target, over all columns of a part, by their
    weights if there are any; None without columns. The same bits on any number of ranks. Collective.

    Ranks that hold the same columns share the work.
    """
    if not part.tiles.n:
        return None
    values = np.zeros((len(part.tiles), 1))
    own = weight_of(part)
    mine = slice(*block(len(part.tiles), world.chain.size, world.chain.rank))
    for value, (_, columns) in list(zip(values, part.tiles, strict=True))[mine]:
        for t in pieces(columns):
            z, w = problem.network.forward(W, part.x[:, t]), 1.0 if own is None else own[t]
            each = decide(z) == part.labels[t] if problem.classes else np.square(problem.loss.mean(z) - part.y[:, t])
            value[0] += float((w * each).sum(dtype=np.float64)) / (1 if problem.classes else len(z))
    total = float(sum_by_tile(world, part.tiles, values)[0])
    whole = part.tiles.n if own is None else part.total
    return total / whole if whole else None


def weights_sha256(W: Arrays) -> str:
    """The digest of W[1..L], row by row, whatever the number of ranks."""
    digest = hashlib.sha256()
    for w in W[1:]:
        digest.update(np.ascontiguousarray(w).data)
    return digest.hexdigest()


def certified(row: Row) -> dict[str, Any]:
    """The objective, a lower bound of its minimum, and their distance relative to it; empty where no bound is known.

    >>> certified({"objective": 2.0, "duality_gap": 0.25})
    {'certificate': {'primal': 2.0, 'dual': 1.5, 'gap': 0.25}}
    """
    gap, value = row.get("duality_gap"), row.get("objective")
    if gap is None or value is None:
        return {}
    return {"certificate": {"primal": value, "dual": value - gap * (abs(value) or 1.0), "gap": gap}}
