"""Multilayer perceptrons: sizes, weights with their bias column, the forward pass."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcadmm.model.activations.base import Activation
from hpcadmm.model.inputs import product
from hpcadmm.model.noise import LARGEST, spread
from hpcadmm.model.state import Array, Arrays


@dataclass(frozen=True)
class Network:
    """m_l = W_l a_{l-1}, a_l = h(m_l) for l < L; layer l has n[l] units, n[0] features.

    With biases every a_l, l < L, carries one more row, the last, of ones, and W_l one more column.

    In training only:
    dropout: the share of the units of a_l that are 0, l = 0..L-1; (): none.
    noise: "bernoulli"; "gaussian": the units are multiplied by numbers of N(1, dropout / (1 - dropout)) instead.
    noise_inputs, noise_units: standard deviation of normal noise that is added to the features, and to each normalised
        m_l, l < L.
    norm: each m_l, l < L, is normalised over the samples of a part, see `subproblems.batch_norm`.
    """

    n: tuple[int, ...]
    activation: Activation
    bias: bool = True
    dropout: tuple[float, ...] = ()
    noise: str = "bernoulli"
    noise_inputs: float = 0.0
    noise_units: float = 0.0
    norm: bool = False

    @property
    def noisy(self) -> bool:
        """Does training need random numbers for each sample?"""
        return bool(self.dropout or self.noise_inputs or self.noise_units)

    @property
    def clear(self) -> bool:
        """Are the features those of the data in training, too?"""
        return not (self.dropout and self.dropout[0]) and not self.noise_inputs

    def grown(self, features: Array) -> Array:
        """The largest absolute values of features that noise can make of these."""
        rate = self.dropout[0] if self.dropout else 0.0
        factor = 1 + LARGEST * spread(rate) if self.noise == "gaussian" else 1 / (1 - rate)
        return features * factor + LARGEST * self.noise_inputs

    @property
    def depth(self) -> int:
        """L, the number of weight matrices; 1 means no hidden layer."""
        return len(self.n) - 1

    @property
    def ones(self) -> int:
        """The number of rows of ones in an activation: 1 with biases, else 0."""
        return int(self.bias)

    def shape(self, l: int) -> tuple[int, int]:
        """The shape of W_l, l = 1..L, the bias column included."""
        return self.n[l], self.n[l - 1] + self.ones

    def activations(self, l: int, columns: int, dtype: Any) -> Array:
        """An a_l (n_l + ones, columns) with its row of ones; the rest is not set."""
        a = np.empty((self.n[l] + self.ones, columns), dtype, order="F")
        a[self.n[l] :] = 1
        return a

    def random_weights(self, seed: int, dtype: Any) -> Arrays:
        """W[1..L] by He et al. 2015: N(0, 2 / n_{l-1}), biases zero. W[0] is None."""
        return [None, *(self.random_layer(l, seed, dtype) for l in range(1, self.depth + 1))]

    def random_layer(self, l: int, seed: int, dtype: Any) -> Array:
        """W_l of `random_weights`."""
        random = np.random.default_rng([seed, 1, l])
        W = np.zeros(self.shape(l), dtype, order="F")
        W[:, : self.n[l - 1]] = random.standard_normal((self.n[l], self.n[l - 1])) * np.sqrt(2 / self.n[l - 1])
        return W

    def forward(self, W: Arrays, x: Array) -> Array:
        """The output z_L (n_L, columns) for the inputs x (n_0 + ones, columns), without dropout."""
        a = x
        for l in range(1, self.depth + 1):
            m = np.empty((self.n[l], x.shape[1]), x.dtype, order="F")
            product(W[l], a, m)
            if l < self.depth:
                a = self.activations(l, x.shape[1], x.dtype)
                self.activation.value(m, out=a)
        return m
