"""Exact sums: the same bits in any order and grouping, by a check and not by spare bits of the operands."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcadmm.comm.exact.over_ranks import sum_exactly
from hpcadmm.comm.exact.sums import Exact
from hpcadmm.comm.exact.vectors import carried, side_by_side
from hpcadmm.comm.world import World
from hpcadmm.model.tiles import block
from hpcadmm.testing.threads import on_ranks
from tests.helpers.sums import alone, summed, wild

both = pytest.mark.parametrize("dtype", [np.float32, np.float64])
seeds = st.integers(0, 2**32 - 1)


@both
@given(seed=seeds, spread=st.sampled_from([0, 3, 40, 100]), data=st.data())
def test_the_order_does_not_matter(dtype, seed, spread, data):
    partials = wild(seed, 12, dtype, spread=spread)
    order = data.draw(st.permutations(range(len(partials))))
    assert alone(partials)[1] == alone([partials[i] for i in order])[1]


@both
@settings(max_examples=15)
@given(seed=seeds, spread=st.sampled_from([0, 3, 40]), size=st.integers(2, 6))
def test_the_ranks_do_not_matter(dtype, seed, spread, size):
    """More ranks than partials too; the scales of the next sum agree as well."""
    partials = wild(seed, 4, dtype, spread=spread)

    def work(world):
        total = Exact(partials[0].shape, dtype, len(partials))
        lo, hi = block(len(partials), world.size, world.rank)
        return *summed(world, partials, total, partials[lo:hi]), total.scales.tobytes()

    total, bits, redone = alone(partials)
    assert set(on_ranks(size, work)) == {(bits, redone, total.scales.tobytes())}


@both
def test_plain_sums_of_the_same_partials_differ(dtype):
    """Hence the guarantee does not rest on spare bits: float64 addition of these partials is not exact."""
    plain, exact = set(), set()
    partials = wild(7, 40, dtype, shape=(4, 5))
    random = np.random.default_rng(0)
    for _ in range(6):
        order = random.permutation(len(partials))
        plain.add(alone([partials[i] for i in order], plain=True)[1])
        exact.add(alone([partials[i] for i in order])[1])
    assert len(plain) == 6
    assert len(exact) == 1


def test_sums_of_whole_numbers_are_exact():
    partials = [np.full((2, 2), 2.0**k, order="F") for k in range(20)]
    assert (alone(partials)[0].total == 2**20 - 1).all()


@both
@pytest.mark.parametrize("grid", [-900, -60, -20, 6, 9, 30, 46, 60, 500])
def test_a_bound_that_fails_is_redone_once_and_then_holds(dtype, grid):
    """5 partials up to 48: bounds of 2^6 may be exceeded, those of 2^60 are too loose."""
    partials = [np.full((3, 2), x, dtype, order="F") for x in (48, 7.3, -1.1, 30.7, -47.9)]
    total = Exact((3, 2), dtype, 5, grid)
    bits, redone = summed(World.alone(), partials, total)
    assert redone == (grid not in range(9, 47))
    assert summed(World.alone(), partials, total)[1] == 0
    np.testing.assert_allclose(total.total, sum(p.astype(float) for p in partials), rtol=1e-12)
    kept = carried([total])
    follower = Exact((3, 2), dtype, 5)
    follower.scales[...] = kept
    bits, _ = summed(World.alone(), partials, total)
    assert summed(World.alone(), partials, follower) == (bits, 0)


@both
@given(seed=seeds)
def test_a_sum_that_grows_and_shrinks_stays_independent_of_the_order(dtype, seed):
    """The scales that one sum leaves to the next are too low, or too high, or good: never do the bits depend on it."""
    random = np.random.default_rng(seed)
    sums = [Exact((3, 2), dtype, 20) for _ in range(2)]
    for power in (0, 2, 3, 9, 10, -8, -9, -40, 30):
        partials = [np.asfortranarray(p * dtype(2.0**power)) for p in wild(seed, 8, dtype, spread=2)]
        order = random.permutation(len(partials))
        first, second = (
            summed(World.alone(), x, s) for x, s in zip([partials, [partials[i] for i in order]], sums, strict=True)
        )
        assert first == second
        assert (sums[0].scales == sums[1].scales).all()


@both
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([1, 2, 3]))
def test_sums_that_lie_side_by_side_are_the_same(dtype, seed, size):
    """Of two shapes, summed twice, what each carries from sum to sum included."""

    def work(world, joined):
        shapes = (3, 2), (4, 5)
        sums = [Exact(shape, dtype, 6, grid=7) for shape in shapes]
        message = side_by_side(sums) if joined else None
        found = []
        for k in (0, 1):
            drawn = [wild(seed + k, 6, dtype, shape)[:6] for shape in shapes]
            mine = slice(*block(6, world.size, world.rank))

            def again(drawn=drawn, mine=mine):
                for total, partials in zip(sums, drawn, strict=True):
                    total.clear()
                    for partial in partials[mine]:
                        total.add(partial)

            again()
            sum_exactly(world, sums, again, message)
            found += [(total.total.tobytes("A"), total.total.shape, total.scales.tobytes()) for total in sums]
        return found

    together = on_ranks(size, lambda world: work(world, True))
    assert together == on_ranks(1, lambda world: work(world, False)) * size


def test_plain_sums_are_never_redone():
    partials = [np.full((1, 1), 1e30, order="F")] * 3
    total, _, redone = alone(partials, plain=True, grid=-100)
    assert redone == 0
    assert total.total[0, 0] == pytest.approx(3e30)


def test_operands_that_change_between_the_passes_are_noticed():
    total = Exact((1, 1), np.float64, 2)
    size = [1e30]

    def again():
        size[0] *= 1e30
        total.clear()
        total.add(np.full((1, 1), size[0], order="F"))

    again()
    with pytest.raises(ArithmeticError, match="changed"):
        sum_exactly(World.alone(), [total], again)


PROGRAM = """
import hashlib, json, sys
import numpy as np
from hpcadmm.comm.exact.over_ranks import sum_exactly
from hpcadmm.comm.exact.sums import Exact
from hpcadmm.comm.world import World
from hpcadmm.model.tiles import block

world, found = World(), []
for dtype in (np.float32, np.float64):
    random = np.random.default_rng(0)
    scale = 2.0 ** random.integers(-40, 41, (23, 1, 1))
    partials = [np.asfortranarray(p, dtype) for p in random.standard_normal((23, 40, 40)) * scale]
    for plain in (True, False):
        sums = [Exact((40, 40), dtype, 23, plain=plain), Exact((40, 40), dtype, 23, plain=plain, symmetric=True)]
        def add():
            for s in sums:
                s.clear()
                for p in partials[slice(*block(23, world.size, world.rank))]:
                    s.add(p)
        add()
        sum_exactly(world, sums, add)
        found.append(hashlib.sha256(sums[0].total.tobytes() + sums[1].total.tobytes()).hexdigest())
everybody = world.gather(found)
assert all(mine == found for mine in everybody)
if world.first:
    print(json.dumps(found))
"""


def test_real_ranks_give_the_same_bits_where_plain_sums_differ(mpirun):
    found = [mpirun(n, PROGRAM).check().stdout.split("\n")[0] for n in (1, 2, 3)]
    columns = list(zip(*(json.loads(line) for line in found), strict=True))
    plain32, exact32, plain64, exact64 = (len(set(column)) for column in columns)
    assert (exact32, exact64) == (1, 1)
    assert plain32 > 1
    assert plain64 > 1
