"""T (X w X^T / N + kappa I) = R for the coefficients of a linear model: by one Cholesky factor, or by conjugate
gradients where the matrix would be too large."""

from typing import Any

import numpy as np
from scipy.linalg import cho_solve

from hpcadmm.comm.exact.over_ranks import sum_tiles
from hpcadmm.comm.exact.sums import Exact, first_grid
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array
from hpcadmm.solvers.shared.convex.start import of_matrix, squared
from hpcadmm.solvers.shared.normal import sum_over_samples
from hpcadmm.subproblems.newton_cg import direction, norm
from hpcadmm.subproblems.normal_equations import cholesky

FACTORED = 20_000  # inputs up to which the matrix is formed, if they are dense
ENOUGH = 1e-6  # residual of conjugate gradients, relative to the right side


def shift(p: Problem, kappa: float) -> Array:
    """The diagonal of kappa I, 0 for the intercept."""
    found = np.full(p.network.shape(1)[1], kappa)
    found[p.network.n[0] :] = 0.0
    return found


class Factored:
    """By a factor in float64. gram: X w X^T / N; kappa may change."""

    def __init__(self, p: Problem, world: World) -> None:
        self.gram = sum_over_samples(p.x, p.x, p.tiles, world, w=p.train.weight, products=p.engines[1]) / p.total
        self.p, self._kappa = p, np.nan
        self._factor: Any = None

    @property
    def diagonal(self) -> Array:
        found: Array = self.gram.diagonal()
        return found

    @property
    def mean_eigenvalue(self) -> float:
        """The geometric mean of the eigenvalues of the features' part."""
        n = self.p.network.n[0]
        return of_matrix(self.gram[:n, :n])

    def roughly(self, R: Array, kappa: float) -> Array:
        """T, for an estimate."""
        return self.solve(R, kappa, R)

    def solve(self, R: Array, kappa: float, T: Array) -> Array:
        """T, which is not needed to begin from."""
        if kappa != self._kappa:
            self._factor = cholesky(self.gram + np.diag(shift(self.p, kappa)), len(self.gram))
            self._kappa = kappa
        found: Array = cho_solve(self._factor, R.T, check_finite=False).T
        return found


class ByProducts:
    """By conjugate gradients, preconditioned by the diagonal, from the last T: each step has one product with all
    samples of all ranks, and one sum."""

    def __init__(self, p: Problem, world: World, total: Exact) -> None:
        """total: the sum of a product, whose scales a checkpoint keeps."""
        self.p, self.world, self._sum = p, world, total
        squares = Exact((1, p.network.shape(1)[1]), p.dtype, p.tiles.count, first_grid(p.tiles.n))

        def add(t: slice) -> None:
            squares.add(squared(p.x[:, t], p.w(t)))

        sum_tiles(world, p.tiles, [squares], add)
        self.diagonal = squares.total[0] / p.total

    def times(self, V: Array) -> Array:
        """V X w X^T / N. Collective."""
        p, engine, W = self.p, self.p.engines[1], V.astype(self.p.dtype)

        def add(t: slice) -> None:
            z = engine.apply(W, p.x[:, t])
            z = z if p.train.weight is None else z * p.w(t)
            self._sum.add(engine.outer(z, p.x[:, t], self._sum.partial))

        sum_tiles(self.world, p.tiles, [self._sum], add)
        return self._sum.total / p.total

    def bend(self, diagonal: Array, V: Array) -> Array:
        """The matrix, with this diagonal added, times V. Collective."""
        return self.times(V) + V * diagonal

    @property
    def mean_eigenvalue(self) -> float:
        """The arithmetic mean, from the diagonal: the geometric one would need the matrix."""
        return float(self.diagonal[: self.p.network.n[0]].mean())

    def roughly(self, R: Array, kappa: float) -> Array:
        """T, for an estimate: by the diagonal alone, without a product."""
        found: Array = R / np.maximum(self.diagonal + shift(self.p, kappa), np.finfo(float).tiny)
        return found

    def solve(self, R: Array, kappa: float, T: Array) -> Array:
        add = shift(self.p, kappa)
        scale = 1 / np.sqrt(np.where(self.diagonal + add > 0, self.diagonal + add, 1))
        return T + direction(self, add, self.bend(add, T) - R, ENOUGH * norm(scale * R), scale)
