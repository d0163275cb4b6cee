"""SOAP: Adam in the eigenvectors of Shampoo's preconditioner.

Vyas, Morwani, Zhao, Shapira, Brandfonbrener, Janson, Kakade: SOAP: Improving and Stabilizing Shampoo using Adam, ICLR
2025, Algorithm 3; Gupta, Koren, Singer: Shampoo, ICML 2018.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays, replicated
from hpcadmm.solvers.gradients import cost
from hpcadmm.solvers.gradients.stochastic import Fraction, Positive, Stochastic
from hpcadmm.solvers.gradients.stochastic import State as Moments
from hpcadmm.subproblems.orthogonal import eigenvectors, rotated, turned_to


@dataclass
class State(Moments):
    """The state of Adam, and the two sides of each W_l; a side that is not rotated is None."""

    L: Arrays = replicated()  # L[l]: (n[l], n[l]), a mean of G G^T
    R: Arrays = replicated()  # R[l]: (n[l-1] + ones, n[l-1] + ones), a mean of G^T G
    QL: Arrays = replicated()  # shaped as L: its eigenvectors, about
    QR: Arrays = replicated()  # shaped as R: its eigenvectors, about


@dataclass(frozen=True)
class Soap(Stochastic):
    """G the mean gradient of W_l, biases and decay included; in step t:

        M = beta1 M + (1 - beta1) G,   G' = QL^T G QR,   M' = QL^T M QR,   V = beta2 V + (1 - beta2) G'^2,
        W -= rate QL (M' / (sqrt(V) + epsilon)) QR^T, with Adam's corrections of M' and V,
        L = beta L + (1 - beta) G G^T,   R = beta R + (1 - beta) G^T G, and every `refresh` steps
        QL = orthogonal factor of (L + d I) QL,   QR = orthogonal factor of (R + d I) QR.
    d, a thousandth of the mean eigenvalue (paper: 0), keeps the directions that no gradient has shown yet.

    The first step only makes L, R and their eigenvectors, as in the authors' program. The paper decouples the decay.

    rate: default and paper 0.003.
    beta1, beta2: decays of the mean of gradients and of squares, in [0, 1). Defaults and paper 0.95.
    beta: decay of L and R, in [0, 1). Default 0.95, the paper's.
    epsilon: default and paper 1e-8.
    refresh: steps between two moves of QL and QR. Default and paper 10.
    largest: a side of W_l with more rows or columns is not rotated. Default and paper 10000.
    """

    name: ClassVar[str] = "soap"
    paper: ClassVar[str] = "Vyas et al., ICLR 2025"
    when: ClassVar[str] = "the fewest steps of the minibatch methods, each much dearer than one of adam"
    state_type: ClassVar[Any] = State
    memory: ClassVar[str] = "mv"

    rate: Positive = 0.003
    beta1: Fraction = 0.95
    beta2: Fraction = 0.95
    beta: Fraction = 0.95
    epsilon: Positive = 1e-8
    refresh: Annotated[int, Ge(1)] = 10
    largest: Annotated[int, Ge(1)] = 10000

    def move_layer(self, s: Any, p: Problem, l: int) -> None:
        e, W, m, v, QL, QR = self.entries(s, p, l), s.iterate[l], s.m[l], s.v[l], s.QL[l], s.QR[l]
        G, t = e.gradient().reshape(W.shape, order="F"), e.t - 1
        if t:
            beta1, rest1, beta2, rest2 = e.real(self.beta1, 1 - self.beta1, self.beta2, 1 - self.beta2)
            corrected = float(e.rate) / (1 - self.beta1**t), (1 - self.beta2**t) ** -0.5
            rate, root, epsilon = e.real(*corrected, self.epsilon)
            m[...] = beta1 * m + rest1 * G
            left, right = (None if Q is None else Q.T for Q in (QL, QR))
            turned, mean = rotated(left, G, QR), rotated(left, m, QR)
            v[...] = beta2 * v + rest2 * turned * turned
            W -= rate * rotated(QL, mean / (root * np.sqrt(v) + epsilon), right)
        for M, Q, X in ((s.L[l], QL, G), (s.R[l], QR, G.T)):
            if Q is not None:
                self._turn(M, Q, X, t)

    def _turn(self, M: Array, Q: Array, X: Array, t: int) -> None:
        """M, the mean of X X^T, and its eigenvectors Q after step t = 0, 1, ..."""
        M *= M.dtype.type(self.beta)
        M += M.dtype.type(1 - self.beta) * np.matmul(X, X.T)
        if t == 0:
            eigenvectors(M, Q)
        elif t % self.refresh == 0:
            turned_to(M, Q)

    def blank(self, p: Problem, world: World) -> Any:
        s: Any = super().blank(p, world)

        def sides(side: int) -> Arrays:
            sizes = [0, *(W.shape[side] for W in s.W[1:])]
            return [np.zeros((n, n), p.dtype) if 0 < n <= self.largest else None for n in sizes]

        return replace(s, L=sides(0), R=sides(1), QL=sides(0), QR=sides(1))

    bill = cost.soap
    held_bytes = cost.soap_memory
