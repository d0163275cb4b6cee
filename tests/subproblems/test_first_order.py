"""The fused steps are the published formulas, and torch's, to rounding; biases do not decay."""

import numpy as np
import pytest

from hpcadmm.subproblems.first_order import adadelta, adagrad, adam, sgd

SIZE, WEIGHTS, SAMPLES, STEPS = 57, 40, 32, 5


class Plain:
    """Each method as its paper, or torch's documentation, writes it, on d = g / samples + decay w."""

    def __init__(self, w, decay):
        self.w, self.decay, self.t = w.astype(np.float64), decay, 0
        self.m, self.v = np.zeros(SIZE), np.zeros(SIZE)

    def gradient(self, g):
        self.t += 1
        d = g / SAMPLES
        d[:WEIGHTS] += self.decay * self.w[:WEIGHTS]
        return d

    def sgd(self, g, rate, momentum, nesterov):
        d = self.gradient(g)
        self.m = momentum * self.m + d
        self.w = self.w - rate * (d + momentum * self.m if nesterov else self.m)

    def adagrad(self, g, rate, epsilon):
        d = self.gradient(g)
        self.v = self.v + d**2
        self.w = self.w - rate * d / (np.sqrt(self.v) + epsilon)

    def adadelta(self, g, rate, rho, epsilon):
        d = self.gradient(g)
        self.v = rho * self.v + (1 - rho) * d**2
        step = np.sqrt(self.m + epsilon) / np.sqrt(self.v + epsilon) * d
        self.m = rho * self.m + (1 - rho) * step**2
        self.w = self.w - rate * step

    def adam(self, g, rate, beta1, beta2, epsilon):
        d = self.gradient(g)
        self.m = beta1 * self.m + (1 - beta1) * d
        self.v = beta2 * self.v + (1 - beta2) * d**2
        m, v = self.m / (1 - beta1**self.t), self.v / (1 - beta2**self.t)
        self.w = self.w - rate * m / (np.sqrt(v) + epsilon)


def fused(name, w, g, m, v, decay, t, real, *keys):
    """The kernel, called with the scalars that its solver passes."""
    head = (WEIGHTS, 1 / SAMPLES, real(decay), real(keys[0]))
    if name == "sgd":
        sgd(w, g, m, *head, real(keys[1]), real(keys[2]))
    if name == "adagrad":
        adagrad(w, g, v, *head, real(keys[1]))
    if name == "adadelta":
        adadelta(w, g, m, v, *head, real(keys[1]), real(1 - keys[1]), real(keys[2]))
    if name == "adam":
        rate, beta1, beta2, epsilon = keys
        head = (WEIGHTS, 1 / SAMPLES, real(decay), real(rate / (1 - beta1**t)))
        means = (real(beta1), real(1 - beta1), real(beta2), real(1 - beta2))
        adam(w, g, m, v, *head, *means, real(1 / np.sqrt(1 - beta2**t)), real(epsilon))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("sgd", (0.1, 0.0, False)),
        ("sgd", (0.1, 0.0, True)),
        ("sgd", (0.1, 0.9, False)),
        ("sgd", (0.1, 0.9, True)),
        ("adagrad", (0.1, 1e-10)),
        ("adagrad", (0.1, 0.5)),
        ("adadelta", (1.0, 0.95, 1e-6)),
        ("adadelta", (0.5, 0.8, 0.1)),
        ("adam", (0.1, 0.9, 0.999, 1e-8)),
        ("adam", (0.1, 0.5, 0.8, 0.5)),
    ],
)
def test_a_step_is_the_plain_formula(name, keys, decay, dtype):
    random = np.random.default_rng(4)
    w = random.standard_normal(SIZE).astype(dtype)
    m, v, plain = np.zeros(SIZE, dtype), np.zeros(SIZE, dtype), Plain(w, decay)
    for t in range(1, STEPS + 1):
        g = SAMPLES * random.standard_normal(SIZE)
        given = g.copy()
        fused(name, w, g, m, v, decay, t, dtype, *keys)
        getattr(plain, name)(given.copy(), *keys)
        assert (g == given).all(), "the sums stay as they are"
    assert w.dtype == m.dtype == v.dtype == dtype
    close = {"rtol": 2e-5, "atol": 2e-6} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-13}
    for found, expected in ((w, plain.w), (m, plain.m), (v, plain.v)):
        np.testing.assert_allclose(found, expected, **close)


def test_without_gradient_nothing_moves_and_nothing_is_divided_by_zero():
    w, zero = np.arange(SIZE, dtype=np.float32), np.zeros(SIZE)
    for name, keys in (("sgd", (1, 0.9, 1)), ("adagrad", (1, 1e-10)), ("adadelta", (1, 0.9, 1e-6))):
        fused(name, w, zero, *np.zeros((2, SIZE), np.float32), 0.0, 1, np.float32, *keys)
    fused("adam", w, zero, *np.zeros((2, SIZE), np.float32), 0.0, 1, np.float32, 1, 0.9, 0.999, 1e-8)
    assert (w == np.arange(SIZE)).all()
