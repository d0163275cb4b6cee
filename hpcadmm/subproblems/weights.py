"""The W step: regularised least squares from the summed products z a^T and a a^T."""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from hpcadmm.model.state import Array

Factor = tuple[Array, bool]


def factorise(aaT: Array, ridge: float, decay: float, bias: bool) -> Factor:
    """Cholesky factor of a a^T + (ridge * mean diagonal + decay) I, in float64.

    aaT: (n, n), the last row and column belonging to the ones of a bias, which is not penalised. A matrix that
    is singular to working precision gets a growing ridge, from 1e-12 of the mean diagonal on, until it factors;
    one that is not finite gives a factor of NaN, so that the run sees it and stops.
    """
    n = aaT.shape[0] - int(bias)
    mean = float(np.trace(aaT[:n, :n])) / max(n, 1) or 1.0
    if not np.isfinite(mean):
        return np.full(aaT.shape, np.nan), True
    penalty = ridge * mean + decay
    while True:
        matrix = aaT.copy(order="F")
        matrix[np.arange(n), np.arange(n)] += penalty
        try:
            factor: Factor = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
            return factor
        except LinAlgError:
            penalty = max(10 * penalty, 1e-12 * mean)


def fit_weights(zaT: Array, factor: Factor, out: Array) -> Array:
    """W = argmin_W |z - W a|^2 + penalty |W|^2 = z a^T (a a^T + penalty I)^{-1}. [Taylor eq. 17, a_{l-1}]

    zaT: (n_l, n) in float64; out: (n_l, n), any precision.
    """
    out[...] = cho_solve(factor, zaT.T, check_finite=False).T
    return out


def normal_products(z: Array, a: Array, zaT: Array, aaT: Array | None) -> None:
    """zaT = z a^T and aaT = a a^T for one tile of columns, in the precision of the operands."""
    np.matmul(z, a.T, out=zaT)
    if aaT is not None:
        np.matmul(a, a.T, out=aaT)
