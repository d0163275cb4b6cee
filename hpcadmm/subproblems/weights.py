"""The W step: regularised least squares from the summed products z a^T and a a^T."""

import numpy as np
from scipy.linalg.blas import dtrsm

from hpcadmm.model.state import Array
from hpcadmm.subproblems.cholesky import Factor, cholesky


def factorise(aaT: Array, ridge: float, decay: float, bias: bool) -> Factor:
    """Cholesky factor of a a^T + (ridge * mean diagonal + decay) I, in float64.

    aaT: (n, n), the last row and column belonging to the ones of a bias, which is not penalised. The mean is over all
    features: one in units far larger than the others' sets the ridge for all of them. ridge = decay = 0 is least
    squares whatever the scales.
    """
    n = aaT.shape[0] - int(bias)
    matrix = aaT.copy(order="F")
    matrix[np.arange(n), np.arange(n)] += ridge * float(np.trace(aaT[:n, :n])) / max(n, 1) + decay
    return cholesky(matrix, n)


def fit_weights(zaT: Array, factor: Factor, out: Array) -> Array:
    """W = argmin_W |z - W a|^2 + penalty |W|^2 = z a^T (a a^T + penalty I)^{-1}. [Taylor eq. 17, a_{l-1}]

    zaT: (n_l, n) in float64; out: (n_l, n), any precision.
    """
    L, lower = factor
    right = dtrsm(1.0, L, zaT, side=1, lower=lower, trans_a=lower)
    out[...] = dtrsm(1.0, L, right, side=1, lower=lower, trans_a=not lower, overwrite_b=True)
    return out
