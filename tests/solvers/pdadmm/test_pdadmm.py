"""pdADMM agrees with its algorithm box; what it carries is what it would form afresh; schedules and wires."""

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.solvers import PdAdmm
from hpcadmm.testing.problems import problem, started, stepped
from tests.helpers.plain_pdadmm import Plain, disturb, functions_of, multipliers

activations = pytest.mark.parametrize("activation", ["relu", "leaky-relu", "tanh", "sigmoid"])
updates = pytest.mark.parametrize("update", ["quadratic", "backtracking", "exact"])
OPTIONS = [
    {},
    {"decay": 0.3},
    {"decay": 0.3, "penalty": "l1"},
    {"update": "backtracking"},
    {"update": "backtracking", "decay": 0.3},
    {"update": "backtracking", "decay": 0.3, "penalty": "l1"},
    {"update": "exact"},
    {"update": "exact", "pull": "plain", "decay": 0.3},
    {"schedule": "every", "period": 2, "factor": 1.7, "limit": 4.0},
    {"schedule": "every", "period": 1, "factor": 1.3, "update": "exact"},
    {"schedule": "balanced", "period": 1, "factor": 1.6, "rho": 1e-3},
    {"schedule": "balanced", "period": 1, "factor": 1.6, "rho": 300.0, "update": "exact"},
    {"init": "normal"},
    {"wire": "float32"},
    {"wire": "float32", "update": "exact", "schedule": "every", "period": 1, "factor": 1.3},
    {"wire": "float32", "schedule": "balanced", "period": 1, "factor": 1.6, "rho": 1e-3},
]


