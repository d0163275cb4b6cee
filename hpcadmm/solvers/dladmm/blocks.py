"""The block minimisations of dlADMM. Each carries the residuals r_l = z_l - W_l a_{l-1} - b_l along.

With c_l = nu for l < L and c_L = rho, the force on layer l is F_l = c_l r_l, plus u if l = L. W_l, b_l and a_{l-1} move
along F_l through layer l. The products W_l g and D a_{l-1}, which a step length needs, are also the change of r_l per
unit of that step: no other matrix products are necessary. A sample of weight w counts w times in every sum and mean
over samples; its own variables are those of one copy.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from hpcadmm.comm.exact.over_ranks import sum_tiles
from hpcadmm.comm.exact.sums import Exact, first_grid, sum_by_tile
from hpcadmm.comm.exact.vectors import carried
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array
from hpcadmm.model.weighted import Weight
from hpcadmm.products.base import Operand
from hpcadmm.products.scratch import Scratch
from hpcadmm.products.targets import also
from hpcadmm.subproblems.layer_split import pieces
from hpcadmm.subproblems.norm import square
from hpcadmm.subproblems.quadratic_bound import move_weights, step_along
from hpcadmm.subproblems.residual_steps import a_gradient, descend, fit_b, force, force_sums


class Sums:
    """The exact sums `of[l]` = F_l a_{l-1}^T (n_l, n_{l-1}), l = 1..L; a checkpoint saves their `scales`."""

    def __init__(self, p: Problem, plain: bool) -> None:
        n, tiles = p.network.n, p.tiles
        of = [Exact((n[l], n[l - 1]), p.dtype, tiles.count, first_grid(tiles.n), plain) for l in range(1, len(n))]
        self.of: list[Any] = [None, *of]
        self.scales = carried(of)


class Work:
    """Buffers: `scratch` for tiles, `buffer` for all columns of this rank. a: the operands of a[l], by layer; arrays
    are their own operands. new[l]: memory for those of W_l's products."""

    def __init__(self, p: Problem) -> None:
        self.scratch, self.p = Scratch(p.dtype), p
        self.a: list[Operand] = []
        self.new = [engine.operands() for engine in p.engines]
        self._flat = {name: np.empty(max(p.network.n[1:]) * p.x.shape[1], p.dtype) for name in ("g", "V")}

    def hold(self, s: Any) -> None:
        """Form the operands of the a of a state."""
        layers = zip(self.p.engines[2:], s.a[1:], strict=True)
        self.a = [self.p.inputs, *(engine.columns(a) for engine, a in layers)]

    def buffer(self, name: str, rows: int, columns: int) -> Array:
        """The first entries of buffer "g" or "V" as an array (rows, columns)."""
        return self._flat[name][: rows * columns].reshape((rows, columns), order="F")


