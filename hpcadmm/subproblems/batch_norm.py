"""Batch normalisation of a layer over the samples of a part, in float64, and its derivative.

Ioffe, Szegedy: Batch Normalization, ICML 2015. The parts of a batch are normalised by themselves, as in "ghost batch
normalisation" [Hoffer, Hubara, Soudry: Train longer, generalize better, NeurIPS 2017]: then neither the batch nor the
number of ranks matters. There is no scale gamma: a relu needs none, since the next layer can scale its output.
"""

import numpy as np

from hpcadmm.kernels import kernel
from hpcadmm.model.state import Array

EPSILON = 1e-5  # added to variances


@kernel
def moments(z, mean, variance):  # type: ignore[no-untyped-def]
    """Mean and variance (mean square deviation) of each unit; rows of z are samples."""
    samples, units = z.shape
    mean[:], variance[:] = 0.0, 0.0
    for j in range(samples):
        for i in range(units):
            mean[i] += z[j, i]
    mean /= max(samples, 1)
    for j in range(samples):
        for i in range(units):
            variance[i] += (z[j, i] - mean[i]) ** 2
    variance /= max(samples, 1)


@kernel
def normalise(z, mean, root, shift, x):  # type: ignore[no-untyped-def]
    """x = (z - mean) root, z = x + shift."""
    for j in range(z.shape[0]):
        for i in range(z.shape[1]):
            x[j, i] = (z[j, i] - mean[i]) * root[i]
            z[j, i] = x[j, i] + shift[i]


@kernel
def differentiate(lam, x, root, total):  # type: ignore[no-untyped-def]
    """total = sum lam;   lam = root (lam - mean(lam) - x mean(lam x)), sums and means over the samples."""
    samples, units = lam.shape
    along = np.zeros(units)
    total[:] = 0.0
    for j in range(samples):
        for i in range(units):
            total[i] += lam[j, i]
            along[i] += np.float64(lam[j, i]) * x[j, i]
    share = 1.0 / max(samples, 1)
    for j in range(samples):
        for i in range(units):
            lam[j, i] = root[i] * (lam[j, i] - share * total[i] - x[j, i] * (share * along[i]))


class BatchNorm:
    """x = (z - mean) / sqrt(variance + EPSILON), z' = x + b, for one layer and one part at a time; b: its biases.

    mean, variance: (units,), over the samples of the part. lam_b: (units,), the gradient by b.
    """

    def __init__(self, units: int) -> None:
        self.mean, self.variance, self.lam_b, self._root = np.zeros((4, units))
        self._x = np.zeros((units, 0))

    def forward(self, z: Array, b: Array, x: Array) -> None:
        """z = z', in place. z, x: (units, samples); x is memory that stays as it is until `backward`."""
        moments(z.T, self.mean, self.variance)
        self._x, self._root = x, 1 / deviation(self.variance)
        normalise(z.T, self.mean, self._root, b, x.T)

    def backward(self, lam: Array) -> Array:
        """dR/dz from lam = dR/dz', in place."""
        differentiate(lam.T, self._x.T, self._root, self.lam_b)
        return lam


def deviation(variance: Array) -> Array:
    """What `BatchNorm` divides by."""
    found: Array = np.sqrt(variance + EPSILON)
    return found
