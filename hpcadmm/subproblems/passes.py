"""One forward and one backward pass through a network: activations, multipliers, the gradient."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hpcadmm.model.dropout import drop
from hpcadmm.model.inputs import Inputs, outer, product
from hpcadmm.model.losses.base import Loss
from hpcadmm.model.network import Network
from hpcadmm.model.state import Array, Arrays
from hpcadmm.model.weighted import Weight
from hpcadmm.subproblems.scratch import Scratch


class Passes:
    """z_l = W_l a_{l-1}, a_l = h(z_l);   lam_L = grad R(z_L), lam_l = (W_{l+1}^T lam_{l+1}) * h'(z_l), R = sum w loss.

    a[l], l < L: (n_l + ones, m), a[0] the inputs; z[l], lam[l], l = 1..L: (n_l, m). The next pass over as many
    columns overwrites them; the backward pass overwrites z[l], l < L, with h'(z_l). With keys of the samples' masks,
    D_l of `model.dropout.drop` leaves units out: a_0 = D_0 x, a_l = D_l h(z_l), and lam_l, l < L, is D_l of the above.
    layers: pass through these only, in increasing order; default all.
    """

    def __init__(self, network: Network, loss: Loss, dtype: Any, layers: Sequence[int] | None = None) -> None:
        self.network, self.loss, self._scratch = network, loss, Scratch(dtype)
        self.layers = layers or range(1, network.depth + 1)
        self.a: Arrays = [None] * network.depth
        self.z: Arrays = [None] * (network.depth + 1)
        self.lam: Arrays = [None] * (network.depth + 1)
        self._root: Weight = None  # sqrt(w)
        self._keys: Array | None = None  # of the masks

    def forward(self, W: Arrays, x: Array, keys: Array | None = None) -> Array:
        """z_L of the inputs x (n_0 + ones, m). With `layers`, x is the a below them, and the result is their last z.
        keys: (m,), of the samples' masks; None: nothing is dropped."""
        self._keys = keys if self.network.dropout else None
        n, L, m, get = self.network.n, self.network.depth, x.shape[1], self._scratch
        self.a[self.layers[0] - 1] = self._inputs(x) if self.layers[0] == 1 else x
        for l in self.layers:
            self.z[l] = product(W[l], self.a[l - 1], get(f"z{l}", n[l], m))
            if l < L:
                a = get.ones(f"a{l}", n[l] + self.network.ones, m)
                self.a[l] = self._dropped(l, self.network.activation.value(self.z[l], out=a))
        return self.z[self.layers[-1]]

    def backward(self, W: Arrays, y: Array, w: Weight = None) -> None:
        """lam of all layers, after `forward` with the same W; y: (n_L, m), w: (m,), None: all 1. Below layer L, y is
        W^T lam of the layer above them."""
        n, last = self.network.n, self.layers[-1]
        self._root = None if w is None else np.sqrt(w)
        if last == self.network.depth:
            self.lam[last] = self.loss.gradient(self.z[last], y)
            if w is not None:
                self.lam[last] *= w
        else:
            self.lam[last] = self._through(last, y)
        for l in reversed(self.layers[:-1]):
            pull = self._scratch(f"lam{l}", n[l], y.shape[1])
            self.lam[l] = self._through(l, np.matmul(W[l + 1][:, : n[l]].T, self.lam[l + 1], out=pull))

    def _through(self, l: int, pull: Array) -> Array:
        """lam_l in the place of W_{l+1}^T lam_{l+1}."""
        pull *= self.network.activation.derivative(self.z[l], out=self.z[l])
        return self._dropped(l, pull)

    def _dropped(self, l: int, a: Array) -> Array:
        """D_l a, in the place of a."""
        if self._keys is not None and self.network.dropout[l]:
            drop(a, self.network.n[l], self.network.dropout[l], self._keys, l)
        return a

    def _inputs(self, x: Any) -> Any:
        """D_0 x, elsewhere than x."""
        if self._keys is None or not self.network.dropout[0]:
            return x
        if isinstance(x, Inputs):
            return x.dropped(self.network.n[0], self.network.dropout[0], self._keys)
        a = self._scratch("a0", *x.shape)
        np.copyto(a, x)
        return self._dropped(0, a)

    def pull(self, W: Arrays) -> Array:
        """W_l^T lam_l (n_{l-1}, m) of the lowest layer l, for the layer below it."""
        l = self.layers[0]
        rows, lam = self.network.n[l - 1], self.lam[l]
        return np.matmul(W[l][:, :rows].T, lam, out=self._scratch("pull", rows, lam.shape[1]))

    def gradient(self, l: int, out: Array) -> Array:
        """out = dR/dW_l = lam_l a_{l-1}^T."""
        return outer(self.lam[l], self.a[l - 1], out)

    def inputs(self, l: int) -> Array:
        """sqrt(w) a_{l-1}: its product with itself is sum w a a^T."""
        a: Array = self.a[l - 1]
        return a if self._root is None else np.multiply(a, self._root, out=self._scratch(f"inputs{l}", *a.shape))

    def outputs(self, l: int) -> Array:
        """lam_l / sqrt(w), 0 where w = 0: its product with itself is sum w g g^T, g = lam_l / w a sample's own gradient
        by z_l."""
        lam: Array = self.lam[l]
        if self._root is None:
            return lam
        out = self._scratch(f"outputs{l}", *lam.shape)
        out[...] = 0
        return np.divide(lam, self._root, out=out, where=self._root > 0)
