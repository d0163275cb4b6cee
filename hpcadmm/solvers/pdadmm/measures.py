"""What is measured of a pdADMM iterate."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpcadmm.comm.exact.sums import sum_by_tile
from hpcadmm.comm.world import World
from hpcadmm.model.inputs import product
from hpcadmm.model.problem import Problem
from hpcadmm.model.weighted import total
from hpcadmm.solvers.pdadmm.start import first_weights
from hpcadmm.subproblems.norm import square
from hpcadmm.subproblems.quadratic_bound import omega

COLUMNS = 5  # by layer: Lagrangian, |p - q|^2, |p|^2 + |q|^2, squared error and squared norm of what was sent


def measure(solver: Any, s: Any, problem: Problem, world: World) -> Mapping[str, Any]:
    """`objective`: the augmented Lagrangian, with p as agreed. `primal_residual`: the norm of all p_{l+1} - q_l.
    `scale`: the norm of all p and q. `weight_movement`: |W_l - first W_l| / |first W_l| by layer. `payload_bytes`: of
    all messages between layers so far, whether or not they crossed ranks. `wire_error`, if the wire loses digits: the
    error of the agreed values, relative to their norm."""
    L, n = problem.network.depth, problem.network.n
    values = np.zeros((len(problem.tiles), L + 1, COLUMNS))
    for row, (_, t) in zip(values, problem.tiles, strict=True):
        for l in s.links.layers:
            row[l] = _layer(s, l, t, problem)
    sums = sum_by_tile(world, problem.tiles, values.reshape(len(values), -1)).reshape(L + 1, COLUMNS).sum(axis=0)
    layers = np.zeros((L + 1, 3))  # of this rank: Omega / decay, movement, payload
    for l in s.mine:
        W, first = s.W[l], first_weights(solver, problem, l)
        layers[l] = omega(W[:, : n[l - 1]], solver.penalty), _norm(W - first) / max(_norm(first), 1e-30), s.payload[l]
    (layers,) = world.chain.sum(layers)
    found = {
        "objective": float(sums[0] + solver.decay * sum(layers[:, 0].tolist())),
        "primal_residual": float(np.sqrt(sums[1])),
        "scale": float(np.sqrt(sums[2])),
        "weight_movement": layers[1:, 1].tolist(),
        "payload_bytes": int(layers[:, 2].sum()),
    }
    if not s.links.wire.lossless:
        found["wire_error"] = float(np.sqrt(sums[3] / sums[4])) if sums[4] else 0.0
    return found


def _norm(W: Any) -> float:
    return float(np.linalg.norm(W))


def _layer(s: Any, l: int, t: slice, problem: Problem) -> tuple[float, float, float, float, float]:
    """COLUMNS of layer l on one tile; the Lagrangian without Omega."""
    links, z, p, activation = s.links, s.z[l][:, t], s.p[l][:, t], problem.network.activation
    lossless, error, size, count = links.wire.lossless, 0.0, 0.0, problem.w(t)
    objective = s.nu / 2 * square(z - product(s.W[l], p, s.work.scratch("m", *z.shape)), count)
    if not lossless and l > 1:
        error, size = square(p - s.sent_p[l][:, t], count), square(s.sent_p[l][:, t], count)
    if l == problem.network.depth:
        return objective + problem.loss.value(z, problem.y[:, t], count), 0.0, 0.0, error, size
    q, above = s.q[l][:, t], links.p_above(l)[: len(z), t]
    u_over_nu = q - activation.value(z, out=s.work.scratch("h", *z.shape))
    r = np.asfortranarray(above - q)
    ur = s.nu_of_u * total(u_over_nu * r, count)
    objective += s.nu / 2 * square(u_over_nu, count) + s.rho / 2 * square(r, count) + ur
    if not lossless:
        w = links.form_w(l, t)
        error, size = error + square(w - s.sent_w[l][:, t], count), size + square(w, count)
    return objective, square(r, count), square(q, count) + square(np.asfortranarray(above), count), error, size
