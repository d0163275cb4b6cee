"""A worker's step for objectives without a closed form: a few steps of Adam on minibatches."""

from typing import Any

import numpy as np

from hpcadmm.kernels import kernel
from hpcadmm.model.state import Array
from hpcadmm.model.vector import shaped
from hpcadmm.subproblems.local.network import LocalNetwork, add_penalty

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
BLOCK = 2048  # entries, in the first-level cache, after which the two loops of a step alternate


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


class LocalAdam(LocalNetwork):
    """theta_n = a few steps of Adam (Kingma, Ba, 2015) from theta_n on F_n.

    moments (k, 2, d): Adam's averages of the gradient and of its square, kept between calls.
    """

    def __init__(self, *problem: Any, moments: Array, rate: float, **options: Any) -> None:
        super().__init__(*problem, dtype=moments.dtype, **options)
        self.moments, self.rate = moments, rate

    def solve(self, some: slice, v: Array, theta: Array, k: int = 0) -> None:
        """The steps of iteration k of the workers in these rows, v (rows, d), on those rows of theta (k, d)."""
        real = theta.dtype.type
        for n, row in zip(range(len(theta))[some], v, strict=True):
            W, (first, second) = shaped(theta[n], self.network), self.moments[n]
            for t, (x, y, w) in enumerate(self.batches(k, n), self.steps * self.taken(n, k) + 1):
                weight = self.gradient(n, W, x, y, w)
                fall = np.sqrt(1 - BETA2**t)
                scalars = weight, self.c[n], 1 - BETA1, 1 - BETA2, self.rate * fall / (1 - BETA1**t), EPSILON * fall
                adam(theta[n], self._g, row, first, second, *(real(scalar) for scalar in scalars))
