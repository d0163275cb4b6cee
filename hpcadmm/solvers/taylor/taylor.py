"""Data-parallel ADMM without gradients.

Taylor, Burmeister, Xu, Singh, Patel, Goldstein: Training Neural Networks Without Gradients: A Scalable ADMM
Approach, ICML 2016, Algorithm 1.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Lt

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import INPUTS, OUTPUTS, UNITS, WEIGHTS, Array, Arrays, columns, exact_sums, replicated, scalar
from hpcadmm.products.targets import also, renew
from hpcadmm.solvers.base import Solver
from hpcadmm.solvers.shared.buckets import Overlap
from hpcadmm.solvers.shared.normal import SweepSums, check_squares, exhaust, sum_over_samples
from hpcadmm.solvers.shared.start import gaussian
from hpcadmm.solvers.taylor import cost, measures
from hpcadmm.solvers.taylor.work import Work
from hpcadmm.subproblems.normal_equations import Factor, FitActivation, factorise, fit_weights

Positive = Annotated[float, Gt(0), Lt(np.inf)]
NotNegative = Annotated[float, Ge(0), Lt(np.inf)]


@dataclass
class State:
    """Lists are indexed by layer, as in the paper. Layer l has n[l] units; with biases the last row of an a is ones."""

    W: Arrays = replicated(WEIGHTS)  # W[l]: (n[l], n[l-1] + ones), l = 1..L
    a: Arrays = columns(INPUTS, first=1)  # a[l]: (n[l] + ones, m), l = 0..L-1; a[0] is the data
    z: Arrays = columns(UNITS)  # z[l]: (n[l], m), l = 1..L
    lam: Array = columns(OUTPUTS)  # (n[L], m)
    zaT: Array = replicated()  # z_1 a_0^T, from the last sweep
    sums: SweepSums = exact_sums()
    sweeps: int = scalar(0)
    factor: Any = None  # Factor of a_0 a_0^T + penalty, which never changes
    work: Any = None  # Work


@dataclass(frozen=True)
class Taylor(Solver):
    """minimise l(z_L, y) + <z_L, lam> + beta_L |z_L - W_L a_{L-1}|^2 + decay sum_l |W_l|^2
    + sum_{l<L} gamma_l |a_l - h(z_l)|^2 + beta_l |z_l - W_l a_{l-1}|^2        over W, a, z; a_0 = x.

    beta: penalty on z_l - W_l a_{l-1}, > 0; one value, or a list of L. Default 1, as in the paper.
    gamma: penalty on a_l - h(z_l), > 0; one value, or a list of L - 1. Default 10, as in the paper.
    ridge: added to the diagonal of a a^T, as a fraction of its mean, >= 0. Default 0.01; the paper has none.
    decay: weight decay, >= 0; biases are not penalised. Default 0; the paper has none.
    init: "forward" (default) passes the data through random weights and trains faster; "gaussian" draws a and z from
        N(0, 1), as in the paper.
    warm: sweeps before the multiplier starts to move, >= 0. Default: it never moves. The paper does not say how many.
    dual_step: lam += dual_step beta_L (z_L - W_L a_{L-1}), > 0. Default 1, as in the paper; the textbook's step is 2.
    sums: "exact" (default) gives the same bits on any number of ranks; "plain" does not.
    overlap: "auto" (default): between nodes z_1 a_0^T travels during the passes over the other layers; "always": also
        within a node; "never". Exact sums have the same bits in each case.

    Deviations from the paper:
    W_l comes from a Cholesky factor of a a^T with `ridge` and `decay`, not from the pseudo-inverse of a. If ridge =
    decay = 0 and the factor is singular to working precision, the smallest sufficient ridge is added.
    Layers have biases (network.bias): a has a row of ones, and the weights of that row are not penalised.
    The multiplier moves only if `warm` is given. The W_L step ignores it, as in the paper.
    For a loss other than the hinge, z_L is the minimiser with that loss.
    """

    name: ClassVar[str] = "taylor"
    paper: ClassVar[str] = "Taylor et al., ICML 2016"
    when: ClassVar[str] = "a network without any gradients: few large steps, little memory"
    state_type: ClassVar[Any] = State
    weighted: ClassVar[bool] = True
    sparse: ClassVar[bool] = True

    beta: Positive | list[Positive] = 1.0
    gamma: Positive | list[Positive] = 10.0
    ridge: NotNegative = 1e-2
    decay: NotNegative = 0.0
    init: Literal["forward", "gaussian"] = "forward"
    warm: Annotated[int, Ge(0)] | None = None
    dual_step: Positive = 1.0
    sums: Literal["exact", "plain"] = "exact"
    overlap: Overlap = "auto"

    def step(self, s: State, p: Problem, world: World) -> None:
        """One sweep of Algorithm 1. While a pass goes over the tiles, `sums` adds what the next W steps need. E[l]
        computes the products of layer l; A and Z are the operands of a and z."""
        W, a, z, L, sums, scratch = s.W, s.a, s.z, p.network.depth, s.sums, s.work.scratch
        h, loss, (beta, gamma), E, A, Z = p.network.activation, p.loss, self.penalties(L), p.engines, s.work.a, s.work.z
        for l in range(1, L):
            fit_weights(sums.of[l].zaT, self._factor(s, l, p), out=W[l])
            W_l = s.work.of_W(l, W[l])
            fit_activation = FitActivation.prepare(W[l + 1], p.network.n[l], beta[l + 1], gamma[l], s.work.fit[l + 1])
            for t in sums.pass_over(l, Z, A, world):
                m = E[l].apply(W_l, A[l - 1][:, t], scratch("m", *z[l][:, t].shape))
                operands = Z[l + 1][:, t], A[l][:, t]
                fit_activation(z[l][:, t], z[l + 1][:, t], h, scratch, a[l][:, t], operands)
                h.prox(a[l][:, t], m, gamma[l], beta[l], z[l][:, t], also(Z[l][:, t]))
        fit_weights(sums.of[L].zaT, self._factor(s, L, p), out=W[L])
        W_L = s.work.of_W(L, W[L])
        for t in sums.pass_over(L, Z, A, world):
            m = E[L].apply(W_L, A[L - 1][:, t], scratch("m", *z[L][:, t].shape))
            loss.prox(m, p.y[:, t], s.lam[:, t], beta[L], z[L][:, t])
            renew(Z[L][:, t], z[L][:, t])
            if self.warm is not None and s.sweeps >= self.warm:
                s.lam[:, t] += self.dual_step * beta[L] * (z[L][:, t] - m)
        sums.complete()
        s.sweeps += 1

    def _factor(self, s: State, l: int, p: Problem) -> Factor:
        """Of a_{l-1} a_{l-1}^T + penalty."""
        return s.factor if l == 1 else self._factorise(s.sums.of[l].aaT, l, p)

    def _factorise(self, aaT: Array, l: int, p: Problem) -> Factor:
        beta, _ = self.penalties(p.network.depth)
        return factorise(aaT, self.ridge, self.decay / beta[l], p.network.bias)

    def penalties(self, L: int) -> tuple[list[float], list[float]]:
        """beta[1..L] and gamma[1..L-1], by layer; entry 0 is not used."""
        return per_layer("beta", self.beta, L), per_layer("gamma", self.gamma, L - 1)

    def check(self, L: int) -> None:
        """Raise UsageError if the hyperparameters do not fit L layers of weights, or one another."""
        self.penalties(L)
        if self.dual_step != 1 and self.warm is None:
            raise UsageError(
                f"solver.dual_step = {self.dual_step:g} has no effect without solver.warm, the number of sweeps before "
                f"the multiplier moves: set it, for example to 20"
            )

    def check_problem(self, p: Problem, world: World) -> None:
        """Raise UsageError if a_0 a_0^T, its exact sum and its factor do not fit the memory. Collective."""
        check_squares(p, world)

    def blank(self, p: Problem, world: World) -> State:
        sums = SweepSums(p, self.sums == "plain", self.overlap)
        return replace(super().blank(p, world), zaT=sums.of[1].zaT, sums=sums, work=Work(p))

    def start(self, s: State, p: Problem, world: World) -> None:
        """The first a and z. "gaussian" leaves W = 0, so that the first sweep's a_l is h(z_l)."""
        if self.init == "forward":
            super().start(s, p, world)
            return
        for l in range(1, p.network.depth + 1):
            gaussian(p, 2 * l, p.network.n[l], s.z[l])
            if l < p.network.depth:
                gaussian(p, 2 * l + 1, p.network.n[l], s.a[l])
        s.work.hold(s)
        exhaust(s.sums.pass_over(0, s.work.z, s.work.a, world))

    def set_weights(self, s: State, weights: Arrays, p: Problem, world: World) -> None:
        """Start from given weights: a and z by a forward pass."""
        super().set_weights(s, weights, p, world)
        s.work.hold(s)
        exhaust(s.sums.pass_over(0, s.work.z, s.work.a, world))

    def prepare(self, s: State, p: Problem, world: World) -> None:
        """Factor a_0 a_0^T."""
        s.work.hold(s)
        x, plain = s.work.a[0], self.sums == "plain"
        aaT = sum_over_samples(x, x, p.tiles, world, plain, p.train.weight, p.engines[1])
        s.factor = self._factorise(aaT, 1, p)

    def finite(self, s: State) -> bool:
        """A NaN anywhere reaches W, z_L or lam within a sweep, because every layer's products are summed for a W."""
        return super().finite(s) and bool(np.isfinite(s.z[-1]).all() and np.isfinite(s.lam).all())

    measure = measures.measure
    bill = cost.bill
    held_bytes = cost.memory


def per_layer(name: str, value: float | list[float], count: int) -> list[float]:
    """[unused, value of layer 1, ..., value of layer `count`].

    >>> per_layer("beta", 2.0, 3), per_layer("gamma", [1.0, 5.0], 2)
    ([0.0, 2.0, 2.0, 2.0], [0.0, 1.0, 5.0])
    """
    if isinstance(value, list) and len(value) != count:
        raise UsageError(f"solver.{name} = {value}: must be one number, or a list of {count} for this network")
    return [0.0, *(value if isinstance(value, list) else [value] * count)]
