"""Adadelta: steps of the length of the last steps, in units of the gradient.

Zeiler: ADADELTA: An Adaptive Learning Rate Method, arXiv:1212.5701, 2012, Algorithm 1.
"""

from dataclasses import dataclass
from typing import ClassVar

from hpcadmm.solvers.gradients.stochastic import Entries, Fraction, Positive, Stochastic
from hpcadmm.subproblems.first_order import adadelta


@dataclass(frozen=True)
class Adadelta(Stochastic):
    """v = rho v + (1 - rho) g^2,   e = g sqrt(m + epsilon) / sqrt(v + epsilon),   W -= rate e,
    m = rho m + (1 - rho) e^2,   entry by entry;   g the mean gradient.

    rate: default 1, which is the paper's method (it has no rate).
    rho: decay of the running means, in [0, 1). Default and paper 0.95.
    epsilon: default and paper 1e-6.
    """

    name: ClassVar[str] = "adadelta"
    paper: ClassVar[str] = "Zeiler, arXiv:1212.5701, 2012"
    when: ClassVar[str] = "a baseline without a learning rate to choose"
    memory: ClassVar[str] = "mv"

    rate: Positive = 1.0
    rho: Fraction = 0.95
    epsilon: Positive = 1e-6

    def move(self, e: Entries) -> None:
        rho, rest, epsilon = e.real(self.rho, 1 - self.rho, self.epsilon)
        adadelta(e.w, e.g, e.m, e.v, e.weights, e.mean, e.decay, e.rate, rho, rest, epsilon)
