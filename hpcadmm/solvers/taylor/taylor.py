"""Data-parallel ADMM without gradients.

Taylor, Burmeister, Xu, Singh, Patel, Goldstein: Training Neural Networks Without Gradients: A Scalable ADMM
Approach, ICML 2016, Algorithm 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Lt

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays, columns, replicated
from hpcadmm.solvers.base import DataParallel
from hpcadmm.solvers.shared.case import Place
from hpcadmm.solvers.shared.normal import SweepSums, sum_over_samples
from hpcadmm.solvers.shared.ops import Bill
from hpcadmm.solvers.shared.products import Product
from hpcadmm.solvers.shared.start import forward, gaussian
from hpcadmm.solvers.taylor import cost
from hpcadmm.solvers.taylor import measures as taylor_measures
from hpcadmm.subproblems.activations import FitActivation
from hpcadmm.subproblems.scratch import Scratch
from hpcadmm.subproblems.weights import Factor, factorise, fit_weights

Positive = Annotated[float, Gt(0), Lt(np.inf)]
NotNegative = Annotated[float, Ge(0), Lt(np.inf)]


@dataclass
class State:
    """Lists are indexed by layer, as in the paper; layer l has n[l] units, the last row of an a is ones."""

    W: Arrays = replicated()  # W[l]: (n[l], n[l-1] + ones), l = 1..L
    a: Arrays = columns(first=1)  # a[l]: (n[l] + ones, m), l = 0..L-1; a[0] is the data
    z: Arrays = columns()  # z[l]: (n[l], m), l = 1..L
    lam: Array = columns()  # (n[L], m)
    zaT: Array = replicated()  # z_1 a_0^T, made by the last sweep
    scales: Array = replicated()  # of the exact sums
    sweeps: Array = replicated()  # how many are done
    work: Any = None  # a Work


@dataclass
class Work:
    """What is derived from the state and the data; not saved."""

    sums: SweepSums
    scratch: Scratch
    factor: Factor | None = None  # of a_0 a_0^T, which never changes


@dataclass(frozen=True)
class Taylor(DataParallel):
    """minimise l(z_L, y) + <z_L, lam> + beta_L |z_L - W_L a_{L-1}|^2 + decay sum_l |W_l|^2
    + sum_{l<L} gamma_l |a_l - h(z_l)|^2 + beta_l |z_l - W_l a_{l-1}|^2        over W, a, z; a_0 = x.

    beta, gamma: one value, or one a layer (L of beta, L - 1 of gamma). ridge: added to a a^T, relative to its mean
    diagonal. decay: weight decay (biases excepted). init: "gaussian" draws a and z from N(0, 1) as in the paper;
    "forward", the default, passes the data through random weights and trains faster. warm: sweeps before the
    multiplier moves, by default it never does. dual_step: lam += dual_step beta_L (z_L - W_L a_{L-1}); 1 is the
    paper's, 2 the textbook's. sums: "plain" gives up the same bits at any rank count.

    Deviations from the paper. W_l by Cholesky factors of a a^T with `ridge` and `decay`, not by the pseudo-inverse of
    a; with ridge = decay = 0 a factor that is singular to working precision gets the least ridge that mends it. Layers
    have biases (network.bias): a has a row of ones, whose weights are not penalised. The multiplier never moves unless
    `warm` is given, nor does the W_L step know it (as in the paper). z_L of a loss other than the hinge is the
    minimiser of that loss.
    """

    name: ClassVar[str] = "taylor"
    paper: ClassVar[str] = "Taylor et al., ICML 2016"

    beta: Positive | list[Positive] = 1.0
    gamma: Positive | list[Positive] = 10.0
    ridge: NotNegative = 1e-2
    decay: NotNegative = 0.0
    init: Literal["forward", "gaussian"] = "forward"
    warm: Annotated[int, Ge(0)] | None = None
    dual_step: Positive = 1.0
    sums: Literal["exact", "plain"] = "exact"

    def step(self, s: State, p: Problem, world: World) -> None:
        """One sweep of Algorithm 1. The pass over layer l also sums the products that the next W steps need."""
        W, a, z, L = s.W, s.a, s.z, p.network.depth
        h, loss, (beta, gamma) = p.network.activation, p.loss, self.penalties(L)
        sums, scratch = s.work.sums, s.work.scratch
        for l in range(1, L):
            fit_weights(*self._normal_equations(s, l, p), out=W[l])
            fit_activation = FitActivation.prepare(W[l + 1], p.network.n[l], beta[l + 1], gamma[l])
            sums.clear(l, z, a)
            for _, t in p.tiles:
                m = np.matmul(W[l], a[l - 1][:, t], out=scratch("m", *z[l][:, t].shape))
                fit_activation(z[l][:, t], z[l + 1][:, t], h, scratch, a[l][:, t])
                h.prox(a[l][:, t], m, gamma[l], beta[l], z[l][:, t])
                sums.add(l, z, a, t)
            sums.reduce(l, z, a, world)
        fit_weights(*self._normal_equations(s, L, p), out=W[L])
        sums.clear(L, z, a)
        for _, t in p.tiles:
            m = np.matmul(W[L], a[L - 1][:, t], out=scratch("m", *z[L][:, t].shape))
            loss.prox(m, p.y[:, t], s.lam[:, t], beta[L], z[L][:, t])
            if self.warm is not None and s.sweeps >= self.warm:
                s.lam[:, t] += self.dual_step * beta[L] * (z[L][:, t] - m)
            sums.add(L, z, a, t)
        sums.reduce(L, z, a, world)
        s.sweeps += 1

    def _normal_equations(self, s: State, l: int, p: Problem) -> tuple[Array, Factor]:
        """z_l a_{l-1}^T and the factor of a_{l-1} a_{l-1}^T + penalty."""
        sums = s.work.sums.of[l]
        return sums.zaT.total, s.work.factor if l == 1 else self._factor(sums.aaT.total, l, p)

    def _factor(self, aaT: Array, l: int, p: Problem) -> Factor:
        beta, _ = self.penalties(p.network.depth)
        return factorise(aaT, self.ridge, self.decay / beta[l], p.network.bias)

    def penalties(self, L: int) -> tuple[list[float], list[float]]:
        """beta[1..L] and gamma[1..L-1], by layer; entry 0 is not used."""
        return per_layer("beta", self.beta, L), per_layer("gamma", self.gamma, L - 1)

    def check(self, L: int) -> None:
        """Raise UsageError where the hyperparameters do not fit L weight layers, or one another."""
        self.penalties(L)
        if self.dual_step != 1 and self.warm is None:
            raise UsageError(
                f"solver.dual_step = {self.dual_step:g} does nothing without solver.warm, the sweeps after which the "
                f"multiplier moves: choose one, for example warm = 20"
            )

    def blank(self, p: Problem, world: World) -> State:
        """Allocate: a_0 is the data itself, everything else new."""
        n, L, m = p.network.n, p.network.depth, p.x.shape[1]
        sums = SweepSums(p.network, p.dtype, p.tiles, self.sums == "plain")
        return State(
            W=[None, *(np.zeros(p.network.shape(l), p.dtype, order="F") for l in range(1, L + 1))],
            a=[p.x, *(p.network.activations(l, m, p.dtype) for l in range(1, L))],
            z=[None, *(np.zeros((n[l], m), p.dtype, order="F") for l in range(1, L + 1))],
            lam=np.zeros((n[L], m), p.dtype, order="F"),
            zaT=sums.of[1].zaT.total,
            scales=sums.scales,
            sweeps=np.zeros(1, dtype=np.int64),
            work=Work(sums, Scratch(p.dtype)),
        )

    def start(self, s: State, p: Problem, world: World) -> None:
        """The first a and z; with "gaussian" W stays 0, by which the first sweep's a_l is h(z_l)."""
        L = p.network.depth
        if self.init == "forward":
            self.set_weights(s, p.network.random_weights(p.seed, p.dtype), p, world)
            return
        for l in range(1, L + 1):
            gaussian(p, 2 * l, p.network.n[l], s.z[l])
            if l < L:
                gaussian(p, 2 * l + 1, p.network.n[l], s.a[l])
        s.work.sums.first(s.z, s.a, world)

    def set_weights(self, s: State, weights: Arrays, p: Problem, world: World) -> None:
        """Begin from given weights: a and z by a forward pass."""
        for l in range(1, p.network.depth + 1):
            s.W[l][...] = weights[l]
        forward(p, s.W, s.a, s.z)
        s.work.sums.first(s.z, s.a, world)

    def prepare(self, s: State, p: Problem, world: World) -> None:
        """Factor a_0 a_0^T."""
        s.work.factor = self._factor(sum_over_samples(p.x, p.x, p.tiles, world, self.sums == "plain"), 1, p)

    def finite(self, s: State) -> bool:
        """W, z_L and lam show any NaN within a sweep, since every layer's products are summed into a W."""
        return all(bool(np.isfinite(x).all()) for x in (*s.W[1:], s.z[-1], s.lam))

    def measure(self, s: State, p: Problem, world: World) -> Mapping[str, float]:
        return taylor_measures.measure(self, s, p, world)

    def bill(self, place: Place, iteration: int | None = None) -> Bill:
        return cost.taylor(place)

    def held_bytes(self, place: Place) -> float:
        return cost.taylor_memory(place)

    def floor(self, s: State, p: Problem) -> Mapping[str, Product]:
        return taylor_measures.floor(s, p)


def per_layer(name: str, value: float | list[float], count: int) -> list[float]:
    """[unused, value of layer 1, ..., value of layer `count`].

    >>> per_layer("beta", 2.0, 3), per_layer("gamma", [1.0, 5.0], 2)
    ([0.0, 2.0, 2.0, 2.0], [0.0, 1.0, 5.0])
    """
    if isinstance(value, list) and len(value) != count:
        raise UsageError(f"solver.{name} = {value}: must be one number, or a list of {count} for this network")
    return [0.0, *(value if isinstance(value, list) else [value] * count)]
