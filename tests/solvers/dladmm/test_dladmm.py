"""dlADMM: each step is the plain formula, no step raises the Lagrangian, and the paper's theory holds."""

from itertools import pairwise

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.solvers import DlAdmm
from hpcadmm.solvers.dladmm.blocks import Blocks
from hpcadmm.testing.problems import problem, started, stepped

every_loss = pytest.mark.parametrize("loss", ["hinge", "squared", "cross-entropy"])
hiddens = pytest.mark.parametrize("hidden", [(), (5,), (4, 6)], ids=str)
H = {"squared": 2.0, "cross-entropy": 0.5}  # Lipschitz constants of the gradients


def lagrangian(solver, s, p):
    """L_rho by its definition, untiled, from W, a, z and u alone."""
    nu, rho, L, ones = s.nu, s.rho, p.network.depth, p.network.ones
    total = p.loss.value(s.z[L], p.y)
    for l in range(1, L + 1):
        r = s.z[l] - s.W[l] @ s.a[l - 1]
        total += (nu if l < L else rho) / 2 * np.sum(r**2)
        total += np.sum(s.u * r) if l == L else 0.0
        W = s.W[l][:, : p.network.n[l - 1]]
        total += solver.decay * (np.abs(W).sum() if solver.penalty == "l1" else np.sum(W**2))
        if l < L:
            h = p.network.activation.value(s.z[l], out=np.empty_like(s.z[l]))
            total += nu / 2 * np.sum((s.a[l][: len(s.a[l]) - ones] - h) ** 2)
    return total


def blocks_in_order(L):
    """(name, layer) in the order of Algorithm 1."""
    backward = [("z", L), ("b", L), ("W", L)]
    for l in range(L - 1, 0, -1):
        backward += [("a", l), ("z", l), ("b", l), ("W", l)]
    forward = [(name, l) for l in range(1, L) for name in ("W", "b", "z", "a")]
    return [*backward, *forward, ("W", L), ("b", L), ("z", L)]


@hiddens
@every_loss
@pytest.mark.parametrize(
    "options", [{}, {"decay": 0.3}, {"decay": 0.3, "penalty": "l1"}, {"update": "backtracking"}], ids=str
)
def test_no_block_raises_the_lagrangian_and_the_residuals_are_carried(hidden, loss, options):
    world, solver = World.alone(), DlAdmm(nu=0.7, rho=1.9, **options)
    p = problem(world, hidden, loss)
    s = started(solver, p, world)
    for _ in range(3):
        block, value = Blocks(solver, s, p, world), lagrangian(solver, s, p)
        for name, l in blocks_in_order(p.network.depth):
            getattr(block, name)(l)
            now = lagrangian(solver, s, p)
            assert now <= value + 1e-9 * abs(value), (name, l)
            value = now
        block.u()
        for l in range(1, p.network.depth + 1):
            np.testing.assert_allclose(s.r[l], s.z[l] - s.W[l] @ s.a[l - 1], atol=1e-9)


def test_the_step_is_these_blocks_in_this_order():
    world, solver = World.alone(), DlAdmm(rho=3.0)
    p = problem(world, (4, 6), "squared")
    one, other = started(solver, p, world), started(solver, p, world)
    for _ in range(2):
        solver.step(one, p, world)
        block = Blocks(solver, other, p, world)
        for name, l in blocks_in_order(3):
            getattr(block, name)(l)
        block.u()
    for l in (1, 2, 3):
        assert (one.W[l] == other.W[l]).all()
        assert (one.z[l] == other.z[l]).all()


@pytest.mark.parametrize("l", [1, 2, 3])
@pytest.mark.parametrize("update", ["quadratic", "backtracking"])
def test_a_step_of_W_and_of_a_lies_on_or_below_its_bound(l, update):
    """phi(new) <= phi + <g, d> + theta/2 |d|^2; with equality for the closed form, which is the exact minimiser on
    the gradient's line."""
    world, solver = World.alone(), DlAdmm(nu=0.7, rho=1.9, update=update)
    p = problem(world, (4, 6), "squared")
    s = stepped(solver, p, world, 2)
    for name in ("W", "a") if l < 3 else ("W",):
        x = s.W[l][:, : p.network.n[l - 1]] if name == "W" else s.a[l][: p.network.n[l]]
        before, phi = x.copy(), lagrangian(solver, s, p)
        getattr(Blocks(solver, s, p, world), name)(l)
        d, new = x - before, lagrangian(solver, s, p)

        def at(t, x=x, before=before, d=d):
            x[...] = before + t * d
            return lagrangian(solver, s, p)

        slope = (at(1e-4) - at(-1e-4)) / 2e-4  # <g, d> = -|g|^2 / theta and |d| = |g| / theta
        x[...] = before + d
        bound = phi + slope / 2
        assert slope < 0
        assert new <= bound + 1e-8 * abs(phi)
        if update == "quadratic":
            assert abs(new - bound) <= 1e-8 * abs(phi)
            assert min(at(0.98), at(1.02)) > new
            x[...] = before + d


