"""Training with dropout: the same masks on any number of ranks, on resume, sparse or not; none in measures."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csc_array

from hpcadmm.comm.world import World
from hpcadmm.model.dropout import drop, keys_of
from hpcadmm.model.sparse import Sparse
from hpcadmm.solvers import Adadelta, Adam, MpAdmm, Sgd
from hpcadmm.solvers.shared.batches import Batches
from hpcadmm.testing.problems import posed, started, stepped
from hpcadmm.testing.runs import assert_same_bits, resumed, run

RATES = (0.2, 0.5, 0.3)
SOLVERS = {
    "adam": Adam(batch=40, cut=6, max_norm=0.8, average=0.9, schedule="one-cycle", warm_up=2),
    "sgd": Sgd(batch=0, momentum=0.9),
    "adadelta": Adadelta(batch=50, cut=5),
    "mpadmm": MpAdmm(batch=40, cut=6, average=0.9),
}
every = pytest.mark.parametrize("solver", SOLVERS.values(), ids=list(SOLVERS))


@every
def test_ranks_agree_in_every_bit(solver):
    options = {"loss": "cross-entropy", "dtype": np.float32, "dropout": RATES, "samples": 333}
    one = run(1, solver, 5, **options)
    assert not np.array_equal(one[0]["W/1"], run(1, solver, 5, **{**options, "dropout": ()})[0]["W/1"])
    for size in (2, 3, 5):
        other = run(size, solver, 5, **options)
        assert_same_bits(one[0], other[0])
        assert one[1] == other[1]


@pytest.mark.parametrize(("name", "activation"), [("adam", "tanh"), ("mpadmm", "relu")])
def test_ranks_agree_in_bfloat16(name, activation):
    """Layers wide enough to be rounded."""
    options = {"loss": "cross-entropy", "dtype": np.float32, "activation": activation, "dropout": RATES}
    options |= {"hidden": (40, 36), "features": 20, "precision": "bfloat16"}
    assert_same_bits(run(1, SOLVERS[name], 4, **options)[0], run(3, SOLVERS[name], 4, **options)[0])


@pytest.mark.parametrize("grid", [[2, 1], [3, 2]])
def test_layers_on_other_ranks_have_the_same_masks(grid):
    solver, options = SOLVERS["mpadmm"], {"loss": "cross-entropy", "dropout": RATES, "activation": "tanh"}
    whole, parted = (
        run(n, replace(solver, grid=g), 4, **options)[0] for n, g in ((1, [1, 1]), (grid[0] * grid[1], grid))
    )
    assert_same_bits(whole, parted)


@every
def test_a_restart_goes_on_in_the_same_bits(solver):
    options = {"loss": "cross-entropy", "dropout": RATES}
    whole, saved = run(1, solver, 7, **options), run(3, solver, 4, **options)[0]
    assert_same_bits(resumed(2, solver, saved, 3, **options)[0], whole[0])


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("batch", [0, 40])
def test_a_step_is_the_mean_gradient_of_the_dropped_network(activation, batch):
    """By finite differences of a network whose masks are applied by hand."""
    world, solver = World.alone(), Sgd(batch=batch, cut=3, rate=1.0)
    p, _ = posed(solver, world, loss="cross-entropy", activation=activation, dropout=RATES)
    s, n = stepped(solver, p, world, 3), p.network.n
    columns = np.concatenate(Batches(p.tiles, batch, p.seed).columns(3)) if batch else np.arange(p.tiles.n)
    keys, W = keys_of(p.seed, 3, columns), [None, *(W.copy() for W in s.W[1:])]

    def objective():
        a = drop(np.asfortranarray(p.x[:, columns]), n[0], RATES[0], keys, 0)
        for l in (1, 2):
            out = p.network.activations(l, len(columns), p.dtype)
            a = drop(p.network.activation.value(np.asfortranarray(W[l] @ a), out=out), n[l], RATES[l], keys, l)
        return p.loss.value(np.asfortranarray(W[3] @ a), p.y[:, columns])

    solver.step(s, p, world)
    for l in (1, 2, 3):
        moved = np.zeros_like(W[l])
        for at in np.ndindex(W[l].shape):
            values, before = [], W[l][at]
            for sign in (1, -1):
                W[l][at] = before + sign * 1e-6
                values.append(objective())
            W[l][at] = before
            moved[at] = (values[0] - values[1]) / 2e-6 / len(columns)
        np.testing.assert_allclose(W[l] - s.W[l], moved, atol=3e-8)


@every
def test_what_is_measured_is_the_whole_network(solver):
    world = World.alone()
    p, _ = posed(solver, world, loss="cross-entropy", dropout=RATES)
    s = stepped(solver, p, world, 3)
    loss = p.loss.value(replace(p.network, dropout=()).forward(s.W, p.x), p.y)
    assert solver.objective(s, p, world) == pytest.approx(loss, rel=1e-12)


def test_sparse_inputs_are_dropped_alike():
    world, solver = World.alone(), Adam(batch=40, cut=3)
    p, _ = posed(solver, world, loss="cross-entropy", dropout=(0.5, 0.0, 0.0))
    sparse = replace(p, train=replace(p.train, x=Sparse(csc_array(p.x))))
    for one, other in zip(stepped(solver, p, world, 5).W[1:], stepped(solver, sparse, world, 5).W[1:], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_samples_are_not_changed_by_their_masks():
    world, solver = World.alone(), Sgd(batch=0)
    p, _ = posed(solver, world, loss="cross-entropy", dropout=RATES)
    before = p.x.copy()
    stepped(solver, p, world, 2)
    assert (p.x == before).all()


def test_the_first_scales_bound_features_that_grow():
    """No sum of the first layer is repeated, though features that stay are ten times as large."""
    world, solver = World.alone(), Sgd(batch=0)
    p, _ = posed(solver, world, loss="cross-entropy", dropout=(0.9, 0.0, 0.0))
    s = started(solver, p, world)
    bounds = s.sums.gradient[1].scales[p.network.n[1] :][: p.network.n[0]]
    assert (10 * np.abs(p.x[:-1]).max(axis=1) <= 2.0**bounds).all()
