"""The sums of a sweep: each pass adds what the body of the loop has just written, over the samples of all ranks."""

import numpy as np
import pytest

from hpcadmm.solvers.shared.normal import SweepSums, exhaust
from hpcadmm.testing.problems import problem
from hpcadmm.testing.threads import on_ranks


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_pass_sums_what_its_loop_has_written(size):
    """100 samples are two tiles, so the third rank has none."""

    def work(world):
        p = problem(world, (4, 5), samples=100)
        n, m, mine = p.network.n, p.x.shape[1], slice(p.tiles.lo, p.tiles.hi)
        random = np.random.default_rng(1)
        new = [np.vstack([random.standard_normal((n[l], 100)), np.ones((1, 100))]) for l in range(4)]
        a = [p.x, *(np.zeros((n[l] + 1, m), order="F") for l in (1, 2))]
        z = [None, *(np.asfortranarray(random.standard_normal((n[l], 100))[:, mine]) for l in (1, 2, 3))]
        sums = SweepSums(p, plain=False)
        exhaust(sums.pass_over(0, z, a, world))
        first, sent = sums.of[1].zaT.copy(), []
        for l in (1, 2, 3):
            before = world.traffic.messages
            for t in sums.pass_over(l, z, a, world):
                z[l][:, t] *= 2
                if l < 3:
                    a[l][:, t] = new[l][:, mine][:, t]
            sent.append(world.traffic.messages - before)
        return z[1:], p.x, first, [(s.zaT, s.aaT) for s in sums.of[1:]], new, sent

    found = on_ranks(size, work)
    z = [np.hstack([one[0][l] for one in found]) for l in range(3)]
    a = [np.hstack([one[1] for one in found]), *found[0][4][1:3]]
    old = [1, 2, 2]  # z_2 and z_3 were doubled after their products with a_1 and a_2 were summed
    for _, _, first, totals, _, sent in found:
        np.testing.assert_allclose(2 * first, z[0] @ a[0].T, rtol=1e-12, atol=1e-12)
        assert totals[0][1] is None
        assert sent[2] == 0
        for l, (zaT, aaT) in enumerate(totals):
            np.testing.assert_allclose(old[l] * zaT, z[l] @ a[l].T, rtol=1e-12, atol=1e-12)
            if l:
                np.testing.assert_allclose(aaT, a[l] @ a[l].T, rtol=1e-12, atol=1e-12)
