"""A worker's step for objectives without a closed form: a few steps of Adam on minibatches."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from hpcadmm.kernels import kernel
from hpcadmm.model.losses.base import Loss
from hpcadmm.model.network import Network
from hpcadmm.model.state import Array, Arrays
from hpcadmm.model.vector import shaped
from hpcadmm.model.weighted import Weight, at
from hpcadmm.products.base import Engine
from hpcadmm.subproblems.passes import Passes

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
CHUNK = 1024  # columns of one evaluation of the objective
BLOCK = 2048  # entries, in the first-level cache, after which the two loops of a step alternate
Batches = Callable[[int, int], Iterable[tuple[Array, Array, Weight]]]  # of an iteration and a row: x, y, w of each step


@kernel
def add_penalty(g, weight, v, c, theta):  # type: ignore[no-untyped-def]
    """g = weight g + v + c theta."""
    for i in range(g.size):
        g[i] = weight * g[i] + v[i] + c * theta[i]


@kernel
def move(theta, g, first, second, new1, new2, rate, epsilon):  # type: ignore[no-untyped-def]
    """first += new1 (g - first), second += new2 (g^2 - second), theta -= rate first / (sqrt(second) + epsilon)."""
    for i in range(theta.size):
        first[i] += new1 * (g[i] - first[i])
        second[i] += new2 * (g[i] * g[i] - second[i])
        theta[i] -= rate * first[i] / (np.sqrt(second[i]) + epsilon)


@kernel
def adam(theta, g, v, first, second, weight, c, new1, new2, rate, epsilon):  # type: ignore[no-untyped-def]
    """A step of Adam along weight g + v + c theta, over vectors (d,) in one pass; g is overwritten."""
    for lo in range(0, theta.size, BLOCK):
        t = slice(lo, min(lo + BLOCK, theta.size))
        add_penalty(g[t], weight, v[t], c, theta[t])
        move(theta[t], g[t], first[t], second[t], new1, new2, rate, epsilon)


class LocalAdam:
    """theta_n = a few steps of Adam (Kingma, Ba, 2015) from theta_n on f_n(theta) + <v_n, theta> + c_n/2 |theta|^2,
    f_n(theta) = weight sum_i w_i loss(network(x_i), y_i) over the samples of worker n, estimated on minibatches.

    theta: the vector of all weights (d,). X[n]: (n_0 + ones, m_n), Y[n]: (n_L, m_n), w[n]: (m_n,) or None; c: (k,).
    moments (k, 2, d): Adam's averages of the gradient and of its square, kept between calls. Local step j = 1..steps of
    iteration k = 0, 1, ... is step number steps * k + j of Adam; where workers do not take part in all iterations,
    `rounds` (k,) says in how many they did, in the place of k. A minibatch of b of the m_n samples estimates f_n as
    weight m_n / b times its own weighted sum.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        samples: tuple[list[Array], list[Array], Sequence[Weight]],
        batches: Batches,
        moments: Array,
        c: Array,
        *,
        weight: float,
        steps: int,
        rate: float,
        products: Sequence[Engine] | None = None,
    ) -> None:
        self.network, self.loss, self.batches, self.moments = network, loss, batches, moments
        self.X, self.Y, self.w = samples
        self.c, self.weight, self.steps, self.rate = c, weight, steps, rate
        self.passes = Passes(network, loss, moments.dtype, products)
        self.rounds: Array | None = None
        self._g = np.zeros(moments.shape[-1], moments.dtype)
        self._G = shaped(self._g, network)

    def solve(self, some: slice, v: Array, theta: Array, k: int = 0) -> None:
        """The steps of iteration k of the workers in these rows, v (rows, d), on those rows of theta (k, d)."""
        real = theta.dtype.type
        for n, row in zip(range(len(theta))[some], v, strict=True):
            W, (first, second) = shaped(theta[n], self.network), self.moments[n]
            done = self.steps * (k if self.rounds is None else int(self.rounds[n]))
            for t, (x, y, w) in enumerate(self.batches(k, n), done + 1):
                weight = self.gradient(n, W, x, y, w)
                fall = np.sqrt(1 - BETA2**t)
                scalars = weight, self.c[n], 1 - BETA1, 1 - BETA2, self.rate * fall / (1 - BETA1**t), EPSILON * fall
                adam(theta[n], self._g, row, first, second, *(real(scalar) for scalar in scalars))

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
