"""What solvers have in common whose workers talk to a server, which may be any rank, or all of them.

An iteration has two rounds: every worker uploads a message, and the server broadcasts its answer. On MPI both are one
collective call, after which every rank knows the answer; the payload is counted as the algorithm sends it.
"""

from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.model.tiles import Tiles
from hpcadmm.solvers.workers.decentralized import LOCAL
from hpcadmm.solvers.workers.optimum import OPTIMA


class Crew:
    """This rank's workers, lo to hi, each with a tile of the samples; stacks have a row for each of them, in order."""

    def __init__(self, tiles: Tiles) -> None:
        self.tiles, self.count = tiles, tiles.count
        self.lo, self.hi = tiles.held
        self.mine = list(range(self.lo, self.hi))

    def by_worker(self, stack: Array) -> Arrays:
        """The rows of this rank's workers as a list by worker."""
        return [stack[n - self.lo] if self.lo <= n < self.hi else None for n in range(self.count)]

    def gathered(self, stack: Array, world: World) -> Array:
        """The rows of all workers on all ranks, as float64."""
        every = np.zeros((self.count, *stack.shape[1:]))
        every[self.lo : self.hi] = stack
        return world.sum_flat(every.reshape(-1)).reshape(every.shape)


def pose(p: Problem, crew: Crew, c: float, world: World) -> tuple[Any, Any]:
    """The local problems of a linear model with c/2 |theta|^2, and the optimum of one model for all samples."""
    tiles = [t for _, t in p.tiles]
    local = LOCAL[p.loss.name]([p.x[:, t] for t in tiles], [p.y[:, t] for t in tiles], np.full(len(tiles), c))
    return local, OPTIMA[p.loss.name](local, crew.mine, p, world)


def answer_bits(W: Arrays) -> int:
    """Of the server's broadcast of the model, as it is."""
    return 8 * sum(w.nbytes for w in W[1:])


def payload(uploads: list[int], iterations: int, broadcast: int) -> dict[str, Any]:
    """What the algorithm has sent so far; uploads: bits by worker; broadcast: bits of an answer, which counts once
    however many hear it. One worker needs no server and sends nothing."""
    workers, answers = len(uploads), iterations if len(uploads) > 1 else 0
    uploads = uploads if workers > 1 else [0]
    return {
        "rounds": 2 * answers,
        "payload_bits": sum(uploads) + answers * broadcast,
        "payload_bits_per_worker": uploads,
        "broadcast_bits": answers * broadcast,
        "payload_messages": answers * (workers + 1),
    }
