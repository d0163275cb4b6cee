"""What a worker's steps on a network need: the gradient of its objective on a minibatch, and the objective."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from hpcadmm.kernels import kernel
from hpcadmm.model.losses.base import Loss
from hpcadmm.model.network import Network
from hpcadmm.model.state import Array, Arrays
from hpcadmm.model.vector import shaped, spans
from hpcadmm.model.weighted import Weight, at
from hpcadmm.products.base import Engine
from hpcadmm.subproblems.passes import Passes

CHUNK = 1024  # columns of one evaluation of the objective
Batches = Callable[[int, int], Iterable[tuple[Array, Array, Weight]]]  # of an iteration and a row: x, y, w of each step


@kernel
def add_penalty(g, weight, v, c, theta):  # type: ignore[no-untyped-def]
    """g = weight g + v + c theta."""
    for i in range(g.size):
        g[i] = weight * g[i] + v[i] + c * theta[i]


class LocalNetwork:
    """F_n(theta) = f_n(theta) + <v_n, theta> + c_n/2 |theta|^2, f_n(theta) = weight sum_i w_i loss(network(x_i), y_i)
    over the samples of worker n, estimated on minibatches.

    theta: the vector of all weights (d,). X[n]: (n_0 + ones, m_n), Y[n]: (n_L, m_n), w[n]: (m_n,) or None; c: (k,).
    Local step j = 1..steps of iteration k = 0, 1, ... is the worker's step steps * k + j; where workers do not take
    part in all iterations, `rounds` (k,) says in how many they did, in the place of k. A minibatch of b of the m_n
    samples estimates f_n as weight m_n / b times its own weighted sum.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        samples: tuple[list[Array], list[Array], Sequence[Weight]],
        batches: Batches,
        c: Array,
        *,
        dtype: Any,
        weight: float,
        steps: int,
        products: Sequence[Engine] | None = None,
    ) -> None:
        self.network, self.loss, self.batches = network, loss, batches
        self.X, self.Y, self.w = samples
        self.c, self.weight, self.steps = c, weight, steps
        self.passes = Passes(network, loss, dtype, products)
        self.rounds: Array | None = None
        self._g = np.zeros(spans(network)[-1].stop, dtype)
        self._G = shaped(self._g, network)

    def taken(self, n: int, k: int) -> int:
        """The iterations before k in which the worker of row n took part."""
        return k if self.rounds is None else int(self.rounds[n])

    def gradient(self, n: int, W: Arrays, x: Array, y: Array, w: Weight = None) -> float:
        """The gradient of the loss summed over a minibatch, in `_g`; returns the factor that makes it one of f_n."""
        if not x.shape[1]:
            self._g[...] = 0
            return 0.0
        W = self.passes.weights(W)
        self.passes.forward(W, x)
        self.passes.backward(W, y, w)
        for l in range(1, self.network.depth + 1):
            self.passes.gradient(l, self._G[l])
        return self.weight * self.X[n].shape[1] / x.shape[1]

    def values(self, theta: Array) -> Array:
        """f_n(theta_n) of each worker, (k,)."""
        return np.array([self.weight * self._sum(n, row) for n, row in enumerate(theta)])

    def _sum(self, n: int, theta: Array) -> float:
        W, X, Y, w = shaped(theta, self.network), self.X[n], self.Y[n], self.w[n]
        cuts = [slice(lo, lo + CHUNK) for lo in range(0, X.shape[1], CHUNK)]
        return sum(self.loss.value(self.network.forward(W, X[:, t]), Y[:, t], at(w, t)) for t in cuts)
