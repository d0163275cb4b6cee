"""A forward and backward pass: its lam are the derivatives of the loss, for any network."""

import numpy as np
import pytest

from hpcadmm.model.activations import ACTIVATIONS
from hpcadmm.model.losses import LOSSES
from hpcadmm.model.network import Network
from hpcadmm.subproblems.passes import Passes


def posed(loss, activation, hidden, bias):
    random = np.random.default_rng(1)
    network, chosen = Network((4, *hidden, 3), ACTIVATIONS[activation](), bias), LOSSES[loss]()
    W = [None, *(random.standard_normal(network.shape(l)) for l in range(1, network.depth + 1))]
    x = np.asfortranarray(np.vstack([random.standard_normal((4, 9)), np.ones((int(bias), 9))]))
    y = chosen.targets(random.integers(0, 3, 9), 3, 3, np.float64)
    return network, chosen, W, x, y


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("hidden", "bias"), [((), True), ((5,), False), ((6, 5), True)])
def test_the_gradient_is_that_of_finite_differences(loss, activation, hidden, bias):
    network, chosen, W, x, y = posed(loss, activation, hidden, bias)
    passes, step = Passes(network, chosen, np.float64), 1e-6
    passes.forward(W, x)
    passes.backward(W, y)
    for l in range(1, network.depth + 1):
        found = passes.gradient(l, np.empty(network.shape(l), order="F")).copy()
        for at in np.ndindex(found.shape):
            values = []
            for sign in (1, -1):
                moved = [None, *(w.copy() for w in W[1:])]
                moved[l][at] += sign * step
                values.append(chosen.value(network.forward(moved, x), y))
            assert found[at] == pytest.approx((values[0] - values[1]) / (2 * step), abs=2e-6, rel=1e-6)


def test_passes_over_other_widths_do_not_disturb_each_other():
    network, chosen, W, x, y = posed("cross-entropy", "tanh", (6, 5), True)
    passes, fresh = Passes(network, chosen, np.float64), Passes(network, chosen, np.float64)
    for columns in (slice(0, 9), slice(0, 4), slice(0, 0), slice(2, 9), slice(0, 9)):
        assert (passes.forward(W, x[:, columns]) == network.forward(W, x[:, columns])).all()
        passes.backward(W, y[:, columns])
    fresh.forward(W, x)
    fresh.backward(W, y)
    for l in range(1, 4):
        out = [np.empty(network.shape(l), order="F") for _ in range(2)]
        assert (passes.gradient(l, out[0]) == fresh.gradient(l, out[1])).all()