def close(found, expected, rtol=1e-9):
    """Relative to the largest entry."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=rtol * np.abs(expected).max())


def agrees(s, plain, rtol=1e-9):
    """All arrays of a state are those of the algorithm box."""
    for l in range(1, plain.L + 1):
        n = plain.n[l - 1]
        close(s.W[l], np.hstack([plain.W[l], plain.b[l]])[:, : s.W[l].shape[1]], rtol)
        close(s.p[l][:n], plain.p[l], rtol)
        close(s.z[l], plain.z[l], rtol)
        if l < plain.L:
            close(s.q[l], plain.q[l], rtol)


def beside(solver, p, steps, rtol=1e-9):
    """The solver and the algorithm box side by side, u included; the state after so many steps."""
    world = World.alone()
    s = started(solver, p, world)
    disturb(s, p)
    solver.prepare(s, p, world)
    plain = Plain(solver, p, s)
    for _ in range(steps):
        solver.step(s, p, world)
        plain.iterate()
        assert s.p[1] is p.x
        np.testing.assert_allclose([s.nu, s.rho], [plain.nu, plain.rho], rtol=1e-14)
        agrees(s, plain, rtol)
        for u, own in zip(multipliers(s, p)[1:], plain.u[1:], strict=True):
            close(u, own, rtol * 10)
        found = solver.measure(s, p, world)
        np.testing.assert_allclose(found["objective"], plain.objective(), rtol=rtol)
        np.testing.assert_allclose(found["primal_residual"], plain.residual(), rtol=rtol * 10)
        np.testing.assert_allclose(found["scale"], plain.scale(), rtol=rtol)
    return s


@activations
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_iterates_are_those_of_the_algorithm_box(activation, options):
    p = problem(World.alone(), (7, 5), "squared", activation)
    s = beside(PdAdmm(**{"nu": 0.7, "rho": 1.9, **options}), p, 4)
    assert (s.rho != {"rho": 1.9, **options}["rho"]) == ("schedule" in options)


@pytest.mark.parametrize("loss", ["hinge", "squared", "cross-entropy"])
@pytest.mark.parametrize("hidden", [(), (5,), (4, 6)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
@updates
def test_so_for_any_loss_and_depth_with_or_without_bias(loss, hidden, bias, update):
    p = problem(World.alone(), hidden, loss, bias=bias)
    beside(PdAdmm(nu=0.7, rho=1.9, update=update), p, 4)


@updates
@pytest.mark.parametrize(("nu", "rho"), [(1e-3, 0.5), (0.5, 1e-3), (30.0, 2.0)])
def test_so_for_penalties_of_any_size(update, nu, rho):
    beside(PdAdmm(nu=nu, rho=rho, update=update), problem(World.alone(), (7, 5), "squared", "tanh"), 4, 1e-8)


@activations
@updates
def test_so_in_single_precision(activation, update):
    p = problem(World.alone(), (7, 5), "cross-entropy", activation, dtype=np.float32)
    s = beside(PdAdmm(nu=0.7, rho=1.9, update=update), p, 3, 3e-4)
    assert {x.dtype for x in (*s.W[1:], *s.p[1:], *s.z[1:], *s.q[1:-1])} == {np.dtype(np.float32)}


@activations
@updates
@pytest.mark.parametrize("wire", [None, "float32", "float16", 16, 8])
def test_the_multiplier_is_nu_times_q_minus_f(activation, update, wire):
    """u, accumulated as u + rho (p_{l+1} - q_l) with p as agreed, never differs from nu (q_l - f(z_l)); also when nu
    and rho change."""
    world = World.alone()
    solver = PdAdmm(nu=0.7, rho=1.9, update=update, wire=wire, schedule="every", period=3, factor=1.5)
    p = problem(world, (7, 5), "cross-entropy", activation)
    s, f = started(solver, p, world), functions_of(p.network.activation)[0]
    u = [None, *(np.zeros_like(q) for q in s.q[1:3])]
    for _ in range(8):
        nu, rho = s.nu, s.rho
        solver.step(s, p, world)
        assert s.nu_of_u == nu
        for l in (1, 2):
            u[l] += rho * (s.links.p_above(l)[: len(u[l])] - s.q[l])
            np.testing.assert_allclose(nu * (s.q[l] - f(s.z[l])), u[l], atol=1e-11 * (1 + np.abs(u[l]).max()))


@activations
@pytest.mark.parametrize("options", [{}, {"update": "backtracking"}, {"decay": 0.2, "penalty": "l1"}], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_carried_residual_is_the_one_formed_afresh(activation, options, dtype):
    world = World.alone()
    p = problem(world, (7, 5), "cross-entropy", activation, dtype=dtype)
    s = stepped(PdAdmm(nu=0.7, rho=1.9, **options), p, world, 30)
    for l in (1, 2, 3):
        m = s.W[l].astype(np.float64) @ s.p[l]
        np.testing.assert_allclose(s.R[l], m - s.z[l], atol=100 * np.finfo(dtype).eps * np.abs(m).max())


@pytest.mark.parametrize(("limit", "expected"), [(1e3, [3, 3, 12, 12, 12, 48]), (13.0, [3, 3, 12, 12, 12, 12])])
def test_every_so_many_iterations_nu_and_rho_grow_up_to_the_limit(limit, expected):
    world, solver = World.alone(), PdAdmm(nu=1.5, rho=3.0, schedule="every", period=3, factor=4.0, limit=limit)
    p = problem(world, (4,))
    s, rho = started(solver, p, world), []
    for k in range(6):
        solver.step(s, p, world)
        rho.append(s.rho)
        assert s.nu == s.rho / 2
        assert s.iterations == k + 1
    assert rho == expected


@updates
@pytest.mark.parametrize(("rho", "grows"), [(1e-4, True), (1e4, False)])
def test_the_balanced_schedule_moves_rho_in_the_promised_direction(update, rho, grows):
    world, solver = World.alone(), PdAdmm(rho=rho, update=update, schedule="balanced", period=2, limit=1e6)
    p = problem(world, (7, 5), "squared")
    s, moves = started(solver, p, world), []
    for k in range(40):
        old, rho = [q.copy() for q in s.q[1:3]], s.rho
        solver.step(s, p, world)
        primal = sum(np.sum((s.p[l + 1][:-1] - s.q[l]) ** 2) for l in (1, 2)) ** 0.5
        dual = rho * sum(np.sum((new - q) ** 2) for new, q in zip(s.q[1:3], old, strict=True)) ** 0.5
        factor = 2.0 if primal > 10 * dual else 0.5 if dual > 10 * primal else 1.0
        assert s.rho == rho * (factor if k % 2 else 1.0)
        assert s.nu == 1.0
        moves.append(s.rho / rho)
    assert (max(moves) > 1) if grows else (min(moves) < 1)


def bytes_by_hand(n, iterations, width, samples, entry, head):
    """p_{l+1} with its row of ones and w_l, for every inner boundary, tile and iteration."""
    tiles = [min(width, samples - lo) for lo in range(0, samples, width)]
    return iterations * sum(head + entry * rows * m for k in n[1:-1] for rows in (k, k + 1) for m in tiles)


@pytest.mark.parametrize(
    ("wire", "entry", "head"), [(None, 8, 0), ("float32", 4, 0), ("float16", 2, 0), (16, 2, 8), (8, 1, 8)]
)
@updates
def test_a_wire_sends_these_bytes_and_trains_as_well_as_without_loss(wire, entry, head, update):
    world = World.alone()
    p = problem(world, (16, 12), "cross-entropy", samples=300)
    right, found = {}, {}
    for name in (None, wire):
        solver = PdAdmm(nu=0.1, rho=0.1, wire=name, update=update)
        s = stepped(solver, p, world, 100)
        found = solver.measure(s, p, world)
        z = p.network.forward(solver.weights(s, world), p.x)
        right[name] = np.mean(np.argmax(z, axis=0) == p.train.labels)
    assert found["payload_bytes"] == bytes_by_hand(p.network.n, 100, 64, 300, entry, head)
    assert abs(right[None] - right[wire]) <= 0.02
    assert right[wire] > 0.8
    assert ("wire_error" in found) == (wire is not None)


@pytest.mark.parametrize("wire", [8, 16, "float16"])
def test_what_the_wire_loses_falls_as_the_iterates_converge(wire):
    """And it is the norm of what neighbours do not know, relative to what they should."""
    world, solver = World.alone(), PdAdmm(nu=1.0, rho=5.0, wire=wire)
    p = problem(world, (7, 5), "squared")
    s, errors = started(solver, p, world), []
    for _ in range(300):
        solver.step(s, p, world)
        errors.append(solver.measure(s, p, world)["wire_error"])
    assert max(errors[-5:]) < 0.1 * max(errors[:5])
    w = [None, *(u - s.rho * q for u, q in zip(multipliers(s, p)[1:], s.q[1:3], strict=True))]
    pairs = [(s.p[l], s.sent_p[l]) for l in (2, 3)]
    lost = sum(np.sum((x - sent) ** 2) for x, sent in [*pairs, *((w[l], s.sent_w[l]) for l in (1, 2))])
    said = sum(np.sum(sent**2) for _, sent in pairs) + sum(np.sum(w[l] ** 2) for l in (1, 2))
    np.testing.assert_allclose(errors[-1], (lost / said) ** 0.5, rtol=1e-6)


@pytest.mark.parametrize(("wire", "tolerance"), [("float32", 1e-7), (16, 1e-4), ("float16", 1e-3), (8, 2e-2)])
def test_neighbours_know_of_one_another_what_is(wire, tolerance):
    """Exactly so at the start; then as well as the wire allows, also just after nu and rho have changed."""
    p, world = problem(World.alone(), (7, 5), "squared"), World.alone()
    solver = PdAdmm(wire=wire, schedule="every", period=4, factor=3.0)
    s = started(solver, p, world)
    disturb(s, p)
    solver.prepare(s, p, world)
    for k in range(13):
        w = [None, *(u - s.rho * q for u, q in zip(multipliers(s, p)[1:], s.q[1:3], strict=True))]
        for l in (1, 2):
            close(s.sent_w[l], w[l], tolerance if k else 1e-15)
            close(s.sent_p[l + 1], s.p[l + 1], tolerance if k else 1e-15)
            assert s.links.p_above(l) is s.sent_p[l + 1]
            np.testing.assert_array_equal(s.links.w_below(l + 1, slice(0, 64)), s.sent_w[l][:, :64])
        solver.step(s, p, world)


@pytest.mark.parametrize("wire", ["float32", 16])
def test_a_fine_wire_changes_the_iterates_little(wire):
    p, world = problem(World.alone(), (7, 5), "squared"), World.alone()
    lossless, lossy = (stepped(PdAdmm(wire=name), p, world, 12) for name in (None, wire))
    for l in (1, 2, 3):
        close(lossy.W[l], lossless.W[l], 1e-3)
        assert (lossy.W[l] != lossless.W[l]).any()
