"""pdADMM's algorithm box as one would write it from the paper: float64, all samples at once, u an array, the residuals
formed where they are used, trial evaluations where the paper makes them. And the Lagrangian by its definition.

W[l] and b[l] apart; every step is taken for all layers before the next one.
"""

from itertools import pairwise
from typing import Any

import numpy as np

from hpcadmm.solvers.pdadmm.start import active
from tests.helpers.textbook import LOSS_VALUES, PROXES, activation_and_z_step


def relu_like_z_step(slope):
    """argmin (z - m)^2 + (q - f(z))^2 + (z - old)^2: the better of the minimisers on z >= 0 and on z <= 0."""

    def step(q, m, old):
        right = np.maximum((m + q + old) / 3, 0)
        left = np.minimum((m + slope * q + old) / (2 + slope**2), 0)

        def cost(z):
            return (z - m) ** 2 + (q - np.where(z > 0, z, slope * z)) ** 2 + (z - old) ** 2

        return np.where(cost(right) < cost(left), right, left)

    return step


def functions_of(activation):
    """(f, its z step): closed forms of piecewise linear ones, a fine grid and Newton for smooth ones."""
    f, prox = activation_and_z_step(activation)
    if activation.name in ("relu", "leaky-relu"):
        return f, relu_like_z_step(getattr(activation, "slope", 0.0))
    return f, lambda q, m, old: prox(q, (m + old) / 2, 1.0, 2.0)


def omega(solver, W):
    """Omega(W) = decay |W|_F^2 or decay sum |W_ij|."""
    return solver.decay * (np.abs(W).sum() if solver.penalty == "l1" else np.sum(W**2))


class Plain:
    """Begins with copies of a state's arrays and u = nu (q - f(z)), and does its own iterations."""

    def __init__(self, solver: Any, p: Any, state: Any) -> None:
        self.solver, self.problem, self.L, self.n = solver, p, p.network.depth, p.network.n
        L, n = self.L, self.n
        given = [np.array(w, np.float64) if w is not None else None for w in state.W]
        self.W = [None, *(given[l][:, : n[l - 1]] for l in range(1, L + 1))]
        self.b = [None, *(given[l][:, n[l - 1] :].sum(axis=1, keepdims=True) for l in range(1, L + 1))]
        self.p = [None, *(np.array(state.p[l], np.float64)[: n[l - 1]] for l in range(1, L + 1))]
        self.z = [None, *(np.array(z, np.float64) for z in state.z[1:])]
        self.q = [None, *(np.array(q, np.float64) for q in state.q[1:L])]
        self.u = [np.array(u, np.float64) if u is not None else None for u in multipliers(state, p)]
        self.y, self.done, (self.nu, self.rho) = np.array(p.y, np.float64), 0, (solver.nu, solver.rho)
        self.f, self.z_step = functions_of(p.network.activation)
        self.theta = {(name, l): 1.0 for name in "pW" for l in range(1, L + 1)}
        self.layers = active(solver.stages, L, 0)
        self.w = {l: self.u[l] - self.rho * self.q[l] for l in range(1, L)}  # as the layer above knows it

    def r(self, l, W=None, p=None):
        """W_l p_l + b_l - z_l."""
        return (self.W[l] if W is None else W) @ (self.p[l] if p is None else p) + self.b[l] - self.z[l]

    def fit(self, l, W=None, p=None):
        return self.nu / 2 * np.sum(self.r(l, W, p) ** 2)

    def said(self, x):
        """What a neighbour hears: a wire of float32 rounds to it."""
        return x.astype(np.float32).astype(np.float64) if self.solver.wire == "float32" else x

    def length(self, name, l, phi, x, g, bend):
        """1/theta: by closed form, or from half the last theta, doubled until phi(x - g/theta) <= P."""
        norm = np.sum(g**2)
        if self.solver.update == "quadratic":
            return norm / bend
        theta = self.theta[name, l] / 2
        while phi(x - g / theta) > phi(x) - norm / (2 * theta):
            theta *= 2
        self.theta[name, l] = theta
        return 1 / theta

    def move_p(self, l, below):
        w, W, p = self.w[below], self.W[l], self.p[l]
        if self.solver.update == "exact":
            right = self.nu * W.T @ (self.z[l] - self.b[l]) - w
            self.p[l] = np.linalg.solve(self.nu * W.T @ W + self.rho * np.eye(len(p)), right)
            return
        g = self.nu * W.T @ self.r(l) + w + self.rho * p

        def phi(p):
            return self.fit(l, p=p) + np.sum(w * p) + self.rho / 2 * np.sum(p**2)

        bend = self.nu * np.sum((W @ g) ** 2) + self.rho * np.sum(g**2)
        self.p[l] = p - self.length("p", l, phi, p, g, bend) * g

    def move_W(self, l):
        W, p, solver = self.W[l], self.p[l], self.solver
        lasso = solver.penalty == "l1" and solver.decay > 0
        decay = 0.0 if lasso else solver.decay
        g = self.nu * self.r(l) @ p.T + 2 * decay * W

        def phi(W):
            return self.fit(l, W=W) + decay * np.sum(W**2)

        bend = self.nu * np.sum((g @ p) ** 2) + 2 * decay * np.sum(g**2)
        alpha = self.length("W", l, phi, W, g, bend)
        new = W - alpha * g
        while lasso:
            new = np.sign(W - alpha * g) * np.maximum(np.abs(W - alpha * g) - alpha * solver.decay, 0)
            d = new - W
            if phi(new) <= phi(W) + np.sum(g * d) + np.sum(d**2) / (2 * alpha) * (1 + 1e-6):
                break
            alpha /= 2
        self.W[l] = new

    def solve_W_and_b(self, l):
        """Normal equations of [W, b] with a ridge on W alone, relative to their mean diagonal."""
        p, solver, ones = self.p[l], self.solver, int(self.problem.network.bias)
        wide = np.vstack([p, np.ones((ones, p.shape[1]))])
        ridge = solver.ridge * np.mean(np.sum(p**2, axis=1))
        only_W = np.diag([1.0] * len(p) + [0.0] * ones)
        left = wide @ wide.T + (ridge + 2 * solver.decay / self.nu) * only_W
        right = self.z[l] @ wide.T
        if solver.pull == "proximal":
            right[:, : len(p)] += ridge * self.W[l]
        fitted = np.linalg.solve(left, right.T).T
        self.W[l], self.b[l] = fitted[:, : len(p)], fitted[:, len(p) :].sum(axis=1, keepdims=True)

    def iterate(self) -> None:
        """One iteration, each step for all layers."""
        layers, above = self.layers, dict(pairwise(self.layers))
        for below, l in above.items():
            self.move_p(l, below)
        for l in layers:
            self.solve_W_and_b(l) if self.solver.update == "exact" else self.move_W(l)
        if self.problem.network.bias and self.solver.update != "exact":
            for l in layers:
                self.b[l] = np.mean(self.z[l] - self.W[l] @ self.p[l], axis=1, keepdims=True)
        m = {l: self.W[l] @ self.p[l] + self.b[l] for l in layers}
        for l in above:
            self.z[l] = self.z_step(self.q[l], m[l], self.z[l])
        L, old = self.L, {l: self.q[l] for l in above}
        self.z[L] = PROXES[self.problem.loss.name](m[L], self.y, np.zeros_like(self.y), self.nu / 2)
        for l, k in above.items():
            p = self.said(self.p[k])
            self.q[l] = (self.rho * p + self.u[l] + self.nu * self.f(self.z[l])) / (self.rho + self.nu)
            self.u[l] = self.u[l] + self.rho * (p - self.q[l])
        self.done += 1
        self.reschedule(sum(np.sum((self.q[l] - old[l]) ** 2) for l in above) ** 0.5)
        self.w = {l: self.said(self.u[l] - self.rho * self.q[l]) for l in above}

    def reschedule(self, moved):
        solver = self.solver
        if solver.schedule == "fixed" or self.done % solver.period:
            return
        primal, dual = self.residual(), self.rho * moved
        if solver.schedule == "every" and self.rho * solver.factor <= solver.limit:
            self.nu, self.rho = self.nu * solver.factor, self.rho * solver.factor
        elif solver.schedule == "balanced" and primal > 10 * dual:
            self.rho = min(self.rho * solver.factor, solver.limit)
        elif solver.schedule == "balanced" and dual > 10 * primal:
            self.rho /= solver.factor

    def links(self):
        """(u_l, p_{l+1} - q_l) with p as it was said."""
        return [(self.u[l], self.said(self.p[k]) - self.q[l]) for l, k in pairwise(self.layers)]

    def residual(self) -> float:
        return float(sum(np.sum(r**2) for _, r in self.links()) ** 0.5)

    def scale(self) -> float:
        """The norm of all p, as they were said, and q."""
        pairs = pairwise(self.layers)
        return float(sum(np.sum(self.said(self.p[k]) ** 2) + np.sum(self.q[l] ** 2) for l, k in pairs) ** 0.5)

    def objective(self) -> float:
        total = LOSS_VALUES[self.problem.loss.name](self.z[self.L], self.y)
        total += sum(self.fit(l) for l in self.layers) + sum(omega(self.solver, W) for W in self.W[1:])
        total += sum(self.nu / 2 * np.sum((self.q[l] - self.f(self.z[l])) ** 2) for l in self.layers[:-1])
        return float(total + sum(np.sum(u * r) + self.rho / 2 * np.sum(r**2) for u, r in self.links()))


