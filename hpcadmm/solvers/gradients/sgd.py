"""Stochastic gradient descent, with momentum.

Robbins, Monro: A Stochastic Approximation Method, Ann. Math. Stat. 1951; Polyak 1964 (momentum); Nesterov 1983, in the
form of Sutskever, Martens, Dahl, Hinton: On the importance of initialization and momentum in deep learning, ICML 2013.
"""

from dataclasses import dataclass
from typing import ClassVar

from hpcadmm.errors import UsageError
from hpcadmm.solvers.gradients.stochastic import Entries, Fraction, Positive, Stochastic
from hpcadmm.subproblems.first_order import sgd


@dataclass(frozen=True)
class Sgd(Stochastic):
    """m = momentum m + g,   W -= rate m,   or with `nesterov` W -= rate (g + momentum m);   g the mean gradient.
    With a constant rate this is Sutskever's form, whose velocity is -rate m.

    rate: default 0.1.
    momentum: in [0, 1). Default 0.
    nesterov: use Nesterov's form of momentum. Default false.
    """

    name: ClassVar[str] = "sgd"
    paper: ClassVar[str] = "Robbins, Monro, 1951; Sutskever et al., ICML 2013"
    when: ClassVar[str] = "a baseline; with momentum, and a rate that wants tuning"
    memory: ClassVar[str] = "m"

    rate: Positive = 0.1
    momentum: Fraction = 0.0
    nesterov: bool = False

    def check(self, L: int) -> None:
        super().check(L)
        if self.nesterov and self.momentum == 0:
            raise UsageError("solver.nesterov does nothing with solver.momentum = 0: choose a momentum, such as 0.9")

    def move(self, e: Entries) -> None:
        momentum, ahead = e.real(self.momentum, float(self.nesterov))
        sgd(e.w, e.g, e.m, e.weights, e.mean, e.decay, e.rate, momentum, ahead)
