"""tanh and sigmoid: values and derivatives are accurate for any z."""

import numpy as np
import pytest
from scipy.special import expit

from hpcadmm.model.activations import Sigmoid, Tanh

SMOOTH = [Tanh(), Sigmoid()]
smooth = pytest.mark.parametrize("h", SMOOTH, ids=repr)
both = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def plain(h, z):
    """h(z) by another implementation."""
    return np.tanh(z) if h == Tanh() else expit(z)


@smooth
@both
def test_value_and_derivative_are_accurate_for_any_z(h, dtype):
    size = np.concatenate([[0.0], np.logspace(-20, 2.5, 400), [1e3, 1e30, np.inf]])
    z = np.concatenate([-size, size]).astype(dtype)[None]
    tall = np.ones((2, z.size), dtype, order="F")
    slope = np.empty_like(z, order="F")
    with np.errstate(over="ignore", under="ignore"):
        value, wide = plain(h, z.astype(np.float64)), z.astype(np.float64)
        want = np.cosh(wide) ** -2.0 if h == Tanh() else np.cosh(wide / 2) ** -2.0 / 4
        h.value(np.asfortranarray(z), tall)
        h.derivative(np.asfortranarray(z), slope)
    eps, tiny = np.finfo(dtype).eps, np.finfo(dtype).tiny
    np.testing.assert_allclose(tall[0], value[0], rtol=4 * eps, atol=1e5 * tiny)
    np.testing.assert_allclose(slope, want, rtol=8 * eps, atol=1e5 * tiny)
    assert (tall[1] == 1).all()
    zeros = np.array([[-0.0, 0.0]])
    assert (np.signbit(Tanh().value(zeros, zeros.copy())) == [[True, False]]).all()


@smooth
def test_derivative_is_the_slope_of_value(h):
    step = 1e-5
    z = np.linspace(-8, 8, 401)[None]
    slope = h.derivative(z, np.empty_like(z))
    np.testing.assert_allclose(slope, (plain(h, z + step) - plain(h, z - step)) / (2 * step), atol=1e-10)
