"""Rounds of local steps: workers move weights of their own, then one sum over the ranks averages them.

Stich: Local SGD Converges Fast and Communicates Little, ICLR 2019, with steps of mpadmm; the workers share P and Q.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from hpcadmm.comm import memory
from hpcadmm.comm.exact.sums import Exact, first_grid
from hpcadmm.comm.exact.vectors import carried, side_by_side
from hpcadmm.comm.wire.narrow import NARROW
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.model.weighted import sum_of
from hpcadmm.solvers.shared.batches import LocalBatches, counted
from hpcadmm.solvers.shared.buckets import Bucket, OuterSum
from hpcadmm.solvers.shared.narrow_sums import NarrowSums
from hpcadmm.subproblems.matrix_penalty import direction
from hpcadmm.subproblems.norm import inner, square
from hpcadmm.subproblems.passes import Passes

COPIES = 5  # arrays of the size of the weights in float64: W_r, C_r, the sum of changes in two words, a change


@dataclass(frozen=True)
class Worker:
    """Worker n of the job: the number of its samples, and the sum of their weights."""

    n: int
    samples: int
    weight: float

    def counted(self, samples: int) -> float:
        """What its mean over a number of its samples divides by: that number times the mean weight of its own."""
        return samples * self.weight / (self.samples or 1) or 1.0


class Rounds:
    """This rank's workers, and the sums of a round over all workers r:

    changes[l]: sum_r share_r (W_r - W)_l, where share_r is worker r's part of the weight of all samples
    told: (s, <D, C>, |C|^2) of each worker's last step, column r

    W, C: of the worker that moves. scales, errors: what exact and narrow sums carry from round to round, by layer.
    """

    def __init__(self, solver: Any, p: Problem) -> None:
        self.p, self.layers, count = p, range(1, p.network.depth + 1), p.tiles.count
        self.after, self.last = solver.local_after, (0.0, 0.0, 0.0)
        self.workers = [Worker(n, t.stop - t.start, sum_of(p.w(t), t.stop - t.start)) for n, t in p.tiles]
        before = -(-solver.local_after * solver.batch // (solver.workers * solver.local_batch))
        self.batches = LocalBatches(p, [w.n for w in self.workers], solver.local_batch, solver.local_steps, before)
        shapes, plain = [p.network.shape(l) for l in self.layers], solver.sums != "exact"
        self.W: Arrays = [None, *(np.zeros(shape, p.dtype, order="F") for shape in shapes)]
        self.C: Arrays = [None, *map(np.zeros_like, self.W[1:])]
        totals = [Exact(shape, p.dtype, count, first_grid(1), plain, patient=True) for shape in shapes]
        self.changes = {l: OuterSum(l, total, partial(self._change, l)) for l, total in enumerate(totals, 1)}
        self.told = OuterSum(0, Exact((3, count), np.float64, count, plain=True), self._last)
        self.outers = [*self.changes.values(), self.told]
        self.scales: Arrays = [None, *(carried([total]) for total in totals)]
        self.message = side_by_side([*totals, self.told.total])
        L = p.network.depth
        self.narrow = NarrowSums(solver.sums, self.changes, L, p.dtype) if solver.sums in NARROW else None
        self.errors: Arrays = self.narrow.errors if self.narrow else []

    def epochs(self, k: int, count: int) -> float:
        """Passes over the data in k iterations. count: batches of an epoch of sweeps."""
        sweeps = min(k, self.after)
        return sweeps / count + (k - sweeps) * self.batches.steps / self.batches.batches.count

    def size(self, k: int) -> float:
        """What the mean over all workers' first steps of iteration k divides by."""
        return counted(self.p, self.batches.batches.size(self.batches.start(k - self.after)))

    def add(self, solver: Any, s: Any, curvature: Sequence[OuterSum]) -> None:
        """The steps of each of this rank's workers; add its change, and the products of its first step."""
        self.V = s.iterate
        for row, worker in enumerate(self.workers):
            self.worker = worker
            self.last = self.walk(solver, s, row, curvature)
            for outer in self.outers:
                outer.add(s.sums.passes)

    def _change(self, l: int, _: Passes, out: Array) -> Array:
        """out = share_r (W_r - W)_l of the worker that has moved last."""
        np.subtract(self.W[l], self.V[l], out=out)
        out *= self.p.dtype(self.worker.weight / (self.p.total or 1))
        return out

    def _last(self, _: Passes, out: Array) -> Array:
        """out = what its last step told, in its column."""
        out[...] = 0
        out[:, self.worker.n] = self.last
        return out

    def walk(self, solver: Any, s: Any, row: int, curvature: Sequence[OuterSum]) -> tuple[float, float, float]:
        """W_r from W by H steps on samples of worker `row` of this rank; s, <D, C> and |C|^2 of the last."""
        passes, last = s.sums.passes, (0.0, 0.0, 0.0)
        for l in self.layers:
            np.copyto(self.W[l], s.iterate[l])
        for h, (x, y, w, *keys) in enumerate(self.batches(s.sweeps - self.after, row)):
            W = passes.weights(self.W)
            passes.forward(W, x, *keys)
            passes.backward(W, y, w)
            for outer in curvature if h == 0 else ():
                outer.add(passes)
            last = self.move(solver, s, self.worker.counted(x.shape[1]))
        return last

    def move(self, solver: Any, s: Any, m: float) -> tuple[float, float, float]:
        """One step, W_r += s Q C P: s, <D, C> and |C|^2. m: what the mean over its samples divides by."""
        work, p, C, D = s.work, self.p, self.C, s.work.D
        for l in self.layers:
            n = p.network.n[l - 1]
            s.sums.passes.gradient(l, C[l])
            C[l] *= p.dtype(-1.0 / m)
            if solver.decay:
                C[l][:, :n] -= p.dtype(solver.decay) * self.W[l][:, :n]
            direction(work.Q[l], C[l], work.P[l], D[l], p.engines[l], work.operands[l])
        slope = sum(inner(D[l], C[l]) for l in self.layers)
        step = solver.bounded_step(s.sweeps, slope, p.loss)
        for l in self.layers:
            D[l] *= p.dtype(step)
            self.W[l] += D[l]
        return step, slope, sum(square(C[l]) for l in self.layers)


