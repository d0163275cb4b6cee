"""The arrays that an unwrapped run forms from the data, and its pass over the samples."""

from typing import Any

import numpy as np

from hpcadmm.comm.exact.over_ranks import sum_exactly
from hpcadmm.comm.exact.sums import Exact, first_grid
from hpcadmm.comm.exact.vectors import carried
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array
from hpcadmm.products.scratch import Scratch
from hpcadmm.solvers.convex import spectral
from hpcadmm.solvers.convex.normal import ByProducts, Factored
from hpcadmm.solvers.shared.convex import rho, start
from hpcadmm.solvers.shared.normal import sum_over_samples
from hpcadmm.subproblems.norm import inner, square

NUMBERS = 6  # of a pass: four squares, and two of a spectral estimate


class Work:
    """p: the present problem. split: has the loss a copy of T x? normal: solves the system of T. target: y x^T / N,
    without a split. kappa: mean of the features' mean squares. total, squares: sums over the samples of a pass;
    product: of a step of conjugate gradients."""

    def __init__(self, p: Problem, split: bool, by_products: bool) -> None:
        self.p, self.split = p, split
        self.shape = p.network.shape(1)
        rows, columns = self.shape
        count, grid = p.tiles.count, first_grid(p.tiles.n)
        self.total = Exact((2 * rows, columns), p.dtype, count, grid)
        self.squares = Exact((1, NUMBERS), np.float64, count, grid)
        self.product = Exact(self.shape, p.dtype, count, grid) if by_products else None
        self.scales = carried([self.total, self.squares, *([self.product] if self.product else [])])
        self.normal: Any = None
        self.target: Array = np.zeros(self.shape)
        self.kappa = 1.0
        self._scratch = Scratch(p.dtype)
        self._none = np.zeros((rows, max((t.stop - t.start for _, t in p.tiles), default=0)), p.dtype, order="F")
        self._x = [p.x[:, t] for _, t in p.tiles]
        self._tiles = [np.zeros((1, NUMBERS), order="F") for _ in p.tiles]  # the squares of each

    @property
    def quadratic(self) -> Any:
        """c of a penalty c/2 |W|^2, which needs no copy of the coefficients; None for others."""
        return self.p.penalty.quadratic

    def form(self, world: World) -> None:
        """The system of T, and what else is summed once. Collective."""
        p, n = self.p, self.p.network.n[0]
        self.normal = ByProducts(p, world, self.product) if self.product else Factored(p, world)
        self.kappa = float(self.normal.diagonal[:n].mean()) if n else 1.0
        self.kappa = self.kappa if self.kappa > 0 else 1.0
        if not self.split:
            self.target = sum_over_samples(p.y, p.x, p.tiles, world, w=p.train.weight, products=p.engines[1]) / p.total

    def padded(self, V: Array) -> Array:
        """V with zeros for the intercepts."""
        found = np.zeros(self.shape)
        found[:, : V.shape[1]] = V
        return found

    def second(self, s: Any) -> Array:
        """z x^T / N + kappa V: what the copies are to T."""
        return s.zxT + self.padded(self.kappa * s.V) if self.quadratic is None else s.zxT.copy()

    def fit(self, s: Any) -> Array:
        """T: of the split samples and coefficients, or of the targets and the coefficients."""
        if self.quadratic is not None:
            right, weight = (s.rho * (s.zxT - s.uxT), s.rho) if self.split else (self.target, 1.0)
            return self.normal.solve(right / weight, self.quadratic / weight, s.T)
        if self.split:
            return self.normal.solve(s.zxT - s.uxT + self.padded(self.kappa * (s.V - s.U)), self.kappa, s.T)
        weight = s.rho * self.kappa
        return self.normal.solve(self.target + self.padded(weight * (s.V - s.U)), weight, s.T)

    def split_samples(self, s: Any, alpha: float, world: World, estimate: bool) -> Array:
        """z and u of all samples for T, and their sums; returns (1/N) sum of w |T x - z|^2, w |T x|^2, w |z|^2 and
        w |u|^2, then the squares of a spectral estimate, 0 without it. Collective."""
        W = s.T.astype(self.p.dtype)
        self.clear()
        for k, (_, t) in enumerate(self.p.tiles):
            self._tiles[k][:] = self.split_tile(s, W, alpha, k, t, estimate)
            self.add(s, k, t)
        return self.complete(s, world)

    def begin(self, s: Any, world: World) -> None:
        """For given coefficients T: z = T x, and the multipliers with which T is the minimiser: rho u, the gradient
        of share * l at z, and rho kappa U = -(1/N) sum w rho u x^T. Collective."""
        p, n, W = self.p, s.V.shape[1], s.T.astype(self.p.dtype)
        if not self.split:
            residual = np.zeros_like(p.y)
            for k, (_, t) in enumerate(p.tiles):
                residual[:, t] = p.engines[1].apply(W, self._x[k]) - p.y[:, t]
            total = sum_over_samples(residual, p.x, p.tiles, world, w=p.train.weight, products=p.engines[1])
            s.U[...] = -total[:, :n] / (p.total * s.rho * self.kappa)
            return
        self.clear()
        for k, (_, t) in enumerate(p.tiles):
            s.z[:, t] = p.engines[1].apply(W, self._x[k])
            s.u[:, t] = p.dtype(p.loss.share / s.rho) * p.loss.gradient(s.z[:, t], p.y[:, t])
            self.add(s, k, t)
        self.complete(s, world)
        s.U[...] = -s.uxT[:, :n] / self.kappa

    def first_rho(self, world: World) -> float:
        """Where the rules for rho begin: see `adapt`. Collective."""
        if self.split:
            return start.of_loss(self.p, world)
        return self.normal.mean_eigenvalue / self.kappa or 1.0

    def refer(self, s: Any) -> None:
        """The first reference of a spectral estimate: z and V, the gradient of the loss there, and the multiplier of
        V."""
        if s.kept:
            s.kept[0][...] = s.z
            for _, t in self.p.tiles:
                s.kept[1][:, t] = self.p.dtype(self.p.loss.share) * self.p.loss.gradient(s.z[:, t], self.p.y[:, t])
        if s.kept_V:
            s.kept_V[0][...], s.kept_V[1][...] = s.V, s.rho * s.U

    def clear(self) -> None:
        self.total.clear()
        self.squares.clear()

    def split_tile(self, s: Any, W: Array, alpha: float, k: int, t: slice, estimate: bool) -> list[float]:
        """z = argmin share l(z) + rho/2 |z - copy - u|^2 and u += copy - z for the samples t."""
        p, z, u, scratch = self.p, s.z[:, t], s.u[:, t], self._scratch
        m = p.engines[1].apply(W, self._x[k], scratch("m", *z.shape))
        c, none = scratch("c", *z.shape), self._none[:, : z.shape[1]]
        kind = p.dtype
        np.multiply(m, kind(alpha), out=c)
        if alpha != 1:
            c += kind(1 - alpha) * z
        c += u
        p.loss.prox(c, p.y[:, t], none, s.rho / (2 * p.loss.share), z)
        np.subtract(c, z, out=u)
        m -= z
        found = [square(each, p.w(t)) for each in (m, m + z, z, u)]
        if not estimate:
            return [*found, *[0.0] * (NUMBERS - len(found))]
        return [*found, *spectral.moved([z, kind(s.rho) * u], [one[:, t] for one in s.kept], p.w(t))]

    def add(self, s: Any, k: int, t: slice) -> None:
        """Add z x^T and u x^T of tile k, the samples t, and its squares."""
        p, both = self.p, self._scratch("both", 2 * len(s.z), t.stop - t.start)
        both[: len(s.z)], both[len(s.z) :] = s.z[:, t], s.u[:, t]
        if p.train.weight is not None:
            both *= p.train.weight[t]
        self.total.add(p.engines[1].outer(both, self._x[k], self.total.partial))
        self.squares.add(self._tiles[k])

    def complete(self, s: Any, world: World) -> Array:
        """The sums over the ranks, in one Allreduce. Collective."""

        def again() -> None:
            self.clear()
            for k, (_, t) in enumerate(self.p.tiles):
                self.add(s, k, t)

        sum_exactly(world, [self.total, self.squares], again)
        s.zxT[...], s.uxT[...] = np.split(self.total.total / self.p.total, 2)
        found: Array = self.squares.total[0] / self.p.total
        return found

    def balanced(self, s: Any, moved: Array, j: int) -> float:
        """rho that balances the residuals; j: the look. moved: the change of z x^T / N and kappa V; in the norm of its
        inverse the system of T has what T can follow of the change of (z, V)."""
        dual = s.dual
        if self.split:
            shift = self.kappa if self.quadratic is None else self.quadratic / s.rho
            followed = inner(moved, self.normal.roughly(moved, shift))
            dual = s.rho * float(np.sqrt(self.kappa * max(followed, 0.0)))
        return rho.balanced(s.rho, rho.Residuals(s.primal, dual, s.scale, s.dual_scale), j)

    def spectral(self, s: Any, of_z: Array, j: int) -> float:
        """rho by how far z and V have moved, and their multipliers, since the last look; of_z: the squares of z."""
        of_V = spectral.moved([s.V, s.rho * s.U], s.kept_V) if self.quadratic is None else [0.0, 0.0]
        far, multiplier = (of_z + self.kappa * np.array(of_V)).tolist()
        return rho.spectral(s.rho, far, multiplier, j)

    def set_rho(self, s: Any, new: float) -> None:
        """The multipliers rho u and rho U stay as they are."""
        if new != s.rho:
            for u in (*([s.u] if self.split else []), s.U, s.uxT):
                np.multiply(u, s.rho / new, out=u)
            s.rho = new
