"""Gradients that travel while later products are formed: the same bits, whatever is in transit."""

from types import SimpleNamespace

import numpy as np
import pytest

from hpcadmm.comm.exact.sums import Exact
from hpcadmm.solvers import Adam, MpAdmm, Muon, Soap, Taylor
from hpcadmm.solvers.shared import gradient_sums
from hpcadmm.solvers.shared.buckets import in_buckets, overlaps
from hpcadmm.testing.problems import posed, stepped
from hpcadmm.testing.runs import assert_same_bits, done, run, together
from hpcadmm.testing.threads import on_ranks

MPADMM = {"batch": 60, "cut": 5, "warm": 3, "refresh": 2}
CASES = [
    (Adam, {"batch": 60, "cut": 5, "max_norm": 0.5}, 3),
    (Muon, {"batch": 60, "cut": 5, "average": 0.5}, 2),
    (Soap, {"batch": 60, "cut": 5, "refresh": 2}, 2),
    (MpAdmm, {**MPADMM, "inverses": "dealt"}, 3),
    (MpAdmm, {**MPADMM, "grid": [2, 2]}, 4),
    (Taylor, {"warm": 1}, 3),
]


@pytest.mark.parametrize(("solver", "options", "size"), CASES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_that_travel_change_no_bit(solver, options, size, dtype):
    problem = {"loss": "squared", "dtype": dtype, "samples": 333, "hidden": (7, 5)}
    alone = {**options, "grid": [1, 1]} if "grid" in options else options
    one = run(1, solver(**alone), 6, **problem)
    assert_same_bits(one[0], run(size, solver(**options, overlap="always"), 6, **problem)[0])


@pytest.mark.parametrize("solver", [Adam, MpAdmm])
@pytest.mark.parametrize("low", [1, 2, 3])
def test_a_bound_that_fails_is_repeated_while_others_travel(monkeypatch, solver, low):
    """W_3 has moved when the sum of layer 1 turns out to be too large for its bounds."""
    repeated, rescale = [], Exact.rescale
    monkeypatch.setattr(Exact, "rescale", lambda total, *given: (repeated.append(total.shape), rescale(total, *given)))

    def work(world, overlap):
        one = solver(batch=60, cut=4, overlap=overlap)
        p, world = posed(one, world, (7, 5), samples=300)
        s = stepped(one, p, world, 2)
        repeated.clear()
        total = s.sums.gradient[low]
        total.scales[: total.rows] -= 40
        for _ in range(2):
            one.step(s, p, world)
        return done(one, s, p, world)

    alone = together(on_ranks(1, lambda world: work(world, "never")))
    assert repeated
    for size in (2, 3):
        travelled = together(on_ranks(size, lambda world: work(world, "always")))
        assert repeated
        assert_same_bits(alone[0], travelled[0])


@pytest.mark.parametrize(
    ("overlap", "nodes", "least", "messages"),
    [("never", 2, 1, 1), ("auto", 1, 1, 1), ("auto", 2, 1, 3), ("auto", 2, 1 << 18, 1), ("always", 1, 1 << 18, 3)],
)
def test_sums_travel_one_by_one_where_that_is_asked_for_or_pays(monkeypatch, overlap, nodes, least, messages):
    """Between nodes, unless the messages are small."""
    monkeypatch.setattr(gradient_sums, "LEAST", least)

    def work(world):
        solver = Adam(cut=2, overlap=overlap)
        p, world = posed(solver, world, (7, 5))
        s = stepped(solver, p, world, 3)
        before = world.traffic.messages
        solver.step(s, p, world)
        return world.traffic.messages - before

    assert on_ranks(2, work, nodes=[0, nodes - 1]) == [messages] * 2


def test_all_samples_at_once_travel_in_one_message():
    def work(world):
        solver = Adam(batch=0, overlap="always")
        p, world = posed(solver, world, (7, 5))
        s = stepped(solver, p, world, 3)
        before = world.traffic.messages
        solver.step(s, p, world)
        return world.traffic.messages - before

    assert on_ranks(2, work) == [1] * 2


def test_one_rank_never_waits_for_itself():
    assert not overlaps("always", SimpleNamespace(size=1))


@pytest.mark.parametrize(
    ("sizes", "found"),
    [
        ([(2, 1), (2, 1), (1, 1)], [([3], [2, 1])]),
        ([(3, 40), (2, 5), (2, 5), (1, 60), (1, 2)], [([1], [3]), ([3], [2]), ([1], [1])]),
        ([(1, 50), (1, 1)], [([1], []), ([1], [1])]),
    ],
)
def test_buckets(sizes, found):
    """Products of layers and the numbers of their sums, in order; buckets of 320 bytes."""
    outers = [SimpleNamespace(layer=layer, total=SimpleNamespace(length=length)) for layer, length in sizes]
    buckets = in_buckets(outers, 320)
    assert [([len(b.outers)], b.completes) for b in buckets] == found
