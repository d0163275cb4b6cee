"""GADMM of networks: local steps of Adam, damped duals, what is refused."""

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.losses import LOSSES
from hpcadmm.model.vector import flat, shaped
from hpcadmm.solvers import Gadmm, QGadmm
from hpcadmm.solvers.shared.batches import LocalBatches
from hpcadmm.testing.problems import problem, started
from tests.helpers.decentral import HIDDEN, LAYERS, SHORT, network


def plain_adam(theta, gradient, moments, t, rate):
    """Kingma and Ba, Algorithm 1."""
    g = gradient(theta)
    moments[0] = 0.9 * moments[0] + 0.1 * g
    moments[1] = 0.999 * moments[1] + 0.001 * g * g
    return theta - rate * (moments[0] / (1 - 0.9**t)) / (np.sqrt(moments[1] / (1 - 0.999**t)) + 1e-8)


def loss_gradient(p, theta, x, y):
    """Of the loss summed over x, y, by the chain rule."""
    W, a = shaped(theta, p.network), [x]
    for w in W[1:-1]:
        a.append(np.vstack([np.tanh(w @ a[-1]), np.ones((1, x.shape[1]))]))
    lam, found = p.loss.gradient(W[-1] @ a[-1], y), []
    for l in range(len(W) - 1, 0, -1):
        found.insert(0, lam @ a[l - 1].T)
        lam = (W[l][:, :-1].T @ lam) * (1 - a[l - 1][:-1] ** 2)
    return flat([None, *found])


