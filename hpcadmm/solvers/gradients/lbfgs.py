"""Limited-memory BFGS, scipy's L-BFGS-B without bounds.

Liu, Nocedal: On the limited memory BFGS method for large scale optimization, Math. Programming 1989; Zhu, Byrd, Lu,
Nocedal: Algorithm 778: L-BFGS-B, ACM Trans. Math. Softw. 1997.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Ge

from hpcadmm.solvers.gradients.full_batch import FullBatch


@dataclass(frozen=True)
class Lbfgs(FullBatch):
    """x -= alpha H g,   H the BFGS approximation of the inverse Hessian from the last `memory` steps and changes of the
    gradient,   alpha by Wolfe's conditions.
    """

    name: ClassVar[str] = "lbfgs"
    paper: ClassVar[str] = "Liu, Nocedal, Math. Programming 1989; Zhu et al. 1997"
    method: ClassVar[str] = "L-BFGS-B"

    memory: Annotated[int, Ge(1)] = 10

    @property
    def options(self) -> dict[str, Any]:
        """`maxfun` only to have no limit of scipy's own."""
        return {**super().options, "maxcor": self.memory, "maxfun": 10**9}
