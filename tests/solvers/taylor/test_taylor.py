"""Taylor's sweep equals the textbook algorithm; the invariants of that algorithm."""

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.model.losses import LOSSES
from hpcadmm.solvers import Taylor
from hpcadmm.solvers.taylor.taylor import per_layer
from hpcadmm.testing.problems import problem, started, stepped
from hpcadmm.testing.threads import on_ranks
from tests.helpers.textbook import PROXES, Textbook

hiddens = pytest.mark.parametrize("hidden", [(), (7,), (4, 9)], ids=str)
biases = pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
losses = pytest.mark.parametrize("loss", [name for name in LOSSES if name in PROXES])
PENALTIES = {(): ([0.7], []), (7,): ([0.7, 1.3], [5.0]), (4, 9): ([0.7, 1.3, 2.0], [5.0, 8.0])}


def assert_same(state, book, rtol=1e-9):
    """The whole iterate; tolerances are relative to each array's largest entry."""
    for l in range(1, book.L + 1):
        n = book.n[l - 1]
        wanted = np.hstack([book.W[l], book.b[l]]) if book.p.network.bias else book.W[l]
        pairs = [(state.W[l], wanted), (state.z[l], book.z[l]), (state.a[l - 1][:n], book.a[l - 1])]
        for found, expected in pairs:
            np.testing.assert_allclose(found, expected, rtol=0, atol=rtol * (1e-3 + abs(expected).max()))
        assert (state.a[l - 1][n:] == 1).all()
    np.testing.assert_allclose(state.lam, book.lam, rtol=0, atol=rtol * (1 + abs(book.lam).max()))


@pytest.mark.parametrize(
    ("hidden", "activation"), [((), "relu"), *((h, name) for h in [(7,), (4, 9)] for name in ACTIVATIONS)], ids=str
)
@biases
@losses
def test_a_sweep_is_the_algorithm_box(loss, bias, hidden, activation):
    world, (beta, gamma) = World.alone(), PENALTIES[hidden]
    p = problem(world, hidden, loss, activation, bias=bias, samples=100)
    solver = Taylor(beta=beta, gamma=gamma, ridge=0.03, decay=0.2, warm=2, dual_step=0.8, init="gaussian")
    state = started(solver, p, world)
    book = Textbook(solver, p, state)
    for _ in range(4):
        solver.step(state, p, world)
        book.sweep()
        assert_same(state, book)
        found = solver.measure(state, p, world)
        assert found["objective"] == pytest.approx(book.objective(), rel=1e-9)
        assert found["primal_residual"] == pytest.approx(book.residual(), rel=1e-9)
        assert found["scale"] == pytest.approx(book.scale(), rel=1e-9)
    assert abs(book.lam).max() > 0.01


@hiddens
@losses
def test_float32_follows_the_algorithm_box_for_a_while(loss, hidden):
    world = World.alone()
    p = problem(world, hidden, loss, dtype=np.float32)
    solver = Taylor(ridge=0.1, warm=1)
    state = started(solver, p, world)
    assert {x.dtype for x in (*state.W[1:], *state.a, *state.z[1:], state.lam)} == {np.dtype(np.float32)}
    book = Textbook(solver, p, state)
    for _ in range(2):
        solver.step(state, p, world)
        book.sweep()
    assert_same(state, book, rtol=1e-3)


def test_a_regression_on_two_targets_is_the_algorithm_box():
    world = World.alone()
    p = problem(world, (5,), "squared", classes=0)
    solver = Taylor(warm=0)
    state = started(solver, p, world)
    book = Textbook(solver, p, state)
    for _ in range(4):
        solver.step(state, p, world)
        book.sweep()
    assert_same(state, book)


@hiddens
@losses
@pytest.mark.parametrize("init", ["gaussian", "forward"])
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_without_multiplier_and_ridge_the_objective_never_rises(decay, init, loss, hidden):
    world = World.alone()
    p = problem(world, hidden, loss)
    solver = Taylor(ridge=0.0, decay=decay, init=init)
    state = stepped(solver, p, world, 1)
    objectives = [solver.measure(state, p, world)["objective"]]
    for _ in range(25):
        solver.step(state, p, world)
        objectives.append(solver.measure(state, p, world)["objective"])
    assert np.all(np.diff(objectives) <= 1e-10 * np.abs(objectives[:-1]))
    assert objectives[-1] < objectives[0]


@hiddens
@losses
def test_no_block_can_be_improved(loss, hidden):
    """In the textbook algorithm, which the sweep equals: moving the last updated block raises the objective."""
    world, random = World.alone(), np.random.default_rng(0)
    p = problem(world, hidden, loss, samples=40)
    solver = Taylor(ridge=0.0, decay=0.2, beta=1.3, gamma=6.0)
    book = Textbook(solver, p, stepped(solver, p, world, 3))
    book.lam = 0.1 * random.standard_normal(book.lam.shape)
    for name, l in book.blocks():
        for block in (name, "b") if name == "W" and p.network.bias else (name,):
            arrays, best = getattr(book, block), book.objective()
            kept = arrays[l]
            for size in 10.0 ** np.linspace(-7, 1, 25):
                arrays[l] = kept + size * random.standard_normal(kept.shape)
                assert book.objective() >= best * (1 - 1e-12), (block, l, size)
            arrays[l] = kept


