"""The gradient of a loss summed over some samples, at given weights."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from hpcadmm.model.losses.base import Loss
from hpcadmm.model.network import Network
from hpcadmm.model.state import Array, Arrays
from hpcadmm.model.vector import shaped, spans
from hpcadmm.model.weighted import Weight
from hpcadmm.products.base import Engine
from hpcadmm.subproblems.passes import Passes


class LocalGradient:
    """sum_i w_i dR(network(x_i), y_i)/dW as a vector (d,) in float64, formed part by part of the samples."""

    def __init__(self, network: Network, loss: Loss, dtype: Any, products: Sequence[Engine] | None = None) -> None:
        self.passes = Passes(network, loss, dtype, products)
        size = spans(network)[-1].stop
        self.total = np.zeros(size)
        self._wide = shaped(self.total, network)
        self._part = shaped(np.zeros(size, dtype), network)

    def sum(self, W: Arrays, parts: Iterable[tuple[Any, Array, Weight]]) -> Array:
        """`total` of the samples x (n_0 + ones, columns), y (n_L, columns), w (columns,) of these parts; the next call
        overwrites it. W: of `passes.weights`."""
        self.total[...] = 0
        for x, y, w in parts:
            if x.shape[1]:
                self.passes.forward(W, x)
                self.passes.backward(W, y, w)
                for l, (wide, part) in enumerate(zip(self._wide[1:], self._part[1:], strict=True), start=1):
                    np.add(wide, self.passes.gradient(l, part), out=wide)
        return self.total
