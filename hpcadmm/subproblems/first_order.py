"""One step of each first-order method on the entries of W_l, in one pass over weights, gradient and moments.

All take the weights w and the float64 gradient g of the summed loss as vectors, by columns, and step along

    d = mean g + decay w,    without decay from entry `weights` on: the biases, in the last column.

Moments, scalars and arithmetic have the dtype of w; `mean` is 1 / samples, float64.
"""

from math import sqrt

import numpy as np

from hpcadmm.kernels import kernel


@kernel
def sgd(w, g, m, weights, mean, decay, rate, momentum, ahead):  # type: ignore[no-untyped-def]
    """m = momentum m + d;   w -= rate m, or, `ahead` = 1 instead of 0, Nesterov's rate (d + momentum m)."""
    real, zero = w.dtype.type, decay - decay
    for i in range(w.size):
        d = real(mean * g[i]) + (decay if i < weights else zero) * w[i]
        m[i] = momentum * m[i] + d
        w[i] -= rate * (m[i] + ahead * (d + momentum * m[i] - m[i]))


@kernel
def follow(w, v, share):  # type: ignore[no-untyped-def]
    """w += share (v - w)."""
    for i in range(w.size):
        w[i] += share * (v[i] - w[i])


@kernel
def shorten(w, columns, longest):  # type: ignore[no-untyped-def]
    """Each row of W[:, :columns] times min(1, longest / |row|); w is W^T, (columns or more, rows)."""
    factor, some = np.zeros(w.shape[1]), False
    for j in range(columns):
        for i in range(w.shape[1]):
            factor[i] += np.float64(w[j, i]) * np.float64(w[j, i])
    for i in range(w.shape[1]):
        long = factor[i] > longest * longest
        factor[i], some = longest / sqrt(factor[i]) if long else 1.0, some or long
    if some:
        for j in range(columns):
            for i in range(w.shape[1]):
                w[j, i] *= w.dtype.type(factor[i])


@kernel
def adagrad(w, g, v, weights, mean, decay, rate, epsilon):  # type: ignore[no-untyped-def]
    """v += d^2;   w -= rate d / (sqrt(v) + epsilon)."""
    real, zero = w.dtype.type, decay - decay
    for i in range(w.size):
        d = real(mean * g[i]) + (decay if i < weights else zero) * w[i]
        v[i] += d * d
        w[i] -= rate * d / (sqrt(v[i]) + epsilon)


@kernel
def adadelta(w, g, m, v, weights, mean, decay, rate, rho, rest, epsilon):  # type: ignore[no-untyped-def]
    """v = rho v + (1 - rho) d^2;   e = d sqrt(m + epsilon) / sqrt(v + epsilon);   w -= rate e;
    m = rho m + (1 - rho) e^2.   rest = 1 - rho."""
    real, zero = w.dtype.type, decay - decay
    for i in range(w.size):
        d = real(mean * g[i]) + (decay if i < weights else zero) * w[i]
        v[i] = rho * v[i] + rest * d * d
        e = d * sqrt(m[i] + epsilon) / sqrt(v[i] + epsilon)
        m[i] = rho * m[i] + rest * e * e
        w[i] -= rate * e


@kernel
def adam(w, g, m, v, weights, mean, decay, rate, beta1, rest1, beta2, rest2, root, epsilon):  # type: ignore[no-untyped-def]
    """m = beta1 m + (1 - beta1) d;   v = beta2 v + (1 - beta2) d^2;   w -= rate m / (root sqrt(v) + epsilon).

    In step t, rate is the learning rate over 1 - beta1^t and root = 1 / sqrt(1 - beta2^t), the bias corrections; rest1,
    rest2 = 1 - beta1, 1 - beta2.
    """
    real, zero = w.dtype.type, decay - decay
    for i in range(w.size):
        d = real(mean * g[i]) + (decay if i < weights else zero) * w[i]
        m[i] = beta1 * m[i] + rest1 * d
        v[i] = beta2 * v[i] + rest2 * d * d
        w[i] -= rate * m[i] / (root * sqrt(v[i]) + epsilon)
