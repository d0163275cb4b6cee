"""Quantized gradient descent: what is sent, to the byte; the same bits on any ranks; gradient descent in the limit."""

import numpy as np
import pytest

from hpcadmm.comm.wire.quantizer import message_bytes
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.solvers import Gd, QGd
from hpcadmm.subproblems.passes import Passes
from hpcadmm.testing.problems import posed, started
from hpcadmm.testing.runs import run
from tests.helpers.decentral import alone, textbook
from tests.helpers.seen import seen

HIDDEN = (5, 4)
SIZES = [5 * 7, 4 * 6, 2 * 5]  # of the layers of a network of 6 features and 2 outputs
WAYS = {"fixed": {"bits": 3}, "adaptive": {"bits": 2, "adaptive": "adaptive"}}
ways = pytest.mark.parametrize("way", WAYS)
hiddens = pytest.mark.parametrize("hidden", [(), HIDDEN], ids=str)


def gradients(W, p):
    """dW_l of each worker's summed loss by layer, as (workers, entries)."""
    passes, found = Passes(p.network, p.loss, p.dtype), []
    for _, t in p.tiles:
        passes.forward(W, p.x[:, t])
        passes.backward(W, p.y[:, t])
        found.append([passes.lam[l] @ passes.a[l - 1].T for l in range(1, p.network.depth + 1)])
    return [np.array([g.reshape(-1, order="F") for g in layer]) for layer in zip(*found, strict=True)]


def known(s, L):
    """By layer, (workers, entries)."""
    return [np.array(s.known[l::L]) for l in range(L)]


@hiddens
@pytest.mark.parametrize("bits", [2, 5])
def test_what_the_server_knows_is_within_a_step_of_the_gradients_and_is_what_weights_move_by(hidden, bits):
    solver = QGd(workers=5, bits=bits, rate=0.05, decay=0.2)
    p, world = posed(solver, World.alone(), hidden, loss="squared", classes=0)
    s, L, ups = started(solver, p, world), p.network.depth, []
    for _ in range(40):
        W, old = [None, *(w.copy() for w in s.W[1:])], known(s, L)
        g = gradients(W, p)
        solver.step(s, p, world)
        for l, (dW, before, after) in enumerate(zip(g, old, known(s, L), strict=True), start=1):
            R = np.abs(dW - before).max(axis=1, keepdims=True)
            step = 2 * R / (2**bits - 1)
            assert (np.abs(after - dW) <= step * (1 + 1e-6) + 1e-12).all()
            up = (dW - before + R) / step % 1
            ups.append(((after - dW) / step * (1 - 2 * up)).reshape(-1))
            down = 0.5 * after.sum(axis=0).reshape(W[l].shape, order="F") / p.tiles.n  # half of the squared loss
            down[:, : p.network.n[l - 1]] += 0.2 * W[l][:, : p.network.n[l - 1]]
            np.testing.assert_allclose(s.W[l], W[l] - 0.05 * down, rtol=1e-9, atol=1e-12)
    assert abs(np.mean(np.concatenate(ups))) < 0.03  # it would be 1/3 for the probability of rounding down


@hiddens
def test_many_bits_are_gd(hidden):
    solvers = [QGd(workers=5, bits=32), Gd(workers=5)]
    p, world = posed(solvers[0], World.alone(), hidden, loss="cross-entropy")
    one, other = (started(solver, p, world) for solver in solvers)
    for _ in range(60):
        solvers[0].step(one, p, world)
        solvers[1].step(other, p, world)
    for w, v in zip(one.W[1:], other.W[1:], strict=True):
        np.testing.assert_allclose(w, v, atol=1e-7)


def test_one_worker_is_gd_and_sends_nothing():
    one, other = run(1, QGd(workers=1, bits=1), 5), run(1, Gd(workers=1), 5)
    for path in other[0]:
        assert (one[0][path] == other[0][path]).all()
    assert one[1] == other[1]
    assert (one[1]["payload_bits"], one[1]["rounds"]) == (0, 0)


@ways
def test_it_comes_to_the_optimum(way):
    solver = QGd(workers=5, rate="lipschitz", **WAYS[way])
    s, p, world = alone(solver)
    for _ in range(1500):
        solver.step(s, p, world)
    np.testing.assert_allclose(s.W[1].T, textbook(p).best, atol=1e-6)
    assert solver.measure(s, p, world)["mean_error"] < 1e-8


