"""A kernel that rounds in the same pass gives the bits of the plain result, rounded."""

import numpy as np
import pytest

from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.products import engine_of
from hpcadmm.products.rounding import round_plain
from hpcadmm.products.scratch import Scratch
from hpcadmm.products.targets import also, renew
from hpcadmm.subproblems.layer_split import descend_kernel, p_gradient
from hpcadmm.subproblems.normal_equations import FitActivation, FitWork, add_to, lacking, right_side
from hpcadmm.subproblems.residual_steps import a_gradient

SHAPE = (9, 21)  # samples, units
REAL = np.float32


def drawn(count, shape=SHAPE, seed=0):
    random = np.random.default_rng(seed)
    return [random.standard_normal(shape).astype(REAL) for _ in range(count)]


def rounded(x):
    bits = np.empty(x.shape, np.uint16)
    round_plain(np.ascontiguousarray(x), bits)
    return bits


def blank(shape=SHAPE):
    return np.full(shape, 7, np.uint16)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_prox(name):
    h, (a, m) = ACTIVATIONS[name](), (x.T for x in drawn(2))
    z, again, bits = np.empty_like(a), np.empty_like(a), blank()
    h.prox(a, m, 10.0, 1.0, z)
    h.prox(a, m, 10.0, 1.0, again, bits)
    assert np.array_equal(again, z)
    assert np.array_equal(bits, rounded(z.T))


def test_the_right_side_and_what_is_lacking_go_to_the_operand_only():
    t, h, shift = *drawn(2), drawn(1)[0][0]
    kept, bits, size = t.copy(), blank(), (REAL(0.7), REAL(1.9))
    right_side(t, h, shift, *size, bits)
    assert np.array_equal(t, kept)
    right_side(t, h, shift, *size, None)
    assert np.array_equal(bits, rounded(t))
    np.testing.assert_allclose(t, 0.7 * (kept - shift) + 1.9 * h, rtol=1e-5, atol=1e-6)
    m, z = drawn(2, seed=1)
    kept = m.copy()
    lacking(m, z, bits)
    assert np.array_equal(m, kept)
    lacking(m, z, None)
    assert np.array_equal(m, z - kept)
    assert np.array_equal(bits, rounded(m))


def test_sums_and_descent_go_to_the_array_and_the_operand():
    """a and x have a row of ones more, which stays."""
    (a, h), bits = drawn(2, (SHAPE[0], SHAPE[1] + 1)), blank((SHAPE[0], SHAPE[1] + 1))
    kept, units = a.copy(), SHAPE[1]
    add_to(a, h, units, bits)
    assert np.array_equal(a[:, :units], kept[:, :units] + h[:, :units])
    assert np.array_equal(a[:, units], kept[:, units])
    assert np.array_equal(bits[:, :units], rounded(a[:, :units]))
    assert (bits[:, units] == 7).all()
    x, (g,), bits = kept.copy(), drawn(1, seed=2), blank(bits.shape)
    descend_kernel(x, REAL(0.3), g, bits)
    np.testing.assert_allclose(x[:, :units], kept[:, :units] - 0.3 * g, rtol=1e-5, atol=1e-6)
    assert np.array_equal(bits[:, :units], rounded(x[:, :units]))
    assert (bits[:, units] == 7).all()


def test_gradients():
    g, p, w = (x.T for x in drawn(3))
    again, bits = g.copy(order="F"), blank()
    norm = p_gradient(g, p, w, 0.7, 1.9)
    assert p_gradient(again, p, w, 0.7, 1.9, None, bits) == norm
    assert np.array_equal(again, g)
    assert np.array_equal(bits, rounded(g.T))
    g, a, z = (x.T for x in drawn(3, seed=1))
    again, bits, f = g.copy(order="F"), blank(), ACTIVATIONS["tanh"]()
    a_gradient(g, a, z, f, 0.7, Scratch(REAL))
    a_gradient(again, a, z, f, 0.7, Scratch(REAL), bits)
    assert np.array_equal(again, g)
    assert np.array_equal(bits, rounded(g.T))


def test_the_operand_of_columns_follows_its_array_tile_by_tile():
    engine, (x,) = engine_of("bfloat16"), drawn(1)
    x = np.asfortranarray(x.T)
    columns = engine.columns(x)
    for t in (slice(0, 4), slice(4, 9)):
        x[:, t] *= 3
        renew(columns[:, t], x[:, t])
        assert np.array_equal(columns[:, t].turned, rounded(x[:, t]))
    assert np.array_equal(columns.plain, rounded(x.T))
    assert np.array_equal(columns[:5, 2:8].turned, rounded(x[:5, 2:8]))
    assert also(x) is None


@pytest.mark.parametrize("units_next", [40, 34])
def test_the_a_step_is_that_of_arrays_to_the_precision_of_its_operands(units_next):
    """Both forms, with biases; the operand of a is a, rounded."""
    engine, units, m, h = engine_of("bfloat16"), 36, 50, ACTIVATIONS["relu"]()
    W, z, z_next = (
        np.asfortranarray(x)
        for shape in ((units_next, units + 1), (units, m), (units_next, m))
        for x in drawn(1, shape)
    )
    a, exact = (np.ones((units + 1, m), REAL, order="F") for _ in range(2))
    FitActivation.prepare(W, units, 1.0, 10.0)(z, z_next, h, Scratch(REAL), exact)
    step, z_of, a_of = (
        FitActivation.prepare(W, units, 1.0, 10.0, FitWork(engine)),
        engine.columns(z_next),
        engine.columns(a),
    )
    step(z, z_next, h, Scratch(REAL), a, (z_of[:, :], a_of[:, :]))
    assert 0 < np.linalg.norm(a - exact) < 1e-2 * np.linalg.norm(exact)
    assert np.array_equal(a_of.plain, rounded(a.T))
