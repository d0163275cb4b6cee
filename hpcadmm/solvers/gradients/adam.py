"""Adam: a mean of the gradients over the root of a mean of their squares.

Kingma, Ba: Adam: A Method for Stochastic Optimization, ICLR 2015, Algorithm 1.
"""

from dataclasses import dataclass
from typing import ClassVar

from hpcadmm.solvers.gradients.stochastic import Entries, Fraction, Positive, Stochastic
from hpcadmm.subproblems.first_order import adam


@dataclass(frozen=True)
class Adam(Stochastic):
    """m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2,
    W -= rate m' / (sqrt(v') + epsilon) with m' = m / (1 - beta1^t), v' = v / (1 - beta2^t) in step t = 1, 2, ...,
    entry by entry;   g the mean gradient, with that of the decay, as in the paper (AdamW decouples the decay).

    rate: default and paper 0.001.
    beta1: decay of the mean of gradients, in [0, 1). Default and paper 0.9.
    beta2: decay of the mean of squares, in [0, 1). Default and paper 0.999.
    epsilon: default and paper 1e-8.
    """

    name: ClassVar[str] = "adam"
    paper: ClassVar[str] = "Kingma, Ba, ICLR 2015"
    when: ClassVar[str] = "the best accuracy soon where sums over the ranks are cheap, as on one node"
    memory: ClassVar[str] = "mv"

    rate: Positive = 0.001
    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    epsilon: Positive = 1e-8

    def move(self, e: Entries) -> None:
        beta1, rest1, beta2, rest2 = e.real(self.beta1, 1 - self.beta1, self.beta2, 1 - self.beta2)
        corrected = float(e.rate) / (1 - self.beta1**e.t), (1 - self.beta2**e.t) ** -0.5
        rate, root, epsilon = e.real(*corrected, self.epsilon)
        adam(e.w, e.g, e.m, e.v, e.weights, e.mean, e.decay, rate, beta1, rest1, beta2, rest2, root, epsilon)
