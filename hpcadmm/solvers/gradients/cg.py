"""Nonlinear conjugate gradients, scipy's.

Polak, Ribiere 1969, as in Nocedal, Wright: Numerical Optimization, 2nd ed., 2006, pp. 120-122.
"""

from dataclasses import dataclass
from typing import ClassVar

from hpcadmm.solvers.gradients.full_batch import FullBatch


@dataclass(frozen=True)
class Cg(FullBatch):
    """x += alpha p,   p = -g + max(0, <g, g - g'> / |g'|^2) p',   alpha by Wolfe's conditions;   ' before."""

    name: ClassVar[str] = "cg"
    paper: ClassVar[str] = "Polak, Ribiere 1969; Nocedal, Wright 2006"
    method: ClassVar[str] = "CG"
