"""Sums that travel while the ranks work: the same bits as at once, whatever else is in transit."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcadmm.comm.exact.over_ranks import begin, sum_exactly
from hpcadmm.comm.exact.sums import Exact
from hpcadmm.comm.exact.vectors import side_by_side
from hpcadmm.comm.world import World
from hpcadmm.model.tiles import block
from hpcadmm.testing.threads import on_ranks
from tests.helpers.sums import wild

COUNT = 6  # partials of a sum
GRIDS = [-60, 7, 60]  # bounds that are too low, good, too loose


class Flights:
    """Three sums on one rank, the last of them symmetric; the first two may lie in one message."""

    def __init__(self, world, dtype, grids, message):
        self.world, shapes = world, [(3, 2), (4, 5), (4, 4)]
        self.sums = [
            Exact(s, dtype, COUNT, g, symmetric=k == 2) for k, (s, g) in enumerate(zip(shapes, grids, strict=True))
        ]
        self.messages = [None] * 3
        if message:
            joined = side_by_side(self.sums[:2])
            lengths = [s.length for s in self.sums[:2]]
            self.messages[:2] = np.split(joined, [lengths[0]])
        self.repeated = []

    def add(self, k, seed):
        total, dtype = self.sums[k], self.sums[k].dtype
        total.clear()
        for p in wild(seed + k, COUNT, dtype, total.shape, spread=3)[:COUNT][
            slice(*block(COUNT, self.world.size, self.world.rank))
        ]:
            total.add(np.asfortranarray(p @ p.T, dtype) if k == 2 else p)

    def again(self, k, seed):
        self.repeated.append(k)
        self.add(k, seed)

    def bits(self):
        return [(s.total.tobytes("A"), s.scales.tobytes()) for s in self.sums]


def at_once(world, dtype, grids, seeds):
    flights = Flights(world, dtype, grids, message=False)
    for seed in seeds:
        for k in range(3):
            flights.add(k, seed)
            sum_exactly(world, [flights.sums[k]], partial(flights.again, k, seed))
    return flights.bits(), sorted(flights.repeated)


def in_transit(world, dtype, grids, seeds, order, message):
    flights = Flights(world, dtype, grids, message)
    for seed in seeds:
        started = []
        for k in range(3):
            flights.add(k, seed)
            started.append(begin(world, [flights.sums[k]], flights.messages[k]))
            for _ in range(world.rank):  # some ranks ask more often than others
                world.progress()
        for k in order:
            started[(k + 1) % 3].progress()
            started[k].finish(partial(flights.again, k, seed))
        assert not world.traffic.sums
    return flights.bits(), sorted(flights.repeated)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32 - 9),
    size=st.integers(1, 4),
    grids=st.lists(st.sampled_from(GRIDS), min_size=3, max_size=3),
    order=st.permutations(range(3)),
    message=st.booleans(),
)
def test_sums_in_transit_have_the_bits_of_sums_at_once(dtype, seed, size, grids, order, message):
    """Whichever is finished first, with bounds that fail in the first round, and in the second what they left."""
    seeds = (seed, seed + 3)
    found = on_ranks(size, lambda world: in_transit(world, dtype, grids, seeds, order, message))
    assert found == [at_once(World.alone(), dtype, grids, seeds)] * size
    assert set(found[0][1]) >= {k for k in range(3) if grids[k] != 7}


def test_a_started_sum_is_one_message_and_nothing_alone():
    def work(world):
        vector = np.arange(5.0) * (world.rank + 1)
        pending = world.start_sum(vector)
        counted = world.traffic.messages, world.traffic.bytes
        pending.wait()
        assert pending.progress()
        return vector.tolist(), counted, len(world.traffic.sums)

    assert on_ranks(3, work) == [([0, 6, 12, 18, 24], (1, 40), 0)] * 3
    assert work(World.alone()) == ([0, 1, 2, 3, 4], (0, 0), 0)
    assert work(World.without_mpi()) == ([0, 1, 2, 3, 4], (0, 0), 0)


def test_the_watchdog_hears_of_a_sum_that_does_not_arrive():
    def work(world):
        heard = []
        world.beat = heard.append
        pending = world.start_sum(np.ones(2))
        while not pending.progress():
            pass
        return set(heard)

    assert on_ranks(2, work) == [{"sum", None}] * 2
