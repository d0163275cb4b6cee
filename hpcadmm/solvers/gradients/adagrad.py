"""AdaGrad: a rate for each weight, from the squares of all its gradients.

Duchi, Hazan, Singer: Adaptive Subgradient Methods for Online Learning and Stochastic Optimization, JMLR 2011.
"""

from dataclasses import dataclass
from typing import ClassVar

from hpcadmm.solvers.gradients.stochastic import Entries, Positive, Stochastic
from hpcadmm.subproblems.first_order import adagrad


@dataclass(frozen=True)
class Adagrad(Stochastic):
    """v += g^2,   W -= rate g / (sqrt(v) + epsilon),   entry by entry;   g the mean gradient.

    rate: default 0.01.
    epsilon: default 1e-10.
    """

    name: ClassVar[str] = "adagrad"
    paper: ClassVar[str] = "Duchi, Hazan, Singer, JMLR 2011"
    when: ClassVar[str] = "a baseline for sparse features"
    memory: ClassVar[str] = "v"

    rate: Positive = 0.01
    epsilon: Positive = 1e-10

    def move(self, e: Entries) -> None:
        (epsilon,) = e.real(self.epsilon)
        adagrad(e.w, e.g, e.v, e.weights, e.mean, e.decay, e.rate, epsilon)
