"""Exact sums of what is not finite, near the ends of the range, symmetric, or nothing at all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcadmm.comm.exact.sums import Exact, sum_by_tile
from hpcadmm.comm.world import World
from hpcadmm.model.tiles import Tiles, block
from hpcadmm.testing.threads import on_ranks
from tests.helpers.sums import alone, summed, wild

both = pytest.mark.parametrize("dtype", [np.float32, np.float64])
seeds = st.integers(0, 2**32 - 1)


@both
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", range(4))
def test_what_is_not_finite_shows_on_every_rank_and_ends(dtype, bad, place):
    partials = wild(5, 4, dtype, spread=1)[:4]
    partials[place][1, 1] = bad

    def work(world):
        total = Exact((3, 2), dtype, 4)
        lo, hi = block(4, world.size, world.rank)
        with np.errstate(invalid="ignore"):
            summed(world, partials, total, partials[lo:hi])
        return total.total

    for size in (1, 3):
        for found in on_ranks(size, work):
            assert not np.isfinite(found[1, 1])
            assert np.isfinite(np.delete(found.reshape(-1), 3)).all()


@both
def test_a_sum_after_one_that_was_not_finite_is_exact_again(dtype):
    partials = wild(5, 4, dtype)
    total = Exact((3, 2), dtype, len(partials))
    summed(World.alone(), [np.full((3, 2), np.nan, dtype, order="F")], total)
    assert summed(World.alone(), partials, total)[0] == alone(partials)[1]


@pytest.mark.parametrize("size", [1e-310, 1e-200, 1e250, 1e305, 1.7e308])
def test_the_ends_of_the_range_of_float64(size):
    """Near overflow the value is kept; near underflow it may be lost, but nothing fails."""
    partials = [np.full((2, 2), size, order="F"), np.full((2, 2), -size / 2, order="F")]
    total, _, _ = alone(partials)
    np.testing.assert_allclose(total.total, size / 2, rtol=1e-12, atol=2.0**-900)
    summed(World.alone(), partials, total)
    np.testing.assert_allclose(total.total, size / 2, rtol=1e-12, atol=2.0**-900)


@pytest.mark.parametrize("size", [1e-45, 1e-30, 1e30, 3e38])
def test_the_ends_of_the_range_of_float32(size):
    partials = [np.full((2, 2), size, np.float32, order="F")] * 3
    np.testing.assert_allclose(alone(partials)[0].total, 3 * np.float64(np.float32(size)), rtol=1e-12)


@both
@given(seed=seeds, n=st.integers(1, 6))
def test_of_a_symmetric_sum_a_triangle_travels(dtype, seed, n):
    random = np.random.default_rng(seed)
    tiles = [random.standard_normal((n, 4)).astype(dtype) for _ in range(5)]
    partials = [np.asfortranarray(x @ x.T) for x in tiles]
    partials = [np.asfortranarray(np.tril(p) + np.tril(p, -1).T) for p in partials]
    half, whole = alone(partials, symmetric=True)[0], alone(partials)[0]
    np.testing.assert_allclose(half.total, whole.total, rtol=1e-11, atol=1e-11)
    assert half.packed.size == n * (n + 1) // 2 * half.words + n
    assert (half.total == half.total.T).all()


@both
def test_a_symmetric_sum_is_that_of_the_lower_triangle(dtype):
    partial = np.asfortranarray([[4, 99, 99], [2, 5, 99], [-1, 0.5, 9]], dtype)
    total, _, _ = alone([partial, partial], symmetric=True)
    assert (total.total == 2 * np.array([[4, 2, -1], [2, 5, 0.5], [-1, 0.5, 9]])).all()


def test_no_partials_sum_to_zero():
    """A rank, or all ranks, may hold no tiles."""
    total = Exact((2, 2), np.float32, 0, grid=17)
    bits, _ = summed(World.alone(), [], total)
    assert bits == bytes(32)
    assert summed(World.alone(), [], total) == (bytes(32), 0)


def test_a_partial_of_another_shape_or_precision_is_refused():
    total = Exact((2, 3), np.float32, 1)
    for wrong in (np.zeros((3, 2), np.float32), np.zeros((2, 3))):
        with pytest.raises(TypeError, match="float32"):
            total.add(wrong)


@settings(max_examples=20)
@given(seed=seeds, n=st.integers(1, 300), size=st.integers(1, 5))
def test_sums_by_tile_have_the_order_of_the_tiles(seed, n, size):
    values = np.random.default_rng(seed).standard_normal((-(-n // 16), 3)) * 10.0 ** np.arange(3)

    def work(world):
        tiles = Tiles(n, 16, world.size, world.rank)
        return sum_by_tile(world, tiles, values[slice(*tiles.held)]).tobytes()

    assert set(on_ranks(size, work)) == {values.sum(axis=0).tobytes()}
