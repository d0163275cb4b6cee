"""Workers that train a network by local steps around a server: averages, outer optimisers, multipliers."""

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.losses import LOSSES
from hpcadmm.model.vector import flat
from hpcadmm.solvers import Adam, Consensus, MpAdmm
from hpcadmm.solvers.workers.server import Rounds, Uploads, fed_adam, nesterov
from hpcadmm.solvers.workers.workers import Workers
from hpcadmm.testing.problems import posed, problem, stepped
from tests.helpers.decentral import HIDDEN, LAYERS, SHORT, network

ALONE = World.alone()


def model(solver, steps=6, hidden=HIDDEN, **options):
    """Theta, the state and the problem after so many rounds."""
    p, world = posed(solver, ALONE, hidden, **{"loss": "cross-entropy", "samples": 101, **options})
    s = stepped(solver, p, world, steps)
    return flat(solver.weights(s, world)), s, p


def test_the_average_of_one_worker_after_each_step_is_adam():
    theta, *_ = model(Consensus(workers=1, server="average", local_steps=1, batch=30, rate=0.01), samples=90)
    other, *_ = model(Adam(batch=30, cut=1, rate=0.01), samples=90)
    np.testing.assert_allclose(theta, other, rtol=1e-9, atol=1e-12)


def test_the_average_of_one_worker_after_each_step_is_mpadmm():
    own = Consensus(workers=1, server="average", local="mpadmm", local_steps=1, batch=30)
    theta, *_ = model(own, samples=90)
    other, *_ = model(MpAdmm(batch=30, cut=1, warm=100), samples=90)
    np.testing.assert_allclose(theta, other, rtol=1e-9, atol=1e-12)