def take_round(solver: Any, s: Any, p: Problem, world: World) -> None:
    """One round: W_r = W, H steps of each worker r, one sum over the ranks, W = sum_r share_r W_r; new P, Q if due."""
    k, rounds, V = s.sweeps, s.rounds, s.iterate
    refresh, inputs = solver.refreshes(k), solver.refreshes(k, inputs=True)
    curvature = s.sums.curvature(inputs) if refresh else []
    bucket = Bucket([*rounds.outers, *curvature], message=None if refresh else rounds.message, narrow=rounds.narrow)

    def add() -> None:
        bucket.clear()
        rounds.add(solver, s, curvature)

    add()
    bucket.finish(world.samples, add)
    for l in rounds.layers:
        V[l] += rounds.changes[l].total.total
    s.step, s.slope, squares = rounds.told.total.total.mean(axis=1).tolist()
    s.residual = float(np.sqrt(squares))
    if refresh:
        solver.refresh_penalties(s, rounds.size(k), inputs)
    s.sweeps, s.sums_made = k + 1, s.sums_made + 1
    solver.average_iterate(s)


def check(solver: Any) -> None:
    """Raise UsageError if other keys do not fit solver.local_steps."""
    said = f"solver.local_steps = {solver.local_steps}"
    if not solver.batch:
        raise UsageError(f"{said} needs minibatches in the sweeps before the first round: set solver.batch > 0")
    if solver.grid != "samples" and (solver.grid == "layers" or solver.grid[0] > 1):
        raise UsageError(
            f"{said}: a worker has all layers, and solver.grid deals layers to ranks: leave one of them out"
        )


def check_ranks(solver: Any, ranks: int) -> None:
    """Raise UsageError if a rank would have no part of a batch, or no worker."""
    if solver.local_steps and ranks > solver.workers:
        raise UsageError(
            f"{ranks} ranks, but solver.workers = {solver.workers}, and each rank needs at least one: start at most "
            f"{solver.workers} ranks, or set solver.workers = {ranks} (which makes other rounds)"
        )
    if ranks > solver.parts:
        raise UsageError(
            f"a batch has {solver.parts} parts (solver.cut), and each of {ranks} ranks needs at least one: "
            f"start at most {solver.parts} ranks, or set solver.cut = {ranks}"
        )


def check_memory(p: Problem, world: World) -> None:
    """Raise UsageError if a node lacks the memory for a worker's weights and the sum of their changes. Collective."""
    entries = sum(float(np.prod(p.network.shape(l))) for l in range(1, p.network.depth + 1))
    memory.check(
        world, {"weights of a worker": 8.0 * COPIES * entries}, "set solver.local_steps = 0, or use fewer units"
    )
