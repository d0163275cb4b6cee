"""Muon: momentum whose matrices are made orthogonal.

Jordan, Jin, Boza, You, Cesista, Newhouse, Bernstein: Muon: An optimizer for hidden layers in neural networks, 2024;
the scale of the step by Liu et al.: Muon is Scalable for LLM Training, arXiv 2025.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from hpcadmm.model.problem import Problem
from hpcadmm.solvers.gradients import cost
from hpcadmm.solvers.gradients.adam import Adam
from hpcadmm.solvers.gradients.stochastic import Entries, Fraction, Positive, State
from hpcadmm.subproblems.orthogonal import orthogonalised


@dataclass(frozen=True)
class Muon(Adam):
    """For the hidden matrices W_l, 1 < l < L, without their biases:

        m = momentum m + (1 - momentum) g,   O = orthogonal(m), or with `nesterov` of momentum m + (1 - momentum) g,
        W -= rate 0.2 sqrt(max(n_l, n_{l-1})) O,

    where orthogonal moves all singular values to about 1 by five Newton-Schulz iterations. All other weights and all
    biases take a step of Adam with the same rate. g is the mean gradient, with that of the decay; in the papers the
    decay is decoupled. With the factor 0.2 sqrt(max(n_l, n_{l-1})) of Liu et al. an entry of a step has the size that
    it has with Adam, so one rate serves both.

    rate: of both methods, default 0.001.
    momentum: in [0, 1). Default and paper 0.95.
    nesterov: use Nesterov's form of momentum. Default and paper true.
    ends: the method of W_1: "adam" (default and paper) or "muon". W_L always takes Adam's.
    beta1, beta2, epsilon: of Adam. Defaults 0.9, 0.999, 1e-8.
    """

    name: ClassVar[str] = "muon"
    paper: ClassVar[str] = "Jordan et al., 2024; Liu et al., arXiv 2025"
    when: ClassVar[str] = "deep or wide networks: fewer steps than adam, each a little dearer"
    memory: ClassVar[str] = "mv"

    rate: Positive = 0.001
    momentum: Fraction = 0.95
    nesterov: bool = True
    ends: Literal["adam", "muon"] = "adam"

    def matrices(self, L: int) -> range:
        """The layers of weights that are moved as matrices.

        >>> list(Muon().matrices(4)), list(Muon(ends="muon").matrices(4)), list(Muon().matrices(1))
        ([2, 3], [1, 2, 3], [])
        """
        return range(1 if self.ends == "muon" else 2, L)

    def move_layer(self, s: State, p: Problem, l: int) -> None:
        e = self.entries(s, p, l)
        if l in self.matrices(p.network.depth):
            self._move_matrix(e, (p.network.n[l], p.network.n[l - 1]))
            e = biases(e)
        self.move(e)

    def _move_matrix(self, e: Entries, shape: tuple[int, int]) -> None:
        k, momentum, rest = e.weights, *e.real(self.momentum, 1 - self.momentum)
        w, m, g = e.w[:k], e.m[:k], e.gradient()[:k]
        m *= momentum
        m += rest * g
        ahead = momentum * m + rest * g if self.nesterov else m
        O = orthogonalised(ahead.reshape(shape, order="F"))
        w -= e.rate * e.real(0.2 * max(shape) ** 0.5)[0] * O.reshape(-1, order="F")

    bill = cost.muon


def biases(e: Entries) -> Entries:
    """The entries of the last column alone."""
    k = e.weights
    return replace(e, w=e.w[k:], g=e.g[k:], m=e.m[k:], v=e.v[k:], weights=0)
