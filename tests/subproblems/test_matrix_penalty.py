"""The W step of mpadmm: P, Q and D = Q C P equal their definitions."""

import numpy as np
import pytest

from hpcadmm.products import engine_of
from hpcadmm.subproblems.matrix_penalty import damped_inverse, direction, input_penalty, output_penalty

EVERY = [1, 2, 63, 64, 65, 200]


def gram(n, samples=None, seed=0):
    X = np.random.default_rng(seed).standard_normal((n, samples or 2 * n + 1))
    return X @ X.T / X.shape[1]


@pytest.mark.parametrize("n", EVERY)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-4), (np.float64, 1e-11)])
def test_the_inverse_is_one_and_symmetric_to_the_bit(n, dtype, tolerance):
    M, out = gram(n), np.empty((n, n), dtype, order="F")
    damped_inverse(np.tril(M) + np.triu(np.full((n, n), np.nan), 1), 0.3, 2.0, out)
    assert (out == out.T).all()
    assert np.allclose(out @ (M + 0.3 * np.eye(n)), 2.0 * np.eye(n), atol=tolerance * n)


def test_what_cannot_be_inverted_is_nan():
    for M in (np.full((3, 3), np.nan), -np.eye(3)):
        out = np.zeros((3, 3), order="F")
        damped_inverse(M, 0.5, 1.0, out)
        assert np.isnan(out).all()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_penalties_follow_the_scale_of_the_data(scale):
    A, P, Q = gram(5), np.empty((5, 5), order="F"), np.empty((5, 5), order="F")
    input_penalty(scale * A, 0.7, P)
    output_penalty(scale * A, 0.2, Q)
    mean = np.trace(A) / 5
    assert np.allclose(P, np.linalg.inv(scale * (A + 0.7 * mean * np.eye(5))), rtol=1e-9)
    assert np.allclose(Q, 1.2 * np.linalg.inv(A / mean + 0.2 * np.eye(5)), rtol=1e-9)
    output_penalty(scale * np.eye(5), 0.2, Q)
    assert np.allclose(Q, np.eye(5))


def test_zeros_have_finite_penalties():
    P, Q = np.empty((4, 4), order="F"), np.empty((4, 4), order="F")
    input_penalty(np.zeros((4, 4)), 2.0, P)
    output_penalty(np.zeros((4, 4)), 0.25, Q)
    assert np.allclose(P, np.eye(4) / 2)
    assert np.allclose(Q, 5 * np.eye(4))


@pytest.mark.parametrize("shape", [(3, 7), (7, 3), (4, 4)])
def test_the_direction_is_the_proximal_step(shape):
    """D maximises <C, D> - 1/2 <D, Q^-1 D P^-1>: no other step is as good."""
    random = np.random.default_rng(2)
    Q, P = (np.linalg.inv(gram(n, seed=n) + np.eye(n)) for n in shape)
    C, out = random.standard_normal(shape), np.empty(shape, order="F")
    engine = engine_of("float64")
    D = direction(Q, C, P, out, engine, engine.operands())
    assert D is out

    def gain(D):
        return float((C * D).sum() - 0.5 * (D * (np.linalg.inv(Q) @ D @ np.linalg.inv(P))).sum())

    assert gain(D) == pytest.approx(0.5 * float((C * D).sum()))
    for _ in range(20):
        assert gain(D + 1e-3 * random.standard_normal(shape)) < gain(D)
