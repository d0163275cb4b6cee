"""The search inside the prox of tanh: its guards, and that it ends from any start."""

import numpy as np

from hpcadmm.model.activations import tanh_prox as prox_kernel


def jobs(**rows):
    """The work array of the search, one job a column."""
    work = np.zeros(prox_kernel.ROWS * 2 * prox_kernel.BLOCK)
    for name, values in rows.items():
        place = getattr(prox_kernel, name)
        work[place : place + np.size(values)] = values
    return work


def row(work, name, n):
    place = getattr(prox_kernel, name)
    return work[place : place + n].copy()


def test_the_search_ends_at_the_only_root_in_a_bracket_from_any_start():
    random = np.random.default_rng(0)
    n, most = prox_kernel.BLOCK, 0
    for _ in range(500):
        k = 10 ** random.uniform(-3, 3)
        m = random.uniform(-0.65, 2, n)  # right of any hump
        a = np.tanh(m) + 10 ** random.uniform(-3, 2, n)
        high = m + k * (a - np.tanh(m))
        x = m + random.uniform(0, 1, n) ** random.choice([1, 5]) * np.minimum(high - m, 30)
        work = jobs(A=a, M=m, X=x, LOW=m, HIGH=high, LAST=[np.inf] * n, SURE=[1] * n)
        count = 0
        while (row(work, "LAST", n) >= 0).any():
            prox_kernel.advance(work, n, k, 1e-8)
            count += 1
            assert count <= 60
        most = max(most, count)
        z = row(work, "X", n)
        slope = np.cosh(z) ** -2
        residual = z - m - k * (a - np.tanh(z)) * slope
        assert (abs(residual) <= 1e-12 * (abs(z) + abs(m) + k * (a + 1) * slope + k * 1e-3)).all()
    assert most > 6  # some starts were bad ones


def test_a_step_out_of_the_bracket_or_without_progress_is_replaced_by_halving():
    root, n = 1.453660062, 100  # of k = 1, a = 8.5, m = -0.04
    low, high = np.full(n, root - 1e-4), np.linspace(root + 0.01, 5, n)
    free, tight, stuck = (
        jobs(A=[8.5] * n, M=[-0.04] * n, X=high, LOW=bottom, HIGH=high, LAST=last, SURE=[1] * n)
        for bottom, last in ((low - 50, [np.inf] * n), (low, [np.inf] * n), (low - 50, [1e-9] * n))
    )
    for work in (free, tight, stuck):
        prox_kernel.advance(work, n, 1.0, 1e-8)
    step, middle = row(free, "X", n), (low + high) / 2
    assert (step < low).sum() > 10
    np.testing.assert_allclose(row(tight, "X", n), np.where(step < low, middle, step), rtol=1e-12)
    np.testing.assert_allclose(row(stuck, "X", n), middle - 25, rtol=1e-12)


def test_tanh_parts_of_nan_are_nan():
    assert np.isnan(prox_kernel.tanh_parts(np.nan)).all()
