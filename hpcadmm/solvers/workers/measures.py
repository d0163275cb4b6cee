"""The metrics of the solvers with workers.

All of them report `objective`, `primal_residual`, `scale` (what the residual is relative to), `consensus_distance` (the
norm of all theta_n - mean) and, where the optimum f* of one model for all is known, `objective_error` and `mean_error`.

Sent so far: `rounds` (half-steps that end with messages), `payload_bits` (each message counted once, however many hear
it and however it travels), `payload_bits_per_worker` and `payload_messages`; with a server also `broadcast_bits`, which
`payload_bits` includes.
"""

from typing import Any

import numpy as np

from hpcadmm.comm.exact.sums import sum_by_tile
from hpcadmm.comm.world import World
from hpcadmm.model.graph import Graph
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.solvers.shared import loss
from hpcadmm.solvers.workers import penalised
from hpcadmm.solvers.workers.workers import mean


def of_gadmm(solver: Any, s: Any, p: Problem, world: World) -> dict[str, Any]:
    """`objective`: sum_n f_n(theta_n). `objective_error`: its distance to f*, which may be 0 by chance while the
    workers differ; `mean_error`: f(mean of all theta_n) - f*.

    `primal_residual`: the norm of theta_n - theta_m over all edges; `dual_residual`: rho times the norm of the heads'
    changes of what they know of their neighbours.
    """
    work = s.work
    theta, values, changes, bits, messages = (
        work.workers.gathered(rows, world)
        for rows in (
            s.theta.rows,
            work.local.values(s.theta.rows),
            dual_changes(s),
            s.payload_bits.rows[:, 0],
            s.messages.rows[:, 0],
        )
    )
    rounds = sum(bool(solver.due(work, k)) for k in range(s.iterations)) if solver.periods else s.iterations
    found = {
        "objective": float(values.sum()),
        **apart(theta, solver.graph),
        "dual_residual": solver.rho * float(np.sqrt(changes.sum())),
        "rounds": rounds * (2 if solver.workers > 1 else 0),
        "payload_bits": int(bits.sum()),
        "payload_bits_per_worker": bits.astype(int).tolist(),
        "payload_messages": int(messages.sum()),
    }
    return found | errors(s, theta)


def apart(theta: Array, graph: Graph) -> dict[str, float]:
    """How far the models (N, d) of all workers are apart."""
    edges = np.array(graph.edges, dtype=np.int64).reshape(-1, 2)
    return {
        "primal_residual": norm(theta[edges[:, 0]] - theta[edges[:, 1]]),
        "scale": norm(theta),
        "consensus_distance": norm(theta - mean(theta)),
    }


def errors(s: Any, theta: Array) -> dict[str, float]:
    """How far the objective is from the optimum, if it is known; theta: (N, d), of all workers. Collective."""
    optimum = s.work.optimum
    if optimum is None:
        return {}
    return {"objective_error": optimum.error(s.theta.rows), "mean_error": optimum.excess(mean(theta))}


def dual_changes(s: Any) -> Array:
    """For each head of this rank, |sum over its neighbours of the change of what is known of them|^2; 0 for tails."""
    workers, known = s.work.workers, s.known.rows
    heads, _ = workers.groups
    found = np.zeros(len(workers.mine))
    change = known.astype(np.float64) - s.work.before
    found[heads] = np.square(workers.around(change, heads)).sum(axis=1)
    return found


def of_consensus(solver: Any, s: Any, p: Problem, world: World) -> dict[str, Any]:
    """`objective`: sum_n f_n(theta_n) of exact steps, else the summed loss of Theta. `primal_residual`: the norm of all
    theta_n - Theta; `dual_residual`: rho (without multipliers 1) times the change of Theta, once for each worker;
    `mean_error`: f(Theta) - f*. `sums`: Allreduces so far, one a round."""
    if p.penalty:
        return penalised.measure(solver, s, p, world) | {"sums": s.iterations}
    work, admm = s.work, solver.server == "admm"
    theta, Theta = work.workers.gathered(s.theta.rows, world), work.Theta.astype(np.float64)
    bits, rounds = work.vectors * answer_bits(s.W), taken(s, world)
    found = {
        "primal_residual": norm(theta - Theta),
        "scale": norm(theta),
        "dual_residual": (solver.rho if admm else 1.0) * np.sqrt(solver.workers) * norm(Theta - work.before),
        "consensus_distance": norm(theta - theta.mean(axis=0)),
        "sums": s.iterations,
        **payload([bits * one for one in rounds], s.iterations, bits, sum(rounds)),
    }
    if work.optimum is None:
        return found | {"objective": loss.summed_loss(s.W, p, world)}
    return found | {
        "objective": float(work.workers.gathered(work.local.values(s.theta.rows), world).sum()),
        "objective_error": work.optimum.error(s.theta.rows),
        "mean_error": work.optimum.excess(Theta),
    }


