"""Dealing columns to ranks: nothing lost, nothing twice, and a tile does not depend on the ranks."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hpcadmm.model.tiles import Tiles, block, tile_width

sizes = st.integers(1, 40)


@given(st.integers(0, 500), sizes)
def test_blocks_partition_evenly(n, size):
    blocks = [block(n, size, rank) for rank in range(size)]
    assert [i for lo, hi in blocks for i in range(lo, hi)] == list(range(n))
    held = [hi - lo for lo, hi in blocks]
    assert max(held) - min(held) <= 1


@given(st.integers(0, 3000), st.integers(1, 200), sizes)
def test_tiles_partition_the_columns(n, width, size):
    ranks = [Tiles(n, width, size, rank) for rank in range(size)]
    assert ranks[0].lo == 0
    assert ranks[-1].hi == n
    assert all(one.hi == following.lo for one, following in pairwise(ranks))
    found = [(t, one.lo + s.start, one.lo + s.stop) for one in ranks for t, s in one]
    assert found == [(t, t * width, min((t + 1) * width, n)) for t in range(ranks[0].count)]
    assert sum(len(one) for one in ranks) == ranks[0].count
    for one in ranks:
        assert all(0 <= s.start < s.stop <= one.hi - one.lo for _, s in one)


@given(st.integers(1, 3000), st.integers(1, 200), sizes, sizes)
def test_the_same_tiles_dealt_otherwise(n, width, size, other):
    tiles = Tiles(n, width, size, size - 1)
    assert tiles.of(other, 0) == Tiles(n, width, other, 0)
    assert tiles.of(other, 0).count == tiles.count


@given(st.integers(1, 10**8))
def test_width_is_a_power_of_two_in_its_limits_and_never_shrinks_with_n(n):
    width = tile_width(n)
    assert 64 <= width <= 1024
    assert width & (width - 1) == 0
    assert tile_width(n + 1) >= width


@given(st.integers(2000, 60000))
def test_width_gives_enough_tiles_to_deal_and_not_too_many(n):
    assert 30 <= Tiles(n, tile_width(n)).count <= 120


def test_more_ranks_than_tiles():
    ranks = [Tiles(130, 64, 7, rank) for rank in range(7)]
    assert sorted(len(one) for one in ranks) == [0, 0, 0, 0, 1, 1, 1]
    assert all(list(one) == [] and one.lo == one.hi for one in ranks if not len(one))


def test_no_samples():
    tiles = Tiles(0, 64, 2, 1)
    assert (tiles.count, tiles.lo, tiles.hi, list(tiles)) == (0, 0, 0, [])
