"""A sum whose columns are added block by block: the bits and the scales of whole partials."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcadmm.comm.exact.over_ranks import Started, sum_exactly
from hpcadmm.comm.exact.pieces import Pieces
from hpcadmm.comm.exact.sums import Exact
from hpcadmm.comm.exact.vectors import side_by_side
from hpcadmm.comm.world import World
from hpcadmm.model.tiles import block
from hpcadmm.testing.threads import on_ranks
from tests.helpers.sums import wild

COUNT = 6


def add_whole(total, partials):
    total.clear()
    for partial in partials:
        total.add(partial)


def add_in_pieces(pieces, partials, started):
    pieces.clear(len(partials))
    for columns in pieces.blocks:
        for partial, out in zip(partials, pieces.partials(columns), strict=True):
            out[...] = partial[:, columns]
        started.send(pieces.add(columns))


@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**32 - 9),
    size=st.integers(1, 8),
    columns=st.sampled_from([1, 3, 130]),
    blocks=st.integers(1, 4),
    grid=st.sampled_from([-60, 7, 60]),
)
def test_pieces_give_what_whole_partials_give(seed, size, columns, blocks, grid):
    """Three sums in a row: the first bounds are too low, good or too loose; some ranks may have no partials."""

    def work(world, cut):
        total, found, repeated = Exact((5, columns), np.float32, COUNT, grid, patient=True), [], 0
        message = side_by_side([total])
        pieces = Pieces(total, blocks)
        for k in range(3):
            mine = wild(seed + k, COUNT, np.float32, total.shape, 3)[:COUNT][
                slice(*block(COUNT, world.size, world.rank))
            ]

            def again(mine=mine):
                nonlocal repeated
                repeated += 1
                add_whole(total, mine)

            if cut:
                started = Started(world, [total], message)
                add_in_pieces(pieces, mine, started)
                started.finish(again)
            else:
                add_whole(total, mine)
                sum_exactly(world, [total], again, message)
            found += [total.total.tobytes("A"), total.scales.tobytes()]
        return found, repeated

    assert on_ranks(size, lambda world: work(world, True)) == [work(World.alone(), False)] * size


@pytest.mark.parametrize(("columns", "count"), [(785, 4), (130, 2), (64, 1), (7, 3), (2, 4)])
def test_blocks_cover_the_columns_in_sixteens_where_these_are_many(columns, count):
    blocks = Pieces(Exact((3, columns), np.float32, 1, patient=True), count).blocks
    assert [x for b in blocks for x in range(b.start, b.stop)] == list(range(columns))
    assert len(blocks) <= count
    assert all(b.stop % 16 == 0 for b in blocks[:-1]) or columns < 64 * count
