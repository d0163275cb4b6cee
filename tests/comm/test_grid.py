"""Messages between two ranks, and ranks as a grid of layers x samples: who is where, what arrives, what is counted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcadmm.comm import world as module
from hpcadmm.comm.world import World
from hpcadmm.testing.threads import on_ranks

ORDERS = {
    "vector": lambda: np.arange(20.0),
    "C": lambda: np.arange(20.0, dtype=np.float32).reshape(4, 5),
    "Fortran": lambda: np.asfortranarray(np.arange(20.0).reshape(4, 5)),
    "columns": lambda: np.asfortranarray(np.arange(30.0).reshape(3, 10))[:, 2:7],
    "bytes": lambda: np.arange(20, dtype=np.uint8),
    "one": lambda: np.array([3.5]),
    "nothing": lambda: np.zeros((3, 0), order="F"),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("chunk", [1, 7, 20, 1 << 27])
def test_a_message_arrives_whole_in_its_order_and_counts_once(monkeypatch, order, chunk):
    monkeypatch.setattr(module, "CHUNK", chunk)

    def work(world):
        array, before = ORDERS[order](), (world.traffic.messages, world.traffic.bytes)
        if world.rank == 2:
            world.send(array, 0, 5).wait()
        if world.rank == 0:
            array = np.full_like(array, 77)
            world.receive(array, 2, 5).wait()
        traffic = world.traffic
        return array.tobytes(order="A"), (traffic.messages - before[0], traffic.bytes - before[1])

    found = on_ranks(3, work)
    assert found[0][0] == ORDERS[order]().tobytes(order="A")
    assert [counts for _, counts in found] == [(0, 0), (0, 0), (1, ORDERS[order]().nbytes)]


def test_messages_between_the_same_ranks_keep_their_order_and_their_tags():
    def work(world):
        other, buffers = 1 - world.rank, np.zeros((4, 2))
        sent = [np.array([world.rank, k], dtype=float) for k in range(4)]
        pending = [world.receive(buffers[k], other, tag=k % 2) for k in (1, 3, 0, 2)]
        pending += [world.send(sent[k], other, tag=k % 2) for k in range(4)]
        for one in reversed(pending):
            one.wait()
            one.wait()  # again changes nothing
        return buffers.tolist()

    found = on_ranks(2, work)
    assert found == [[[1 - rank, k] for k in range(4)] for rank in range(2)]


@pytest.mark.parametrize("verb", ["send", "receive"])
@pytest.mark.parametrize("cut", [np.s_[::2], np.s_[1:, :], np.s_[:, ::2]], ids=str)
def test_an_array_that_is_not_contiguous_is_refused(verb, cut):
    world = World.alone()
    with pytest.raises(ValueError, match="not contiguous") as refused:
        getattr(world, verb)(np.asfortranarray(np.zeros((4, 6)))[cut], 0, 1)
    assert "shape" in str(refused.value)
    assert world.traffic.messages == world.traffic.bytes == 0


def test_the_watchdog_hears_of_messages_and_of_the_parts_of_a_grid():
    def work(world):
        heard = []
        world.beat = heard.append
        grid = world.arranged(2, 1)
        array = np.ones(3)
        (grid.chain.send(array, 1, 1) if grid.chain.first else grid.chain.receive(array, 0, 1)).wait()
        grid.samples.sum(1.0)
        return heard

    messages = (["send", None, "message", None], ["receive", None, "message", None])
    assert on_ranks(2, work) == [[*one, "sum", None] for one in messages]


# Ranks as a grid


def seats(world, layers, samples):
    """Which ranks share this one's layers, and which its columns."""
    grid = world.arranged(layers, samples)
    return [(part.rank, part.gather(world.rank)) for part in (grid, grid.samples, grid.chain)]


@settings(max_examples=20)
@given(layers=st.integers(1, 4), samples=st.integers(1, 4))
def test_a_grid_is_dealt_by_rows_of_layers(layers, samples):
    size = layers * samples
    for rank, (whole, row, column) in enumerate(on_ranks(size, lambda world: seats(world, layers, samples))):
        block, part = divmod(rank, samples)
        assert whole == (rank, list(range(size)))
        assert row == (part, [block * samples + k for k in range(samples)])
        assert column == (block, [k * samples + part for k in range(layers)])


@pytest.mark.parametrize("grid", [(1, 3), (5, 1), (2, 3), (0, 4)])
def test_a_grid_of_other_ranks_is_refused(grid):
    def work(world):
        with pytest.raises(ValueError, match=f"a grid of {grid[0]} x {grid[1]} does not fit 4 ranks"):
            world.arranged(*grid)
        return True

    assert all(on_ranks(4, work))


def test_a_world_that_is_not_arranged_is_its_samples_and_a_chain_of_one():
    def work(world):
        return world.samples is world, world.chain.size, world.chain.rank, world.chain.traffic is world.traffic

    assert on_ranks(3, work) == [(True, 1, 0, True)] * 3


@pytest.mark.parametrize("grid", [(2, 2), (4, 1), (1, 4)])
def test_what_the_parts_of_a_grid_send_counts_in_the_whole(grid):
    def work(world):
        arranged = world.arranged(*grid)
        found = []
        for part in (arranged, arranged.samples, arranged.chain):
            before = world.traffic.messages, world.traffic.bytes, world.traffic.seconds
            part.sum(np.ones(3))
            found.append((world.traffic.messages - before[0], world.traffic.bytes - before[1]))
            assert world.traffic.seconds > before[2]
            assert part.traffic is world.traffic
        return found

    one, nothing = (1, 24), (0, 0)
    expected = [one, one if grid[1] > 1 else nothing, one if grid[0] > 1 else nothing]
    assert on_ranks(4, work) == [expected] * 4
