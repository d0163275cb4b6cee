"""Sums in 2 bytes or 1 an entry: the codes, the sum against its plain formula, what is never lost, what travels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcadmm.comm.wire.narrow import Narrow, empty, encoded, split
from hpcadmm.comm.wire.narrow_kernels import BLOCK
from hpcadmm.comm.wire.narrow_sum import NarrowSum
from hpcadmm.comm.world import World
from hpcadmm.model.tiles import block
from hpcadmm.testing.threads import on_ranks

NAMES = ["bfloat16", 8]
every = pytest.mark.parametrize("name", NAMES)
NODES = [None, [0, 0, 1, 1, 1], [0, 1, 2, 2, 0]]  # of five ranks


def rounded(x, name):
    """x as it is decoded, from the definition of the codes."""
    if name == "bfloat16":
        single = x.astype(np.float32)
        bits = single.view(np.uint32).astype(np.uint64)
        near = ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
        return np.where(np.isnan(single), np.nan, near).astype(np.float64)
    out = np.zeros_like(x)
    for lo in range(0, x.size, BLOCK):
        one = x[lo : lo + BLOCK]
        with np.errstate(invalid="ignore", over="ignore"):
            step = np.float64(np.float32(np.abs(one).max() / 127))
        if not np.isfinite(step):
            out[lo : lo + BLOCK] = np.nan
        elif step:
            out[lo : lo + BLOCK] = step * np.clip(np.rint(one * (1 / step)), -127, 127)
    return out


def decoded(x, name, error=None):
    v = Narrow(x, name, np.zeros(0) if error is None else error)
    packed, out = encoded([v]), Narrow(np.ones_like(x), name, np.zeros(0))
    out.take(packed)
    return out.x


def wild(seed, n, spread=30):
    random = np.random.default_rng(seed)
    x = random.standard_normal(n) * 2.0 ** random.integers(-spread, spread + 1, n)
    x[random.random(n) < 0.1] = 0
    return x


@every
@settings(max_examples=25)
@given(seed=st.integers(0, 999), n=st.integers(1, 1600), spread=st.sampled_from([0, 30, 160]))
def test_a_code_is_its_definition_and_the_error_what_it_lacks(name, seed, n, spread):
    x = wild(seed, n, spread)
    error = np.full(n, 7.0)
    with np.errstate(over="ignore"):
        expected = rounded(x, name)
    assert np.array_equal(decoded(x, name, error), expected, equal_nan=True)
    with np.errstate(invalid="ignore"):
        assert np.array_equal(error, x - expected, equal_nan=True)


@every
def test_a_code_is_near(name):
    x = wild(1, 5000, 3)
    if name == "bfloat16":
        bound = np.abs(x) * 2.0**-8
    else:
        bound = np.repeat([np.abs(x[lo : lo + BLOCK]).max() for lo in range(0, x.size, BLOCK)], BLOCK)[: x.size] / 253
    assert (np.abs(decoded(x, name) - x) <= bound).all()


def test_halves_are_rounded_to_even():
    one, ulp = 1.0, 2.0**-7
    x = np.array([one + ulp / 2, one + 3 * ulp / 2, -one - ulp / 2, one + 0.51 * ulp, 3.4e38, -1e39, -0.0])
    assert decoded(x, "bfloat16").tolist() == [one, one + 2 * ulp, -one, one + ulp, np.inf, -np.inf, 0.0]


@every
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_what_is_not_finite_stays_visible(name, bad):
    x = np.ones(2 * BLOCK)
    x[3] = bad
    seen = ~np.isfinite(decoded(x, name))
    assert seen[3]
    assert seen.sum() == (1 if name == "bfloat16" else BLOCK)


@every
def test_the_least_numbers_are_kept_or_left_in_the_error(name):
    for size in (5e-324, 1e-44, 2.0**-140):
        x, error = np.array([size, -size, 0.0]), np.zeros(3)
        found = decoded(x, name, error)
        assert (found + error == x).all()


def parts_of(size, lengths, round_=0):
    """The vectors of each rank."""
    return [[wild([size, round_, rank, k], n, 4) for k, n in enumerate(lengths)] for rank in range(size)]


def plainly(parts, errors, name, nodes):
    """The totals; errors [rank][vector] are changed. As in the docstring of narrow_sum."""
    nodes = nodes or list(range(len(parts)))
    if len(parts) > 1 and len(set(nodes)) == 1:
        nodes = list(range(len(parts)))
    firsts, totals = [nodes.index(n) for n in sorted(set(nodes), key=nodes.index)], []
    for k in range(len(parts[0])):
        c = {}
        for rank, first in enumerate(nodes.index(n) for n in nodes):
            c[first] = c.get(first, 0) + (parts[rank][k] + errors[rank][k])
            errors[rank][k][:] = 0
        if len(firsts) == 1:
            totals.append(c[0])
            continue
        total = np.empty_like(c[0])
        for n, owner in enumerate(firsts):
            lo, hi = (BLOCK * edge for edge in block(-(-total.size // BLOCK), len(firsts), n))
            t = c[owner][lo:hi].copy()
            for other in firsts:
                if other != owner and t.size:
                    sent = rounded(c[other][lo:hi], name)
                    errors[other][k][lo:hi] = c[other][lo:hi] - sent
                    t += sent
            total[lo:hi] = rounded(t, name) + 0.0 if t.size else t  # 0, not -0
            errors[owner][k][lo:hi] = t - total[lo:hi]
        totals.append(total)
    return totals


def summed(world, mine, errors, name, number=0):
    vectors = [Narrow(x.copy(), name, error) for x, error in zip(mine, errors, strict=True)]
    NarrowSum(world, vectors, number).finish()
    return [v.x for v in vectors]


@every
@pytest.mark.parametrize("nodes", NODES, ids=str)
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_sum_is_its_plain_formula_in_every_round(name, nodes, size):
    """Lengths that do not divide, and fewer blocks than ranks. Each rank begins with errors, as after a resume."""
    nodes, lengths = nodes and nodes[:size], [1300, 3, 4 * BLOCK]
    expected_errors, first = ([list(one) for one in parts_of(size, lengths, 9)] for _ in range(2))
    rounds = [parts_of(size, lengths, k) for k in range(3)]
    expected = [plainly(one, expected_errors, name, nodes) for one in rounds]

    def work(world):
        errors = first[world.rank]
        return [summed(world, one[world.rank], errors, name) for one in rounds], errors

    for rank, (totals, errors) in enumerate(on_ranks(size, work, nodes=nodes)):
        for one, other in zip([*totals, errors], [*expected, expected_errors[rank]], strict=True):
            assert [x.tobytes() for x in one] == [y.tobytes() for y in other]


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("nodes", NODES, ids=str)
def test_what_was_sent_and_what_is_left_is_the_exact_total(name, dtype, nodes):
    """Over ten rounds; errors of float32 lose what float32 rounds."""
    lengths, size = [700, 40], 5
    rounds = [parts_of(size, lengths, k) for k in range(10)]

    def work(world):
        errors = [np.zeros(n, dtype) for n in lengths]
        return [summed(world, one[world.rank], errors, name) for one in rounds], errors

    found = on_ranks(size, work, nodes=nodes)
    for k in range(len(lengths)):
        sent = sum(totals[k] for totals in found[0][0])
        left = sum(errors[k].astype(np.float64) for _, errors in found)
        exact = sum(one[rank][k] for one in rounds for rank in range(size))
        largest = max(np.abs(x[k]).max() for one in rounds for x in one)
        assert np.abs(sent + left - exact).max() <= 1e3 * largest * np.finfo(dtype).eps
        assert np.abs(left).max() > 0


@every
def test_without_feedback_nothing_is_kept(name):
    """Two rounds of the same parts have the same total."""
    parts = parts_of(3, [900])

    def work(world):
        return [summed(world, parts[world.rank], [np.zeros(0)], name)[0].tobytes() for _ in range(2)]

    found = on_ranks(3, work)
    assert len({total for totals in found for total in totals}) == 1


@every
@pytest.mark.parametrize("nodes", NODES, ids=str)
def test_a_nan_of_one_rank_is_seen_on_all(name, nodes):
    def work(world):
        x = np.ones(3000)
        x[1234] = np.nan if world.rank == 3 else 1.0
        (total,) = summed(world, [x], [np.zeros(3000)], name)
        return np.isnan(total[1234]), np.isfinite(total[:1000]).all()

    assert on_ranks(5, work, nodes=nodes) == [(True, True)] * 5


@every
@pytest.mark.parametrize("nodes", NODES, ids=str)
def test_sums_in_flight_together_are_those_made_one_by_one(name, nodes):
    parts = [parts_of(5, [1100], k) for k in range(3)]

    def work(world):
        alone = [summed(world, one[world.rank], [np.zeros(1100)], name)[0] for one in parts]
        vectors = [Narrow(one[world.rank][0].copy(), name, np.zeros(1100)) for one in parts]
        sums = []
        for k, v in enumerate(vectors):
            sums.append(NarrowSum(world, [v], k))
            [one.progress() for one in sums[:: 1 - 2 * (world.rank % 2)]]
        for one in sums:
            one.finish()
            assert one.progress()
        return [v.x.tobytes() for v in vectors] == [x.tobytes() for x in alone]

    assert all(on_ranks(5, work, nodes=nodes))


@pytest.mark.parametrize(("name", "bytes_"), [("bfloat16", 2 * 4 * BLOCK), (8, 4 * (BLOCK + 4))])
def test_what_travels_is_what_was_packed(name, bytes_):
    def work(world):
        before = world.traffic.messages, world.traffic.bytes
        summed(world, [np.ones(4 * BLOCK)], [np.zeros(4 * BLOCK)], name)
        return world.traffic.messages - before[0], world.traffic.bytes - before[1]

    assert on_ranks(2, work) == [(1, bytes_)] * 2
    assert on_ranks(4, work, nodes=[0, 0, 1, 1]) == [(1, bytes_)] * 4
    assert work(World.alone()) == (0, 0)


@every
def test_packed_vectors_lie_one_after_another_in_whole_words(name):
    vectors = [Narrow(wild(k, n, 2), name, np.zeros(0)) for k, n in enumerate([1, 0, 513, 8])]
    packed = encoded(vectors)
    assert packed.size == empty(vectors).size == sum(v.packed_bytes for v in vectors)
    for v, part in split(vectors, packed):
        out = Narrow(np.zeros_like(v.x), name, np.zeros(0))
        out.add(part)
        assert (out.x == decoded(v.x, name)).all()
        assert part.size % 8 == 0