@pytest.mark.parametrize("bits", [1, 2, 7, 32])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_upload_is_codes_and_64_bits_a_layer_and_no_byte_more_travels(bits, dtype):
    each, model = sum(bits * d + 64 for d in SIZES), 8 * np.dtype(dtype).itemsize * sum(SIZES)
    for size in (1, 2, 5):
        found = seen(size, QGd(workers=5, bits=bits), 6, HIDDEN, dtype=dtype)
        m = found[0].measured
        assert m["payload_bits_per_worker"] == [6 * each] * 5
        assert (m["broadcast_bits"], m["payload_bits"]) == (6 * model, 6 * (5 * each + model))
        assert (m["payload_messages"], m["rounds"]) == (36, 12)
        sent = sum(rank.bytes for rank in found)
        assert sent == 6 * 5 * sum(message_bytes(bits, d) for d in SIZES)  # all uploads, and nothing else
        assert found[0].row["bytes"] == (sent if size > 1 else 0)
        assert {rank.calls for rank in found} == {6}


@hiddens
@pytest.mark.parametrize("size", [1, 2, 5])
def test_adaptive_steps_never_grow_and_bits_are_counted_and_sent_as_they_are(size, hidden):
    solver = QGd(workers=5, rate=0.2, **WAYS["adaptive"])
    p, world = posed(solver, World.alone(), hidden, loss="squared", classes=0)
    s, L = started(solver, p, world), p.network.depth
    d = np.array([np.prod(p.network.shape(l)) for l in range(1, L + 1)])
    steps, bits, bytes_ = np.full((5, L), np.inf), 0, 0
    for _ in range(60):
        solver.step(s, p, world)
        b, R = np.array(s.bits), np.array(s.R)
        now = 2 * R / (2**b - 1)
        assert ((now <= steps) | (b == 32)).all()
        steps, bits, bytes_ = now, bits + (b * d + 64).sum(), bytes_ + message_bytes(b.astype(int), d).sum()
    if hidden:
        assert (b[:, 0] != b[:, -1]).any()  # each layer has its own
    found = seen(size, solver, 60, hidden)
    assert sum(found[0].measured["payload_bits_per_worker"]) == bits
    assert sum(rank.bytes for rank in found) == bytes_ + 60 * 8 * size  # and how much each rank has to say


def test_an_upload_without_news_leaves_the_step_that_adaptive_ones_are_compared_with():
    solver = QGd(workers=5, bits=8, adaptive="adaptive")
    s, _, _ = alone(solver)
    g, known = s.work.gradients[0], s.work.known[0]
    g[...] = np.linspace(-1, 1, g.size).reshape(g.shape)
    solver.encode(s)
    R, b = s.R.rows.copy(), s.bits.rows.copy()
    assert (R > 0).all()
    g[...] = known
    solver.encode(s)
    assert (s.R.rows == R).all()
    assert (s.bits.rows == b).all()
    g[...] += R / 4
    solver.encode(s)
    assert (s.bits.rows < b).all()


def test_minibatches_of_an_epoch_are_the_gradients_of_all_samples_and_one_worker_is_refused():
    solver = QGd(workers=3, batch=10)
    solver.check(1)
    s, _, _ = alone(solver)
    work, mean = s.work, 0.0
    count = work.samples.batches.batches.count
    for k in range(count):
        work.differentiate(s.W, k)
        mean = mean + work.gradients[0] / count
    work.samples.batches = None
    work.differentiate(s.W, 0)
    np.testing.assert_allclose(mean, work.gradients[0], rtol=1e-12)
    with pytest.raises(UsageError, match=r"solver\.batch = 10 needs solver\.workers of 2 or more"):
        QGd(workers=1, batch=10).check(1)


def test_random_numbers_belong_to_seed_worker_and_iteration():
    drawn = []
    s, _, _ = alone(QGd(workers=4))
    for seed in (0, 1):
        for k in (0, 1):
            s.work.draw(seed, k)
            drawn.append(s.work.uniform[0].copy())
    rows = np.concatenate(drawn)
    assert len(np.unique(rows)) == rows.size
