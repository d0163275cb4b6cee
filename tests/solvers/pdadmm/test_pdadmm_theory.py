"""pdADMM: no block's result can be improved, and the paper's theory holds."""

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.solvers import PdAdmm
from hpcadmm.solvers.pdadmm.updates import UPDATES as KINDS
from hpcadmm.testing.problems import problem, started
from tests.helpers.plain_pdadmm import disturb, functions_of, lagrangian, multipliers

every_loss = pytest.mark.parametrize("loss", ["hinge", "squared", "cross-entropy"])
activations = pytest.mark.parametrize("activation", ["relu", "leaky-relu", "tanh", "sigmoid"])
layers = pytest.mark.parametrize("l", [1, 2, 3])
LIPSCHITZ = {"relu": 1.0, "leaky-relu": 1.0, "tanh": 1.0, "sigmoid": 0.25}
UPDATES = [
    {},
    {"decay": 0.3},
    {"decay": 0.3, "penalty": "l1"},
    {"update": "backtracking"},
    {"update": "exact", "pull": "proximal", "ridge": 1e-2},
    {"update": "exact", "pull": "proximal", "decay": 0.3},
]


def disturbed(p, **options):
    """(solver, state) where no block is at rest."""
    world, solver = World.alone(), PdAdmm(**{"nu": 0.7, "rho": 1.9, **options})
    s = started(solver, p, world)
    disturb(s, p)
    return solver, s


def cannot_be_lowered(value, x, seed=0):
    """No small random change of x lowers value(), nor does it leave it as it is."""
    best, given, random = value(), x.copy(), np.random.default_rng(seed)
    for size in (1e-1, 1e-3, 1e-3, 1e-2):
        d = random.standard_normal(x.shape) * size
        x[...] = given + d
        up = value()
        x[...] = given - d
        assert min(up, value()) > best - 1e-11 * abs(best)
        assert up > best
    x[...] = given


def along(value, x, before):
    """t -> value() at x = before + t (x - before); x is left as it is."""
    new, d = x.copy(), x - before

    def at(t):
        x[...] = before + t * d
        found = value()
        x[...] = new
        return found

    return at


def lies_on_the_bound(at, update):
    """phi(new) = P at theta = 1/alpha, or below where the paper's doubling stopped: phi(0) + slope/2, as along
    d = -g/theta <g, d> = -theta |d|^2."""
    slope = (at(1e-4) - at(-1e-4)) / 2e-4
    bound, small = at(0) + slope / 2, 1e-9 * abs(at(0))
    assert slope < 0
    assert at(1) <= bound + small
    if update == "quadratic":
        assert abs(at(1) - bound) <= small
        assert min(at(0.97), at(1.03)) > at(1)
    else:
        assert at(2) > at(0) + 2 * slope + 2 * -slope / 2 - small, "half the theta violates the bound"


@activations
@pytest.mark.parametrize("update", ["quadratic", "backtracking"])
@pytest.mark.parametrize("l", [2, 3])
def test_a_step_of_p_lies_on_its_bound(activation, update, l):
    p = problem(World.alone(), (7, 5), "squared", activation)
    solver, s = disturbed(p, update=update)
    x, u = s.p[l][: p.network.n[l - 1]], multipliers(s, p)
    before = x.copy()
    s.theta_p[l] = s.theta_W[l] = 1e-6
    KINDS[update](solver, s, p, World.alone()).p(l)
    lies_on_the_bound(along(lambda: lagrangian(solver, s, p, u), x, before), update)
    assert (s.p[l][len(x) :] == 1).all()


@layers
@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("update", ["quadratic", "backtracking"])
def test_a_step_of_W_lies_on_its_bound_and_b_is_the_mean(l, decay, update):
    p = problem(World.alone(), (7, 5), "squared")
    solver, s = disturbed(p, update=update, decay=decay)
    n = p.network.n[l - 1]
    before = s.W[l].copy()
    s.theta_p[l] = s.theta_W[l] = 1e-6
    KINDS[update](solver, s, p, World.alone()).W_and_b(l)
    b = s.W[l][:, n].copy()
    np.testing.assert_allclose(b, np.mean(s.z[l] - s.W[l][:, :n] @ s.p[l][:n], axis=1), atol=1e-12)
    cannot_be_lowered(lambda: lagrangian(solver, s, p), s.W[l][:, n])
    s.W[l][:, n] = before[:, n]
    lies_on_the_bound(along(lambda: lagrangian(solver, s, p), s.W[l][:, :n], before[:, :n]), update)


