"""The elementwise parts of pdADMM are the plain formulas, and no entry of them can be improved."""

import numpy as np
import pytest

from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.products.scratch import Scratch
from hpcadmm.subproblems.layer_split import CUT, fit_z, fit_z_and_q, force, p_gradient, pieces

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
activations = pytest.mark.parametrize("activation", ["relu", "leaky-relu", "tanh", "sigmoid"])
shapes = pytest.mark.parametrize("shape", [(5, 7), (1, 1), (3, CUT // 3 + 5), (4, 0)], ids=str)


def arrays(dtype, shape, count, seed=0):
    random = np.random.default_rng(seed)
    return [np.asfortranarray(2 * random.standard_normal(shape), dtype) for _ in range(count)]


def value(activation, z):
    return activation.value(z, out=np.empty_like(z, order="F"))


@pytest.mark.parametrize("rows", [1, 7, 300, CUT, 2 * CUT])
@pytest.mark.parametrize("t", [slice(0, 0), slice(3, 4), slice(5, 1030), slice(0, 70000)], ids=str)
def test_pieces_cover_a_tile_in_order_and_are_small(rows, t):
    found = pieces(rows, t)
    assert [k for piece in found for k in range(piece.start, piece.stop)] == list(range(t.start, t.stop))
    assert all(rows * (piece.stop - piece.start) <= max(CUT, rows) for piece in found)
    assert all(piece.stop > piece.start for piece in found)


@dtypes
@activations
@shapes
def test_the_force_is_u_less_rho_q(dtype, activation, shape):
    f, (z, q) = ACTIVATIONS[activation](), arrays(dtype, shape, 2)
    w, z0, q0 = np.full(shape, np.nan, dtype, order="F"), z.copy(), q.copy()
    force(z, q, f, 0.7, 1.9, Scratch(dtype), w)
    assert (z == z0).all()
    assert (q == q0).all()
    np.testing.assert_allclose(w, 0.7 * (q - value(f, z)) - 1.9 * q, atol=100 * np.finfo(dtype).eps)


@dtypes
@shapes
@pytest.mark.parametrize("ones", [0, 1])
def test_the_gradient_of_p_and_its_norm(dtype, shape, ones):
    """p may have a row of ones, w rows of its own."""
    g, w = arrays(dtype, shape, 2)
    (p,) = arrays(dtype, (shape[0] + ones, shape[1]), 1, seed=1)
    expected = 0.7 * g + 1.9 * p[: shape[0]] + w
    norm = p_gradient(g, p, w, 0.7, 1.9)
    np.testing.assert_allclose(g, expected, atol=100 * np.finfo(dtype).eps)
    np.testing.assert_allclose(
        norm, np.sum(np.square(g, dtype=np.float64)), rtol=1e-4 if dtype == np.float32 else 1e-12
    )


@activations
@dtypes
def test_z_is_the_global_minimum_the_proximal_term_included(activation, dtype):
    """Compared with a dense grid, for m, q and z_old of all signs and sizes."""
    f, grid = ACTIVATIONS[activation](), np.linspace(-12, 12, 4801)[:, None, None]
    R, z, q = (3 * x for x in arrays(dtype, (6, 40), 3))
    old, m = z.astype(np.float64), (R + z).astype(np.float64)
    given, before, h = R.copy(), np.empty_like(z), np.empty_like(z)
    before0 = value(f, z)

    def cost(x):
        fx = value(f, x.reshape(len(x), -1)).reshape(x.shape)
        return (x - m) ** 2 + (q - fx) ** 2 + (x - old) ** 2

    fit_z(R, z, q, f, Scratch(dtype), before, h)
    found = cost(z[None].astype(np.float64))[0]
    assert (found <= cost(grid + 0 * m).min(axis=0) + (1e-9 if dtype == np.float64 else 1e-4)).all()
    assert (before == before0).all()
    assert (h == value(f, z)).all()
    np.testing.assert_array_equal(R, (given + old.astype(dtype)) - z)
    assert np.abs(cost(z + 1e-3) - found).max() > 0


@activations
@dtypes
@shapes
@pytest.mark.parametrize("ones", [0, 1])
@pytest.mark.parametrize("dual", [0.7, 0.35])
def test_q_is_stationary_and_gives_the_next_multiplier(activation, dtype, shape, ones, dual):
    """nu (q - f(z)) - u - rho (p - q) = 0 with u = dual (q_old - f(z_old)): so u + rho (p - q) = nu (q - f(z))."""
    f, (R, z, q) = ACTIVATIONS[activation](), arrays(dtype, shape, 3)
    (p,) = arrays(dtype, (shape[0] + ones, shape[1]), 1, seed=1)
    u, given = dual * (q - value(f, z)), p.copy()
    alone = [x.copy(order="F") for x in (R, z, q)]
    fit_z_and_q(R, z, q, p, f, (0.7, 1.9, dual), Scratch(dtype))
    fit_z(*alone, f, Scratch(dtype), np.empty(shape, dtype, order="F"), np.empty(shape, dtype, order="F"))
    assert (z == alone[1]).all()
    assert (alone[0] == R).all()
    assert (p == given).all()
    slope = 0.7 * (q - value(f, z)) - u - 1.9 * (p[: shape[0]] - q)
    np.testing.assert_allclose(slope, 0, atol=200 * np.finfo(dtype).eps)
    assert {x.dtype for x in (R, z, q)} == {np.dtype(dtype)}