@dataclass
class Blocks:
    """The steps of one iteration, by the letters of Algorithm 1."""

    solver: Any
    s: Any
    p: Problem
    world: World

    def W(self, l: int) -> None:
        """W_l: one step on the quadratic bound of c_l/2 |r_l|^2 (+ <u, r_L>) + Omega(W_l)."""
        s, n, total = self.s, self.p.network.n[l - 1], self.s.sums.of[l]
        E, a = self.p.engines[l], s.work.a[l - 1]

        def add(t: slice) -> None:
            total.add(E.outer(self._force(l, t, self.p.w(t)), a[:n, t], total.partial))

        sum_tiles(self.world, self.p.tiles, [total], add)
        self._move_W(l, total.total)

    def _move_W(self, l: int, D: Array) -> None:
        """W_l moves along D = F_l a_{l-1}^T by alpha D, and r_l by -alpha D a_{l-1}."""
        W, solver = self.s.W[l][:, : D.shape[1]], self.solver
        length, through = partial(self._length, self.s.theta_W, l), partial(self._through, l)
        alpha = move_weights(W, D, self._c(l), solver.decay, solver.penalty == "l1", length, through)
        V = self.s.work.buffer("V", D.shape[0], self.p.x.shape[1])
        for _, t in self.p.tiles:
            descend(self.s.r[l][:, t], alpha, V[:, t])

    def _through(self, l: int, D: Array) -> float:
        """Write V = D a_{l-1} to its buffer; returns |V|^2 over all samples."""
        work, E = self.s.work, self.p.engines[l]
        V, D_of, a = work.buffer("V", D.shape[0], self.p.x.shape[1]), work.new[l].rounded("D", D), work.a[l - 1]
        norms = np.zeros((len(self.p.tiles), 1))
        for norm, (_, t) in zip(norms, self.p.tiles, strict=True):
            norm[0] = square(E.apply(D_of, a[: D.shape[1], t], V[:, t]), self.p.w(t))
        return float(sum_by_tile(self.world, self.p.tiles, norms)[0])

    def b(self, l: int) -> None:
        """b_l: the exact minimiser, which adds the mean of F_l / c_l."""
        if not self.p.network.bias:
            return
        rows = np.zeros((len(self.p.tiles), self.p.network.n[l]))
        for row, (_, t) in zip(rows, self.p.tiles, strict=True):
            force_sums(self.s.r[l][:, t], self._c(l), self._u(l, t), self.p.w(t), row)
        mean = sum_by_tile(self.world, self.p.tiles, rows) / (self.p.total * self._c(l))
        change = mean.astype(self.p.dtype)
        self.s.W[l][:, -1] += change
        for _, t in self.p.tiles:
            fit_b(self.s.r[l][:, t], change)

    def a(self, l: int) -> None:
        """a_l: one step on the quadratic bound of c_{l+1}/2 |r_{l+1}|^2 (+ <u, r_L>) + nu/2 |a_l - f(z_l)|^2."""
        s, p, (n, m) = self.s, self.p, self.s.z[l].shape
        E, new, a = p.engines[l + 1], s.work.new[l + 1], s.work.a[l]
        W = new.rounded("W", s.W[l + 1][:, :n])
        g, V = s.work.buffer("g", n, m), s.work.buffer("V", len(W), m)
        norms = np.zeros((len(p.tiles), 2))
        for norm, (_, t) in zip(norms, p.tiles, strict=True):
            E.pull(W, self._force(l + 1, t), g[:, t])
            g_of = new.like("g", g[:, t])
            a_gradient(g[:, t], s.a[l][:, t], s.z[l][:, t], p.network.activation, s.nu, s.work.scratch, also(g_of))
            norm[...] = square(g[:, t], p.w(t)), square(E.apply(W, g_of, V[:, t]), p.w(t))
        size, through = sum_by_tile(self.world, p.tiles, norms)
        alpha = self._length(s.theta_a, l, size, self._c(l + 1) * through + s.nu * size)
        for _, t in p.tiles:
            descend(s.a[l][:n, t], alpha, g[:, t], also(a[:, t]))
            descend(s.r[l + 1][:, t], -alpha, V[:, t])

    def z(self, l: int) -> None:
        """z_l = argmin nu/2 |z - W_l a_{l-1} - b_l|^2 + nu/2 |a_l - f(z)|^2; the last one with R, u and rho."""
        s, p = self.s, self.p
        for t in (part for _, tile in p.tiles for part in pieces(p.network.n[l], tile)):
            z, r = s.z[l][:, t], s.r[l][:, t]
            m = np.subtract(z, r, out=s.work.scratch("m", *z.shape))
            if l < p.network.depth:
                p.network.activation.prox(s.a[l][:, t], m, 1.0, 1.0, z)
            else:
                p.loss.prox(m, p.y[:, t], s.u[:, t], s.rho / 2, z)
            np.subtract(z, m, out=r)

    def u(self) -> None:
        """u += rho r_L."""
        self.s.u += self.s.u.dtype.type(self.s.rho) * self.s.r[-1]

    def _c(self, l: int) -> float:
        """c_l."""
        return float(self.s.rho if l == self.p.network.depth else self.s.nu)

    def _u(self, l: int, t: slice) -> Array | None:
        """u on a tile, for the last layer."""
        return self.s.u[:, t] if l == self.p.network.depth else None

    def _force(self, l: int, t: slice, w: Weight = None) -> Operand:
        """The operand of F_l on a tile, each column times its weight."""
        F = force(self.s.r[l][:, t], self._c(l), self._u(l, t), w, self.s.work.scratch)
        return self.s.work.new[l].rounded("F", F)

    def _length(self, thetas: Array, l: int, norm: float, bend: float) -> float:
        """The step along a gradient with |g|^2 = norm whose quadratic form is bend; updates theta[l]."""
        alpha, thetas[l] = step_along(self.solver.update, float(thetas[l]), norm, bend)
        return alpha
