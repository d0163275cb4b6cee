"""mpadmm: what it reduces to, where its step is bounded, and what its penalties hold when."""

import math
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.solvers import MpAdmm
from hpcadmm.solvers.mpadmm import inverses, work
from hpcadmm.solvers.mpadmm.costs import Costs, measured
from hpcadmm.solvers.mpadmm.inverses import WORTH, seconds_saved, spread
from hpcadmm.solvers.mpadmm.pipeline import PipelineSums
from hpcadmm.solvers.shared.buckets import OuterSum
from hpcadmm.solvers.shared.dealing import Block
from hpcadmm.solvers.shared.loss import summed_loss
from hpcadmm.testing.problems import floor_of, posed, started, stepped
from hpcadmm.testing.runs import assert_same_bits, resumed, run
from hpcadmm.testing.threads import on_ranks

HUGE = 1e12


def alone(solver, hidden=(7, 5), **options):
    world = World.alone()
    p, _ = posed(solver, world, hidden, **{"loss": "cross-entropy", **options})
    return started(solver, p, world), p, world


def copies(arrays):
    return [None if x is None else x.copy() for x in arrays]


def numeric_gradient(W, p, world, decay=0.0):
    """Of the mean loss and decay/2 |W|^2 (biases excepted), by central differences."""
    found = [None]
    for l in range(1, len(W)):
        g = np.zeros(W[l].shape)
        for at in np.ndindex(g.shape):
            values = []
            for sign in (1, -1):
                moved = copies(W)
                moved[l][at] += sign * 1e-6
                values.append(summed_loss(moved, p, world) / p.tiles.n)
            g[at] = (values[0] - values[1]) / 2e-6
            g[at] += decay * W[l][at] if at[1] < p.network.n[l - 1] else 0.0
        found.append(g)
    return found


@pytest.mark.parametrize("loss", ["cross-entropy", "squared"])
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_C_is_minus_the_gradient_of_the_objective(loss, decay):
    solver = MpAdmm(batch=0, decay=decay)
    s, p, world = alone(solver, loss=loss)
    gradient = numeric_gradient(copies(s.W), p, world, decay)
    solver.step(s, p, world)
    for l in (1, 2, 3):
        assert np.allclose(s.work.C[l], -gradient[l], atol=1e-6)
    assert s.residual == pytest.approx(np.sqrt(sum((g**2).sum() for g in gradient[1:])), rel=1e-5)


def test_with_huge_damping_every_layer_moves_along_its_gradient():
    solver = MpAdmm(batch=0, delta=HUGE, g=HUGE, eta=1e-3)
    s, p, world = alone(solver)
    solver.step(s, p, world)
    for l in (1, 2, 3):
        C, D = s.work.C[l], s.work.D[l]
        assert np.allclose(D / np.linalg.norm(D), C / np.linalg.norm(C), atol=1e-9)


@pytest.mark.parametrize("samples", [150, 333])
def test_without_hidden_layers_and_damping_a_step_is_least_squares(samples):
    solver = MpAdmm(batch=0, delta=1e-12, g=HUGE, eta=0.5, kappa=HUGE)
    s, p, world = alone(solver, (), loss="squared", classes=0, samples=samples)
    solver.step(s, p, world)
    best = np.linalg.lstsq(p.x.T, p.y.T, rcond=None)[0].T
    assert np.allclose(s.W[1], best, atol=1e-9)


