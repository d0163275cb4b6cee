"""Taylor's algorithm box as one would write it from the paper: float64, all samples at once, nothing fused.

W[l] and b[l] apart; l(z, y) by its own formula; the W step by the normal equations with their penalty.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np


def relu_like(slope):
    def h(z):
        return np.where(z > 0, z, slope * z)

    def prox(a, m, gamma, beta):
        right = np.maximum((gamma * a + beta * m) / (gamma + beta), 0)
        left = np.minimum((gamma * slope * a + beta * m) / (gamma * slope**2 + beta), 0)
        costs = [gamma * (a - h(z)) ** 2 + beta * (z - m) ** 2 for z in (right, left)]
        return np.where(costs[0] < costs[1], right, left)

    return h, prox


def smooth(h, d1, d2):
    """An activation with its first two derivatives; its z step by a grid about the best of a grid, then Newton."""

    def prox(a, m, gamma, beta):
        low, high = np.minimum(m, -6) - 1, np.maximum(m, 6) + 1
        for _ in range(6):
            grid = np.linspace(low, high, 401)
            costs = gamma * (a - h(grid)) ** 2 + beta * (grid - m) ** 2
            z = np.take_along_axis(grid, np.argmin(costs, axis=0)[None], axis=0)[0]
            low, high = z - (high - low) / 200, z + (high - low) / 200
        for _ in range(3):
            slope = beta * (z - m) - gamma * (a - h(z)) * d1(z)
            z = z - slope / (beta + gamma * (d1(z) ** 2 - (a - h(z)) * d2(z)))
        return z

    return h, prox


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def activation_and_z_step(activation):
    """By the name; one that is not known here is taken as it is."""
    known = {
        "relu": relu_like(0.0),
        "leaky-relu": relu_like(getattr(activation, "slope", 0.0)),
        "tanh": smooth(np.tanh, lambda z: 1 - np.tanh(z) ** 2, lambda z: -2 * np.tanh(z) * (1 - np.tanh(z) ** 2)),
        "sigmoid": smooth(
            sigmoid,
            lambda z: sigmoid(z) * sigmoid(-z),
            lambda z: sigmoid(z) * sigmoid(-z) * (1 - 2 * sigmoid(z)),
        ),
    }

    def fresh(x):
        return np.empty(x.shape, order="F")

    own = (
        lambda z: activation.value(np.asfortranarray(z), fresh(z)),
        lambda a, m, gamma, beta: activation.prox(np.asfortranarray(a), np.asfortranarray(m), gamma, beta, fresh(m)),
    )
    return known.get(activation.name, own)


def hinge(m, y, lam, beta):
    w, right, left = m - lam / (2 * beta), m + (1 - lam) / (2 * beta), m - (1 + lam) / (2 * beta)
    plus, minus = np.where(w >= 1, w, np.minimum(right, 1)), np.where(w <= -1, w, np.maximum(left, -1))
    return np.where(y > 0, plus, minus)


def squared(m, y, lam, beta):
    return (2 * y - lam + 2 * beta * m) / (2 + 2 * beta)


def cross_entropy(m, y, lam, beta):
    """Newton with the whole Hessian, damped where it would go up."""
    z = m.copy()
    for j in range(m.shape[1]):

        def value(x, j=j):
            return np.logaddexp.reduce(x) + (lam[:, j] - y[:, j]) @ x + beta * np.sum((x - m[:, j]) ** 2)

        for _ in range(60):
            s = np.exp(z[:, j] - np.logaddexp.reduce(z[:, j]))
            g = s - y[:, j] + lam[:, j] + 2 * beta * (z[:, j] - m[:, j])
            d = np.linalg.solve(np.diag(s) - np.outer(s, s) + 2 * beta * np.eye(len(s)), -g)
            t = 1.0
            while value(z[:, j] + t * d) > value(z[:, j]) and t > 1e-3:
                t /= 2
            z[:, j] += t * d
            if abs(d).max() < 1e-14:
                break
    return z


LOSS_VALUES = {
    "hinge": lambda z, y: np.maximum(1 - y * z, 0).sum(),
    "squared": lambda z, y: ((z - y) ** 2).sum(),
    "cross-entropy": lambda z, y: (np.logaddexp.reduce(z, axis=0) - (y * z).sum(axis=0)).sum(),
}
PROXES = {"hinge": hinge, "squared": squared, "cross-entropy": cross_entropy}


class Textbook:
    """Begins with copies of a state's arrays and does its own sweeps."""

    def __init__(self, solver: Any, p: Any, state: Any) -> None:
        self.p, self.solver, self.L, self.n = p, solver, p.network.depth, p.network.n
        L, n = self.L, self.n
        given = [np.array(w, np.float64) if w is not None else None for w in state.W]
        self.W = [None, *(given[l][:, : n[l - 1]] for l in range(1, L + 1))]
        self.b = [None, *(given[l][:, n[l - 1] :].sum(axis=1, keepdims=True) for l in range(1, L + 1))]
        self.a = [np.array(a, np.float64)[: n[l]] for l, a in enumerate(state.a)]
        self.z = [None, *(np.array(z, np.float64) for z in state.z[1:])]
        self.lam, self.y, self.sweeps = np.array(state.lam, np.float64), np.array(p.y, np.float64), 0
        self.beta = [0, *(solver.beta if isinstance(solver.beta, list) else [solver.beta] * L)]
        self.gamma = [0, *(solver.gamma if isinstance(solver.gamma, list) else [solver.gamma] * (L - 1))]
        self.h, self.z_step = activation_and_z_step(p.network.activation)
        self.z_L_step = PROXES[p.loss.name]

    def m(self, l):
        return self.W[l] @ self.a[l - 1] + self.b[l]

    def fit_weights(self, l):
        a, z = self.a[l - 1], self.z[l]
        penalty = self.solver.ridge * np.mean(np.sum(a * a, axis=1)) + self.solver.decay / self.beta[l]
        wide = np.vstack([a, np.ones((int(self.p.network.bias), a.shape[1]))])
        diagonal = np.diag([penalty] * len(a) + [0] * (len(wide) - len(a)))
        fitted = np.linalg.solve(wide @ wide.T + diagonal, wide @ z.T).T
        self.W[l], self.b[l] = fitted[:, : len(a)], fitted[:, len(a) :].sum(axis=1, keepdims=True)

    def fit_activation(self, l):
        beta, gamma, V = self.beta[l + 1], self.gamma[l], self.W[l + 1]
        right = beta * V.T @ (self.z[l + 1] - self.b[l + 1]) + gamma * self.h(self.z[l])
        self.a[l] = np.linalg.solve(beta * V.T @ V + gamma * np.eye(len(right)), right)

    def blocks(self) -> Iterator[tuple[str, int]]:
        """One sweep; says after each block which one it was."""
        L = self.L
        for l in range(1, L):
            self.fit_weights(l)
            yield "W", l
            self.fit_activation(l)
            yield "a", l
            self.z[l] = self.z_step(self.a[l], self.m(l), self.gamma[l], self.beta[l])
            yield "z", l
        self.fit_weights(L)
        yield "W", L
        self.z[L] = self.z_L_step(self.m(L), self.y, self.lam, self.beta[L])
        yield "z", L
        if self.solver.warm is not None and self.sweeps >= self.solver.warm:
            self.lam = self.lam + self.solver.dual_step * self.beta[L] * (self.z[L] - self.m(L))
        self.sweeps += 1

    def sweep(self) -> None:
        for _ in self.blocks():
            pass

    def objective(self) -> float:
        L, z = self.L, self.z
        total = LOSS_VALUES[self.p.loss.name](z[L], self.y) + np.sum(z[L] * self.lam)
        total += sum(self.beta[l] * np.sum((z[l] - self.m(l)) ** 2) for l in range(1, L + 1))
        total += sum(self.gamma[l] * np.sum((self.a[l] - self.h(z[l])) ** 2) for l in range(1, L))
        return float(total + self.solver.decay * sum(np.sum(W**2) for W in self.W[1:]))

    def residual(self) -> float:
        parts = [self.z[l] - self.m(l) for l in range(1, self.L + 1)]
        parts += [self.a[l] - self.h(self.z[l]) for l in range(1, self.L)]
        return float(np.sqrt(sum(np.sum(x**2) for x in parts)))

    def scale(self) -> float:
        return float(np.sqrt(sum(np.sum(x**2) for x in [*self.z[1:], *self.a[1:]])))
