"""The largest curvature of least squares from products with sparse samples: X X^T itself would be dense."""

import warnings

import numpy as np

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array
from hpcadmm.solvers.workers.local import samples
from hpcadmm.solvers.workers.workers import Workers
from hpcadmm.subproblems.local.newton import LocalNewton, SquaredSum

ENOUGH, MOST = 1e-10, 500  # residual of the eigenvector, relative to the curvature of a feature; iterations


def largest(p: Problem, workers: Workers, world: World) -> float:
    """lambda_max(sum_i w_i x_i x_i^T) by LOBPCG. Its error is about the square of the residual over the gap to the
    next eigenvalue. The same bits on any number of ranks. Collective."""
    from scipy.sparse.linalg import LinearOperator, lobpcg

    X, Y, w = samples(p, workers)
    sums = LocalNewton(X, Y, np.zeros(len(X)), w, SquaredSum).sums

    def total(rows: list[Array]) -> Array:
        found: Array = workers.gathered(np.array(rows), world).sum(axis=0)
        return found

    unit = float(total([f.squares() for f in sums]).max())
    if not unit > 0:
        return 0.0

    def bend(v: Array) -> Array:
        return total([f.bend(None, v) for f in sums]) / unit

    n = len(p.x)
    start = np.random.default_rng(0).standard_normal((n, 1))
    operator = LinearOperator((n, n), matvec=bend, matmat=bend, dtype=np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where rounding hides the last digits of the residual
        values, _ = lobpcg(operator, start, tol=ENOUGH, maxiter=MOST, largest=True)
    return unit * float(values[0])
