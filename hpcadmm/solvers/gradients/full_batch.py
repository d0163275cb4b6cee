"""The base of the methods whose evaluations take all samples of all ranks: cg and lbfgs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from inspect import cleandoc
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt, Lt

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import WEIGHTS, Array, Arrays, exact_sums, replicated, scalar
from hpcadmm.model.vector import flat
from hpcadmm.solvers.base import Solver
from hpcadmm.solvers.gradients import cost
from hpcadmm.solvers.gradients.function import Function, put
from hpcadmm.solvers.shared.gradient_sums import GradientSums
from hpcadmm.solvers.shared.loss import norm
from hpcadmm.subproblems.norm import square


@dataclass
class State:
    """x is all of W as one float64 vector, layer after layer, by columns."""

    W: Arrays = replicated(WEIGHTS)  # x in the working precision
    x: Array = replicated()
    g: Array = replicated()  # gradient of f at x
    f: float = scalar(math.nan)  # at x
    since: int = scalar(0)  # iterations since the method began anew
    evaluations: int = scalar(0)
    endings: int = scalar(0)
    sums: Any = exact_sums()  # of the gradient
    work: Any = None  # a Function


@dataclass(frozen=True)
class FullBatch(Solver):
    """minimise f = (1/m) sum_i R(network(x_i), y_i) + decay/2 sum_l |W_l|^2 over the weights.

    An iteration has one or more evaluations of f over all samples; all ranks take the same steps. A method ends where
    no entry of the gradient is larger than `tolerance`, or where its line search fails; it then begins anew from the
    same point, without memory, and `endings` counts how often.

    decay: weight decay; biases do not decay. Default 0.
    restart: iterations after which the method begins anew. Default 100.
    tolerance: largest entry of the gradient at which the method ends. Default 1e-5.
    sums: "exact" gives the same bits on any number of ranks, "plain" sums are ordinary float64. Default "exact".
    """

    constrained: ClassVar[bool] = False
    streamed: ClassVar[bool] = True
    sparse: ClassVar[bool] = True
    weighted: ClassVar[bool] = True

    decay: Annotated[float, Ge(0), Lt(math.inf)] = 0.0
    restart: Annotated[int, Ge(1)] = 100
    tolerance: Annotated[float, Gt(0), Lt(math.inf)] = 1e-5
    sums: Literal["exact", "plain"] = "exact"

    def __init_subclass__(cls) -> None:
        """Append the common part to a method's docstring."""
        cls.__doc__ = "\n\n".join(cleandoc(one.__doc__ or "") for one in (cls, FullBatch))

    def move(self, s: Any) -> bool:
        """One iteration of the method: x, f, g and its memory, which is empty if since = 0; False if it ends."""
        raise NotImplementedError

    def step(self, s: State, p: Problem, world: World) -> None:
        """One iteration. A method that ends instead begins anew, unless it has only just begun."""
        if s.since >= self.restart:
            s.since = 0
        while not self.move(s):
            s.endings += 1
            if s.since == 0:
                break
            s.since = 0
        else:
            s.since += 1
            put(s.x, s.W)
        s.evaluations = s.work.evaluations

    def converged(self, g: Array) -> bool:
        """True for NaN, too: a run that diverges must end."""
        return not np.abs(g).max() > self.tolerance

    def blank(self, p: Problem, world: World) -> Any:
        s, sums = super().blank(p, world), GradientSums(p, p.tiles.count, sums=self.sums)
        x, g = (np.zeros(sum(w.size for w in s.W[1:])) for _ in range(2))
        return replace(s, x=x, g=g, sums=sums, work=Function(p, world, sums, self.decay))

    def set_weights(self, s: State, weights: Arrays, p: Problem, world: World) -> None:
        super().set_weights(s, weights, p, world)
        s.x[...] = flat(s.W)

    def prepare(self, s: State, p: Problem, world: World) -> None:
        """f and its gradient at the start; this evaluation also finds the first scales of the sums."""
        s.work.evaluations = s.evaluations
        if s.evaluations == 0:
            s.f, s.g[...] = s.work.value(s.x), s.work.gradient(s.x)
            s.evaluations = 1

    def objective(self, s: State, p: Problem, world: World) -> float:
        return p.total * s.f

    def measure(self, s: State, p: Problem, world: World) -> Mapping[str, float]:
        """objective: m f
        primal_residual: the norm of the gradient of f
        scale: |W|
        evaluations, endings: evaluations of f, and how often the method ended by itself, so far"""
        return {
            "objective": self.objective(s, p, world),
            "primal_residual": math.sqrt(square(s.g)),
            "scale": norm(s.W),
            "evaluations": s.evaluations,
            "endings": s.endings,
        }

    bill = cost.full_batch
    held_bytes = cost.full_batch_memory
