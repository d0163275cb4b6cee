"""Symmetric matrices from one triangle."""

import numpy as np
import pytest

from hpcadmm.model.symmetric import mirror


@pytest.mark.parametrize("n", [0, 1, 2, 31, 32, 33, 64, 100])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_upper_triangle_becomes_the_lower_one(n, dtype):
    M = np.asfortranarray(np.random.default_rng(1).standard_normal((n, n)), dtype)
    expected = np.tril(M) + np.tril(M, -1).T
    mirror(M)
    assert (expected == M).all()
