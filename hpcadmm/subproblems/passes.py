"""One forward and one backward pass through a network: activations, multipliers, the gradient."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from hpcadmm.model.inputs import Inputs
from hpcadmm.model.losses.base import Loss
from hpcadmm.model.network import Network
from hpcadmm.model.noise import DROPOUT, add
from hpcadmm.model.state import Array, Arrays
from hpcadmm.model.weighted import Weight
from hpcadmm.products.base import WHOLE, Change, Engine, Operand
from hpcadmm.products.plain import Plain
from hpcadmm.products.scratch import Scratch
from hpcadmm.subproblems.batch_norm import BatchNorm


class Weights(Arrays):
    """The operands of W, and its last columns b, the biases."""

    def __init__(self, operands: Iterable[Any], b: Arrays) -> None:
        super().__init__(operands)
        self.b = b


class Passes:
    """z_l = W_l a_{l-1}, a_l = h(z_l);   lam_L = grad R(z_L), lam_l = (W_{l+1}^T lam_{l+1}) * h'(z_l), R = sum w loss.

    a[l], l < L: (n_l + ones, m), a[0] the inputs; lam[l], l = 1..L: (n_l, m): operands of `products`. z[l]: (n_l, m).
    The next pass over as many columns overwrites them; the backward pass overwrites z[l], l < L. With keys of the
    samples, D_l of `model.noise.DROPOUT` changes units: a_0 = D_0 x, a_l = D_l h(z_l), and lam_l, l < L, is D_l of the
    above; and normal noise is added to x and z_l, l < L, if the network has any. With `network.norm` z_l, l < L, is
    normalised over these columns by a `BatchNorm`, and lam_l is the derivative by W_l a_{l-1}.

    products: the engine of each layer; default: of arrays.
    layers: pass through these only, in increasing order; default all.
    keep: the inputs are overwritten between `forward` and what uses them later; keep a copy.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        dtype: Any,
        products: Sequence[Engine] | None = None,
        layers: Sequence[int] | None = None,
        *,
        keep: bool = False,
    ) -> None:
        self.network, self.loss, self.keep, self._scratch = network, loss, keep, Scratch(dtype)
        self.layers = layers or range(1, network.depth + 1)
        self.products = products or [Plain(self._scratch.dtype.name)] * (network.depth + 1)
        self.operands = [engine.operands() for engine in self.products]
        self.norms = {l: BatchNorm(network.n[l]) for l in self.layers if network.norm and l < network.depth}
        self.a: Arrays = [None] * network.depth
        self.z: Arrays = [None] * (network.depth + 1)
        self.lam: Arrays = [None] * (network.depth + 1)
        self._root: Weight = None  # sqrt(w)
        self._keys: Array | None = None  # of the samples

    def weights(self, W: Arrays) -> Arrays:
        """The operands of W, for passes until it changes."""
        operands = (w if w is None else self.operands[l].rounded(f"W{l}", w) for l, w in enumerate(W))
        return Weights(operands, [w if w is None else w[:, -1] for w in W])

    def forward(self, W: Arrays, x: Any, keys: Array | None = None) -> Array:
        """z_L of the inputs x (n_0 + ones, m). With `layers`, x is the a below them, and the result is their last z.

        W: of `weights`. keys: (m,), of the samples' dropout and noise; None: without them."""
        self._keys = keys if self.network.noisy else None
        n, L, m, first, h = self.network.n, self.network.depth, x.shape[1], self.layers[0], self.network.activation
        operands = self.operands[first].kept if self.keep else self.operands[first].rounded
        self.a[first - 1] = operands(f"a{first - 1}", self._inputs(x) if first == 1 else x)
        for l in self.layers:
            self.z[l] = self.products[l].apply(W[l], self.a[l - 1], self._scratch(f"z{l}", n[l], m))
            if l < L:
                self._normalise(l, W)
                self.a[l] = self.operands[l + 1].activated(f"a{l}", h, self.z[l], self.network.ones, self._drops(l))
        return self.z[self.layers[-1]]

    def _normalise(self, l: int, W: Any) -> None:
        """z_l, l < L, before its activation: normalised, then with its noise."""
        if l in self.norms:
            self.norms[l].forward(self.z[l], W.b[l], self._scratch(f"x{l}", *self.z[l].shape))
        if self._keys is not None and self.network.noise_units:
            add(self.z[l], len(self.z[l]), self.network.noise_units, self._keys, l)

    def backward(self, W: Arrays, y: Array, w: Weight = None) -> None:
        """lam of all layers, after `forward` with the same W; y: (n_L, m), w: (m,), None: all 1. Below layer L, y is
        W^T lam of the layer above them."""
        n, last = self.network.n, self.layers[-1]
        self.weigh(w)
        if last == self.network.depth:
            lam = self.loss.gradient(self.z[last], y)
            if w is not None:
                lam *= w
            self.lam[last] = self.operands[last].rounded(f"lam{last}", lam)
        else:
            self.lam[last] = self._through(last, y)
        for l in reversed(self.layers[:-1]):
            pull = self._scratch(f"lam{l}", n[l], y.shape[1])
            self.lam[l] = self._through(l, self.products[l + 1].pull(W[l + 1], self.lam[l + 1], pull))

    def weigh(self, w: Weight) -> None:
        """Weigh the samples in `inputs` and `outputs`, before `backward` does."""
        self._root = None if w is None else np.sqrt(w)

    def _through(self, l: int, pull: Array) -> Operand:
        """lam_l from W_{l+1}^T lam_{l+1}, which it overwrites."""
        return self.operands[l].through(f"lam{l}", self.network.activation, self.z[l], pull, self._back(l))

    def _back(self, l: int) -> Change:
        """The derivative of D_l and of the normalisation, in place; None if layer l has neither."""
        drops = self._drops(l)
        if l not in self.norms:
            return drops
        back = self.norms[l].backward
        return (lambda lam: back(drops(lam))) if drops else back

    def _drops(self, l: int) -> Change:
        """D_l, in place; None if layer l drops nothing."""
        network, keys = self.network, self._keys
        if keys is None or not network.dropout or not network.dropout[l]:
            return None
        return partial(DROPOUT[network.noise], units=network.n[l], rate=network.dropout[l], keys=keys, layer=l)

    def _inputs(self, x: Any) -> Any:
        """D_0 x, and its noise, elsewhere than x."""
        keys, network = self._keys, self.network
        if keys is None or network.clear:
            return x
        drops = self._drops(0)
        if isinstance(x, Inputs):
            return x.dropped(network.n[0], network.dropout[0], keys, network.noise)
        a = self._scratch("a0", *x.shape)
        np.copyto(a, x)
        a = drops(a) if drops else a
        return add(a, network.n[0], network.noise_inputs, keys, 0) if network.noise_inputs else a

    def pull(self, W: Arrays, l: int, lam: Operand | None = None) -> Array:
        """W_l^T lam_l (n_{l-1}, m), for the layer below; lam: that of a layer that is not passed through."""
        lam = self.lam[l] if lam is None else lam
        out = self._scratch(f"pull{l}", self.network.n[l - 1], lam.shape[1])
        return self.products[l].pull(W[l], lam, out)

    def gradient(self, l: int, out: Array, block: slice = WHOLE) -> Array:
        """out = dR/dW_l = lam_l a_{l-1}^T, or a block of its columns; for the biases of a normalised layer, whose lam_l
        sums to 0, their own gradient."""
        out = self.products[l].outer(self.lam[l], self.a[l - 1], out, block)
        if l in self.norms and block.stop in (None, len(self.a[l - 1])):
            out[:, -1] = self.norms[l].lam_b
        return out

    def inputs(self, l: int, out: Array) -> Array:
        """The lower triangle of out = sum w a_{l-1} a_{l-1}^T."""
        a = self.a[l - 1]
        if self._root is not None:
            a = self.operands[l].times(f"inputs{l}", a, self._root)
        return self.products[l].gram(a, out)

    def outputs(self, l: int, out: Array) -> Array:
        """The lower triangle of out = sum w g g^T, where g = lam_l / w is a sample's own gradient by z_l; 0 where
        w = 0."""
        lam = self.lam[l]
        if self._root is not None:
            lam = self.operands[l].over(f"outputs{l}", lam, self._root)
        return self.products[l].gram(lam, out)