def taken(s: Any, world: World) -> list[int]:
    """The rounds in which each worker has taken part. Collective."""
    workers = s.work.workers
    if not s.rounds:
        return [s.iterations] * workers.count
    rounds: list[int] = workers.gathered(s.rounds.rows[:, 0], world).astype(int).tolist()
    return rounds


def of_gossip(solver: Any, s: Any, p: Problem, world: World) -> dict[str, Any]:
    """`objective`: sum_n f_n(theta_n). `primal_residual`, `objective_error`, `mean_error`: as of gadmm. An iteration is
    a round."""
    workers = s.work.workers
    theta, values = (workers.gathered(rows, world) for rows in (s.theta.rows, s.work.values(s.theta.rows, p)))
    sent = s.iterations if workers.count > 1 else 0
    bits = sent * solver.vectors * answer_bits(s.W)
    return {
        "objective": float(values.sum()),
        **apart(theta, solver.graph),
        "rounds": sent,
        "payload_bits": workers.count * bits,
        "payload_bits_per_worker": [bits] * workers.count,
        "payload_messages": workers.count * sent,
        **errors(s, theta),
    }


def of_gd(solver: Any, s: Any, p: Problem, world: World) -> dict[str, Any]:
    """`objective`: f(W) + m decay/2 |W|^2. `primal_residual`: the norm of the gradient of the last step; `scale`: of W.
    All workers have one model, so `consensus_distance` is 0. `objective_error` and `mean_error`: f(W) - f*."""
    work = s.work
    found = {
        "objective": float(values(s, p, world).sum()) + loss.penalty(s.W, p.network, p.total * solver.decay),
        "primal_residual": s.slope,
        "scale": loss.norm(s.W),
        "consensus_distance": 0.0,
        **payload(solver.uploads(s, world), s.iterations, answer_bits(s.W)),
    }
    if work.optimum is not None:
        excess = work.optimum.excess(s.W[1].reshape(-1, order="F").astype(np.float64))
        found |= {"objective_error": abs(excess), "mean_error": excess}
    return found


def values(s: Any, p: Problem, world: World) -> Array:
    """f(W), (1,), over all workers; in float64 for linear models with a known optimum."""
    work = s.work
    if work.local is not None:
        theta = np.tile(s.W[1].reshape(-1, order="F"), (len(p.tiles), 1))
        return sum_by_tile(world, p.tiles, work.local.values(theta)[:, None])
    half = work.share * (p.total or 1)
    return half * sum_by_tile(world, p.tiles, work.samples.values([s.W] * len(p.tiles))[:, None])


def answer_bits(W: Arrays) -> int:
    """Bits of the server's broadcast of the model in its own precision."""
    return 8 * sum(w.nbytes for w in W[1:])


def payload(uploads: list[int], iterations: int, broadcast: int, messages: int | None = None) -> dict[str, Any]:
    """What has been sent with a server: `uploads` bits by worker, and `broadcast` bits per iteration.

    messages: uploads so far (None: one of each worker in each iteration). A single worker needs no server and sends
    nothing.
    """
    workers, answers = len(uploads), iterations if len(uploads) > 1 else 0
    uploads = uploads if workers > 1 else [0]
    sent = answers * workers if messages is None or workers == 1 else messages
    return {
        "rounds": 2 * answers,
        "payload_bits": sum(uploads) + answers * broadcast,
        "payload_bits_per_worker": uploads,
        "broadcast_bits": answers * broadcast,
        "payload_messages": answers + sent,
    }


def norm(x: Array) -> float:
    """The root of the sum of all squares."""
    return float(np.sqrt(np.square(x).sum()))
