"""Training with batch normalisation and noise: the weights are those of a plain network, the same on any number of
ranks and on resume."""

from dataclasses import replace

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.solvers import Adam, Sgd, Soap
from hpcadmm.testing.problems import posed, started, stepped
from hpcadmm.testing.runs import assert_same_bits, resumed, run

NOISES = {"norm": True, "noise": "gaussian", "noise_inputs": 0.2, "noise_units": 0.2}
OPTIONS = {"loss": "cross-entropy", "training": NOISES, "dropout": (0.1, 0.3, 0.2)}
SOLVERS = {
    "adam": Adam(batch=40, cut=6, average=0.9, max_norm=2.0, rate=0.01, overlap="always"),
    "sgd": Sgd(batch=0),
    "soap": Soap(batch=40, cut=5),
}
every = pytest.mark.parametrize("solver", SOLVERS.values(), ids=list(SOLVERS))


@every
def test_ranks_agree_in_every_bit(solver):
    one = run(1, solver, 5, samples=333, dtype=np.float32, **OPTIONS)
    for size in (2, 3):
        other = run(size, solver, 5, samples=333, dtype=np.float32, **OPTIONS)
        assert_same_bits(one[0], other[0])
        assert one[1] == other[1]


def test_ranks_agree_in_bfloat16():
    options = OPTIONS | {"dtype": np.float32, "hidden": (40, 36), "features": 20, "precision": "bfloat16"}
    assert_same_bits(run(1, SOLVERS["adam"], 4, **options)[0], run(3, SOLVERS["adam"], 4, **options)[0])


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_a_restart_goes_on_in_the_same_bits(name):
    solver = SOLVERS[name]
    whole, saved = run(1, solver, 7, **OPTIONS), run(3, solver, 4, **OPTIONS)[0]
    assert_same_bits(resumed(2, solver, saved, 3, **OPTIONS)[0], whole[0])


def plain(samples=500, **training):
    """A problem of one tile, a solver that takes it as a whole, and its state after some steps."""
    solver, world = Sgd(batch=0, rate=0.1), World.alone()
    p, _ = posed(solver, world, loss="cross-entropy", samples=samples, width=1024, training={"norm": True, **training})
    return solver, p, world, stepped(solver, p, world, 20)


def test_the_weights_are_those_of_the_normalised_network():
    """Each hidden unit has its bias as mean, variance (m - 1) / m, over the training samples."""
    solver, p, world, s = plain()
    W, a = solver.weights(s, world), p.x
    for l in (1, 2):
        z = np.asfortranarray(W[l] @ a)
        np.testing.assert_allclose(z.mean(axis=1), s.V[l][:, -1], atol=4e-3)
        np.testing.assert_allclose(z.var(axis=1), 1, atol=6e-3)
        a = p.network.activation.value(z, out=p.network.activations(l, z.shape[1], z.dtype))
    assert (W[3] == s.V[3]).all()


def test_a_trained_network_keeps_its_outputs_when_it_goes_on():
    solver, p, world, s = plain()
    W = [None, *(w + 0.1 for w in p.network.random_weights(5, np.float64)[1:])]
    outputs = p.network.forward(W, p.x)
    solver.set_weights(s, W, p, world)
    s.population.at = -1
    np.testing.assert_allclose(p.network.forward(solver.weights(s, world), p.x), outputs, rtol=0.02, atol=0.02)


def test_training_lowers_the_objective_that_is_measured():
    solver, world = replace(SOLVERS["adam"], average=0.0), World.alone()
    p, _ = posed(solver, world, loss="cross-entropy", samples=400, training={"norm": True, "noise_inputs": 0.1})
    before = solver.objective(started(solver, p, world), p, world)
    assert solver.objective(stepped(solver, p, world, 100), p, world) < 0.5 * before


def test_parts_of_one_sample_are_refused():
    with pytest.raises(UsageError, match="parts of 2 samples, not 1: batches of 8 of 150"):
        posed(Adam(batch=8, cut=6), World.alone(), training={"norm": True})
