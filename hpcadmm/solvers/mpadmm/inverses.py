"""Which rank inverts which penalty matrix, of those with the same layers or of a chain, and who sends it to whom."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.model.network import Network
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array
from hpcadmm.solvers.shared.dealing import Block, owner
from hpcadmm.subproblems.matrix_penalty import input_penalty, output_penalty

Key = tuple[str, int]  # ("P", l) or ("Q", l)
INVERSE_FLOPS, BYTES, WORTH = 40e9, 4e9, 0.01  # a second of a core and of a message; seconds that must be saved
THERE_AND_BACK = 12  # bytes of an entry: A or B in float64, P or Q in float32
TAG = 20


def inverters(
    inverses: str, network: Network, layers: Sequence[int], ranks: int, itemsize: int, inputs: bool
) -> dict[Key, int]:
    """The rank that inverts each matrix of a refresh, P[1] only with `inputs`; empty: every rank inverts all."""
    sizes: dict[Key, int] = {("P", l): network.shape(l)[1] for l in layers if l > 1 or inputs}
    sizes |= {("Q", l): network.n[l] for l in layers}
    owners = spread(sizes, ranks)
    worth = inverses == "auto" and seconds_saved(sizes, owners, itemsize) >= WORTH
    return owners if ranks > 1 and (inverses == "dealt" or worth) else {}


def spread(sizes: Mapping[Key, int], ranks: int) -> dict[Key, int]:
    """A rank for each matrix of `sizes` rows: the largest first, each to the rank with the least work so far.

    >>> spread({("P", 1): 785, ("P", 2): 301, ("Q", 1): 300}, 2)
    {('P', 1): 0, ('P', 2): 1, ('Q', 1): 1}
    """
    loads, found = [0] * ranks, {}
    for key in sorted(sizes, key=lambda key: -sizes[key]):
        found[key] = loads.index(min(loads))
        loads[found[key]] += sizes[key] ** 3
    return found


def seconds_saved(sizes: Mapping[Key, int], owners: Mapping[Key, int], itemsize: int) -> float:
    """The estimated gain of a refresh in which one rank inverts each matrix and sends it to the others."""
    loads: dict[int, int] = {}
    for key, rank in owners.items():
        loads[rank] = loads.get(rank, 0) + sizes[key] ** 3
    spared = (sum(loads.values()) - max(loads.values(), default=0)) / INVERSE_FLOPS
    return spared - sum(n * n for n in sizes.values()) * itemsize / BYTES


def helped(
    loads: Sequence[float], inverses: Sequence[Mapping[Key, tuple[int, float]]], *, always: bool = False
) -> dict[Key, int]:
    """The ranks of a chain that invert matrices of others, while that shortens the longest sweep by WORTH; always: at
    all. loads: seconds of a sweep of each rank; inverses: rows, and seconds of the inverse, of each of its matrices.

    >>> helped([1.0, 1.3], [{}, {("P", 2): (10, 0.1), ("Q", 2): (10, 0.1)}])
    {('P', 2): 0}
    """
    found: dict[Key, int] = {}
    loads = list(loads)
    while True:
        most, least = loads.index(max(loads)), loads.index(min(loads))
        spare, mine = loads[most] - loads[least], {k: v for k, v in inverses[most].items() if k not in found}
        gains = {k: min(s, spare - s) - THERE_AND_BACK * n * n / BYTES for k, (n, s) in mine.items()}
        key = max(gains, key=lambda key: gains[key], default=None)
        if key is None or gains[key] <= (0 if always else WORTH):
            return found
        found[key] = least
        loads[most] -= mine[key][1]
        loads[least] += mine[key][1]


class Inverses:
    """Renews the P and Q of a rank. Its peers, the ranks with the same layers, may invert some each; along the chain of
    `blocks`, ranks invert some matrices of others."""

    def __init__(self, solver: Any, p: Problem, blocks: Sequence[Block], chain: World, peers: World) -> None:
        self.solver, self.blocks, self.chain, self.peers = solver, blocks, chain, peers
        self.block, itemsize = blocks[chain.rank], np.dtype(p.dtype).itemsize
        self.dealt = cache(
            lambda layers, inputs: inverters(solver.inverses, p.network, layers, peers.size, itemsize, inputs)
        )
        self._helpers = {key: rank for rank, block in enumerate(blocks) for key in block.helps}
        self._held: dict[Key, tuple[Array, Array]] = {}  # matrices of others
        for kind, l in self.block.helps:
            size = p.network.shape(l)[kind == "P"]
            self._held[kind, l] = np.zeros((size, size), order="F"), np.zeros((size, size), p.dtype, order="F")

    def shared(self, layers: tuple[int, ...], inputs: bool) -> bool:
        """Do other ranks invert some of these matrices, or this rank some of theirs? Then all layers are renewed at
        once."""
        return bool(self.dealt(layers, inputs) or self.block.lent or self.block.helps)

    def renew(self, s: Any, layers: tuple[int, ...], inputs: bool) -> None:
        """P_l from A_l, P_1 only with `inputs`, and Q_l from B_l, for these layers. Collective if `shared`."""
        mine: dict[Key, tuple[Array, Array]] = {("P", l): (s.A[l], s.P[l]) for l in layers if l > 1 or inputs}
        mine |= {("Q", l): (s.B[l], s.Q[l]) for l in layers}
        lent = {key: self._helpers[key] for key in self.block.lent}
        sent = [self.chain.send(mine[key][0], rank, tag(key)) for key, rank in lent.items()]
        back = [self.chain.receive(mine[key][1], rank, tag(key)) for key, rank in lent.items()]
        owners = {key: owner(self.blocks, key[1]) for key in self._held}
        expected = {key: self.chain.receive(self._held[key][0], rank, tag(key)) for key, rank in owners.items()}
        dealt = self.dealt(layers, inputs)
        for key in mine:
            if key not in lent and dealt.get(key, self.peers.rank) == self.peers.rank:
                self._invert(key, *mine[key])
        for key, (matrix, inverse) in self._held.items():
            expected[key].wait()
            self._invert(key, matrix, inverse)
            sent.append(self.chain.send(inverse, owners[key], tag(key)))
        for pending in (*sent, *back):
            pending.wait()
        for key, rank in dealt.items():
            self.peers.broadcast(mine[key][1], rank)

    def _invert(self, key: Key, matrix: Array, out: Array) -> None:
        if key[0] == "P":
            input_penalty(matrix, self.solver.delta, out)
        else:
            output_penalty(matrix, self.solver.g, out)


def tag(key: Key) -> int:
    """Of the message with this matrix."""
    return TAG + 2 * key[1] + (key[0] == "Q")
