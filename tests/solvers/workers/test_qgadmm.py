"""Q-GADMM and censoring: what is sent, to the byte; the same bits on any ranks; GADMM in the limit."""

from itertools import pairwise

import numpy as np
import pytest

from hpcadmm.comm.wire.quantizer import message_bytes
from hpcadmm.solvers import Gadmm, QGadmm
from hpcadmm.solvers.workers.neighbours import Censor
from hpcadmm.solvers.workers.qgadmm import KEY, uniform
from hpcadmm.testing.runs import assert_same_bits, run
from tests.helpers.decentral import CENSOR, GRAPHS, SHORT, TOLD, alone, chain_duals, counted, models, network, textbook

graphs = pytest.mark.parametrize(("topology", "workers"), GRAPHS, ids=str)
ways = pytest.mark.parametrize("way", TOLD)


def made(way, **options):
    cls, own = TOLD[way]
    return cls(**own, **options)


def known(s, p):
    return [k.reshape(p.network.shape(1)[::-1]) for k in s.known]


@ways
def test_steps_and_duals_use_what_neighbours_know(way):
    N, rho = 5, 2.0
    solver = made(way, workers=N, rho=rho)
    s, p, world = alone(solver)
    book = textbook(p)
    for _ in range(15):
        old, lam = [k.copy() for k in known(s, p)], chain_duals(s, p)
        solver.step(s, p, world)
        theta, new = models(s, p), known(s, p)
        for n in range(N):
            near = [m for m in (n - 1, n + 1) if 0 <= m < N]
            seen = old if n % 2 == 0 else new
            gradient = book.gradient(n, theta[n]) + rho * sum(theta[n] - seen[m] for m in near)
            gradient += (lam[n] if n < N - 1 else 0) - (lam[n - 1] if n else 0)
            np.testing.assert_allclose(gradient, 0, atol=1e-9)
        moved = [l + rho * (left - right) for l, (left, right) in zip(lam, pairwise(new), strict=True)]
        np.testing.assert_allclose(chain_duals(s, p), moved, atol=1e-10)


@pytest.mark.parametrize(
    ("start", "options", "bits", "steps", "theta", "mu"),
    [
        (alone, {"workers": 5}, 32, 100, 1e-7, 1e-6),
        (alone, {"workers": 5}, 30, 100, 1e-7, 1e-6),
        (network, SHORT, 32, 30, 1e-4, 1e-4),
    ],
)
def test_many_bits_are_gadmm(start, options, bits, steps, theta, mu):
    solvers = [QGadmm(**options, bits=bits), Gadmm(**options)]
    (one, p, world), (other, _, _) = (start(solver) for solver in solvers)
    for _ in range(steps):
        solvers[0].step(one, p, world)
        solvers[1].step(other, p, world)
        np.testing.assert_allclose(one.theta, other.theta, atol=theta)
        np.testing.assert_allclose(one.mu, other.mu, atol=mu)


def test_a_worker_that_never_is_silent_is_gadmm():
    censor = Censor(1e-300, 0.5)
    one, other = run(1, Gadmm(censor=censor), 9), run(1, Gadmm(), 9)
    assert_same_bits(one[0], other[0])


@ways
@graphs
def test_residuals_go_to_zero_and_the_models_to_the_optimum(way, topology, workers):
    solver = made(way, workers=workers, topology=topology, rho=5.0)
    s, p, world = alone(solver)
    for _ in range(1500):
        solver.step(s, p, world)
    np.testing.assert_allclose(models(s, p), [textbook(p).best] * workers, atol=1e-5)
    last = solver.measure(s, p, world)
    for key in ("primal_residual", "dual_residual", "objective_error", "mean_error", "consensus_distance"):
        assert last[key] <= 1e-3, key


@ways
@graphs
def test_bytes_in_the_metrics_are_what_the_communicator_saw(way, topology, workers):
    solver = made(way, workers=workers, topology=topology)
    for size in {1, 2, 3, workers} & set(range(1, workers + 1)):
        found = counted(size, solver, 9)
        _, sent, totals, _ = zip(*found, strict=True)
        assert {row["bytes"] for row in totals} == {sum(size for size, _ in sent)}
        assert {row["messages"] for row in totals} == {sum(count for _, count in sent)}
        assert (totals[0]["bytes"] == 0) == (size == 1)