def test_shared_moments_are_averaged_with_the_models():
    solver = Consensus(workers=4, server="average", local_steps=1, batch=25, rate=0.01, moments="shared")
    s, p, world = network(solver, samples=100)
    for k in range(3):
        plain = Consensus(workers=4, server="average", local_steps=1, batch=25, rate=0.01)
        alone = stepped(plain, p, world, 0)
        plain.set_weights(alone, s.W, p, world)
        alone.moments.rows[...], alone.iterations = s.moments.rows, k
        plain.step(alone, p, world)
        solver.step(s, p, world)
        assert (s.moments.rows == s.moments.rows[0]).all()
        np.testing.assert_allclose(s.moments.rows[0], alone.moments.rows.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(s.work.Theta, alone.work.Theta, rtol=1e-12)
        assert (alone.moments.rows != alone.moments.rows[0]).any()
    bits = 64 * s.work.Theta.size
    assert solver.measure(s, p, world)["payload_bits_per_worker"] == [3 * 3 * bits] * 4


def test_shared_squares_keep_their_bits():
    """What is lost of a small square, Adam divides by."""
    p = problem(ALONE, HIDDEN, parts=2, dtype=np.float32)
    total, random = Uploads(p, 2, whole=False, vectors=3), np.random.default_rng(0)
    for _ in range(2):  # the first sum finds the scales
        v = (10 ** random.uniform(-12, 0, (2, sum(LAYERS)))).astype(np.float32)
        *_, found = total.sum(ALONE, v, v, v)
    np.testing.assert_allclose(found, v.sum(axis=0, dtype=np.float64), rtol=1e-3)


def test_nesterov_without_momentum_at_rate_1_takes_the_average():
    theta, *_ = model(Consensus(**SHORT, server="average"))
    plain = {"outer_rate": 1.0, "outer_momentum": 0.0}
    np.testing.assert_allclose(model(Consensus(**SHORT, server="nesterov", **plain))[0], theta, rtol=1e-9, atol=1e-12)
    assert np.abs(model(Consensus(**SHORT, server="nesterov"))[0] - theta).max() > 1e-3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_servers_memory_is_that_of_the_papers(dtype):
    random, rate, momentum = np.random.default_rng(0), 0.3, 0.8
    Theta, (u, v) = random.standard_normal(9).astype(dtype), np.zeros((2, 9))
    one, other, outer, both = Theta.copy(), Theta.copy(), np.zeros((1, 9), dtype), np.zeros((2, 9), dtype)
    expected, also, m = Theta.astype(np.float64), Theta.astype(np.float64), np.zeros(9)
    for mean in random.standard_normal((4, 9)):
        D, E = expected - mean, also - mean
        u = momentum * u + D
        expected = expected - rate * (D + momentum * u)
        m, v = momentum * m + (1 - momentum) * E, 0.99 * v + 0.01 * E * E
        also = also - rate * m / (np.sqrt(v) + 1e-3)
        nesterov(one, mean, outer, rate, momentum)
        fed_adam(other, mean, both, rate, momentum)
    eps = 200 * np.finfo(dtype).eps
    np.testing.assert_allclose(one, expected, rtol=eps, atol=eps)
    np.testing.assert_allclose(other, also, rtol=eps, atol=eps)


def test_multipliers_bring_local_steps_to_the_minimum_that_averages_of_unlike_workers_miss():
    """Of a softmax whose samples are sorted by label; exact consensus knows the minimum."""
    order = np.argsort(problem(ALONE, (), features=2, samples=90).train.labels, kind="stable")

    def sorted_by_label(steps, **options):
        solver = Consensus(workers=3, rho=1 / 30, **options)
        p, world = posed(solver, ALONE, (), loss="cross-entropy", features=2, samples=90)
        for array in (p.x, p.y):
            array[...] = array[:, order]
        return stepped(solver, p, world, steps).work

    known, local = sorted_by_label(0).optimum, {"local": "adam", "local_steps": 20, "rate": 0.05, "batch": 30}
    one, other = (known.excess(sorted_by_label(60, server=name, **local).Theta) for name in ("admm", "average"))
    assert one < 1e-4 * known.beginning
    assert other > 50 * one


def test_the_mean_weighs_a_worker_by_its_samples():
    weight = np.random.default_rng(0).exponential(size=101)
    solver = Consensus(**SHORT, server="average")
    theta, s, p = model(solver, weight=weight)
    counts = [weight[t].sum() for _, t in p.tiles]
    np.testing.assert_allclose(theta, np.average(s.theta.rows, axis=0, weights=counts), rtol=1e-12)


@pytest.mark.parametrize("server", ["admm", "average"])
def test_only_the_workers_drawn_take_part(server):
    solver = Consensus(**SHORT, server=server, participate=0.4)
    s, p, world = network(solver, samples=101)
    counts = np.array([t.stop - t.start for _, t in p.tiles])
    for k in range(5):
        theta, drawn = s.theta.rows.copy(), s.work.rounds.drawn(k)
        solver.step(s, p, world)
        assert drawn.sum() == 2
        assert ((s.theta.rows != theta).any(axis=1) == drawn).all()
        if server == "average":
            mean = np.average(s.theta.rows[drawn], axis=0, weights=counts[drawn])
            np.testing.assert_allclose(s.work.Theta, mean, rtol=1e-12)
    taken = np.sum([s.work.rounds.drawn(k) for k in range(5)], axis=0)
    found, bits = solver.measure(s, p, world), 64 * s.work.Theta.size
    assert s.rounds.rows[:, 0].tolist() == taken.tolist()
    assert found["payload_bits_per_worker"] == (bits * taken).tolist()
    assert (found["payload_bits"], found["payload_messages"]) == (bits * 15, 15)
    assert (found["sums"], found["rounds"]) == (5, 10)


def test_the_draws_depend_on_seed_and_round_and_spare_no_worker():
    workers = Workers(problem(ALONE, samples=40, parts=7).tiles)
    one, other = (np.array([Rounds(workers, seed, 0.3, np.ones(7)).drawn(k) for k in range(30)]) for seed in (1, 2))
    assert (one.sum(axis=1) == 2).all()
    assert one.any(axis=0).all()
    assert (one != other).any()
    assert Rounds(workers, 1, 0.01, np.ones(7)).drawn(0).sum() == 1
    assert Rounds(workers, 1, 1.0, np.zeros(7)).shares(0).tolist() == [[1.0]] * 7


@pytest.mark.parametrize(
    ("options", "L", "words"),
    [
        ({"local": "exact"}, 2, ["solver.local", "network.hidden = []"]),
        ({"local": "exact", "server": "average"}, 1, ['server = "admm", not "average"', 'solver.local = "adam"']),
        ({"local": "mpadmm", "moments": "shared"}, 2, ['moments = "own"', "solver.local_steps"]),
        ({"eta": 2.0}, 2, ["solver.eta", 'solver.local = "mpadmm"']),
        ({"outer_rate": 0.5}, 2, ["solver.outer_rate", '"nesterov" or "adam"; "admm" has none']),
        ({"outer_momentum": 0.5, "server": "average"}, 2, ["solver.outer_momentum", '"average" has none']),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused(options, L, words):
    with pytest.raises(UsageError) as refused:
        Consensus(**options).check(L)
    assert all(word in str(refused.value) for word in words)


def test_the_optimum_is_known_of_linear_models_that_are_solved():
    assert [Consensus(**one).knows_optimum(1, "squared") for one in ({}, {"local": "adam"})] == [True, False]
    assert not Consensus(server="average").knows_optimum(1, "squared")
    assert not Consensus().knows_optimum(2, "squared")
    with pytest.raises(UsageError, match=r"squared or cross-entropy, not hinge"):
        Consensus(local="exact").check_loss(LOSSES["hinge"](), penalised=False)
