"""The minibatch methods: which samples a step sees, its mean gradient and rate, what is counted, and scikit-learn's."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.job.job import parse
from hpcadmm.solvers import Adadelta, Adagrad, Adam, Sgd
from hpcadmm.solvers.shared.batches import Batches
from hpcadmm.subproblems.passes import Passes
from hpcadmm.testing.problems import problem, started, stepped
from hpcadmm.testing.threads import on_ranks

METHODS = (Sgd, Adadelta, Adagrad, Adam)
every = pytest.mark.parametrize("method", METHODS)


def posed(solver, hidden=(7, 5), **options):
    return problem(World.alone(), hidden, "cross-entropy", parts=solver.parts, **options)


def gradients(W, p, columns):
    """Of the loss summed over some samples, in one pass."""
    passes = Passes(p.network, p.loss, p.dtype)
    passes.forward(W, p.x[:, columns])
    passes.backward(W, p.y[:, columns])
    return [None, *(passes.gradient(l, np.empty_like(W[l])).copy() for l in range(1, p.network.depth + 1))]


@pytest.mark.parametrize(("batch", "cut"), [(40, 3), (0, None), (1, 1), (1000, 2)])
def test_a_step_takes_the_mean_gradient_of_its_own_batch_and_the_rate_of_its_time(batch, cut):
    """Of 150 samples: 4 batches an epoch; all at once; one at a time; a batch larger than the data."""
    solver = Sgd(batch=batch, cut=cut, rate=0.4, schedule="cosine", period=3, decay=0.2, momentum=0.5)
    p = posed(solver)
    W, m = p.network.random_weights(p.seed, p.dtype), [0.0] * (p.network.depth + 1)
    state, batches = started(solver, p, World.alone()), Batches(p.tiles, batch or 150, p.seed)
    count = {40: 4, 0: 1, 1: 150, 1000: 1}[batch]
    for k in range(6):
        columns = np.concatenate(batches.columns(k)) if batch else np.arange(150)
        rate = 0.2 * (1 + np.cos(np.pi * min(1, k / count / 3)))
        g = gradients(W, p, columns)
        for l in range(1, p.network.depth + 1):
            d = g[l] / len(columns)
            d[:, :-1] += 0.2 * W[l][:, :-1]
            m[l] = 0.5 * m[l] + d
        for l in range(1, p.network.depth + 1):
            W[l] -= rate * m[l]
        solver.step(state, p, World.alone())
        for found, expected in zip(state.W[1:], W[1:], strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("solver", [Adagrad(batch=0, epsilon=0.1), Adadelta(batch=0, rho=0.8, epsilon=0.01)], ids=str)
def test_adagrad_and_adadelta_are_their_papers_with_the_keys_that_were_given(solver):
    """Adam's and sgd's steps are compared with scikit-learn's below."""
    p = posed(solver)
    W, state = p.network.random_weights(p.seed, p.dtype), started(solver, p, World.alone())
    v, m = ([0.0] * (p.network.depth + 1) for _ in range(2))
    for _ in range(4):
        for l, g in enumerate(gradients(W, p, slice(None))[1:], 1):
            d = g / 150
            if isinstance(solver, Adagrad):
                v[l] = v[l] + d**2
                W[l] -= 0.01 * d / (np.sqrt(v[l]) + 0.1)
            else:
                v[l] = 0.8 * v[l] + 0.2 * d**2
                step = np.sqrt(m[l] + 0.01) / np.sqrt(v[l] + 0.01) * d
                m[l] = 0.8 * m[l] + 0.2 * step**2
                W[l] -= step
        solver.step(state, p, World.alone())
        for found, expected in zip(state.W[1:], W[1:], strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@every
def test_the_rate_of_a_schedule_reaches_the_step(method):
    """With drop, each method's step after one epoch of full batches is that of the small rate."""
    wide, narrow = method(batch=0, schedule="step", period=1, drop=0.125, rate=0.5), method(batch=0, rate=0.0625)
    p, world = posed(wide), World.alone()
    one, other = stepped(wide, p, world, 1), started(narrow, p, world)
    for field in ("W", "m", "v"):
        for to, given in zip(getattr(other, field)[1:], getattr(one, field)[1:], strict=True):
            to[...] = given
    other.steps = 1
    before = [W.copy() for W in one.W[1:]]
    for solver, state in ((wide, one), (narrow, other)):
        solver.step(state, p, world)
    for W, V, old in zip(one.W[1:], other.W[1:], before, strict=True):
        np.testing.assert_allclose(W, V, rtol=1e-12, atol=1e-14)
        assert not np.array_equal(W, old)


@every
def test_decay_moves_weights_and_not_biases(method):
    """By the difference of two runs."""
    p, world = posed(method(batch=0)), World.alone()
    runs = [stepped(method(batch=0, decay=decay), p, world, 1) for decay in (0.0, 0.5)]
    for one, other in zip(runs[0].W[1:], runs[1].W[1:], strict=True):
        assert np.array_equal(one[:, -1], other[:, -1])
        assert not np.array_equal(one[:, :-1], other[:, :-1])


def test_without_biases_all_is_decayed():
    solver, world = Sgd(batch=0, decay=0.5, rate=0.1), World.alone()
    p = posed(solver, bias=False)
    plain, decayed = (stepped(s, p, world, 1) for s in (Sgd(batch=0, rate=0.1), solver))
    for one, other, start in zip(plain.W[1:], decayed.W[1:], p.network.random_weights(0, p.dtype)[1:], strict=True):
        np.testing.assert_allclose(one - other, 0.05 * start, rtol=1e-9, atol=1e-13)


def test_momentum_0_is_plain_and_nesterov_without_it_too():
    runs = [stepped(s, posed(s), World.alone(), 5) for s in (Sgd(), Sgd(nesterov=True), Sgd(momentum=0.5))]
    assert all(np.array_equal(a, b) for a, b in zip(runs[0].W[1:], runs[1].W[1:], strict=True))
    assert not np.array_equal(runs[0].W[1], runs[2].W[1])


@every
def test_what_is_measured(method):
    solver, world = method(batch=50, cut=3, workers=5, decay=0.1), World.alone()
    p = posed(solver, dtype=np.float32)
    state = started(solver, p, world)
    for _ in range(6):
        before = [None, *(W.copy() for W in state.W[1:])]
        solver.step(state, p, world)
    row, batches = solver.measure(state, p, world), Batches(p.tiles, 50, p.seed)
    d = sum(W.size for W in state.W[1:])
    assert (row["epochs"], row["sums"], row["rounds"]) == (2.0, 6, 12)
    assert row["payload_bits"] == 6 * (5 + 1) * d * 32
    loss = p.loss.value(p.network.forward(state.W, p.x), p.y)
    weights = sum(float((W[:, :-1].astype(float) ** 2).sum()) for W in state.W[1:])
    assert row["objective"] == pytest.approx(loss + 150 * 0.05 * weights, rel=1e-6)
    assert row["scale"] == pytest.approx(np.sqrt(sum(float((W**2).sum()) for W in state.W[1:])), rel=1e-6)
    columns, square = np.concatenate(batches.columns(5)), 0.0
    for g, W in zip(gradients(before, p, columns)[1:], state.W[1:], strict=True):
        d = g / len(columns)
        d[:, :-1] += 0.1 * W[:, :-1]
        square += float((d**2).sum())
    assert row["primal_residual"] == pytest.approx(np.sqrt(square), rel=1e-5)


def test_one_worker_sends_nothing_and_float64_twice_as_much():
    found = {}
    for workers in (1, 2):
        for dtype in (np.float32, np.float64):
            solver = Adam(workers=workers)
            p = posed(solver, dtype=dtype)
            row = solver.measure(stepped(solver, p, World.alone(), 2), p, World.alone())
            found[workers, dtype] = row["payload_bits"], row["rounds"]
    assert found[1, np.float32] == found[1, np.float64] == (0, 0)
    assert found[2, np.float64][0] == 2 * found[2, np.float32][0] > 0


@pytest.mark.parametrize(
    ("batch", "cut", "parts"), [(128, None, 2), (1, None, 1), (2000, None, 16), (128, 7, 7), (0, 3, 0), (96, None, 2)]
)
def test_parts(batch, cut, parts):
    assert Adam(batch=batch, cut=cut).parts == parts


def test_more_ranks_than_parts_are_refused_with_the_cure():
    assert Adam(cut=3).grid_of(2, 3) == (1, 3)
    assert Adam(batch=0).grid_of(2, 9) == (1, 9)
    with pytest.raises(UsageError, match=r"has 3 parts.*5 ranks.*at most 3 ranks.*solver.cut = 5"):
        Adam(cut=3).grid_of(2, 5)


def test_a_step_is_one_sum_of_the_gradients():
    def work(world):
        solver = Adam(cut=2)
        p = problem(world, loss="cross-entropy", parts=2)
        state = stepped(solver, p, world, 8)
        before = world.traffic.messages, world.traffic.bytes
        solver.step(state, p, world)
        solver.finite(state)
        return world.traffic.messages - before[0], world.traffic.bytes - before[1]

    entries, lines = 7 * 7 + 8 * 5 + 6 * 3, (7 + 7) + (8 + 5) + (6 + 3)
    assert on_ranks(2, work) == [(1, 8 * (2 * entries + lines))] * 2


@pytest.mark.parametrize("value", [1e30, np.inf, -np.inf, np.nan])
def test_large_is_finite(value):
    solver = Adam()
    state = stepped(solver, posed(solver, dtype=np.float32), World.alone(), 1)
    with np.errstate(over="ignore"):
        state.W[1][0, 0] = value
        assert solver.finite(state) is bool(np.isfinite(value))


@pytest.mark.parametrize(
    ("solver", "options"),
    [
        (Adam(batch=0, rate=0.01, epsilon=1e-12), {"solver": "adam", "epsilon": 1e-12}),
        (Adam(batch=0, rate=0.01, decay=0.01, beta1=0.7, beta2=0.9), {"solver": "adam", "beta_1": 0.7, "beta_2": 0.9}),
        (Sgd(batch=0, rate=0.01), {"solver": "sgd", "momentum": 0.0, "nesterovs_momentum": False}),
        (Sgd(batch=0, rate=0.01, momentum=0.9), {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": False}),
        (Sgd(batch=0, rate=0.01, momentum=0.9, nesterov=True), {"solver": "sgd", "momentum": 0.9}),
        (Sgd(batch=0, rate=0.01, decay=0.5), {"solver": "sgd", "momentum": 0.0}),
    ],
    ids=str,
)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_scikit_learn_takes_the_same_steps(solver, options, activation):
    """MLPClassifier from the same weights, on all samples at once: its penalty is alpha/2 |W|^2 over the samples."""
    steps, p = 12, posed(solver, (9, 6), activation=activation)
    theirs = MLPClassifier(
        (9, 6), activation, alpha=solver.decay * 150, batch_size=150, learning_rate_init=0.01, max_iter=1, **options
    )
    x, labels, W = p.x[:-1].T, p.train.labels, p.network.random_weights(p.seed, p.dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs.partial_fit(x, labels, classes=range(3))
        theirs.coefs_, theirs.intercepts_ = [w[:, :-1].T.copy() for w in W[1:]], [w[:, -1].copy() for w in W[1:]]
        del theirs._optimizer  # with the moments of the step that only made the network
        for _ in range(steps):
            theirs.partial_fit(x, labels)
    ours = stepped(solver, p, World.alone(), steps)
    for w, coefs, intercepts in zip(ours.W[1:], theirs.coefs_, theirs.intercepts_, strict=True):
        np.testing.assert_allclose(w[:, :-1], coefs.T, rtol=0, atol=1e-6)
        np.testing.assert_allclose(w[:, -1], intercepts, rtol=0, atol=1e-6)
    assert np.abs(ours.W[1] - W[1]).max() > 1e-3


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("rate = 0", "solver.rate"),
        ("momentum = 1.0", "solver.momentum"),
        ("batch = -1", "solver.batch"),
        ("cut = 0", "solver.cut"),
        ("schedule = 'lines'", "solver.schedule"),
        ("drop = 2.0", "solver.drop"),
        ("warm_up = -1.0", "solver.warm_up"),
        ("max_norm = 0.0", "solver.max_norm"),
        ("average = 1.0", "solver.average"),
        ("decay = inf", "solver.decay"),
        ("beta1 = 0.9", "unknown key"),
    ],
)
def test_bad_keys_are_refused(key, words):
    text = '[data]\nname = "digits"\n[loss]\nname = "hinge"\n[solver]\nname = "sgd"\n'
    parse(text)
    with pytest.raises(UsageError, match=words):
        parse(text + key)
