"""mpadmm with late = 1: the sums of layer 1 are those of the sweep before, whatever the ranks and the checkpoints."""

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.solvers import MpAdmm
from hpcadmm.solvers.shared.batches import Drawn
from hpcadmm.testing.problems import floor_of, posed, started
from hpcadmm.testing.runs import assert_same_bits, done, resumed, run
from hpcadmm.testing.threads import on_ranks

LATE = {"late": 1, "batch": 60, "cut": 5, "warm": 3, "refresh": 4}
SWEEPS = 10  # refreshes with the inputs, without, and sweeps without any


def textbook(solver, p, W, sweeps):
    """The weights after so many sweeps from W of a network of tanh, as its definition says."""
    drawn, L, n = Drawn(p, solver.batch), p.network.depth, p.network.n
    A, B, P, Q, before = ({} for _ in range(5))
    due = [k for k in range(sweeps) if k < solver.warm or k % solver.refresh == 0]
    for k in range(sweeps):
        m, sums = drawn.size(k), {l: [0.0, 0.0, 0.0] for l in range(1, L + 1)}
        for x, y, _ in drawn.parts(k):
            a, z = [x.copy()], [None]
            for l in range(1, L + 1):
                z.append(W[l] @ a[-1])
                a.append(np.vstack([np.tanh(z[l]), np.ones((1, x.shape[1]))]))
            lam = p.loss.gradient(z[L], y)
            for l in range(L, 0, -1):
                products = lam @ a[l - 1].T, a[l - 1] @ a[l - 1].T, lam @ lam.T
                sums[l] = [total + product / m for total, product in zip(sums[l], products, strict=True)]
                lam = (W[l].T @ lam)[: n[l - 1]] * (1 - a[l - 1][: n[l - 1]] ** 2)
        used = {l: (*sums[l], k) for l in range(2, L + 1)} | before
        before, q, D = {1: (*sums[1], k)}, 0.0, {}
        for l, (G, aaT, llT, j) in used.items():
            if j in due:
                keep = min(0.9, due.index(j) / (due.index(j) + 1))
                if l > 1 or j < solver.warm:
                    A[l] = keep * A.get(l, 0) + (1 - keep) * aaT
                    P[l] = np.linalg.inv(A[l] + solver.delta * np.trace(A[l]) / len(A[l]) * np.eye(len(A[l])))
                B[l] = keep * B.get(l, 0) + (1 - keep) * llT
                tau = np.trace(B[l]) / len(B[l])
                Q[l] = (1 + solver.g) * np.linalg.inv(B[l] / tau + solver.g * np.eye(len(B[l])))
            C = -G
            C[:, : n[l - 1]] -= solver.decay * W[l][:, : n[l - 1]]
            D[l] = Q[l] @ C @ P[l]
            q += np.sum(D[l] * C)
        for l in D:
            W[l] = W[l] + min(6.0, np.sqrt(solver.kappa / q)) * D[l]
    return W


def test_it_is_its_definition():
    solver, world = MpAdmm(**LATE, decay=0.02, kappa=0.3), World.alone()
    p, _ = posed(solver, world, loss="cross-entropy", activation="tanh", samples=333)
    s = started(solver, p, world)
    first = [None if W is None else W.copy() for W in s.W]
    for k in range(SWEEPS):
        solver.step(s, p, world)
        assert (s.W[1] == first[1]).all() == (k == 0)  # layer 1 rests in sweep 0
    for W, true in zip(s.W[1:], textbook(solver, p, first, SWEEPS)[1:], strict=True):
        assert np.allclose(W, true, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_run_goes_on_in_the_same_bits_from_every_sweep(cut):
    """Sums in flight are completed for a checkpoint; the grid changes there."""
    grids = [(1, 1), (1, 2), (2, 1), (1, 3), (3, 1), (2, 2)]

    def solver(k):
        return MpAdmm(**LATE, average=0.7, grid=list(grids[k % len(grids)]))

    def size(k):
        return int(np.prod(grids[k % len(grids)]))

    options = {"loss": "cross-entropy", "samples": 333}
    whole = run(1, solver(0), 9, **options)
    saved, _ = run(size(cut), solver(cut), cut, **options)
    again = resumed(size(cut + 2), solver(cut + 2), saved, 9 - cut, **options)
    assert_same_bits(whole[0], again[0])
    assert whole[1] == again[1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bounds_that_were_exceeded_are_mended_in_the_same_sweep(dtype):
    """The scales of layer 1 are spoiled before a sweep; without the check its sum would not be exact."""

    def work(world, spoil):
        p, world = posed(solver, world, loss="cross-entropy", samples=333, dtype=dtype)
        s = started(solver, p, world)
        messages = []
        for k in range(4):
            if spoil and k == 2:
                s.sums.scales[1][[*range(7), *range(-7, 0)]] -= 30  # of lam_1 a_0^T the rows, and of lam_1 lam_1^T
            before = world.traffic.messages
            solver.step(s, p, world)
            messages.append(world.traffic.messages - before)
        return done(solver, s, p, world)[0]["W/1"].array, messages

    solver = MpAdmm(**LATE)
    whole, usual = on_ranks(2, lambda world: work(world, spoil=False))[0]
    mended, messages = on_ranks(2, lambda world: work(world, spoil=True))[0]
    assert messages[2] > usual[2]
    assert messages[3] == usual[3]
    assert np.allclose(whole, mended, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-7)


def test_the_entries_of_layer_1_travel_apart():
    """Its loads, a number for each row and column, travel with the sums of the other layers."""
    solver = MpAdmm(**LATE)

    def work(world):
        p, world = posed(solver, world, (40, 8), loss="cross-entropy", features=30, dtype=np.float32)
        s = started(solver, p, world)
        sent = []
        for _ in range(5):
            before = world.traffic.messages, world.traffic.bytes
            solver.step(s, p, world)
            sent.append((world.traffic.messages - before[0], world.traffic.bytes - before[1]))
        solver.complete(s, world)
        return sent

    layers = (40, 31), (8, 41), (3, 9)
    every = 8 * sum(rows * columns + rows + columns for rows, columns in layers)
    curvature = 8 * sum(n * (n + 1) // 2 + n for shape in layers for n in shape)
    inputs = 8 * (31 * 32 // 2 + 31)
    assert on_ranks(2, work) == [[(4, every + curvature)] * 3 + [(2, every), (3, every + curvature - inputs)]] * 2


def test_the_bill_forms_products_a_sweep_before_the_inverses():
    solver, world = MpAdmm(**LATE), World.alone()
    p, _ = posed(solver, world, (5,), loss="cross-entropy")
    inverted = []
    for k in range(6):
        products = floor_of(solver, p, world, k)
        assert ("lam1 lam1^T" in products, "lam2 lam2^T" in products) == (solver.refreshes(k),) * 2
        inverted.append([f"({x} {x}^T)^-1" in products for x in ("a0", "lam1", "lam2")])
    assert inverted == [[0, 0, 1], [1, 1, 1], [1, 1, 1], [1, 1, 0], [0, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize(
    ("options", "L", "words"),
    [({"batch": 0}, 3, "line search"), ({}, 1, "hidden layer"), ({"local_steps": 4}, 3, "local_steps")],
)
def test_what_cannot_be_late_is_refused(options, L, words):
    with pytest.raises(UsageError, match=words):
        MpAdmm(late=1, **options).check(L)
