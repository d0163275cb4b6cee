"""What is measured of mpadmm, and what a sweep cannot do without."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.model.network import Network
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.model.tiles import Tiles
from hpcadmm.solvers.gradients.measures import summed_loss
from hpcadmm.solvers.shared.products import Product
from hpcadmm.subproblems.matrix_penalty import damped_inverse
from hpcadmm.subproblems.norm import square


def size_of(W: Arrays, network: Network) -> float:
    """sum_l |W_l|^2, biases excepted."""
    return sum(square(W[l][:, : network.n[l - 1]]) for l in range(1, network.depth + 1))


def mean_objective(solver: Any, W: Arrays, p: Problem, world: World) -> float:
    """The mean loss over all samples and decay/2 |W|^2. Collective."""
    return summed_loss(W, p, world) / max(p.tiles.n, 1) + 0.5 * solver.decay * size_of(W, p.network)


def measure(solver: Any, s: Any, p: Problem, world: World) -> Mapping[str, Any]:
    """`objective`: the loss summed over the samples, and m decay/2 |W|^2; `primal_residual`: the norm of C, the
    gradient of the last batch's mean (z = W a holds exactly); `scale`: of W; `step` and `slope`, <D, C>, of the last
    sweep; `epochs`: passes over the data so far; `sums` over the ranks so far; `refreshes` of the penalties."""
    step, slope, C = (float(v) for v in s.last)
    sweeps, refreshes, sums = (int(v) for v in s.counts)
    W = solver.weights(s, world)
    return {
        "objective": p.tiles.n * mean_objective(solver, W, p, world),
        "primal_residual": C,
        "scale": float(np.sqrt(size_of(W, p.network))),
        "step": step,
        "slope": slope,
        "epochs": sweeps / s.work.count,
        "sums": sums,
        "refreshes": refreshes,
    }


@dataclass(frozen=True)
class Inverse:
    """The inverse of a positive definite matrix, timed alone."""

    matrix: Array

    def __call__(self) -> None:
        damped_inverse(self.matrix, 1.0, 1.0, np.empty_like(self.matrix))

    @property
    def flops(self) -> int:
        """Of a Cholesky factor and its inverse."""
        return len(self.matrix) ** 3


@dataclass(frozen=True)
class Due:
    """What only some sweeps need: run where the last one did."""

    product: Any
    due: Callable[[], bool]

    def __call__(self) -> None:
        if self.due():
            self.product()

    @property
    def flops(self) -> int:
        return self.product.flops if self.due() else 0


def floor(solver: Any, s: Any, p: Problem) -> dict[str, Any]:
    """The GEMM and SYRK calls of the last sweep on this rank, at its shapes and precision, and its inverses, by name.

    Of each layer W a, lam a^T, below the first W^T lam, and Q C P; where the sweep refreshed a a^T, lam lam^T and those
    of both inverses that are this rank's (of the first layer's a only while it is refreshed).
    """
    n, k = p.network, int(s.counts[0])
    m = sum(map(len, s.work.batches.columns(k))) if solver.batch else p.x.shape[1]
    tiles = Tiles(m, 64, parts=max(len(p.tiles), 1)) if solver.batch else p.tiles
    random = np.random.default_rng(0)

    def some(rows: int, columns: int) -> Array:
        return np.asfortranarray(random.standard_normal((rows, columns), dtype=np.float32), p.dtype)

    def fresh(inputs: bool) -> bool:
        last = int(s.counts[0]) - 1
        return last < solver.warm or (last % solver.refresh == 0 and not inputs)

    def inverted(inputs: bool, key: tuple[str, int]) -> bool:
        return fresh(inputs) and s.work.inverts(key, int(s.counts[0]) - 1 < solver.warm)

    found: dict[str, Any] = {}
    for l in s.work.mine:
        W, columns = s.work.iterate[l], n.shape(l)[1]
        a, lam = some(columns, m), some(n.n[l], m)
        found[f"W{l} a{l - 1}"] = Product(W, a, tiles)
        found[f"lam{l} a{l - 1}^T"] = Product(lam, a, tiles, outer=True)
        if l > 1:
            found[f"W{l}^T lam{l}"] = Product(W[:, : n.n[l - 1]].T, lam, tiles)
        found[f"C{l} P{l}"] = Product(s.work.D[l], s.P[l], Tiles(columns, columns))
        found[f"Q{l} C{l}"] = Product(s.Q[l], s.work.D[l], Tiles(columns, columns))
        pairs = ((f"a{l - 1}", a, s.P[l], l == 1, "P"), (f"lam{l}", lam, s.Q[l], False, "Q"))
        for name, x, inverse, inputs, kind in pairs:
            found[f"{name} {name}^T"] = Due(Product(x, x, tiles, outer=True), partial(fresh, inputs))
            found[f"({name} {name}^T)^-1"] = Due(Inverse(inverse), partial(inverted, inputs, (kind, l)))
    return found
