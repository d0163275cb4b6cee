"""Linear models with a penalty, posed from arrays and solved to the end."""

from typing import Any

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.model.losses import LOSSES
from hpcadmm.model.network import Network
from hpcadmm.model.penalties import NoPenalty
from hpcadmm.model.problem import Part, Problem
from hpcadmm.model.sparse import Sparse
from hpcadmm.model.tiles import Tiles
from hpcadmm.products import engine_of
from hpcadmm.testing.problems import started


def posed(
    X: Any, labels: Any, loss: Any, penalty: Any = None, world: World | None = None, *, dtype: Any = np.float64,
    weight: Any = None, width: int = 64, parts: int = 0,
) -> Problem:  # fmt: skip
    """X: (samples, features), an array or sparse. loss: a name, or the loss. dtype: of the arrays."""
    world = world or World.alone()
    loss = LOSSES[loss]() if isinstance(loss, str) else loss
    m, n = X.shape
    classes = 0 if loss.real or labels.dtype.kind == "f" else int(labels.max()) + 1
    tiles = Tiles(m, width, world.samples.size, world.samples.rank, parts)
    mine = slice(tiles.lo, tiles.hi)
    outputs = loss.outputs(classes)
    y = loss.targets(labels[mine], outputs, classes, np.dtype(dtype).type)
    if isinstance(X, np.ndarray):
        x: Any = np.asfortranarray(np.vstack([X[mine].T, np.ones((1, tiles.hi - tiles.lo))]), dtype)
    else:
        ones = np.ones((m, 1))
        from scipy.sparse import csr_array, hstack

        x = Sparse(hstack([X, csr_array(ones)], format="csr")[mine].T.tocsc().astype(dtype))
    w = None if weight is None else np.asarray(weight, dtype)
    counted = {} if w is None else {"weight": w[mine], "sum": float(w.sum(dtype=np.float64))}
    part = Part(x, y, labels[mine], tiles, **counted)
    network = Network((n, outputs), ACTIVATIONS["relu"](), True)
    bound = (penalty or NoPenalty()).bound([f"x{j}" for j in range(n)])
    kind = np.dtype(dtype)
    return Problem(network, loss, part, part, classes, 0, kind.type, engine_of(kind.name), bound)


def solved(solver: Any, p: Problem, world: World | None = None, *, most: int = 5000, enough: float = 1e-9) -> Any:
    """The state where both relative residuals are at most `enough`, or after `most` iterations; and the last row."""
    world = world or World.alone()
    state = started(solver, p, world)
    for k in range(1, most + 1):
        solver.step(state, p, world)
        if k % 50 == 0:
            row = solver.measure(state, p, world)
            if row["primal_residual"] <= enough * row["scale"] and row["dual_residual"] <= enough * row["dual_scale"]:
                break
    return state, solver.measure(state, p, world) | {"iterations": k}
