"""Exact sums of badly scaled rows and columns: what is kept below the bound of each entry, against exact arithmetic."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcadmm.comm.exact.kernels import UNKNOWN, bits, fold, fold_triangle
from hpcadmm.comm.exact.over_ranks import sum_exactly
from hpcadmm.comm.exact.sums import Exact, first_grid
from hpcadmm.comm.world import World
from hpcadmm.model.tiles import block
from hpcadmm.testing.threads import on_ranks
from tests.helpers.sums import alone, summed

both = pytest.mark.parametrize("dtype", [np.float32, np.float64])
seeds = st.integers(0, 2**32 - 1)


def exactly(partials):
    """The sum without any rounding but the last."""
    total = np.zeros(partials[0].shape)
    for at in np.ndindex(total.shape):
        total[at] = math.fsum(float(p[at]) for p in partials)
    return total


def scaled(seed, count, dtype, spread, *, symmetric=False, odd=None):
    """Products of rows and columns with scales 2^(-spread..spread), or one of size `odd`; and bounds of their sums."""
    random = np.random.default_rng(seed)
    row, column = (2.0 ** random.integers(-spread, spread + 1, n) for n in (5, 7))
    if odd:
        row, column = np.ones(5), np.where(np.arange(7) == 3, odd, 1.0)
    partials, norms = [], np.zeros((2, 7))
    for _ in range(count):
        z, a = random.standard_normal((5, 20)) * row[:, None], random.standard_normal((7, 20)) * column[:, None]
        left = a if symmetric else z
        norms += [np.square(a).sum(axis=1), np.resize(np.square(left).sum(axis=1), 7)]
        p = left.astype(dtype) @ a.astype(dtype).T
        partials.append(np.asfortranarray(p))
    norms = np.sqrt(norms)
    return partials, np.outer(norms[1][: len(partials[0])], norms[0])


def kept(total, partials, bound):
    """The fewest bits below its bound that an entry of the sum has."""
    return -math.log2(np.max(np.abs(total - exactly(partials)) / bound) + 2.0**-80)


@both
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("count", [3, 60, 300])
@pytest.mark.parametrize("spread", [0, 10, 20, 40])
def test_every_entry_keeps_53_bits_below_its_own_bound(dtype, symmetric, count, spread):
    """|z_i| |a_j|, the norms of the row and the column: also in the first sum, of which nothing is known before."""
    if dtype is np.float32 and spread > 20:
        spread = 28  # squares must not overflow
    partials, bound = scaled(count, count, dtype, spread, symmetric=symmetric)
    total, _, redone = alone(partials, symmetric=symmetric, grid=first_grid(20 * count))
    assert redone <= 2
    for _ in range(3):
        assert kept(total.total, partials, bound) >= 53
        assert summed(World.alone(), partials, total)[1] == 0


@pytest.mark.parametrize("size", [1.0, 1e4, 1e8, 1e12, 1e-12])
@pytest.mark.parametrize("symmetric", [False, True])
def test_a_sum_of_float64_is_rounded_once(size, symmetric):
    """So it is never worse than the plain sum."""
    partials, _ = scaled(5, 60, np.float64, 0, symmetric=symmetric, odd=size)
    total, _, _ = alone(partials, symmetric=symmetric, grid=first_grid(1200))
    np.testing.assert_allclose(total.total, exactly(partials), rtol=2.3e-16)


@both
@settings(max_examples=15)
@given(seed=seeds, spread=st.sampled_from([0, 20, 40]), size=st.sampled_from([2, 3, 7]), symmetric=st.booleans())
def test_the_ranks_do_not_matter_to_scaled_sums(dtype, seed, spread, size, symmetric):
    """Nor to the scales that the next sums start from, nor to how often a sum is made again."""
    partials, _ = scaled(seed, 11, dtype, spread if dtype is np.float64 else spread // 2, symmetric=symmetric)

    def work(world):
        total = Exact(partials[0].shape, dtype, len(partials), symmetric=symmetric)
        found = []
        for power in (0, 1, 15, -30):
            mine = [p * dtype(2.0**power) for p in partials[slice(*block(11, world.size, world.rank))]]
            found.append((summed(world, partials, total, mine), total.scales.tobytes()))
        return found

    assert on_ranks(size, work) == on_ranks(1, work) * size


def test_scales_that_do_not_multiply_are_found_all_the_same():
    """Where the largest of the rows and columns do not tell who is large, bounds hold after one more pass."""
    partials = [np.asfortranarray([[1e12, 1.0, 3.0], [0.0, 1.1, 7e8], [1e-9, 0.0, 1.0]])] * 3
    total, _, redone = alone(partials)
    assert 1 <= redone <= 3
    np.testing.assert_allclose(total.total, 3 * partials[0], rtol=1e-15)
    assert summed(World.alone(), partials, total)[1] == 0


@both
def test_rows_and_columns_of_zeros_wait_for_their_first_number(dtype):
    partials = [np.zeros((3, 2), dtype, order="F") for _ in range(4)]
    total, _, redone = alone(partials)
    assert redone == 0
    assert (total.scales == UNKNOWN).all()
    partials[1][1, 1] = 3e-14
    _, redone = summed(World.alone(), partials, total)
    assert redone == 1
    assert total.total[1, 1] == partials[1][1, 1]
    assert (total.scales != UNKNOWN).tolist() == [False, True, False, False, True]


def test_a_patient_sum_is_not_repeated_for_a_column_that_nearly_vanishes():
    partials = [np.full((3, 2), float(k), np.float32, order="F") for k in range(1, 6)]
    total = Exact((3, 2), np.float32, 5, grid=10, patient=True)
    assert summed(World.alone(), partials, total)[1] == 0
    for k in (0, 8, 16, 24, 0):
        for p in partials:
            p[:, 1] = 2.0**-k
        assert summed(World.alone(), partials, total)[1] == 0
        np.testing.assert_allclose(total.total, exactly(partials), rtol=2**-18)


@pytest.mark.parametrize("symmetric", [False, True])
def test_a_patient_sum_is_not_repeated_for_a_unit_that_wakes_up(symmetric):
    """A row of zeros becomes tiny, then as large as the others: its scale is that of the others all the while."""
    total = Exact((3, 3), np.float32, 5, grid=10, symmetric=symmetric, patient=True)
    for sweep, k in enumerate((None, 45, 40, 0, None, 20, 0)):
        root = np.array([1.0, 1.5, 0.0 if k is None else 2.0 ** -(k / 2 if symmetric else k)])
        rows = np.outer(root, root if symmetric else np.ones(3)).astype(np.float32)
        partials = [np.asfortranarray(rows * np.float32(j)) for j in range(1, 6)]
        repeated = summed(World.alone(), partials, total)[1]
        assert repeated == 0 or sweep == 0
        np.testing.assert_allclose(total.total, exactly(partials), rtol=2**-18, atol=2.0**-30)


@both
@pytest.mark.parametrize("kernel", [fold, fold_triangle])
@pytest.mark.parametrize("one_word", [True, False])
@pytest.mark.parametrize(("fresh", "last"), [(False, False), (True, False), (False, True), (True, True)])
def test_the_kernels_are_their_formulas(dtype, kernel, one_word, fresh, last):
    random = np.random.default_rng(3)
    n, m = (7, 7) if kernel is fold_triangle else (7, 5)
    partials = random.standard_normal((2, n, m)).astype(dtype)
    lines = n if kernel is fold_triangle else n + m
    up = 2.0 ** random.integers(-3, 4, lines)
    acc, rest, sizes = np.ones((n, m)), np.ones((n, m)), np.full((2, lines), np.nan)
    magic = 1.5 * (np.outer(up, up) if kernel is fold_triangle else np.outer(up[m:], up[:m]))
    first = (partials + magic) - magic
    second = ((partials - first) + magic * 2.0**-46) - magic * 2.0**-46
    where = np.triu(np.ones((n, m))) > 0 if kernel is fold_triangle else np.ones((n, m), bool)
    kernel(acc, None if one_word else rest, partials, up, 1 / up, 2.0**-46, sizes, fresh, last)
    high, low = sum(first, 1.0 - fresh), sum(second, 1.0 - fresh)
    assert (acc == np.where(where, high + low * (last and not one_word), 1)).all()
    assert (rest == np.where(where & (not one_word), low, 1)).all()
    for p, size in zip(partials, sizes, strict=True):
        wide = np.abs(p.astype(np.float64))
        if kernel is fold_triangle:
            assert (size == np.diag(wide) / up).all()
        else:
            rows, columns = (wide / up[m:, None]).max(axis=0), (wide / up[:m]).max(axis=1)
            assert (size == np.append(rows, columns)).all()


@both
@pytest.mark.parametrize("symmetric", [False, True])
def test_partials_that_wait_give_the_same_sum(dtype, symmetric):
    """In their own memory, or as foreign arrays; clear forgets those that wait."""
    random = np.random.default_rng(5)
    partials = [(lambda x: np.asfortranarray(x @ x.T))(random.standard_normal((4, 3)).astype(dtype)) for _ in range(11)]
    one, other = (Exact((4, 4), dtype, 11, 9, symmetric=symmetric) for _ in range(2))
    other.partial[...] = 7.0
    other.add(other.partial)
    other.clear()
    for p in partials:
        one.add(p)
        slot = other.partial
        slot[...] = p
        other.add(slot)
    for total in (one, other):
        sum_exactly(World.alone(), [total], total.clear)
    assert (one.total == other.total).all()
    assert (one.scales == other.scales).all()
    np.testing.assert_allclose(one.total, exactly(partials), rtol=1e-12)


def test_a_sum_of_nothing_is_zero():
    total = Exact((2, 3), np.float32, 1)
    total.add(np.ones((2, 3), np.float32, order="F"))
    sum_exactly(World.alone(), [total], total.clear)
    total.clear()
    sum_exactly(World.alone(), [total], total.clear)
    assert (total.total == 0).all()


def test_bits_have_the_order_of_numbers_without_sign():
    from numba import njit

    of = njit(lambda x: bits(x) + 0)
    numbers = [0.0, 5e-324, 1e-300, 1.0, 1.0 + 2**-52, 1e300, np.inf, np.nan]
    found = [of(x) for x in numbers]
    assert found == sorted(found)
