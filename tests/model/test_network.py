"""Networks: shapes, the row of ones, first weights, the forward pass."""

import numpy as np
import pytest

from hpcadmm.model.activations import ACTIVATIONS, Relu
from hpcadmm.model.network import Network


def values(activation, z):
    return activation.value(np.asfortranarray(z), out=np.empty(z.shape, z.dtype, order="F"))


@pytest.mark.parametrize("hidden", [(), (4,), (7, 3, 5)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_forward_is_the_layers_one_after_the_other(name, bias, hidden):
    activation = ACTIVATIONS[name]()
    network = Network((5, *hidden, 2), activation, bias)
    random = np.random.default_rng(0)
    W = [None, *(random.standard_normal(network.shape(l)) for l in range(1, network.depth + 1))]
    x = random.standard_normal((5, 11))
    a = x
    for l in range(1, network.depth + 1):
        m = W[l][:, : network.n[l - 1]] @ a + (W[l][:, -1:] if bias else 0)
        a = values(activation, m) if l < network.depth else m
    given = np.asfortranarray(np.vstack([x, np.ones((int(bias), 11))]))
    np.testing.assert_allclose(network.forward(W, given), a, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_first_weights_belong_to_the_seed_and_the_layer(dtype):
    network = Network((300, 200, 200, 3), Relu())
    W, again, other = (network.random_weights(seed, dtype) for seed in (1, 1, 2))
    assert W[0] is None
    assert [w.shape for w in W[1:]] == [(200, 301), (200, 201), (3, 201)] == [network.shape(l) for l in (1, 2, 3)]
    for l in (1, 2, 3):
        assert W[l].dtype == dtype
        assert W[l].flags.f_contiguous
        assert not W[l][:, -1].any()
        assert W[l].tobytes() == again[l].tobytes() != other[l].tobytes()
    assert W[1][:, :200].tobytes() != W[2][:, :200].tobytes()
    assert np.std(W[1][:, :-1]) == pytest.approx(np.sqrt(2 / 300), rel=0.02)


@pytest.mark.parametrize("bias", [True, False])
def test_an_activation_carries_a_row_of_ones_with_biases_only(bias):
    a = Network((3, 4, 2), Relu(), bias).activations(1, 6, np.float32)
    assert a.shape == (4 + bias, 6)
    assert a.flags.f_contiguous
    assert (a[4:] == 1).all()
