"""The function that cg and lbfgs minimise, over the samples of all ranks, and a line search along a direction."""

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from hpcadmm.comm.exact.sums import sum_by_tile
from hpcadmm.comm.world import World
from hpcadmm.model.network import Network
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays
from hpcadmm.model.vector import flat
from hpcadmm.model.weighted import Weight
from hpcadmm.solvers.shared.gradient_sums import GradientSums
from hpcadmm.subproblems.norm import square

Accept = Callable[[float, Array, float, Array], bool]  # of (alpha, x + alpha p, f and g there)


class Step(NamedTuple):
    """The result of a search from x along p: the length, and f and its gradient at x + alpha p."""

    alpha: float
    f: float
    g: Array


class Function:
    """f(x) = (1/m) sum_i w_i R(network(x), y_i) + decay/2 |W|^2 and its gradient, m = sum_i w_i, where x is all of W as
    one vector.

    Every rank gets the same bits. One evaluation gives both; it is kept until another x is asked for. Collective.
    """

    def __init__(self, p: Problem, world: World, sums: GradientSums, decay: float) -> None:
        self.p, self.world, self.sums, self.decay = p, world, sums, decay
        self.evaluations = 0
        self._W = [None, *(np.empty(p.network.shape(l), p.dtype, order="F") for l in range(1, p.network.depth + 1))]
        self._decayed = decayed(p.network)
        self._last: tuple[Array, float, Array] = (np.empty(0), math.nan, np.empty(0))

    def value(self, x: Array) -> float:
        return self._at(x)[1]

    def gradient(self, x: Array) -> Array:
        return self._at(x)[2]

    def _at(self, x: Array) -> tuple[Array, float, Array]:
        if not np.array_equal(x, self._last[0]):
            self._last = (x.copy(), *self._evaluate(x))
        return self._last

    def _evaluate(self, x: Array) -> tuple[float, Array]:
        p, values = self.p, np.zeros((len(self.p.tiles), 1))

        def parts() -> Iterator[tuple[Array, Array, Weight]]:
            for value, (_, t) in zip(values, p.tiles, strict=True):
                yield p.inputs[:, t], p.y[:, t], p.w(t)
                value[0] = p.loss.value(self.sums.passes.z[-1], p.y[:, t], p.w(t))  # of the pass that was just made

        put(x, self._W)
        self.sums.sum(self._W, parts, self.world)
        value, samples = float(sum_by_tile(self.world, p.tiles, values)[0]), p.total or 1
        weights, gradient = x * self._decayed, flat([None, *(total.total for total in self.sums.gradient[1:])])
        gradient /= samples
        gradient += self.decay * weights if self.decay else 0.0
        self.evaluations += 1
        return value / samples + self.decay / 2 * square(weights), gradient

    def search(self, s: Any, p: Array, f_before: float | None, accept: Accept | None = None, **options: Any) -> Any:
        """A Step from s.x along p that meets the strong Wolfe conditions, or None.

        As scipy's CG and BFGS: Moré and Thuente's search, and where it fails, or its step is not accepted, that of
        Wright and Nocedal. options: c1 and c2 of the conditions, amin, amax.
        """
        from scipy.optimize import line_search  # takes a quarter of a second
        from scipy.optimize._linesearch import line_search_wolfe1  # not public; scikit-learn uses it, too

        start = self.value, self.gradient, s.x, p, s.g, s.f, f_before
        alpha, _, _, f, _, g = line_search_wolfe1(*start, **options)
        if alpha is None or (accept is not None and not accept(alpha, s.x + alpha * p, f, g)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                known = {key: options[key] for key in ("c1", "c2", "amax")}
                alpha, _, _, f, _, g = line_search(*start, extra_condition=accept, **known)
        if alpha is None:
            return None
        return Step(alpha, f, self.gradient(s.x + alpha * p) if g is None else g)


def decayed(network: Network) -> Array:
    """1 for weights, 0 for biases."""
    marks: Arrays = [None, *(np.ones(network.shape(l)) for l in range(1, network.depth + 1))]
    for l in range(1, network.depth + 1):
        marks[l][:, network.n[l - 1] :] = 0
    return flat(marks)


def put(x: Array, W: Arrays) -> None:
    """W[1..L] from all of W as one vector, rounded to their precision."""
    start = 0
    for w in W[1:]:
        w[...] = x[start : start + w.size].reshape(w.shape, order="F")
        start += w.size