def test_an_iteration_is_heads_then_tails_then_damped_duals():
    """With batches of all samples of a worker, against the formulas with a dual for each edge of the chain."""
    N, rho, alpha, rate, steps = 5, 0.4, 0.3, 0.01, 3
    solver = Gadmm(**{**SHORT, "batch": 1000}, rho=rho, dual_step=alpha)
    s, p, world = network(solver, activation="tanh", samples=77)
    theta = [t.copy() for t in s.theta]
    lam = [np.zeros_like(theta[0]) for _ in range(N - 1)]
    moments = [[0.0, 0.0] for _ in range(N)]
    tiles = [t for _, t in p.tiles]
    for k in range(6):
        for first in (0, 1):
            near = {n: [m for m in (n - 1, n + 1) if 0 <= m < N] for n in range(first, N, 2)}
            for n, around in near.items():
                seen = [theta[m].copy() for m in around]

                def gradient(x, n=n, seen=seen, lam=lam):
                    g = N / 77 * loss_gradient(p, x, p.x[:, tiles[n]], p.y[:, tiles[n]])
                    g += sum(rho * (x - other) for other in seen)
                    return g + (lam[n] if n < N - 1 else 0) - (lam[n - 1] if n else 0)

                for j in range(steps):
                    theta[n] = plain_adam(theta[n], gradient, moments[n], k * steps + j + 1, rate)
        lam = [l + alpha * rho * (theta[n] - theta[n + 1]) for n, l in enumerate(lam)]
        solver.step(s, p, world)
        np.testing.assert_allclose(s.theta, theta, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(np.cumsum(s.mu, axis=0)[:-1], lam, rtol=1e-7, atol=1e-8)
    found = solver.measure(s, p, world)
    values = [
        p.loss.value(p.network.forward(shaped(t, p.network), p.x[:, c]), p.y[:, c])
        for t, c in zip(theta, tiles, strict=True)
    ]
    assert found["objective"] == pytest.approx(N / 77 * sum(values), rel=1e-7)
    assert not {"objective_error", "mean_error"} & set(found)
    for w, expected in zip(solver.weights(s, world)[1:], shaped(sum(theta) / N, p.network)[1:], strict=True):
        np.testing.assert_allclose(w, expected, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(("loss", "scale"), [("cross-entropy", 1), ("squared", 2)])
def test_many_steps_on_all_samples_are_the_exact_ones(loss, scale):
    """Of a linear model, where exact steps minimise the sum (the half of it, if squared) in place of N / m times it."""
    weight = scale * 3 / 60
    options = {"workers": 3, "rho": 4.0}
    exact = Gadmm(**options)
    steps = Gadmm(workers=3, rho=4.0 * weight, local="adam", local_steps=2000, rate=4e-3, batch=60, dual_step=1.0)
    (one, p, world), (other, _, _) = (network(s, (), loss=loss, samples=60) for s in (exact, steps))
    for _ in range(2):
        exact.step(one, p, world)
        steps.step(other, p, world)
        np.testing.assert_allclose(other.theta, one.theta, atol=2e-3)
        np.testing.assert_allclose(np.array(other.mu) / weight, one.mu, atol=2e-2)


def test_one_worker_trains_alone_by_adam():
    solver = Gadmm(**{**SHORT, "workers": 1})
    s, p, world = network(solver, activation="tanh", samples=40)
    theta, moments, t = s.theta[0].copy(), [0.0, 0.0], 0
    for k in range(5):
        for x, y, _ in started(solver, p, world).work.local.batches(k, 0):
            t += 1
            part = x.copy(), y.copy()

            def gradient(at, part=part):
                return loss_gradient(p, at, *part) / part[0].shape[1]

            theta = plain_adam(theta, gradient, moments, t, 0.01)
        solver.step(s, p, world)
    np.testing.assert_allclose(s.theta[0], theta, rtol=1e-9, atol=1e-9)
    assert solver.measure(s, p, world)["payload_bits"] == 0


@pytest.mark.parametrize("solver", [Gadmm(), QGadmm(bits=8)], ids=["gadmm", "qgadmm"])
def test_networks_begin_at_the_same_weights_and_learn(solver):
    s, p, world = network(solver, (12,), samples=300)
    assert all((theta == flat(p.network.random_weights(p.seed, p.dtype))).all() for theta in s.theta)
    assert all((known == s.theta[0]).all() for known in s.known)
    first = solver.measure(s, p, world)
    assert first["primal_residual"] == 0
    for _ in range(60):
        solver.step(s, p, world)
    last = solver.measure(s, p, world)
    assert last["objective"] < 0.5 * first["objective"]
    assert last["primal_residual"] < 0.2 * last["scale"]


def test_samples_of_an_epoch_are_a_workers_own_each_once():
    world = World.alone()
    p = problem(world, HIDDEN, samples=103, parts=5)
    batches = LocalBatches(p, [2, 0, 4, 1, 3], 8, 2)  # 103 / 40: an epoch has 3 steps, 1.5 iterations of 2
    for row, n in enumerate([2, 0, 4, 1, 3]):
        tile = dict(p.tiles)[n]
        seen = [x.copy() for k in range(3) for x, *_ in batches(k, row)]
        assert [x.shape[1] for x in seen[:3]] == [x.shape[1] for x in seen[3:]]
        assert max(x.shape[1] for x in seen) <= 8
        for epoch in (seen[:3], seen[3:]):
            found = np.concatenate(epoch, axis=1)
            assert sorted(found.T.tolist()) == sorted(p.x[:, tile].T.tolist())
        assert not (seen[0] == seen[3]).all()
    x, y, w = next(iter(batches(5, 1)))
    assert w is None
    assert all((p.y[:, np.flatnonzero((c == p.x.T).all(axis=1))] == y[:, [i]]).all() for i, c in enumerate(x.T))


def test_the_samples_of_an_iteration_are_those_that_its_steps_draw():
    p = problem(World.alone(), HIDDEN, samples=103, parts=5)
    batches = LocalBatches(p, list(range(5)), 8, 2)
    taken = sum(x.shape[1] for k in range(3) for row in range(5) for x, *_ in batches(k, row))
    solver = Gadmm(workers=5, batch=8, local_steps=2)
    assert solver.samples(103, 3, "hinge") == taken // 3
    assert solver.samples(103, 1, "squared") == QGadmm().samples(103, 1, "cross-entropy") == 103


def test_only_steps_of_adam_keep_moments():
    assert not network(Gadmm(workers=3), (), loss="squared")[0].moments
    assert [m.shape for m in network(Gadmm(**SHORT))[0].moments] == [(2, sum(LAYERS))] * 5


@pytest.mark.parametrize(
    ("options", "L", "words"),
    [
        ({"periods": [1, 2]}, 3, ["solver.periods = [1, 2]", "a list of 3"]),
        ({"periods": [1, 2]}, 1, ["solver.periods = [1, 2]", "a list of 1"]),
        ({"local": "exact"}, 2, ["solver.local", "network.hidden = []"]),
    ],
    ids=str,
)
def test_what_does_not_fit_the_network_is_refused(options, L, words):
    for cls in (Gadmm, QGadmm):
        with pytest.raises(UsageError) as refused:
            cls(**options).check(L)
        assert all(word in str(refused.value) for word in words)


def test_qgadmm_has_no_other_wire_and_hinge_no_exact_step():
    with pytest.raises(UsageError, match=r'solver.wire = "float32".*solver.bits'):
        QGadmm(wire="float32").check(2)
    with pytest.raises(UsageError, match=r'solver.local = "exact".*squared or cross-entropy, not hinge'):
        Gadmm(local="exact").check_loss(LOSSES["hinge"](), penalised=False)


@pytest.mark.parametrize(
    ("local", "L", "knows"), [(None, 1, True), ("exact", 1, True), ("adam", 1, False), (None, 2, False)]
)
def test_the_optimum_is_known_of_linear_models_that_are_solved(local, L, knows):
    solver = Gadmm(local=local)
    assert solver.knows_optimum(L, "squared") is knows
    assert not solver.knows_optimum(L, "hinge")
    s, p, world = network(solver, () if L == 1 else (4,), loss="squared", samples=50)
    assert ("objective_error" in solver.measure(s, p, world)) is knows