@layers
def test_a_step_of_W_by_an_l1_penalty_is_the_prox_of_its_bound(l):
    """W is the minimiser of <g, W> + theta/2 |W - old|^2 + decay |W|_1, phi lies below that bound, and some are 0."""
    p = problem(World.alone(), (7, 5), "squared")
    solver, s = disturbed(p, decay=25.0, penalty="l1")
    n, old, phi = p.network.n[l - 1], s.W[l].copy(), lagrangian(PdAdmm(nu=0.7, rho=1.9), s, p)
    g = 0.7 * (old @ s.p[l] - s.z[l]) @ s.p[l][:n].T
    KINDS["quadratic"](solver, s, p, World.alone()).W_and_b(l)
    new, d = s.W[l][:, :n].copy(), s.W[l][:, :n] - old[:, :n]
    moved = (new != 0) & (abs(d) > 1e-9)
    theta = np.median((-g - 25.0 * np.sign(new))[moved] / d[moved])
    np.testing.assert_allclose(theta * d[moved], (-g - 25.0 * np.sign(new))[moved], atol=1e-8 * abs(g).max())
    zero = new == 0
    assert zero.any()
    assert (abs(g + theta * d)[zero] <= 25.0 * (1 + 1e-9)).all()
    s.W[l][:, n] = old[:, n]
    bound = phi + np.sum(g * d) + theta / 2 * np.sum(d**2) * (1 + 1e-5)
    assert lagrangian(PdAdmm(nu=0.7, rho=1.9), s, p) <= bound


@layers
@activations
@pytest.mark.parametrize("pull", ["proximal", "plain"])
@pytest.mark.parametrize(("ridge", "decay"), [(1e-2, 0.0), (0.5, 0.3), (0.0, 0.0)])
def test_exact_p_and_W_cannot_be_improved(l, activation, pull, ridge, decay):
    """The ridge times the mean of (p p^T)_ii pulls W to what it was or to 0; the bias is free."""
    p = problem(World.alone(), (7, 5), "squared", activation)
    solver, s = disturbed(p, update="exact", pull=pull, ridge=ridge, decay=decay)
    n, u, block = p.network.n[l - 1], multipliers(s, p), KINDS["exact"](solver, s, p, World.alone())
    if l > 1:
        block.p(l)
        cannot_be_lowered(lambda: lagrangian(solver, s, p, u), s.p[l][:n])
    centre = s.W[l][:, :n].copy() if pull == "proximal" else 0
    block.W_and_b(l)
    weight = 0.7 / 2 * ridge * np.mean(np.sum(s.p[l][:n] ** 2, axis=1))
    cannot_be_lowered(lambda: lagrangian(solver, s, p) + weight * np.sum((s.W[l][:, :n] - centre) ** 2), s.W[l])


@activations
@every_loss
@pytest.mark.parametrize("options", UPDATES, ids=str)
def test_z_and_q_cannot_be_improved(activation, loss, options):
    """z_l by a dense grid, its proximal term included; q_l and z_L by random changes."""
    world, p = World.alone(), problem(World.alone(), (7, 5), loss, activation, samples=80)
    solver, s = disturbed(p, **options)
    f, u = functions_of(p.network.activation)[0], multipliers(s, p)
    block = KINDS[solver.update](solver, s, p, world)
    grid = np.linspace(-8, 8, 1601)[:, None, None]
    for l in (3, 2, 1):
        if l > 1:
            block.p(l)
        block.W_and_b(l)
        m = s.W[l] @ s.p[l]
        if l == 3:
            block.z_q_and_u(3)
            cannot_be_lowered(lambda: lagrangian(solver, s, p, u), s.z[3])
            continue
        old, q = s.z[l].copy(), s.q[l].copy()
        block.z_q_and_u(l)

        def cost(z, m=m, q=q, old=old):
            return (z - m) ** 2 + (q - f(z)) ** 2 + (z - old) ** 2

        assert (cost(s.z[l]) <= cost(grid + 0 * m).min(axis=0) + 1e-10).all()
        cannot_be_lowered(lambda: lagrangian(solver, s, p, u), s.q[l])