@losses
@pytest.mark.parametrize("step", [1.0, 2.0])
def test_the_multiplier_moves_towards_minus_the_gradient(loss, step):
    """z_L is optimal: l'(z) + lam + 2 beta (z - m) = 0. So lam + step beta (z - m) is a mean of lam and -l'(z)."""
    world = World.alone()
    p = problem(world, (6,), loss)
    solver = Taylor(beta=0.9, warm=3, dual_step=step)
    state = stepped(solver, p, world, 3)
    assert not state.lam.any()
    for _ in range(6):
        old = state.lam.copy()
        solver.step(state, p, world)
        wanted = (1 - step / 2) * old - step / 2 * p.loss.gradient(state.z[2], p.y)
        smooth = abs(p.y * state.z[2] - 1) > 1e-9 if loss == "hinge" else np.full(old.shape, True)
        assert smooth.any()
        np.testing.assert_allclose(state.lam[smooth], wanted[smooth], atol=1e-9)


def test_hinge_keeps_the_multiplier_within_one():
    world = World.alone()
    p = problem(world, (8,), "hinge")
    solver = Taylor(warm=10)
    state = stepped(solver, p, world, 10)
    sizes = []
    for _ in range(100):
        solver.step(state, p, world)
        sizes.append(abs(state.lam).max())
    assert max(sizes) <= 1 + 1e-12
    assert sizes[-1] > 0.5


@losses
@pytest.mark.parametrize("hidden", [(7,), (4, 9)], ids=str)
def test_the_residual_falls(loss, hidden):
    world = World.alone()
    p = problem(world, hidden, loss)
    solver = Taylor(init="gaussian")
    state = stepped(solver, p, world, 1)
    first = solver.measure(state, p, world)
    for _ in range(60):
        solver.step(state, p, world)
    last = solver.measure(state, p, world)
    assert last["primal_residual"] < 0.5 * first["primal_residual"]


@losses
def test_the_multiplier_closes_the_residual_of_a_linear_model(loss):
    """z = W a in the limit; penalties alone do not reach it. (Not an optimum: the paper's W step ignores lam.)"""
    world = World.alone()
    p = problem(world, (), loss)
    residuals = []
    for warm in (None, 0):
        solver = Taylor(beta=0.1, ridge=0.0, warm=warm)
        residuals.append(solver.measure(stepped(solver, p, world, 400), p, world)["primal_residual"])
    assert residuals[1] < 1e-2 * residuals[0]


def test_the_multiplier_moves_after_warm_sweeps():
    world = World.alone()
    p = problem(world, (5,))
    for warm, moved in ((None, False), (0, True), (3, True), (4, False)):
        assert stepped(Taylor(warm=warm), p, world, 4).lam.any() == moved


def test_first_iterates():
    world = World.alone()
    p = problem(world, (40, 30), samples=3000, width=512)
    state = started(Taylor(init="gaussian"), p, world)
    for x in (state.z[1], state.a[1][:40], state.z[2], state.a[2][:30], state.z[3]):
        assert abs(x.mean()) < 0.05
        assert x.std() == pytest.approx(1, rel=0.05)
    assert abs(np.corrcoef(state.z[1][0], state.a[1][0])[0, 1]) < 0.1
    state = started(Taylor(), p, world)
    np.testing.assert_allclose(state.z[3], p.network.forward(state.W, p.x), rtol=1e-12, atol=1e-12)
    assert Taylor().measure(state, p, world)["primal_residual"] < 1e-10


@pytest.mark.parametrize("place", ["x", "z", "z_L", "lam"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_nan_anywhere_shows_within_a_sweep(loss, place):
    """On the rank that has it, and on all ranks if the weights depend on it. Not in a: a sweep computes a anew."""

    def work(world):
        p = problem(world, (5, 4), loss)
        solver = Taylor(warm=0)
        state = started(solver, p, world)
        assert solver.finite(state)
        if world.rank == 1:
            {"x": p.x, "z": state.z[1], "z_L": state.z[3], "lam": state.lam}[place][0, 2] = np.nan
        for _ in range(2):
            solver.step(state, p, world)
        return solver.finite(state)

    with np.errstate(invalid="ignore"):
        finite = on_ranks(3, work)
    assert finite[1] is False
    assert place == "lam" or not any(finite)


@pytest.mark.parametrize(
    ("solver", "said"),
    [
        (Taylor(beta=[1.0]), r"solver.beta = \[1.0\]: must be one number, or a list of 3"),
        (Taylor(gamma=[1.0, 2.0, 3.0]), r"solver.gamma = \[1.0, 2.0, 3.0\]: must be one number, or a list of 2"),
    ],
)
def test_a_list_of_penalties_of_the_wrong_length_is_refused(solver, said):
    with pytest.raises(UsageError, match=said):
        solver.check(3)


def test_penalties_by_layer():
    Taylor(beta=[1.0, 2.0, 3.0], gamma=[4.0, 5.0]).check(3)
    Taylor().check(1)
    assert per_layer("gamma", 2.0, 0) == [0.0]
    assert Taylor(beta=[1.0, 2.0], gamma=[3.0]).penalties(2) == ([0.0, 1.0, 2.0], [0.0, 3.0])
