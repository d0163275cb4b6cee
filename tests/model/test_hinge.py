"""The prox of the hinge loss, its kink above all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcadmm.model.losses import Hinge, Squared

numbers = st.floats(-50, 50)
betas = st.floats(-3, 3).map(lambda power: 10.0**power)


def prox(loss, m, y, lam, beta, dtype=np.float64):
    m, y, lam = (np.full((1, 1), x, dtype) for x in (m, y, lam))
    return loss.prox(m, y, lam, beta, np.empty((1, 1), dtype, order="F"))[0, 0]


def formula(m, y, lam, beta):
    """As derived in two cases by hand."""
    w, right, left = m - lam / (2 * beta), m + (1 - lam) / (2 * beta), m - (1 + lam) / (2 * beta)
    if y > 0:
        return w if w >= 1 else min(right, 1)
    return w if w <= -1 else max(left, -1)


@given(m=numbers, y=st.sampled_from([-1, 1]), lam=numbers, beta=betas)
def test_is_the_formula(m, y, lam, beta):
    assert prox(Hinge(), m, y, lam, beta) == pytest.approx(formula(m, y, lam, beta), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(y=st.sampled_from([-1, 1]), inside=st.floats(0.01, 0.99), beta=betas)
def test_the_kink_is_hit_exactly(dtype, y, inside, beta):
    """Wherever w lies less than 1/(2 beta) short of the margin, z is the margin itself, to the last bit."""
    m = y * (1 - inside / (2 * beta))
    if 1 / (2 * beta) > 1e-5 * (1 + abs(m)):  # what float32 can tell apart
        assert prox(Hinge(), m, y, 0, beta, dtype) == y


@pytest.mark.parametrize(
    ("m", "y", "lam", "beta", "z"),
    [
        (2, 1, 0, 1, 2),  # beyond the margin: the loss does not pull
        (1, 1, 0, 1, 1),
        (0.75, 1, 0, 1, 1),  # the kink
        (0.5, 1, 0, 1, 1),
        (0.25, 1, 0, 1, 0.75),  # pulled by 1/(2 beta)
        (-2, -1, 0, 1, -2),
        (-0.75, -1, 0, 1, -1),
        (-0.25, -1, 0, 1, -0.75),
        (0, 1, -1, 1, 1),  # lam = -y l': at the edge of the kink
        (0, -1, 1, 1, -1),
        (2, 1, 1, 1, 1.5),  # w = 1.5
        (1.25, 1, 1, 1, 1),  # lam moves it into the kink
    ],
)
def test_by_hand(m, y, lam, beta, z):
    assert prox(Hinge(), m, y, lam, beta) == z


@given(m=numbers, y=numbers, lam=numbers, beta=betas)
def test_squared_is_the_formula(m, y, lam, beta):
    assert prox(Squared(), m, y, lam, beta) == pytest.approx((2 * y - lam + 2 * beta * m) / (2 + 2 * beta), abs=1e-9)
