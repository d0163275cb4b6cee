"""The elementwise parts of dlADMM are the plain formulas, to the bit where each entry is rounded as there."""

import numpy as np
import pytest

from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.products.scratch import Scratch
from hpcadmm.subproblems.layer_split import CUT
from hpcadmm.subproblems.residual_steps import a_gradient, descend, fit_b, force, force_sums

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
shapes = pytest.mark.parametrize("shape", [(5, 7), (1, 1), (3, CUT // 3 + 5), (4, 0)], ids=str)
terms = pytest.mark.parametrize(("multiplier", "weights"), [(0, 0), (1, 0), (0, 1), (1, 1)])


def arrays(dtype, shape, count, seed=0):
    random = np.random.default_rng(seed)
    return [np.asfortranarray(2 * random.standard_normal(shape), dtype) for _ in range(count)]


def operands(dtype, shape, multiplier, weights):
    """r, u or None, w or None, and (r + u) w with c = 0.7."""
    r, u, w = arrays(dtype, shape, 3)
    u, w = u if multiplier else None, np.abs(w[0]) if weights else None
    expected = dtype(0.7) * r
    expected = expected if u is None else expected + u
    return r, u, w, expected if w is None else expected * w


@dtypes
@shapes
@terms
def test_the_force_and_its_sums(dtype, shape, multiplier, weights):
    r, u, w, expected = operands(dtype, shape, multiplier, weights)
    assert (force(r, 0.7, u, w, Scratch(dtype)) == expected).all()
    sums = np.full(shape[0], np.nan)
    force_sums(r, 0.7, u, w, sums)
    np.testing.assert_allclose(sums, expected.sum(axis=1, dtype=np.float64), rtol=1e-11, atol=1e-11)


def test_a_force_that_is_the_residual_is_not_copied():
    (r,) = arrays(np.float32, (3, 4), 1)
    assert force(r, 1.0, None, None, Scratch(np.float32)) is r
    assert force(r, 1.0, r, None, Scratch(np.float32)) is not r


@dtypes
@shapes
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_gradient_of_a(dtype, shape, activation):
    f, (g, a, z) = ACTIVATIONS[activation](), arrays(dtype, shape, 3)
    expected = dtype(0.7) * (a - f.value(z, out=np.empty_like(z))) - g
    a_gradient(g, a, z, f, 0.7, Scratch(dtype))
    assert (g == expected).all()


@dtypes
@shapes
def test_moves_along_a_gradient_and_of_b(dtype, shape):
    x, g = arrays(dtype, shape, 2)
    change = arrays(dtype, (shape[0],), 1, seed=1)[0]
    expected = x - dtype(0.3) * g
    descend(x, 0.3, g)
    assert (x == expected).all()
    fit_b(x, change)
    assert (x == expected - change[:, None]).all()
