"""Layers dealt to ranks: contiguous, none without, the dearest block as cheap as can be; and grids that do not fit."""

from itertools import combinations, pairwise, product
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hpcadmm.errors import UsageError
from hpcadmm.solvers import PdAdmm
from hpcadmm.solvers.pdadmm.cost import layer_costs
from hpcadmm.solvers.shared.dealing import Block, Flow, deal, deal_flow, grid
from hpcadmm.testing.problems import problem
from hpcadmm.testing.threads import on_ranks

whole = st.lists(st.integers(0, 9), min_size=1, max_size=8)
real = st.lists(st.floats(0, 1e9), min_size=1, max_size=8)


def dearest(items, cuts):
    return max(sum(items[lo:hi]) for lo, hi in cuts)


def every_cut(n, blocks):
    """All ways to cut n items into so many contiguous blocks, none empty."""
    for inner in combinations(range(1, n), blocks - 1):
        yield list(pairwise([0, *inner, n]))


@given(st.data(), whole | real)
def test_no_cut_has_a_cheaper_dearest_block(data, items):
    blocks = data.draw(st.integers(1, len(items)))
    assert dearest(items, deal(items, blocks)) == min(dearest(items, cut) for cut in every_cut(len(items), blocks))


@given(st.data(), whole | real)
def test_blocks_are_contiguous_and_none_is_empty(data, items):
    blocks = data.draw(st.integers(1, len(items)))
    cuts = deal(items, blocks)
    assert len(cuts) == blocks
    assert [lo for lo, _ in cuts] + [len(items)] == [0] + [hi for _, hi in cuts]
    assert all(lo < hi for lo, hi in cuts)


@given(st.data(), whole)
def test_the_first_block_ends_as_early_as_can_be_and_the_others_are_dealt_alike(data, items):
    blocks = data.draw(st.integers(1, len(items)))
    cuts = deal(items, blocks)
    least, end = dearest(items, cuts), cuts[0][1]
    assert end == min(cut[0][1] for cut in every_cut(len(items), blocks) if dearest(items, cut) == least)
    if blocks > 1:
        assert cuts[1:] == [(lo + end, hi + end) for lo, hi in deal(items[end:], blocks - 1)]


@pytest.mark.parametrize("blocks", [0, -1, 4])
def test_more_blocks_than_layers_or_none_are_refused(blocks):
    with pytest.raises(ValueError, match=f"3 layers cannot be dealt to {blocks} blocks"):
        deal([1, 1, 1], blocks)


def test_what_a_layer_costs():
    """Products of the size of W for each sample, fewer of them in the first layer; then its entries."""
    sizes = (10, 10, 10, 10), (10, 10, 999, 10)
    small, wide = (layer_costs(PdAdmm(), SimpleNamespace(n=n, depth=3), None) for n in sizes)
    assert small[0] < small[1] == small[2]
    assert wide[0] == small[0]
    assert min(wide[1:]) > 50 * small[1]
    large = layer_costs(PdAdmm(), SimpleNamespace(n=(10**5,) * 3, depth=2), None)
    np.testing.assert_allclose(large, [2e10, 4e10], rtol=1e-2)


@given(L=st.integers(1, 9), ranks=st.integers(1, 64))
@example(L=4, ranks=7)
def test_by_default_as_many_blocks_of_layers_as_divide_the_ranks(L, ranks):
    layers, samples = grid(None, L, ranks)
    assert layers * samples == ranks
    assert 1 <= layers <= L
    assert not [d for d in range(layers + 1, L + 1) if ranks % d == 0]


@given(layers=st.integers(1, 6), samples=st.integers(1, 6), L=st.integers(1, 6), ranks=st.integers(1, 36))
def test_a_grid_is_taken_as_it_is_or_refused_with_its_numbers_and_a_cure(layers, samples, L, ranks):
    if layers <= L and layers * samples == ranks:
        assert grid([layers, samples], L, ranks) == (layers, samples)
        return
    with pytest.raises(UsageError) as refused:
        grid([layers, samples], L, ranks)
    said = str(refused.value)
    assert f"solver.grid = [{layers}, {samples}]" in said
    if layers > L:
        assert f"{L} layers" in said
        assert f"at most {L} blocks" in said
    else:
        assert f"{layers * samples} ranks" in said
        assert f"there are {ranks}" in said
        assert f"start {layers * samples}, or leave solver.grid out" in said


@pytest.mark.parametrize(
    ("size", "wanted", "samples", "most"),
    [(4, None, 3, 2), (4, [1, 4], 192, 6), (3, [1, 3], 100, 4), (6, [2, 3], 100, 4), (5, None, 200, 8)],
)
def test_ranks_without_work_are_refused_on_all_of_them(size, wanted, samples, most):
    """Two layers; tiles of 64 samples."""
    solver = PdAdmm(grid=wanted)

    def work(world):
        world = world.arranged(*solver.grid_of(2, world.size))
        with pytest.raises(UsageError) as refused:
            solver.check_problem(problem(world, (5,), samples=samples), world)
        return str(refused.value)

    said = on_ranks(size, work)
    assert len(set(said)) == 1
    layers, columns = solver.grid_of(2, size)
    tiles = -(-samples // 64)
    for words in (f"{size} ranks", f"{layers} blocks of layers x {columns}", f"2 layers x {tiles} tiles"):
        assert words in said[0]
    assert f"at most {most} ranks" in said[0]
    assert "solver.grid" in said[0]


@pytest.mark.parametrize(("size", "wanted", "samples"), [(4, [2, 2], 65), (2, None, 1), (6, None, 192)])
def test_as_many_ranks_as_have_work_are_taken(size, wanted, samples):
    solver = PdAdmm(grid=wanted)

    def work(world):
        world = world.arranged(*solver.grid_of(2, world.size))
        p = problem(world, (5,), samples=samples)
        solver.check_problem(p, world)
        state = solver.blank(p, world)
        return len(p.tiles), len(state.mine)

    assert all(tiles and layers for tiles, layers in on_ranks(size, work))


flows = st.integers(1, 5).flatmap(
    lambda L: st.tuples(*(st.lists(st.integers(1, 9), min_size=L, max_size=L) for _ in ("own", "pull", "forward")))
)


@given(st.data(), flows, st.integers(1, 9))
def test_a_flow_is_dealt_as_cheaply_as_can_be(data, costs, parts):
    """Every boundary lies below or above a pull; a block begins when the blocks below have passed a part on."""
    own, pull, forward = costs
    flow, L = Flow(own, [0, *pull[1:]], forward), len(own)
    blocks = data.draw(st.integers(1, L))

    def every_deal():
        for cuts in every_cut(L, blocks):
            for lent in product((False, True), repeat=blocks - 1):
                below, above = [True, *(not one for one in lent)], [*lent, False]
                yield [
                    Block(range(lo + 1, hi + 1), range(max(2, lo + 1 + (not kept)), hi + 1 + takes))
                    for (lo, hi), kept, takes in zip(cuts, below, above, strict=True)
                ]

    found = deal_flow(flow, blocks, parts)
    every = list(every_deal())
    assert found in every

    def dearest_block(dealt):
        return max(flow.of(block, parts) for block in dealt)

    assert dearest_block(found) == min(map(dearest_block, every))
