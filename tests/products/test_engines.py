"""Every engine computes the same products as numpy, to the precision of its operands."""

from typing import Any

import numpy as np
import pytest

from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.products import engine_of

SHAPES = [(300, 65, 130), (10, 301, 77), (1, 5, 3), (3, 2, 0), (33, 128, 64)]


def rounded(x: Any) -> Any:
    """x in float32 rounded to bfloat16, by the definition: the nearest of 8 bits, ties to even."""
    mantissa, exponent = np.frexp(x.astype(np.float64))
    return np.ldexp(np.rint(mantissa * 256) / 256, exponent).astype(np.float32)


def random(*shape: int, seed: int = 0, dtype: Any = np.float32) -> Any:
    values = np.random.default_rng([seed, *shape]).standard_normal(shape)
    return np.asfortranarray(values, dtype)


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize(("n", "k", "m"), SHAPES)
def test_products(precision: str, n: int, k: int, m: int) -> None:
    engine = engine_of(precision)
    dtype = np.float64 if precision == "float64" else np.float32
    W, a, z = random(n, k, dtype=dtype), random(k, m, seed=1, dtype=dtype), random(n, m, seed=2, dtype=dtype)
    operands = engine.operands()
    W_, a_, z_ = (operands.rounded(name, x) for name, x in (("W", W), ("a", a), ("z", z)))
    if precision == "bfloat16":
        W, a, z = (rounded(x) for x in (W, a, z))
    W, a, z = (x.astype(np.float64) for x in (W, a, z))
    unit = {"float64": 1e-13}.get(precision, 1e-5)

    def close(found: Any, true: Any) -> None:
        np.testing.assert_allclose(found, true, rtol=0, atol=unit * (1 + np.sqrt(max(n, k, m))))

    def out(rows: int, columns: int) -> Any:
        return np.full((rows, columns), np.nan, dtype, order="F")

    close(engine.apply(W_, a_, out(n, m)), W @ a)
    close(engine.pull(W_, z_, out(k, m)), W.T @ z)
    close(engine.pull(W_, z_, out(k - 1, m)), W[:, :-1].T @ z)
    close(engine.outer(z_, a_, out(n, k)), z @ a.T)
    close(np.tril(engine.gram(a_, out(k, k))), np.tril(a @ a.T))


def test_bfloat16_gives_the_same_bits_for_any_cut_of_rows_and_columns() -> None:
    engine, (n, k, m) = engine_of("bfloat16"), (130, 65, 200)
    W, a = random(n, k), random(k, m)
    x = engine.data(a)
    whole = engine.apply(engine.data(W), x, np.empty((n, m), np.float32, order="F"))
    for t in (slice(0, 1), slice(3, 64), slice(64, 200)):
        columns = len(range(*t.indices(m)))
        part = engine.apply(engine.data(W), x[:, t], np.empty((n, columns), np.float32, order="F"))
        assert np.array_equal(part, whole[:, t])
        again = engine.apply(engine.data(W), engine.data(a[:, t]), np.empty((n, columns), np.float32, order="F"))
        assert np.array_equal(again, whole[:, t])
    for rows in (1, 16, 17, 129):
        part = engine.apply(engine.data(W[:rows]), x, np.empty((rows, m), np.float32, order="F"))
        assert np.array_equal(part, whole[:rows])


def test_small_layers_stay_in_float32_and_a_rehearsal_treats_its_layers_as_the_real_ones() -> None:
    engine = engine_of("bfloat16")
    assert engine.at(300, 785) is engine
    assert engine.at(10, 301) is engine
    assert engine.at(1, 301).precision == engine.at(301, 8).precision == "float32"
    rehearsed = engine.rehearsed({(2, 3): (300, 785), (4, 5): (1, 301)})
    assert [rehearsed.at(2, 3).precision, rehearsed.at(4, 5).precision] == ["bfloat16", "float32"]


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_activations_and_multipliers(precision: str, activation: str) -> None:
    h, (n, m) = ACTIVATIONS[activation](), (37, 70)
    z, pull, engine = random(n, m), random(n, m, seed=1), engine_of(precision)
    value, slope = h.value(z, out=np.empty_like(z)), h.derivative(z, out=np.empty_like(z))
    operands = engine.operands()
    for columns in (m, 5, m):
        t = slice(0, columns)
        a = operands.activated("a", h, z[:, t].copy(order="F"), 1)
        lam = operands.through("lam", h, z[:, t].copy(order="F"), pull[:, t].copy(order="F"))
        check(a, np.vstack([value[:, t], np.ones((1, columns), np.float32)]))
        check(lam, pull[:, t] * slope[:, t])


def test_weighted_operands() -> None:
    w = np.array([2.0, 0.0, 0.25], np.float32)
    x = random(4, 3)
    for precision in ("float32", "bfloat16"):
        operands = engine_of(precision).operands()
        a = operands.rounded("x", x)
        like = x if precision == "float32" else rounded(x)
        check(operands.times("times", a, w), like * w)
        check(operands.over("over", a, w), like * np.array([0.5, 0, 4], np.float32))


def check(operand: Any, true: Any) -> None:
    """An operand holds these numbers, in both layouts if it is rounded."""
    if isinstance(operand, np.ndarray):
        assert np.array_equal(operand, true)
        return
    for layout in (operand.plain.T, operand.turned):
        assert np.array_equal((layout.astype(np.uint32) << 16).view(np.float32), rounded(true))