@pytest.mark.parametrize("loss", ["cross-entropy", "squared", "hinge"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_on_all_samples_the_objective_falls_in_every_sweep(loss, activation):
    solver = MpAdmm(batch=0, decay=1e-3, eta=20.0)
    s, p, world = alone(solver, loss=loss, activation=activation)
    values = [solver.measure(s, p, world)["objective"]]
    for _ in range(25):
        solver.step(s, p, world)
        values.append(solver.measure(s, p, world)["objective"])
        step, slope = s.step, s.slope
        assert slope > 0
        assert values[-1] <= values[-2] - 1e-4 * step * slope * p.tiles.n + 1e-9
    assert values[-1] < 0.8 * values[0]


@pytest.mark.parametrize("kappa", [1e-6, 1e-2, 3.0])
def test_the_step_keeps_to_its_bound(kappa):
    solver = MpAdmm(batch=60, cut=2, kappa=kappa)
    s, p, world = alone(solver)
    bound = []
    for _ in range(12):
        before = copies(s.W)
        solver.step(s, p, world)
        step, slope = s.step, s.slope
        assert step == pytest.approx(min(6.0, np.sqrt(kappa / slope)), rel=1e-9)
        bound.append(step < 6.0)
        for l in (1, 2, 3):
            assert np.allclose(s.W[l] - before[l], step * s.work.D[l], atol=1e-12)
    assert any(bound) == (kappa < 3) or kappa == 3.0


def test_penalties_are_refreshed_when_they_are_due_and_hold_running_means():
    solver = MpAdmm(batch=60, cut=2, warm=3, refresh=4)
    s, p, world = alone(solver)
    A, B = copies(s.A), copies(s.B)
    count = 0
    for k in range(12):
        old = copies(s.P), copies(s.Q)
        solver.step(s, p, world)
        due, m = k < 3 or k % 4 == 0, s.work.batches.size(k)
        count += due
        keep = min(0.9, (count - 1) / count)
        for l in (1, 2, 3):
            inputs = due and (l > 1 or k < 3)
            assert (s.P[l] == old[0][l]).all() != inputs
            assert (s.Q[l] == old[1][l]).all() != due
            if inputs:
                A[l] = keep * A[l] + (1 - keep) * s.sums.aaT[l].total / m
            if due:
                B[l] = keep * B[l] + (1 - keep) * s.sums.llT[l].total / m
            assert np.allclose(s.A[l], A[l], atol=1e-13)
            assert np.allclose(s.B[l], B[l], atol=1e-13)
    assert (s.sweeps, s.refreshes, s.sums_made) == (12, count, 12)
    assert count == 5


def test_the_factors_are_means_over_the_batch():
    solver = MpAdmm(batch=0)
    s, p, world = alone(solver)
    a = [p.x]
    for l in (1, 2):
        m = s.W[l] @ a[-1]
        a.append(np.vstack([np.maximum(m, 0), np.ones((1, m.shape[1]))]))
    solver.step(s, p, world)
    for l in (1, 2, 3):
        assert np.allclose(s.A[l], a[l - 1] @ a[l - 1].T / p.tiles.n)


def test_the_average_is_that_of_the_iterates_and_does_not_change_them():
    plain, averaged = MpAdmm(batch=60, cut=2), MpAdmm(batch=60, cut=2, average=0.8)
    s, p, world = alone(plain)
    t, _, _ = alone(averaged)
    mean = None
    for k in range(1, 13):
        plain.step(s, p, world)
        averaged.step(t, p, world)
        keep = min(0.8, (k - 1) / k)
        mean = copies(s.W) if k == 1 else [None, *(keep * mean[l] + (1 - keep) * s.W[l] for l in (1, 2, 3))]
        for l in (1, 2, 3):
            assert (t.V[l] == s.W[l]).all()
            assert np.allclose(averaged.weights(t, world)[l], mean[l], atol=1e-12)


def test_cosine_ends_at_rest():
    solver = MpAdmm(batch=0, eta=2.0, kappa=HUGE, schedule="cosine", period=6)
    _, p, world = alone(solver)
    rates = [solver.rate(k, p.loss) for k in range(8)]
    assert rates[0] == 2.0
    assert rates[3] == pytest.approx(1.0)
    assert rates[6:] == [0.0, 0.0]
    moved = stepped(solver, p, world, 6)
    before = copies(moved.W)
    solver.step(moved, p, world)
    assert all((old == W).all() for W, old in zip(moved.W[1:], before[1:], strict=True))


GRIDS = [(1, 1), (1, 2), (1, 3), (2, 1), (3, 1), (2, 2), (3, 2)]
NONE = [0, 0, 0]
DEALT = {  # layers so dear that a chain of two pulls W_l^T lam_l of the upper block below it, or in it; inverses
    "below": Costs([0, 1, 1], [1, 1, 4], NONE, NONE, NONE, [0, 0, 0.5], [0, 0, 0.5]),
    "above": Costs([0, 1, 1], [3, 1, 1], *[NONE] * 5),
}


@pytest.fixture(params=DEALT)
def pulled(request, monkeypatch):
    """Costs that are not measured."""
    monkeypatch.setattr(work, "measured", lambda *given: DEALT[request.param])
    return request.param


MEAN = {"average": 0.5, "decay": 0.01, "inverses": "dealt"}


LATE = MEAN | {"late": 1, "overlap": "always"}


@pytest.mark.parametrize(
    ("options", "dtype", "pulled"),
    [
        ({}, np.float32, "below"),
        ({}, np.float64, "above"),
        (MEAN, np.float64, "below"),
        (LATE, np.float32, "below"),
        ({"batch": 0}, np.float64, "above"),
    ],
    ids=str,
    indirect=["pulled"],
)
def test_every_grid_makes_the_same_weights(options, dtype, pulled):
    """9 sweeps: refreshes with the first layer's inputs and without, and sweeps without any."""
    found = []
    for layers, samples in GRIDS:
        solver = MpAdmm(**{"batch": 60, "cut": 5, "warm": 3, "refresh": 2, **options}, grid=[layers, samples])
        found.append(run(layers * samples, solver, 9, loss="cross-entropy", dtype=dtype, samples=333))
    for whole, row in found[1:]:
        assert_same_bits(found[0][0], whole)
        assert row == found[0][1]


@pytest.mark.parametrize(("one", "other"), [((3, 1), (1, 2)), ((1, 1), (2, 2)), ((2, 1), (3, 1))])
def test_a_run_goes_on_in_the_same_bits_on_another_grid(one, other):
    def solver(grid):
        return MpAdmm(batch=60, cut=4, warm=3, refresh=4, average=0.7, grid=list(grid))

    whole = run(1, solver((1, 1)), 8)
    saved, _ = run(one[0] * one[1], solver(one), 5)
    again = resumed(other[0] * other[1], solver(other), saved, 3)
    assert_same_bits(whole[0], again[0])
    assert whole[1] == again[1]


@pytest.mark.parametrize(("mode", "grid", "times"), [("each", [1, 3], 3), ("dealt", [1, 3], 1), ("auto", [2, 1], 1)])
def test_dealt_inverses_are_formed_once(monkeypatch, mode, grid, times):
    """Three layers, two refreshes: six in the first, with the inputs, five in the second; the floor says the same.
    On a chain the lower rank inverts a matrix of the upper one, which has more to do."""
    monkeypatch.setattr(work, "measured", lambda *given: DEALT["below"])
    formed = []
    for name in ("input_penalty", "output_penalty"):
        plain = getattr(inverses, name)
        monkeypatch.setattr(inverses, name, lambda *given, plain=plain: (formed.append(len(given[0])), plain(*given)))
    solver = MpAdmm(batch=60, cut=3, warm=1, refresh=1, inverses=mode, grid=grid)

    def made(world):
        p, world = posed(solver, world, (7, 5), loss="cross-entropy", samples=300)
        state = stepped(solver, p, world, 2)
        assert ("P", 1) not in state.work.inverses.dealt((1, 2, 3), False)  # nor is it sent again
        products = floor_of(solver, p, world, 1, state)
        assert len(state.work.blocks[0].helps) == (grid == [2, 1])
        return sum(product.flops for name, product in products.items() if name.endswith("^-1"))

    flops = on_ranks(math.prod(grid), made)
    second = [n**3 for n in (8, 6, 7, 5, 3)]  # P of layers 2 and 3 with the bias, Q of all
    assert len(formed) == times * 11
    assert sum(flops) == times * sum(second)


@pytest.mark.parametrize(
    ("hidden", "ranks", "dealt"), [((300, 300), 2, False), ((1000,) * 9, 2, True), ((9,), 1, False)]
)
def test_inverses_are_dealt_where_that_pays(hidden, ranks, dealt):
    sizes = {("P", l): n + 1 for l, n in enumerate(hidden, 2)} | {("Q", l): n for l, n in enumerate(hidden, 1)}
    owners = spread(sizes, ranks)
    assert (seconds_saved(sizes, owners, 4) >= WORTH) == dealt
    loads = [sum(sizes[key] ** 3 for key in sizes if owners[key] == rank) for rank in range(ranks)]
    assert max(loads) - min(loads) <= max(sizes.values()) ** 3 or ranks == 1


def test_nothing_of_the_size_of_the_penalties_travels_along_a_chain(pulled):
    """A step sends each part's a of one layer up, and down its pull, or lam and once W; one number a layer is summed,
    twice."""
    solver = MpAdmm(batch=50, cut=5, grid=[2, 1], inverses="each")

    def sent(world):
        p, world = posed(solver, world, (40, 30), loss="cross-entropy", features=40)
        s = started(solver, p, world)
        before = world.traffic.bytes
        solver.step(s, p, world)
        return world.traffic.bytes - before, s.work.batches.size(0), s.work.blocks, p.network

    found = on_ranks(2, sent)
    (_, size, blocks, network), L = found[0], 3
    l, n = blocks[1].layers[0], network.n
    down = size * n[l] + np.prod(network.shape(l)) if pulled == "below" else size * n[l - 1]
    assert (l in blocks[0].pulls) == (pulled == "below")
    assert [said for said, *_ in found] == [8 * (size * (n[l - 1] + 1) + 2 * (L + 1)), 8 * (down + 2 * (L + 1))]


def test_a_sum_is_repeated_on_a_chain_without_messages():
    """The scales of a sum are too low, so all ranks of some layers form their products again."""

    def strained(grid):
        solver = MpAdmm(batch=60, cut=4, grid=grid)

        def made(world):
            p, world = posed(solver, world, loss="cross-entropy")
            s = started(solver, p, world)
            for l in s.work.layers:
                scales = s.sums.gradient[l].scales
                np.subtract(scales, 30, out=scales, where=scales > -1000)
            solver.step(s, p, world)
            return copies(solver.weights(s, world))

        return on_ranks(grid[0], made)

    ((_, *whole),) = strained([1, 1])
    for _, *W in strained([3, 1]):
        assert all((one == other).all() for one, other in zip(whole, W, strict=True))


class Message:
    """One from the rank above, which comes at once or when it is waited for."""

    def __init__(self, log, there):
        self.log, self.there = log, there

    def progress(self):
        return self.there

    def wait(self):
        if not self.there:
            self.log.append("wait")
            self.there = True


@pytest.mark.parametrize("there", [True, False])
def test_a_rank_goes_back_as_soon_as_it_can_and_multiplies_before_it_waits(monkeypatch, there):
    """The lower of two ranks, with two layers and four parts: a a^T needs no message."""
    log = []
    for of, name in ((PipelineSums, "_forward"), (PipelineSums, "_backward"), (OuterSum, "add")):
        plain = getattr(of, name)
        monkeypatch.setattr(of, name, lambda *given, plain=plain, name=name: (log.append(name), plain(*given))[1])
    s, p, world = alone(MpAdmm(batch=60, cut=4))
    log.clear()
    above = SimpleNamespace(rank=0, size=2, send=lambda *_: Message(log, True))
    above.receive = lambda array, *_: (array.fill(1), Message(log, there))[1]
    sums = PipelineSums(p, 4, above, Block(range(1, 3), range(2, 3)), curvature=True)
    sums.sum(s.W, lambda: s.work.parts(0), world, factors=True)
    if there:
        assert log[:8] == ["_forward", "_backward"] * 4
        assert "wait" not in log
    else:
        assert log[:13] == ["_forward"] * 4 + ["add"] * 8 + ["wait"]
        assert log[13] == "_backward"
    assert sums.gradient[2].total.any()


def test_the_measured_costs_are_those_of_the_shapes():
    solver = MpAdmm(batch=60, cut=2)
    s, p, _ = alone(solver, (7, 7, 7, 5))
    costs = measured(solver, p, next(iter(s.work.parts(0))))
    assert costs.pull[0] == 0
    assert all(0 < forward < own for forward, own in zip(costs.forward, costs.own, strict=True))
    for kind in costs:
        assert len(kind) == 5
        assert kind[1] == kind[2]  # both are 7 x 8


def test_more_ranks_than_parts_are_refused():
    def work(world):
        return posed(MpAdmm(batch=batch, cut=2), world, (5,), loss="cross-entropy")[0].tiles.count

    batch = 100
    with pytest.raises(UsageError, match="at most 2 ranks"):
        on_ranks(3, work)
    batch = 0
    on_ranks(3, work)


@pytest.mark.parametrize("grid", [[4, 1], [2, 2]])
def test_a_grid_that_does_not_fit_is_refused(grid):
    with pytest.raises(UsageError, match=r"solver\.grid"):
        MpAdmm(grid=grid).grid_of(3, 2)


@pytest.mark.parametrize(
    ("grid", "ranks", "found"),
    [("samples", 4, (1, 4)), ("layers", 1, (1, 1)), ("layers", 4, (2, 2)), ("layers", 3, (3, 1)), ([2, 2], 4, (2, 2))],
)
def test_the_grid_by_name(grid, ranks, found):
    assert MpAdmm(grid=grid).grid_of(3, ranks) == found


@pytest.mark.parametrize(("batch", "samples"), [(0, 150), (60, 50)])
def test_the_bill_names_the_products_of_its_sweep(batch, samples):
    """Sweep 0 refreshes all penalties, sweep 4 all but P_1, sweep 5 none; 150 samples make 3 batches of 50."""
    solver = MpAdmm(batch=batch, cut=2, warm=2, refresh=4)
    _, p, world = alone(solver, (5,))
    every = {"W1 a0", "lam1 a0^T", "W2 a1", "lam2 a1^T", "W2^T lam2", "C1 P1", "Q1 C1", "C2 P2", "Q2 C2"}
    first = {"a0 a0^T", "(a0 a0^T)^-1"}
    due = {"lam1 lam1^T", "lam2 lam2^T", "a1 a1^T", "(lam1 lam1^T)^-1", "(lam2 lam2^T)^-1", "(a1 a1^T)^-1"}
    for k, more in ((0, first | due), (4, due), (5, set())):
        products = floor_of(solver, p, world, k)
        assert set(products) == every | more
        assert products["W1 a0"].flops == 2 * 5 * 7 * samples
    with pytest.raises(UsageError, match="line search") if batch == 0 else nullcontext():
        solver.check_billed()
