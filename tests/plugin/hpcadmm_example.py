"""Momentum whose entries move by their signs; and a further loss, activation and dataset."""

from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from hpcadmm.datasets.base import Dataset
from hpcadmm.datasets.table import Source, Table
from hpcadmm.model.activations import LeakyRelu
from hpcadmm.model.losses import CrossEntropy
from hpcadmm.solvers.gradients.stochastic import Fraction, Positive, Stochastic


@dataclass(frozen=True)
class Signum(Stochastic):
    """m = momentum m + (1 - momentum) g,   W -= rate sign(m),   entry by entry; g the mean gradient.

    rate: length of a step in each entry. Default 0.001.
    momentum: in [0, 1). Default 0.9.
    """

    name, paper, memory = "signum", "Bernstein et al., ICML 2018", "m"
    when = "gradients whose entries differ much in size"
    rate: Positive = 0.001
    momentum: Fraction = 0.9

    def move(self, e):
        momentum, rest = e.real(self.momentum, 1 - self.momentum)
        e.m[...] = momentum * e.m + rest * e.gradient()
        e.w[...] -= e.rate * np.sign(e.m)


@dataclass(frozen=True)
class Softened(CrossEntropy):
    """l(z, y) = -<y, log softmax(z)>, a share of y spread evenly over all classes.

    smoothing: that share. Default 0.1.
    """

    name, when = "softened", "classes some of which are labelled wrongly"
    smoothing: float = 0.1


@dataclass(frozen=True)
class GentleRelu(LeakyRelu):
    """h(z) = max(z, 0) + slope min(z, 0).

    slope: of h below 0. Default 0.2.
    """

    name, when = "gentle-relu", "deep networks without normalisation"
    slope: float = 0.2


class RingsTable(Table):
    def __init__(self, seed, rows):
        self.rows, self.features, self.values = rows, 2, range(2)
        self.x = np.random.default_rng([seed, rows]).uniform(-2, 2, (rows, 2))
        self.y = (np.square(self.x).sum(axis=1) > 2).astype(np.int64)

    @contextmanager
    def reader(self):
        yield lambda start, stop: (self.x[start:stop], self.y[start:stop])


@dataclass(frozen=True, kw_only=True)
class Rings(Dataset):
    """Points of a square, within and outside a circle.

    samples: of the training part; half as many test. Default 400.
    """

    name, what = "rings", "points within and outside a circle, any number, 2 classes"
    samples: int = 400

    def parts(self, seed):
        return tuple(Source.whole(RingsTable(seed, rows)) for rows in (self.samples, self.samples // 2))
