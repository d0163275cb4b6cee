"""The updates of pdADMM on one rank's layers, by the letters of Algorithm 1, and the memory that they need.

Quadratic steps carry R_l = W_l p_l + b_l - z_l along. The gradient in p_l is then nu W^T R + rho p + w, w = u - rho q
of the layer below, and that in W_l is nu R p^T. The products W g and D p, which give the lengths of both steps, also
give the new R. So a layer needs four products of the size of W an iteration, and the first layer two. A sample
of weight w counts w times in every sum and mean over samples; its own variables are those of one copy.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from hpcadmm.comm.exact.over_ranks import sum_tiles
from hpcadmm.comm.exact.sums import UNKNOWN, sum_by_tile
from hpcadmm.comm.exact.vectors import carry
from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.products.base import Operand
from hpcadmm.products.scratch import Scratch
from hpcadmm.products.targets import also, renew
from hpcadmm.solvers.shared.normal import NormalSums
from hpcadmm.subproblems.layer_split import descend_kernel, fit_z_and_q, p_gradient, pieces, shift_kernel
from hpcadmm.subproblems.norm import square
from hpcadmm.subproblems.normal_equations import FitActivation, FitWork, factorise, fit_weights
from hpcadmm.subproblems.quadratic_bound import move_weights, step_along


class Sums:
    """The exact sums of the W steps: R p^T, or with `gram` z p^T and p p^T. Layers of one shape share their memory;
    each layer has its own `scales`."""

    def __init__(self, problem: Problem, layers: range, *, gram: bool, plain: bool) -> None:
        self.scales: Arrays = [None]
        for l in range(1, problem.network.depth + 1):
            rows, columns = problem.network.shape(l)
            self.scales.append(np.full(rows + columns * (2 if gram else 1), UNKNOWN))
        kinds = {l: (problem.network.shape(l), type(problem.engines[l])) for l in reversed(layers)}
        one = {kind: l for l, kind in kinds.items()}  # a layer of each kind
        of = {kind: NormalSums(problem, l, gram=gram, plain=plain) for kind, l in one.items()}
        self._sums = {l: of[kind] for l, kind in kinds.items()}

    def of(self, l: int) -> NormalSums:
        """The sums of layer l, with the scales of its previous ones."""
        sums = self._sums[l]
        carry(sums.parts, self.scales[l])
        return sums


class Work:
    """Buffers: `scratch` for a tile; g and V, of the widest layer, for all columns of this rank. p, left: the operands
    of p[l], and of R[l], or of z[l] in exact updates, by layer; arrays are their own operands."""

    def __init__(self, problem: Problem, layers: range, *, exact: bool) -> None:
        n, self.columns, self.engines = problem.network.n, problem.x.shape[1], problem.engines
        self.p: list[Operand] = [None] * len(n)
        self.left = self.p.copy()
        self._fits = [FitWork(engine) for engine in self.engines]
        wide = 0 if exact else max(max(n[max(l - 1, 1) : l + 1]) for l in layers)  # p_1 stays
        self.scratch = Scratch(problem.dtype)
        self._g = np.empty(wide * self.columns, problem.dtype)
        self._V = np.empty_like(self._g)

    def hold(self, s: Any, problem: Problem) -> None:
        """Form the operands of the p and R, or z, of a state."""
        left = s.z if all(R is None for R in s.R) else s.R
        for l in s.mine:
            self.p[l] = problem.inputs if l == 1 else self.engines[l].columns(s.p[l])
            self.left[l] = self.engines[l].columns(left[l])

    def fit(self, l: int) -> FitWork:
        """The engine of layer l and memory for its operands."""
        return self._fits[l]

    def of(self, l: int, name: str, W: Array) -> Operand:
        """The operand of W_l or of a step of it."""
        return self._fits[l].operands.rounded(name, W)

    def g(self, rows: int) -> Array:
        return self._g[: rows * self.columns].reshape((rows, self.columns), order="F")

    def V(self, rows: int) -> Array:
        return self._V[: rows * self.columns].reshape((rows, self.columns), order="F")


class Quadratic:
    """Steps on quadratic bounds, with the step lengths of "quadratic" or "backtracking"."""

    def __init__(self, solver: Any, s: Any, problem: Problem, samples: World) -> None:
        self.solver, self.s, self.problem, self.samples = solver, s, problem, samples
        self.n, self.tiles, self.links, self.work, self.w = problem.network.n, problem.tiles, s.links, s.work, problem.w
        self._lag: tuple[float, Array] | None = None  # R_l lacks alpha V + the change of b_l
        self.moved = np.zeros((len(self.tiles), 2 * len(self.n)))  # by tile and layer: |p_{l+1} - q|^2, |q - q_old|^2

    def p(self, l: int) -> None:
        """p_l: one step on the bound of nu/2 |z_l - W_l p - b_l|^2 + <u_{l-1}, p> + rho/2 |p - q_{l-1}|^2."""
        s, n = self.s, self.n[l - 1]
        W, R, p, E = self.work.of(l, "W", s.W[l][:, :n]), s.R[l], s.p[l], self.work.engines[l]
        p_of, R_of = self.work.p[l], self.work.left[l]
        g, V = self.work.g(n), self.work.V(len(R))
        norms = np.zeros((len(self.tiles), 2))
        for norm, (_, t) in zip(norms, self.tiles, strict=True):
            E.pull(W, R_of[:, t], g[:, t])
            g_of = self.work.fit(l).operands.like("g", g[:, t])
            size = p_gradient(g[:, t], p[:, t], self.links.w_below(l, t), s.nu, s.rho, self.w(t), also(g_of))
            norm[...] = size, square(E.apply(W, g_of, V[:, t]), self.w(t))
        size, through = sum_by_tile(self.samples, self.tiles, norms)
        alpha = self.problem.dtype(self._length(s.theta_p, l, size, s.nu * through + s.rho * size))
        for _, t in self.tiles:
            descend_kernel(p[:, t].T, alpha, g[:, t].T, also(p_of[:, t]))
            descend_kernel(R[:, t].T, alpha, V[:, t].T, also(R_of[:, t]))

    def W_and_b(self, l: int) -> None:
        """W_l: one step on the bound of nu/2 |z_l - W p_l - b_l|^2 + Omega(W); then b_l, the mean of the residual."""
        s, n, solver, sums = self.s, self.n[l - 1], self.solver, self.s.sums.of(l)
        self._sum(l, sums)
        RpT = sums.parts[0].total
        D = self.work.scratch("D", len(RpT), n)
        np.multiply(RpT[:, :n], -s.nu, out=D, casting="same_kind")
        row_sums = np.zeros((len(self.tiles), len(D)))  # of V, by tile
        length, through = partial(self._length, s.theta_W, l), partial(self._through, l, row_sums)
        alpha = move_weights(s.W[l][:, :n], D, s.nu, solver.decay, solver.penalty == "l1", length, through)
        change = np.zeros(len(D), self.problem.dtype)
        if self.problem.network.bias:
            mean = RpT[:, -1] + alpha * sum_by_tile(self.samples, self.tiles, row_sums)
            change = (-mean / self.problem.total).astype(self.problem.dtype)
            s.W[l][:, -1] += change
        self._lag = alpha, change
        if l not in self.links.inner:  # its z comes later, when V is another layer's
            for _, t in self.tiles:
                self._catch_up(s.R[l][:, t], t)
            self._lag = None

    def _sum(self, l: int, sums: NormalSums) -> None:
        """R p^T over all samples; z p^T and p p^T in exact updates."""
        p, left = self.work.p[l], self.work.left[l]
        sum_tiles(self.samples, self.tiles, sums.parts, lambda t: sums.add(left[:, t], p[:, t], self.w(t)))

    def _through(self, l: int, row_sums: Array, D: Array) -> float:
        """V = D p_l, its sums by row and tile; returns |V|^2 over all samples."""
        V, p, E, D_of = self.work.V(len(D)), self.work.p[l], self.work.engines[l], self.work.of(l, "D", D)
        norms = np.zeros((len(self.tiles), 1))
        for norm, sums, (_, t) in zip(norms, row_sums, self.tiles, strict=True):
            w = self.w(t)
            norm[0] = square(E.apply(D_of, p[: D.shape[1], t], V[:, t]), w)
            sums[...] = V[:, t] @ (np.ones(t.stop - t.start, V.dtype) if w is None else w)
        return float(sum_by_tile(self.samples, self.tiles, norms)[0])

    def _length(self, theta: Array, l: int, norm: float, bend: float) -> float:
        """The step along a gradient with |g|^2 = norm along which the quadratic bends by `bend`."""
        alpha, theta[l] = step_along(self.solver.update, float(theta[l]), norm, bend)
        return alpha

    def z_q_and_u(self, l: int) -> None:
        """z_l, then q_l, and with them u_l + rho (p_{l+1} - q_l) = nu (q_l - f(z_l)); or z_L by the loss."""
        update = self._last if l == self.problem.network.depth else self._hidden
        residual = self._residual(l)
        for row, (_, tile) in enumerate(self.tiles):
            R = residual(tile)
            for t in pieces(len(R), tile):
                part = R[:, t.start - tile.start : t.stop - tile.start]
                self._catch_up(part, t)
                update(l, row, t, part)
                renew(self.work.left[l][:, t], self._left(l, part, t))
        self._lag = None

    def _left(self, l: int, R: Array, t: slice) -> Array:
        """The left factor of the sum of W_l, R_l or z_l, on the columns t."""
        return R

    def _residual(self, l: int) -> Callable[[slice], Array]:
        """R_l on the columns of a tile, to be overwritten."""
        return lambda t: self.s.R[l][:, t]

    def _catch_up(self, R: Array, t: slice) -> None:
        """Add what R lacks on the columns t."""
        if self._lag is not None:
            alpha, change = self._lag
            shift_kernel(R.T, self.work.V(len(R))[:, t].T, R.dtype.type(alpha), change)

    def _hidden(self, l: int, row: int, t: slice, R: Array) -> None:
        """z_l = argmin nu/2 (|z - W_l p_l - b_l|^2 + |q_l - f(z)|^2 + |z - z_old|^2), then q_l."""
        s, p = self.s, self.links.p_above(l)[:, t]
        z, q, balanced = s.z[l][:, t], s.q[l][:, t], self.solver.schedule == "balanced"
        old = q.copy(order="F") if balanced else q
        fit_z_and_q(R, z, q, p, self.problem.network.activation, (s.nu, s.rho, s.nu_of_u), self.work.scratch)
        if balanced:
            w = self.w(t)
            self.moved[row, 2 * l : 2 * l + 2] += square(np.subtract(p[: len(q)], q), w), square(q - old, w)

    def _last(self, l: int, row: int, t: slice, R: Array) -> None:
        """z_L = argmin R(z; y) + nu/2 |z - W_L p_L - b_L|^2."""
        z, scratch = self.s.z[l][:, t], self.work.scratch
        m, none = np.add(R, z, out=scratch("m", *z.shape)), scratch("none", *z.shape)
        none[...] = 0
        self.problem.loss.prox(m, self.problem.y[:, t], none, self.s.nu / 2, z)
        np.subtract(m, z, out=R)


class Exact(Quadratic):
    """Exact minimisers by Cholesky factors; R_l is formed where it is used."""

    def p(self, l: int) -> None:
        """p_l = argmin nu/2 |z_l - W_l p - b_l|^2 + rho/2 |p + w / rho|^2."""
        s, n = self.s, self.n[l - 1]
        fit = FitActivation.prepare(s.W[l], n, s.nu, s.rho, self.work.fit(l))
        for _, t in self.tiles:
            h = self.work.scratch.ones("towards", *s.p[l][:, t].shape)
            np.multiply(self.links.w_below(l, t), self.problem.dtype(-1 / s.rho), out=h[:n])
            operands = self.work.left[l][:, t], self.work.p[l][:, t]
            fit.towards(h, s.z[l][:, t], self.work.scratch, s.p[l][:, t], operands)

    def W_and_b(self, l: int) -> None:
        """[W_l, b_l] = argmin nu/2 |z_l - W p_l - b|^2 + Omega(W), with a ridge that pulls W to 0 or to what it was."""
        s, n, solver, sums = self.s, self.n[l - 1], self.solver, self.s.sums.of(l)
        self._sum(l, sums)
        zpT, ppT = (part.total for part in sums.parts)
        if solver.pull == "proximal":
            mean = float(np.trace(ppT[:n, :n])) / n
            zpT = zpT.copy(order="F")
            zpT[:, :n] += solver.ridge * mean * s.W[l][:, :n]
        factor = factorise(ppT, solver.ridge, 2 * solver.decay / s.nu, self.problem.network.bias)
        fit_weights(zpT, factor, out=s.W[l])

    def _residual(self, l: int) -> Callable[[slice], Array]:
        W, E, p, z = self.work.of(l, "W", self.s.W[l]), self.work.engines[l], self.work.p[l], self.s.z[l]

        def residual(t: slice) -> Array:
            R = E.apply(W, p[:, t], self.work.scratch("R", len(z), t.stop - t.start))
            return np.subtract(R, z[:, t], out=R)

        return residual

    def _left(self, l: int, R: Array, t: slice) -> Array:
        z: Array = self.s.z[l][:, t]
        return z


UPDATES = {"quadratic": Quadratic, "backtracking": Quadratic, "exact": Exact}
