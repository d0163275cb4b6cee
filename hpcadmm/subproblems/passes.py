"""One pass forward and one back through a network: the gradient, and what curvature is made of."""

from typing import Any

import numpy as np

from hpcadmm.model.losses.base import Loss
from hpcadmm.model.network import Network
from hpcadmm.model.state import Array, Arrays
from hpcadmm.subproblems.scratch import Scratch


class Passes:
    """z_l = W_l a_{l-1}, a_l = h(z_l);   lam_L = grad R(z_L), lam_l = (W_{l+1}^T lam_{l+1}) * h'(z_l), R = sum loss.

    a[l], l < L: (n_l + ones, m), a[0] the inputs; z[l], lam[l], l = 1..L: (n_l, m). They lie in memory that the next
    pass over as many columns takes again; the backward pass overwrites z[l], l < L, with h'(z_l). At kinks h' is what
    the activation says.
    """

    def __init__(self, network: Network, loss: Loss, dtype: Any) -> None:
        self.network, self.loss, self._scratch = network, loss, Scratch(dtype)
        self.a: Arrays = [None] * network.depth
        self.z: Arrays = [None] * (network.depth + 1)
        self.lam: Arrays = [None] * (network.depth + 1)

    def forward(self, W: Arrays, x: Array) -> Array:
        """z_L of the inputs x (n_0 + ones, m)."""
        n, L, m, get = self.network.n, self.network.depth, x.shape[1], self._scratch
        self.a[0] = x
        for l in range(1, L + 1):
            self.z[l] = np.matmul(W[l], self.a[l - 1], out=get(f"z{l}", n[l], m))
            if l < L:
                a = get.ones(f"a{l}", n[l] + self.network.ones, m)
                self.a[l] = self.network.activation.value(self.z[l], out=a)
        return self.z[L]

    def backward(self, W: Arrays, y: Array) -> None:
        """lam of all layers, after `forward` with the same W; y: (n_L, m)."""
        n, L, m, get = self.network.n, self.network.depth, y.shape[1], self._scratch
        self.lam[L] = self.loss.gradient(self.z[L], y)
        for l in range(L - 1, 0, -1):
            lam = get(f"lam{l}", n[l], m)
            np.matmul(W[l + 1][:, : n[l]].T, self.lam[l + 1], out=lam)
            lam *= self.network.activation.derivative(self.z[l], out=self.z[l])
            self.lam[l] = lam

    def gradient(self, l: int, out: Array) -> Array:
        """out = dR/dW_l = lam_l a_{l-1}^T."""
        return np.matmul(self.lam[l], self.a[l - 1].T, out=out)
