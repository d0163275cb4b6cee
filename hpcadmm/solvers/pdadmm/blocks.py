"""The block minimisations of pdADMM on one rank's layers, by the letters of Algorithm 1.

With R_l = W_l p_l + b_l - z_l carried along, the gradient of the p step is nu W^T R + rho p + w, w = u - rho q of the
layer below, and that of the W step nu R p^T; the products W g and D p that their lengths need are also what changes R.
So a layer needs four products an iteration, the first one two.
"""

from functools import partial
from typing import Any

import numpy as np

from hpcadmm.comm.exact.sums import sum_by_tile, sum_tiles
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array
from hpcadmm.solvers.pdadmm.work import THETA_P, THETA_W
from hpcadmm.subproblems.activations import FitActivation
from hpcadmm.subproblems.layer_split import descend_kernel, fit_z_and_q, p_gradient, pieces, shift_kernel
from hpcadmm.subproblems.norm import square
from hpcadmm.subproblems.quadratic_bound import move_weights, step_along
from hpcadmm.subproblems.weights import factorise, fit_weights


class Quadratic:
    """Steps on quadratic bounds. `options` is the solver."""

    def __init__(self, options: Any, s: Any, p: Problem, world: World) -> None:
        self.options, self.s, self.problem, self.samples = options, s, p, world.samples
        self.tiles, self.links, self.work = p.tiles, s.work.links, s.work
        self.nu, self.rho, self.dual = (float(v) for v in s.penalties)
        self._pending: dict[int, tuple[float, Array]] = {}  # what R lacks of alpha V + the change of b
        self.moved = np.zeros((len(p.tiles), 2 * (p.network.depth + 1)))  # by tile: |p - q|^2, |q - q_old|^2 of l

    def _length(self, which: int, l: int, norm: float, bend: float) -> float:
        """The step along a gradient with |g|^2 = norm whose quadratic form is bend."""
        marks = self.s.marks[l]
        alpha, marks[which] = step_along(self.options.update, float(marks[which]), norm, bend)
        return alpha

    def p(self, l: int) -> None:
        """p_l: one step on the bound of nu/2 |z_l - W_l p - b_l|^2 + <u_{l-1}, p> + rho/2 |p - q_{l-1}|^2."""
        if l == 1:
            return
        s, n, m = self.s, self.problem.network.n[l - 1], self.problem.x.shape[1]
        W, R, p = s.W[l][:, :n], s.R[l], s.p[l]
        g, V = self.work.buffer("g", n, m), self.work.buffer("V", len(W), m)
        norms = np.zeros((len(self.tiles), 2))
        for norm, (_, t) in zip(norms, self.tiles, strict=True):
            np.matmul(W.T, R[:, t], out=g[:, t])
            size = p_gradient(g[:, t], p[:, t], self.links.w_below(l, t), self.nu, self.rho)
            norm[...] = size, square(np.matmul(W, g[:, t], out=V[:, t]))
        size, through = sum_by_tile(self.samples, self.tiles, norms)
        alpha = self.problem.dtype(self._length(THETA_P, l, size, self.nu * through + self.rho * size))
        for _, t in self.tiles:
            descend_kernel(p[:, t].T, alpha, g[:, t].T)
            descend_kernel(R[:, t].T, alpha, V[:, t].T)

    def W_and_b(self, l: int) -> None:
        """W_l: one step on the bound of nu/2 |z_l - W p_l - b_l|^2 + Omega(W); then b_l, the mean of the residual."""
        s, n, (total,) = self.s, self.problem.network.n[l - 1], self._sums(l)
        tile = self.work.scratch("product", *total.shape)
        sum_tiles(
            self.samples, self.tiles, [total], lambda t: total.add(np.matmul(s.R[l][:, t], s.p[l][:, t].T, out=tile))
        )
        rows = np.zeros((len(self.tiles), len(s.W[l])))  # of V, by tile
        D, length = self.work.scratch("D", len(rows[0]), n), partial(self._length, THETA_W, l)
        np.multiply(total.total[:, :n], -self.nu, out=D, casting="same_kind")
        options, through = self.options, partial(self._through, l, rows)
        alpha = move_weights(s.W[l][:, :n], D, self.nu, options.decay, options.penalty == "l1", length, through)
        change = np.zeros(len(rows[0]), self.problem.dtype)
        if self.problem.network.bias:
            mean = total.total[:, -1] + alpha * sum_by_tile(self.samples, self.tiles, rows)
            change = (-mean / self.tiles.n).astype(self.problem.dtype)
            s.W[l][:, -1] += change
        self._pending[l] = alpha, change

    def _through(self, l: int, rows: Array, D: Array) -> float:
        """V = D p_l into a buffer, its sums by row and tile into `rows`; returns |V|^2 over all samples."""
        V, p = self.work.buffer("V", len(D), self.problem.x.shape[1]), self.s.p[l]
        norms = np.zeros((len(self.tiles), 1))
        for norm, row, (_, t) in zip(norms, rows, self.tiles, strict=True):
            norm[0] = square(np.matmul(D, p[: D.shape[1], t], out=V[:, t]))
            row[...] = V[:, t] @ np.ones(t.stop - t.start, V.dtype)
        return float(sum_by_tile(self.samples, self.tiles, norms)[0])

    def settle(self, l: int) -> None:
        """Bring R_l up to date before V is used for another layer."""
        if l in self._pending:
            for _, t in self.tiles:
                self._shift(l, t)
            del self._pending[l]

    def _shift(self, l: int, t: slice) -> None:
        alpha, change = self._pending[l]
        V, R = self.work.buffer("V", len(change), self.problem.x.shape[1]), self.s.R[l]
        shift_kernel(R[:, t].T, V[:, t].T, R.dtype.type(alpha), change)

    def form_residual(self, l: int, t: slice) -> None:
        """Before the z step of a tile: R_l is carried."""

    def residual(self, l: int, tile: slice, t: slice) -> Array:
        """R_l on the columns t of a tile, up to date, to be overwritten."""
        if l in self._pending:
            self._shift(l, t)
        R: Array = self.s.R[l][:, t]
        return R

    def z_q_and_u(self, l: int) -> None:
        """z_l, then q_l and with it u_l = nu (q_l - f(z_l)) = u_l + rho (p_{l+1} - q_l); or z_L by the loss."""
        step = self._last if l == self.problem.network.depth else self._hidden
        for row, (_, tile) in enumerate(self.tiles):
            self.form_residual(l, tile)
            for t in pieces(len(self.s.z[l]), tile):
                step(l, row, t, self.residual(l, tile, t))
        self._pending.pop(l, None)

    def _hidden(self, l: int, row: int, t: slice, R: Array) -> None:
        """z_l = argmin nu/2 (|z - W_l p_l - b_l|^2 + |q_l - f(z)|^2 + |z - z_old|^2), then q_l."""
        s, p = self.s, self.links.p_above(l)[:, t]
        z, q, balanced = s.z[l][:, t], s.q[l][:, t], self.options.schedule == "balanced"
        old = q.copy(order="F") if balanced else q
        penalties = self.nu, self.rho, self.dual
        fit_z_and_q(R, z, q, p, self.problem.network.activation, penalties, self.work.scratch)
        if balanced:
            self.moved[row, 2 * l : 2 * l + 2] += square(np.subtract(p[: len(q)], q)), square(q - old)

    def _last(self, l: int, row: int, t: slice, R: Array) -> None:
        """z_L = argmin R(z; y) + nu/2 |z - W_L p_L - b_L|^2."""
        z, scratch = self.s.z[l][:, t], self.work.scratch
        m = np.add(R, z, out=scratch("m", *z.shape))
        none = scratch("none", *z.shape)
        none[...] = 0
        self.problem.loss.prox(m, self.problem.y[:, t], none, self.nu / 2, z)
        np.subtract(m, z, out=R)

    def _sums(self, l: int) -> Any:
        return self.work.sums(self.problem.network.shape(l), self.s.scales[l])


