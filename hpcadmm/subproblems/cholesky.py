"""Cholesky factors that never fail: a step of a run that diverges must end, so that the run can say so."""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor

from hpcadmm.model.state import Array

Factor = tuple[Array, bool]
SMALLEST = 1e-280  # a mean diagonal below it counts as 0


def cholesky(matrix: Array, n: int) -> Factor:
    """The lower factor of a symmetric positive semidefinite matrix in float64, for cho_solve(check_finite=False).

    Where the matrix is singular to working precision its first n diagonal entries get a ridge, from 1e-12 of
    their mean on, up to the mean, until it factors. One that does not, or is not finite, gives a factor of NaN.
    """
    diagonal = np.arange(n)
    mean = float(matrix[diagonal, diagonal].sum()) / max(n, 1)
    unit = mean if mean > SMALLEST or mean != mean else 1.0
    ridge = 0.0
    while ridge <= unit < np.inf:
        trial = matrix.copy(order="F")
        trial[diagonal, diagonal] += ridge
        try:
            factor: Factor = cho_factor(trial, lower=True, overwrite_a=True, check_finite=False)
            return factor
        except LinAlgError:
            ridge = max(10 * ridge, 1e-12 * unit)
    return np.full(matrix.shape, np.nan), True
