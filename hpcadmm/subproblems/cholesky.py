"""Cholesky factors that never fail: a step of a run that diverges must end, so that the run can say so."""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor

from hpcadmm.model.state import Array

Factor = tuple[Array, bool]
SMALLEST = 1e-280  # a diagonal entry below it counts as 0
EPS = float(np.finfo(np.float64).eps)
LEAST = 1e-12  # the first ridge


def cholesky(matrix: Array, n: int) -> Factor:
    """The lower factor of a symmetric positive semidefinite matrix in float64, for cho_solve(check_finite=False).

    A matrix is singular to working precision where a pivot is below len(matrix) eps of its own diagonal entry. Its
    first n diagonal entries then get a ridge relative to each of them (an entry of 0 counts as 1), LEAST first, ten
    times more until it factors. So the scale of rows and columns does not matter: D matrix D with D of powers of two
    gives D times the factor, to the bit. A matrix that never factors, or is not finite, gives a factor of NaN.
    """
    diagonal = np.arange(n)
    entries, limit = matrix.diagonal().copy(), len(matrix) * EPS * matrix.diagonal()
    unit, ridge = np.where(entries > SMALLEST, entries, 1.0)[:n], 0.0
    while ridge <= 1 and np.isfinite(entries).all():
        trial = matrix.copy(order="F")
        trial[diagonal, diagonal] += ridge * unit
        try:
            factor: Factor = cho_factor(trial, lower=True, overwrite_a=True, check_finite=False)
            if (np.square(factor[0].diagonal()) > limit).all():
                return factor
        except LinAlgError:
            pass
        ridge = max(10 * ridge, LEAST)
    return np.full(matrix.shape, np.nan), True
