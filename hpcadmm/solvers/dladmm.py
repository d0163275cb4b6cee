"""Backward-forward ADMM with quadratic bounds instead of inverses, data-parallel.

Wang, Yu, Chen, Zhao: ADMM for Efficient Deep Learning with Global Convergence, KDD 2019, Algorithm 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Gt

from hpcadmm.comm.world import World
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays, columns, replicated
from hpcadmm.solvers.dladmm_blocks import Blocks, Work
from hpcadmm.solvers.products import Product
from hpcadmm.solvers.start import forward

Positive = Annotated[float, Gt(0)]


@dataclass
class State:
    """Lists are indexed by layer, as in the paper; W[l] holds b_l as its last column, a_l ones as its last row."""

    W: Arrays = replicated()  # W[l]: (n[l], n[l-1] + ones), l = 1..L
    a: Arrays = columns(first=1)  # a[l]: (n[l] + ones, m), l = 0..L-1; a[0] is the data
    z: Arrays = columns()  # z[l]: (n[l], m), l = 1..L
    r: Arrays = columns()  # r[l] = z_l - W_l a_{l-1} - b_l: (n[l], m), carried through all steps
    u: Array = columns()  # (n[L], m)
    rho: Array = replicated()  # [now]
    grids: Array = replicated()  # of the exact sums
    iterations: Array = replicated()  # [how many are done]
    work: Any = None


@dataclass(frozen=True)
class DlAdmm:
    """minimise R(z_L; y) + sum_l Omega(W_l) + (nu/2) sum_{l<L} |z_l - W_l a_{l-1} - b_l|^2 + |a_l - f(z_l)|^2
    + <u, r_L> + (rho/2) |r_L|^2 with r_L = z_L - W_L a_{L-1} - b_L; R is summed over the samples.

    penalty, decay: Omega = decay |W|_F^2 ("l2") or decay sum |W_ij| ("l1"). update: W and a take one step on a
    quadratic upper bound, whose curvature is the exact one along the gradient ("quadratic", which meets the paper's
    condition phi <= P with equality) or is doubled from the last until the condition holds ("backtracking", the
    paper's). rho_every, rho_factor, rho_limit: rho is multiplied every so many iterations, up to the limit (0: never).
    targets: z_L starts at +1 for the true class and -1 else, as in the paper, instead of the forward pass.
    """