def disturb(s: Any, p: Any, seed: int = 1) -> None:
    """Move z and q of a start, where all gradients are 0, to where no block is at rest; R as it then is."""
    random = np.random.default_rng(seed)
    for l in range(1, p.network.depth + 1):
        for x in (s.z[l], s.q[l]):
            if x is not None:
                x[...] += 0.3 * random.standard_normal(x.shape)
        if s.R[l] is not None:
            s.R[l][...] = s.W[l] @ s.p[l] - s.z[l]


def multipliers(s: Any, p: Any) -> list[Any]:
    """u_l = nu (q_l - f(z_l)) with the nu of the last q step, l = 1..L-1."""
    f, L = functions_of(p.network.activation)[0], p.network.depth
    return [None, *(s.nu_of_u * (s.q[l] - f(s.z[l])) for l in range(1, L))]


def lagrangian(solver: Any, s: Any, p: Any, u: Any = None) -> float:
    """L_rho by its definition from a state's W, p, z, q, all layers taking part, and u, which stays what it was."""
    nu, rho, L, n = s.nu, s.rho, p.network.depth, p.network.n
    f, u = functions_of(p.network.activation)[0], multipliers(s, p) if u is None else u
    total = LOSS_VALUES[p.loss.name](s.z[L], p.y)
    for l in range(1, L + 1):
        total += nu / 2 * np.sum((s.z[l] - s.W[l] @ s.p[l]) ** 2) + omega(solver, s.W[l][:, : n[l - 1]])
    for l in range(1, L):
        r = s.p[l + 1][: n[l]] - s.q[l]
        total += nu / 2 * np.sum((s.q[l] - f(s.z[l])) ** 2) + np.sum(u[l] * r) + rho / 2 * np.sum(r**2)
    return float(total)
