"""Minibatches: every sample once an epoch, in even and stratified batches, the same on any number of ranks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcadmm.comm.world import World
from hpcadmm.model.tiles import Tiles
from hpcadmm.products.scratch import Scratch
from hpcadmm.solvers import Adam, MpAdmm, Sgd
from hpcadmm.solvers.shared.batches import Batches
from hpcadmm.solvers.shared.gradient_sums import GradientSums
from hpcadmm.testing.problems import problem
from hpcadmm.testing.runs import assert_same_bits, run
from hpcadmm.testing.threads import on_ranks


@given(
    n=st.integers(1, 300),
    parts=st.integers(1, 7),
    batch=st.integers(1, 400),
    ranks=st.sampled_from([1, 2, 3]),
    epoch=st.integers(0, 2),
)
def test_an_epoch_takes_every_sample_once_from_every_tile_its_share(n, parts, batch, ranks, epoch):
    dealt = [Batches(Tiles(n, 64, ranks, rank, parts), batch, seed=3) for rank in range(ranks)]
    seen, count = [], dealt[0].count
    assert count == -(-n // batch)
    for k in range(epoch * count, (epoch + 1) * count):
        columns = [b.tiles.lo + c for b in dealt for c in b.columns(k)]
        assert len(columns) == parts
        assert sum(map(len, columns)) == dealt[0].size(k)
        assert max(1, n // count) <= dealt[0].size(k) <= min(-(-n // count), batch)
        assert max(map(len, columns)) - min(map(len, columns)) <= 1
        for t, mine in enumerate(columns):
            lo, hi = dealt[0].tiles.edge(t), dealt[0].tiles.edge(t + 1)
            assert ((lo <= mine) & (mine < hi)).all()
            assert abs(len(mine) - (hi - lo) / count) < 1
        seen.extend(np.concatenate(columns))
    assert sorted(seen) == list(range(n))


def test_epochs_and_tiles_and_seeds_have_orders_of_their_own():
    drawn = [Batches(Tiles(200, 64, parts=2), 200, seed).columns(k) for seed in (1, 2) for k in (0, 1)]
    orders = {tuple(c % 100) for columns in drawn for c in columns}
    assert len(orders) == 8


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_the_sums_of_a_batch_are_those_of_its_samples_on_any_number_of_ranks(ranks, dtype):
    def work(world):
        p = problem(world, loss="cross-entropy", samples=150, dtype=dtype, parts=4)
        batches, sums, scratch = Batches(p.tiles, 40, p.seed), GradientSums(p, 4, curvature=True), Scratch(dtype)
        W, found = p.network.random_weights(5, dtype), []
        for k in (0, 1, 2, 4, 3):
            sums.sum(W, lambda k=k: batches.parts(k, p.train, scratch), world, factors=k != 1)
            found.append([part.total.copy() for part in (*sums.gradient[1:], *sums.aaT[1:], *sums.llT[1:])])
        return found, [c + p.tiles.lo for c in batches.columns(3)]

    several, alone = on_ranks(ranks, work), on_ranks(1, work)[0]
    for found, _ in several:
        assert all(
            (a == b).all() for one, other in zip(found, alone[0], strict=True) for a, b in zip(one, other, strict=True)
        )
    p = problem(World.alone(), loss="cross-entropy", samples=150, dtype=dtype, parts=4)
    W, columns = p.network.random_weights(5, dtype), np.concatenate([c for _, mine in several for c in mine])
    step = 1e-3 if dtype == np.float32 else 1e-6
    wide = [None, *(w.astype(np.float64) for w in W[1:])]
    for l in (1, 2, 3):
        values = []
        for sign in (1, -1):
            moved = [None, *(w.copy() for w in wide[1:])]
            moved[l][1, 2] += sign * step
            values.append(p.loss.value(p.network.forward(moved, p.x[:, columns].astype(np.float64)), p.y[:, columns]))
        assert alone[0][-1][l - 1][1, 2] == pytest.approx((values[0] - values[1]) / (2 * step), rel=2e-3, abs=1e-3)


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("solver", [Sgd, Adam, MpAdmm])
def test_a_batch_may_be_smaller_than_its_parts_or_hardly_larger(solver, batch):
    """Parts without samples add nothing, on whichever rank they are; the numbers do not divide."""
    options = {"loss": "cross-entropy", "samples": 47, "hidden": (5,)}
    one = run(1, solver(batch=batch, cut=4), 15, **options)
    assert np.isfinite(one[0]["W/1"]).all()
    assert np.abs(one[0]["W/1"]).max() < 100
    for size in (2, 3):
        other = run(size, solver(batch=batch, cut=4), 15, **options)
        assert_same_bits(one[0], other[0])


def test_parts_without_samples_flow_through_a_chain_of_layers():
    solver, options = MpAdmm(batch=3, cut=4, grid="layers"), {"loss": "cross-entropy", "samples": 47, "hidden": (5,)}
    assert_same_bits(run(1, solver, 12, **options)[0], run(2, solver, 12, **options)[0])


def test_an_epoch_of_any_tiles_is_one_batch_and_uneven_ones_make_no_others():
    assert len(np.concatenate(Batches(Tiles(150, 64), 150, 0).columns(0))) == 150
    with pytest.raises(ValueError, match="equal size, not 22 to 64 samples"):
        Batches(Tiles(150, 64), 149, 0)
