"""Muon and SOAP against their papers, written down once more by the singular values and eigenvectors."""

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.job.job import parse
from hpcadmm.solvers import Adam, Muon, Soap
from hpcadmm.subproblems.orthogonal import eigenvectors, orthogonalised
from hpcadmm.subproblems.passes import Passes
from hpcadmm.testing.problems import problem, started, stepped

STEPS = 8


def posed(solver, **options):
    return problem(World.alone(), (7, 5), "cross-entropy", parts=solver.parts, **options)


def mean_gradients(W, p, decay):
    """Of the loss on all samples, with that of the decay."""
    passes, found = Passes(p.network, p.loss, p.dtype), [None]
    passes.forward(W, p.x)
    passes.backward(W, p.y)
    for l in range(1, p.network.depth + 1):
        g = passes.gradient(l, np.empty_like(W[l])) / 150
        g[:, :-1] += decay * W[l][:, :-1]
        found.append(g)
    return found


def newton_schulz(G):
    """By the singular values."""
    U, s, V = np.linalg.svd(G, full_matrices=False)
    s = s / np.sqrt((s**2).sum())
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return (U * s) @ V


@pytest.mark.parametrize("shape", [(7, 7), (3, 9), (9, 3), (1, 4), (5, 1)])
def test_newton_schulz_is_its_polynomial_of_the_singular_values(shape):
    G = np.random.default_rng(1).standard_normal(shape)
    O = orthogonalised(G)
    np.testing.assert_allclose(O, newton_schulz(G), rtol=0, atol=1e-6)
    s = np.linalg.svd(O, compute_uv=False)
    assert 0.5 < s.min() <= s.max() < 1.3
    assert not orthogonalised(np.zeros(shape)).any()
    assert orthogonalised(np.float32(G)).dtype == np.float32


@pytest.mark.parametrize(("nesterov", "ends"), [(True, "adam"), (False, "muon")])
def test_muon_moves_hidden_matrices_by_orthogonal_steps_and_the_rest_as_adam(nesterov, ends):
    solver = Muon(batch=0, rate=0.02, momentum=0.9, nesterov=nesterov, ends=ends, decay=0.1, beta1=0.8, beta2=0.95)
    p = posed(solver)
    W, m, v = p.network.random_weights(p.seed, p.dtype), [0.0] * 4, [0.0] * 4
    mean = [0.0] * 4
    for t in range(1, STEPS + 1):
        for l, G in enumerate(mean_gradients(W, p, 0.1)[1:], 1):
            m[l], v[l] = 0.8 * m[l] + 0.2 * G, 0.95 * v[l] + 0.05 * G**2
            step = 0.02 * m[l] / (1 - 0.8**t) / (np.sqrt(v[l] / (1 - 0.95**t)) + 1e-8)
            if l == 2 or (l == 1 and ends == "muon"):
                g = G[:, :-1]
                mean[l] = 0.9 * mean[l] + 0.1 * g
                O = newton_schulz(0.9 * mean[l] + 0.1 * g if nesterov else mean[l])
                step[:, :-1] = 0.02 * 0.2 * max(O.shape) ** 0.5 * O
            W[l] -= step
    for found, expected in zip(stepped(solver, p, World.alone(), STEPS).W[1:], W[1:], strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("sides", ["both", "left", "none"])
def test_soap_is_adam_in_the_eigenvectors_of_its_two_means(sides):
    """With refresh = 1. W_1 is (7, 7), W_2 (5, 8), W_3 (3, 6); `largest` leaves out wide sides."""
    largest = {"both": 9, "left": 5, "none": 1}[sides]
    solver = Soap(batch=0, rate=0.02, beta1=0.8, beta2=0.95, beta=0.9, refresh=1, largest=largest, decay=0.1)
    p = posed(solver)
    W, m, v = p.network.random_weights(p.seed, p.dtype), [0.0] * 4, [0.0] * 4
    means, bases = {}, {}
    for t in range(STEPS):
        for l, G in enumerate(mean_gradients(W, p, 0.1)[1:], 1):
            for key, X in (((l, 0), G), ((l, 1), G.T)):
                bases.setdefault(key, np.eye(len(X)))
            if t:
                QL, QR = bases[l, 0], bases[l, 1]
                m[l], v[l] = 0.8 * m[l] + 0.2 * G, 0.95 * v[l] + 0.05 * (QL.T @ G @ QR) ** 2
                N = (QL.T @ m[l] @ QR / (1 - 0.8**t)) / (np.sqrt(v[l] / (1 - 0.95**t)) + 1e-8)
                W[l] -= 0.02 * QL @ N @ QR.T
            for key, X in (((l, 0), G), ((l, 1), G.T)):
                means[key] = 0.9 * means.get(key, 0.0) + 0.1 * X @ X.T
                if len(X) <= largest:
                    M, n = means[key], len(X)
                    d = 1e-3 * np.trace(M) / n
                    first = np.linalg.eigh(M + np.diag(d * np.linspace(1, 0, n)))[1][:, ::-1]
                    bases[key] = np.linalg.qr((M + d * np.eye(n)) @ bases[key])[0] if t else first
    for found, expected in zip(stepped(solver, p, World.alone(), STEPS).W[1:], W[1:], strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)


def test_soap_without_rotations_is_adam_one_step_later():
    soap, adam = (method(batch=0, rate=0.01, beta1=0.9, beta2=0.95, **more) for method, more in
                  ((Soap, {"largest": 1}), (Adam, {})))  # fmt: skip
    p = posed(soap, classes=4)
    one, other = stepped(soap, p, World.alone(), 6), stepped(adam, p, World.alone(), 5)
    for found, expected in zip(one.W[1:], other.W[1:], strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_the_bases_of_soap_are_orthogonal_and_turn_towards_the_eigenvectors():
    solver, world = Soap(batch=0, refresh=1, rate=1e-12), World.alone()  # W, and so G, hardly move
    p = posed(solver)
    s = stepped(solver, p, world, 200)
    for M, Q in zip([*s.L[1:], *s.R[1:]], [*s.QL[1:], *s.QR[1:]], strict=True):
        np.testing.assert_allclose(Q.T @ Q, np.eye(len(Q)), atol=1e-12)
        values = np.diag(Q.T @ M @ Q)
        np.testing.assert_allclose(np.sort(values), np.linalg.eigvalsh(M), atol=1e-6 * values.max())


def test_a_basis_of_nothing_finite_ends_the_run():
    Q = np.eye(3)
    eigenvectors(np.full((3, 3), np.nan), Q)
    assert np.isnan(Q).any()
    solver, world = Soap(batch=0), World.alone()
    p = posed(solver)
    state = started(solver, p, world)
    state.W[1][0, 0] = np.inf
    with np.errstate(invalid="ignore"):
        for _ in range(2):
            solver.step(state, p, world)
    assert not solver.finite(state)


@pytest.mark.parametrize(
    ("solver", "key", "words"),
    [
        ("muon", "ends = 'sgd'", "solver.ends"),
        ("muon", "momentum = 1.0", "solver.momentum"),
        ("soap", "refresh = 0", "solver.refresh"),
        ("soap", "beta = 1.5", "solver.beta"),
    ],
)
def test_bad_keys_are_refused(solver, key, words):
    text = f'[data]\nname = "digits"\n[loss]\nname = "hinge"\n[solver]\nname = "{solver}"\n'
    parse(text)
    with pytest.raises(UsageError, match=words):
        parse(text + key)
