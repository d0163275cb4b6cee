"""What is measured of decentralized iterates, and the products that an iteration cannot do without."""

from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.model.tiles import Tiles
from hpcadmm.solvers.shared.products import Product
from hpcadmm.solvers.workers.decentralized import Work, mean
from hpcadmm.subproblems.local_adam import LocalAdam
from hpcadmm.subproblems.local_least_squares import LocalLeastSquares


def measure(solver: Any, s: Any, p: Problem, world: World) -> dict[str, Any]:
    """`objective`: sum_n f_n(theta_n). Where the optimum is known, `objective_error`: its distance to f*, the least of
    one model for all, which off consensus may be 0 by chance; `mean_error`: f(mean of all theta_n) - f*.

    `primal_residual`: the norm of all theta_n - theta_m along edges together; `dual_residual`: of rho times the change
    of what each head knows of its neighbours; `consensus_distance`: of all theta_n - mean; `scale`: of all theta_n.

    So far: `rounds`: half-steps that end with messages; `payload_bits`: what the algorithm sent, each message counted
    once however many neighbours hear it, by whatever way it came to them; `payload_bits_per_worker`; and
    `payload_messages`.
    """
    work: Work = s.work
    theta, marks = work.gathered(work.theta, world), work.gathered(work.marks, world)
    values = work.gathered(work.local.values(work.theta), world)
    changes = work.gathered(dual_changes(work), world)
    middle, edges = mean(theta), np.array(solver.graph.edges, dtype=np.int64).reshape(-1, 2)
    objective = float(values.sum())
    told = sum(bool(solver.due(work, k)) for k in range(int(s.done[0]))) if solver.periods else int(s.done[0])
    found = {
        "objective": objective,
        "primal_residual": norm(theta[edges[:, 0]] - theta[edges[:, 1]]),
        "scale": norm(theta),
        "dual_residual": solver.rho * float(np.sqrt(changes.sum())),
        "consensus_distance": norm(theta - middle),
        "rounds": told * (2 if solver.workers > 1 else 0),
        "payload_bits": int(marks[:, 0].sum()),
        "payload_bits_per_worker": marks[:, 0].astype(int).tolist(),
        "payload_messages": int(marks[:, 1].sum()),
    }
    if work.optimum is None:
        return found
    return found | {"objective_error": work.optimum.error(work.theta), "mean_error": work.optimum.excess(middle)}


def dual_changes(work: Work) -> Array:
    """|sum over the neighbours of the change of what is known of them|^2 of each head on this rank, 0 of tails."""
    heads, _ = work.workers.groups
    found = np.zeros(len(work.theta))
    change = work.known.astype(np.float64) - work.before
    found[heads] = np.square(work.workers.around(change, heads)).sum(axis=1)
    return found


def norm(x: Array) -> float:
    """The root of the sum of all squares."""
    return float(np.sqrt(np.square(x).sum()))


def floor(s: Any, p: Problem) -> dict[str, Product]:
    """Of least squares the inverse of each worker times its right side; of steps on minibatches the products of all of
    them; else one product with the samples."""
    local = s.work.local
    if isinstance(local, LocalAdam):
        return passes(local, s.W, s.work)
    if isinstance(local, LocalLeastSquares):
        pairs = zip(s.work.workers.mine, *local.roots, strict=True)
        return {f"inverse {n}": Product(A, b, Tiles(b.shape[1], b.shape[1])) for n, A, b in pairs}
    return {"W x": Product(s.W[1], p.x, p.tiles)}


def passes(local: LocalAdam, W: Arrays, work: Work) -> dict[str, Product]:
    """W_l a_{l-1}, lam_l a_{l-1}^T and, l > 1, W_l^T lam_l, over this rank's minibatches of an iteration."""
    columns = sum(x.shape[1] for n in range(len(work.theta)) for x, _ in local.batches(0, n))
    widest = max([1, *(x.shape[1] for n in range(len(work.theta)) for x, _ in local.batches(0, n))])
    tiles, found = Tiles(columns, widest), {}
    for l in range(1, local.network.depth + 1):
        lam, a = (np.ones((rows, columns), W[l].dtype, order="F") for rows in W[l].shape)
        found[f"W {l} a"] = Product(W[l], a, tiles)
        found[f"lam {l} a^T"] = Product(lam, a, tiles, outer=True)
        if l > 1:
            found[f"W {l}^T lam"] = Product(W[l].T, lam, tiles)
    return found