class Exact(Quadratic):
    """Exact minimisers by Cholesky factors; R_l is formed where it is used."""

    def p(self, l: int) -> None:
        """p_l = argmin nu/2 |z_l - W_l p - b_l|^2 + rho/2 |p + w / rho|^2."""
        if l == 1:
            return
        s, n = self.s, self.problem.network.n[l - 1]
        fit = FitActivation.prepare(s.W[l], n, self.nu, self.rho)
        for _, t in self.tiles:
            h = self.work.scratch.ones("towards", *s.p[l][:, t].shape)
            np.multiply(self.links.w_below(l, t), self.problem.dtype(-1 / self.rho), out=h[:n])
            fit.towards(h, s.z[l][:, t], self.work.scratch, s.p[l][:, t])

    def W_and_b(self, l: int) -> None:
        """[W_l, b_l] = argmin nu/2 |z_l - W p_l - b|^2 + Omega(W), with a ridge that pulls to 0 or to what it was."""
        s, sums, options = self.s, self._sums(l), self.options
        tiles = [self.work.scratch("product", *total.shape) for total in sums]

        def add(t: slice) -> None:
            sums[0].add(np.matmul(s.z[l][:, t], s.p[l][:, t].T, out=tiles[0]))
            sums[1].add(np.matmul(s.p[l][:, t], s.p[l][:, t].T, out=tiles[1]))

        sum_tiles(self.samples, self.tiles, sums, add)
        zpT, ppT = (total.total for total in sums)
        n, ridge = self.problem.network.n[l - 1], options.ridge
        if options.pull == "proximal":
            mean = float(np.trace(ppT[:n, :n])) / n
            zpT = zpT.copy(order="F")
            zpT[:, :n] += ridge * mean * s.W[l][:, :n]
        factor = factorise(ppT, ridge, 2 * options.decay / self.nu, self.problem.network.bias)
        fit_weights(zpT, factor, out=s.W[l])

    def settle(self, l: int) -> None:
        """Nothing is carried."""

    def form_residual(self, l: int, t: slice) -> None:
        s = self.s
        R = np.matmul(s.W[l], s.p[l][:, t], out=self.work.scratch("R", len(s.W[l]), t.stop - t.start))
        np.subtract(R, s.z[l][:, t], out=R)

    def residual(self, l: int, tile: slice, t: slice) -> Array:
        R = self.work.scratch("R", len(self.s.W[l]), tile.stop - tile.start)
        return R[:, t.start - tile.start : t.stop - tile.start]


BLOCKS = {"quadratic": Quadratic, "backtracking": Quadratic, "exact": Exact}
PRODUCTS = {"quadratic": (2.0, 4.0), "backtracking": (2.0, 4.0), "exact": (2.5, 4.5)}  # W-sized, of layer 1 and others