def test_b_is_the_mean_of_the_residual():
    world, solver = World.alone(), DlAdmm(nu=0.7, rho=1.9)
    p = problem(world, (4, 6), "squared")
    s = stepped(solver, p, world, 2)
    for l in (1, 2, 3):
        expected = s.W[l][:, -1] + np.mean(s.r[l] + (s.u / 1.9 if l == 3 else 0), axis=1)
        Blocks(solver, s, p, world).b(l)
        np.testing.assert_allclose(s.W[l][:, -1], expected, rtol=1e-12)


@hiddens
@pytest.mark.parametrize("loss", H)
def test_the_multiplier_is_minus_the_gradient_of_the_loss(hidden, loss):
    """z_L is last, so grad R(z_L) + u = 0 after each iteration. A wrong sign or step of u breaks this."""
    world, solver = World.alone(), DlAdmm(rho=2.5)
    p = problem(world, hidden, loss)
    s = started(solver, p, world)
    for _ in range(4):
        solver.step(s, p, world)
        np.testing.assert_allclose(s.u, -p.loss.gradient(s.z[-1], p.y), atol=1e-8)


@hiddens
@pytest.mark.parametrize("loss", H)
def test_sufficient_descent_and_the_rate(hidden, loss):
    """rho > 2H: L_rho falls by at least C_2 times the squared steps, and c_k = min_i |steps_i|^2 = o(1/k)."""
    rho = 2.2 * H[loss]
    assert rho / 2 - H[loss] / 2 - H[loss] ** 2 / rho > 0
    world, solver = World.alone(), DlAdmm(nu=1.0, rho=rho)
    p = problem(world, hidden, loss, samples=120)
    s = stepped(solver, p, world, 1)
    values, steps = [lagrangian(solver, s, p)], []
    for _ in range(150):
        old = [x.copy() for x in (*s.W[1:], *s.a[1:], s.z[-1])]
        solver.step(s, p, world)
        values.append(lagrangian(solver, s, p))
        steps.append(sum(np.sum((x - y) ** 2) for x, y in zip((*s.W[1:], *s.a[1:], s.z[-1]), old, strict=True)))
    falls = -np.diff(values)
    assert (falls >= -1e-9 * abs(values[0])).all()
    moving = np.array(steps) > 1e-12
    assert (falls[moving] >= 1e-3 * np.array(steps)[moving]).all()
    c = np.minimum.accumulate(steps)
    k = np.arange(1, len(c) + 1)
    assert (k * c)[-1] < 0.2 * (k * c)[4:15].max()


def test_l1_makes_weights_zero_and_l2_does_not():
    world = World.alone()
    p = problem(world, (12,), "squared")
    zeros = {}
    for penalty in ("l1", "l2"):
        s = stepped(DlAdmm(decay=20.0, penalty=penalty), p, world, 30)
        zeros[penalty] = np.mean(s.W[1][:, :-1] == 0)
    assert zeros["l1"] > 0.2
    assert zeros["l2"] == 0


@pytest.mark.parametrize("schedule", ["fixed", "every", "adaptive"])
def test_schedules(schedule):
    world = World.alone()
    solver = DlAdmm(nu=1e-3, rho=1e-3, schedule=schedule, period=2, factor=10.0, limit=0.1)
    p = problem(world, (4,), "squared")
    s = started(solver, p, world)
    rho = []
    for _ in range(8):
        solver.step(s, p, world)
        rho.append(s.rho)
        assert s.nu == s.rho
    if schedule == "every":
        np.testing.assert_allclose(rho, [1e-3, 1e-2, 1e-2, 0.1, 0.1, 0.1, 0.1, 0.1])
    elif schedule == "fixed":
        assert set(rho) == {1e-3}
    else:
        assert all(b in (a, a * 10) for a, b in pairwise(rho))


def test_the_adaptive_schedule_waits_for_three_rises(monkeypatch):
    world, solver = World.alone(), DlAdmm(nu=1e-3, rho=1e-3, schedule="adaptive")
    p = problem(world, (4,), "squared")
    s = started(solver, p, world)
    objectives = iter([5.0, 6.0, 7.0, 6.5, 7.0, 8.0, 9.0, 10.0])
    monkeypatch.setattr(DlAdmm, "measure", lambda *_: {"objective": next(objectives)})
    rho = []
    for _ in range(8):
        solver._reschedule(s, p, world)
        rho.append(s.rho)
    np.testing.assert_allclose(rho, [1e-3] * 6 + [1e-2] * 2)


@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_a_layer_on_which_no_force_acts_stays_where_it_is(penalty):
    """Such as a layer of dead units: its gradient is 0, and so is the step."""
    world, solver = World.alone(), DlAdmm(decay=0.0 if penalty == "l2" else 0.3, penalty=penalty)
    p = problem(world, (4,), "squared")
    s = stepped(solver, p, world, 2)
    before = s.W[1].copy()
    Blocks(solver, s, p, world)._move_W(1, np.zeros((4, 6)))
    assert (s.W[1] == before).all()