def quadratic_forms(s, old, p, exact):
    """What the steps of p, W, b and z_L lower L_rho by at the least, by strong convexity: d^T (Hessian) d / 2."""
    nu, rho, L, n, total = s.nu, s.rho, p.network.depth, p.network.n, 0.0
    for l in range(1, L + 1):
        W, p_old, z_old, _ = (x[l] for x in old)
        d, moved = s.p[l][: n[l - 1]] - p_old[: n[l - 1]], s.W[l] - W
        total += nu / 2 * np.sum((W[:, : n[l - 1]] @ d) ** 2) + rho / 2 * np.sum(d**2)
        parts = [moved] if exact else [moved * (np.arange(moved.shape[1]) < n[l - 1]), moved.copy()]
        if not exact:
            parts[1][:, : n[l - 1]] = 0
        total += nu / 2 * sum(np.sum((part @ s.p[l]) ** 2) for part in parts)
    return total + nu / 2 * np.sum((s.z[L] - z_old) ** 2)


@activations
@pytest.mark.parametrize(
    ("loss", "options"), [*(("squared", o) for o in UPDATES), *(("cross-entropy", o) for o in UPDATES[::4])], ids=str
)
def test_sufficient_descent_residuals_and_the_rate(activation, loss, options):
    """rho > max(4 nu S^2, (sqrt(17) + 1) nu / 2): L_rho falls by c_k at least [the paper's Theorem 3: nu/2 (1 - 4 nu
    S^2/rho) |dz|^2 + (rho/2 - 2 nu^2/rho - nu/2) |dq|^2 and the quadratic forms of the others], residuals go to 0,
    and min c_k = o(1/k)."""
    nu, S = 0.8, LIPSCHITZ[activation]
    rho = 1.1 * max(4 * nu * S**2, (17**0.5 + 1) * nu / 2)
    C_1, C_2 = nu / 2 - 2 * nu**2 * S**2 / rho, rho / 2 - 2 * nu**2 / rho - nu / 2
    assert min(C_1, C_2) > 0
    world, solver = World.alone(), PdAdmm(nu=nu, rho=rho, **options)
    p = problem(world, (7, 5), loss, activation, samples=120)
    s = started(solver, p, world)
    values, c, residuals = [lagrangian(solver, s, p)], [], []
    for _ in range(150):
        old = [[None if x is None else x.copy() for x in arrays] for arrays in (s.W, s.p, s.z, s.q)]
        solver.step(s, p, world)
        values.append(lagrangian(solver, s, p))
        squares = [sum(np.sum((x[l] - y[l]) ** 2) for l in (1, 2)) for x, y in ((s.z, old[2]), (s.q, old[3]))]
        lasso = solver.penalty == "l1" and solver.decay > 0
        forms = 0.0 if lasso else quadratic_forms(s, old, p, solver.update == "exact")
        c.append(forms + C_1 * squares[0] + C_2 * squares[1])
        residuals.append(solver.measure(s, p, world)["primal_residual"])
    falls, c = -np.diff(values), np.array(c)
    assert (falls >= c - 1e-11 * values[0]).all()
    assert (falls[1:] > 0).all()
    assert c.sum() <= values[0] - values[-1] + 1e-9
    assert residuals[-1] < 0.2 * max(residuals)
    rate = np.arange(1, len(c)) * np.minimum.accumulate(c[1:])
    assert rate[-1] < 0.6 * rate[:20].max()


def test_weight_movement_is_relative_to_the_start_and_all_layers_move():
    world, solver = World.alone(), PdAdmm(nu=0.1, rho=0.1)
    p = problem(world, (9, 8, 7, 6), "cross-entropy")
    s = started(solver, p, world)
    first = [W.copy() for W in s.W[1:]]
    assert solver.measure(s, p, world)["weight_movement"] == [0.0] * 5
    for _ in range(100):
        solver.step(s, p, world)
    moved = solver.measure(s, p, world)["weight_movement"]
    expected = [np.sum((W - W0) ** 2) ** 0.5 / np.sum(W0**2) ** 0.5 for W, W0 in zip(s.W[1:], first, strict=True)]
    np.testing.assert_allclose(moved, expected, rtol=1e-12)
    assert min(moved) > 1e-2


@pytest.mark.parametrize(("init", "spread", "bias"), [("he", (2 / 40) ** 0.5, 0.0), ("normal", 0.1, 0.1)])
def test_the_first_weights(init, spread, bias):
    world, solver = World.alone(), PdAdmm(nu=0.7, rho=1.9, init=init)
    s = started(solver, problem(world, (40, 60)), world)
    W, b = s.W[2][:, :40], s.W[2][:, 40]
    np.testing.assert_allclose([W.std(), b.std()], [spread, bias], rtol=0.25)
    assert not set(W.flat) & set(s.W[1].flat)
    assert (s.nu, s.rho, s.nu_of_u) == (0.7, 1.9, 0.7)
