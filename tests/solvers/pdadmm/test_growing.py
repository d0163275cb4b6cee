"""Layers that join later do so without a jolt, and until then the others train as if alone."""

import re

import numpy as np
import pytest

from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.solvers import PdAdmm
from hpcadmm.solvers.pdadmm.start import Stage, grow
from hpcadmm.testing.problems import problem, started, stepped
from tests.helpers.plain_pdadmm import multipliers


def test_layers_train_in_the_order_of_stages_as_the_smaller_network_would():
    """Before its layers join, a network of 4 layers is, bit for bit, that of its first and last layers."""
    world, solver = World.alone(), PdAdmm(stages=[Stage(2, 3), Stage(4, 9)])
    wide, small = problem(world, (5, 5, 5)), problem(world, (5,))
    one, other = started(solver, wide, world), started(PdAdmm(), small, world)
    PdAdmm().set_weights(other, [None, one.W[1], one.W[4]], small, world)
    PdAdmm().prepare(other, small, world)
    for _ in range(3):
        solver.step(one, wide, world)
        PdAdmm().step(other, small, world)
    for name in ("W", "p", "z"):
        for l, k in ((1, 1), (4, 2)):
            assert (getattr(one, name)[l] == getattr(other, name)[k]).all()
    assert (one.q[1] == other.q[1]).all()
    for _ in range(6):
        solver.step(one, wide, world)
    assert all((one.W[l] != np.eye(5, 6)).any() for l in (2, 3))
    assert one.links.layers == [1, 2, 3, 4]


@pytest.mark.parametrize("update", ["quadratic", "exact"])
@pytest.mark.parametrize("wire", [None, 8])
def test_joining_layers_change_nothing_at_that_moment(update, wire):
    """ReLU: outputs stay; what the old layers lack stays; the new ones are identities that fit, with u = 0."""
    world = World.alone()
    solver = PdAdmm(nu=0.7, rho=1.9, update=update, stages=[Stage(3, 8), Stage(5, 9)], wire=wire)
    p = problem(world, (7, 6, 6, 6), "cross-entropy")
    s = stepped(solver, p, world, 8)
    kept = [1, 2, 5]
    z, u = p.network.forward(s.W, p.x), multipliers(s, p)
    old = [{l: x[l].copy() for l in kept if x[l] is not None} for x in (s.W, s.p, s.z, s.q)]
    grow(solver, s, p, world)
    assert (p.network.forward(s.W, p.x) == z).all()
    assert s.links.layers == [1, 2, 3, 4, 5]
    for now, then in zip((s.W, s.p, s.z, s.q), old, strict=True):
        assert all((now[l] == x).all() for l, x in then.items())
    for l in (3, 4):
        assert (s.W[l] == np.eye(6, 7)).all()
        assert (s.p[l][:6] == s.q[l - 1]).all(), "no residual below"
        assert (s.z[l] == s.W[l] @ s.p[l]).all()
        assert (s.q[l] == np.maximum(s.z[l], 0)).all()
        assert s.R[l] is None or (s.R[l] == 0).all()
        if wire:
            assert (s.sent_p[l] == s.p[l]).all()
            assert (s.sent_w[l] == -1.9 * s.q[l]).all()
    assert (multipliers(s, p)[1] == u[1]).all()
    assert (multipliers(s, p)[2] == u[2]).all()
    u = [None, *(x.copy() for x in multipliers(s, p)[1:])]
    for _ in range(6):
        solver.step(s, p, world)
        for l in (1, 2, 3, 4):
            u[l] += 1.9 * (s.links.p_above(l)[: len(u[l])] - s.q[l])
            np.testing.assert_allclose(multipliers(s, p)[l], u[l], atol=1e-11)


def test_new_layers_are_identities_from_the_start_and_until_they_join():
    world, solver = World.alone(), PdAdmm(stages=[Stage(2, 3), Stage(3, 3), Stage(4, 9)])
    p = problem(world, (5, 5, 5))
    s = started(solver, p, world)
    for k in range(7):
        joined = [l for l in (2, 3) if k > 3 * (l - 1)]
        assert all((s.W[l] == np.eye(5, 6)).all() for l in (2, 3) if l not in joined)
        assert s.links.layers == [[1, 4], [1, 2, 4], [1, 2, 3, 4]][max(k - 1, 0) // 3]
        solver.step(s, p, world)


@pytest.mark.parametrize(
    "stages", [[(2, 5)], [(4, 5), (2, 5)], [(2, 5), (5, 5)], [(1, 5), (4, 5)], [(2, 5), (2, 5), (4, 1)]]
)
def test_wrong_stages_are_refused_with_their_numbers(stages):
    solver = PdAdmm(stages=[Stage(*stage) for stage in stages])
    with pytest.raises(UsageError, match=re.escape(str([k for k, _ in stages])) + ".* 4 "):
        solver.check(4)


@pytest.mark.parametrize(
    ("hidden", "activation", "message"),
    [
        ((6, 6, 5), "relu", "layer 3 .* 5 units on 6"),
        *(((6, 6, 6), f, f"layers .2, 3. join later.*{f}") for f in ("leaky-relu", "tanh", "sigmoid")),
    ],
)
def test_layers_that_join_later_must_be_identities(hidden, activation, message):
    """So they must be square, and f(f(z)) = f(z); layers that train from the start need not."""
    world, p = World.alone(), problem(World.alone(), hidden, activation=activation)
    solver = PdAdmm(stages=[Stage(2, 5), Stage(4, 5)])
    solver.check(4)
    with pytest.raises(UsageError, match=message):
        solver.check_problem(p, world)
    PdAdmm(stages=[Stage(4, 5)]).check_problem(p, world)


def test_a_balanced_rho_over_its_limit_does_not_fall_for_it():
    world, solver = World.alone(), PdAdmm(rho=1e-2, limit=4e-3, schedule="balanced", period=1)
    p = problem(world, (6, 6))
    s = started(solver, p, world)
    for _ in range(5):
        before = s.rho
        solver.step(s, p, world)
        assert s.rho in (
            before,
            before / solver.factor,
            min(before * solver.factor, max(before, solver.limit)),
        )
        assert s.rho != solver.limit