@pytest.mark.parametrize("bits", [1, 2, 7, 32])
def test_a_message_is_its_codes_and_64_bits_and_no_byte_more_travels(bits):
    solver, d = QGadmm(workers=5, bits=bits), 14
    for size in (1, 2, 5):
        found = counted(size, solver, 6)
        measured = found[0][3]
        assert measured["payload_bits"] == 6 * 5 * (bits * d + 64)
        assert measured["payload_bits_per_worker"] == [6 * (bits * d + 64)] * 5
        total = sum(sum(each) for each, *_ in found)
        assert total == 6 * 2 * (size - 1) * message_bytes(bits, d)  # one edge between two ranks, both ways


def test_silent_workers_send_nothing_but_a_mask_where_others_wait():
    """All are silent for as long as nothing can change as much as 1e6."""
    quiet = QGadmm(workers=6, bits=2, topology="ring", censor=Censor(1e6, 0.99))
    found = counted(3, quiet, 4)
    for each, _, _, measured in found:
        assert (measured["payload_bits"], measured["payload_messages"]) == (0, 0)
        assert each == [2 * 1] * 4  # a byte to the rank on either side, of the one worker there that it needs
    s, p, world = alone(quiet)
    quiet.step(s, p, world)
    assert all((k == 0).all() for k in s.known)
    assert any((t != 0).any() for t in s.theta)


def test_a_censored_worker_speaks_where_it_is_far_from_what_is_known():
    solver = Gadmm(workers=5, censor=CENSOR)
    s, p, world = alone(solver)
    spoke, d = 0, 14
    for k in range(60):
        old = [row.copy() for row in s.known]
        solver.step(s, p, world)
        for before, now, theta in zip(old, s.known, s.theta, strict=True):
            far = np.abs(theta - before).max() >= 0.05 * 0.9**k
            assert (now == (theta if far else before)).all()
            spoke += far
    measured = solver.measure(s, p, world)
    assert 0 < spoke < 5 * 60
    assert (measured["payload_messages"], measured["payload_bits"]) == (spoke, spoke * 64 * d)


def test_adaptive_steps_never_grow_and_bits_are_counted_as_they_are():
    solver = QGadmm(workers=5, bits=2, adaptive="adaptive", rho=3.0)
    s, p, world = alone(solver)
    steps, bits = np.full(5, np.inf), 0
    for _ in range(200):
        solver.step(s, p, world)
        b, R = np.array(s.bits)[:, 0], np.array(s.R)[:, 0]
        now = 2 * R / (2**b - 1)
        assert ((now <= steps) | (b == 32)).all()
        steps, bits = now, bits + (b * 14 + 64).sum()
    assert solver.measure(s, p, world)["payload_bits"] == bits


@pytest.mark.parametrize("bits", [2, 3, 5])
def test_what_is_known_is_within_a_step_of_theta_and_theta_in_the_mean(bits):
    """R is the distance to what was known, not to the theta before; rounding up is as likely as the rest is large."""
    solver = QGadmm(workers=5, bits=bits, rho=3.0)
    s, p, world = alone(solver)
    slopes = []
    for _ in range(150):
        old = np.array(s.known)
        solver.step(s, p, world)
        theta, new = np.array(s.theta), np.array(s.known)
        R = np.abs(theta - old).max(axis=1, keepdims=True)
        step = 2 * R / (2**bits - 1)
        assert (np.abs(new - theta) <= step * (1 + 1e-6)).all()
        up = (theta - old + R) / step % 1
        slopes.append((new - theta) / step * (1 - 2 * up))
    assert abs(np.mean(slopes)) < 0.02  # it would be 1/3 for the probability of rounding down


def test_random_numbers_belong_to_seed_worker_and_iteration():
    solver = QGadmm(workers=4, bits=1)
    assert_same_bits(run(1, solver, 3)[0], run(1, solver, 3)[0])
    drawn = {}
    s, _, _ = alone(solver)
    for seed in (0, 1):
        for s.iterations in (0, 1):
            drawn[seed, s.iterations] = uniform(s, slice(None), seed)
            every = np.random.default_rng([seed, KEY, s.iterations]).random((4, s.theta.rows.shape[1]))
            assert (drawn[seed, s.iterations] == every[s.work.workers.mine]).all()
    rows = np.concatenate(list(drawn.values()))
    assert len(np.unique(rows)) == rows.size
