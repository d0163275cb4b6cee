"""Quantized GADMM: workers tell b bits an entry of how far they are from what their neighbours know.

Elgabli, Park, Bedi, Ben Issaid, Bennis, Aggarwal: Q-GADMM: Quantized Group ADMM for Communication Efficient
Decentralized Machine Learning, IEEE Trans. Commun. 69 (2021), Algorithm 1.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le

from hpcadmm.comm.wire.quantizer import MOST
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.problem import Problem
from hpcadmm.solvers.workers.decentralized import MARKS
from hpcadmm.solvers.workers.gadmm import Gadmm, State
from hpcadmm.solvers.workers.messages import Codes, Due, quantized, speaking


@dataclass(frozen=True)
class QGadmm(Gadmm):
    """minimise what `gadmm` does, with known_n, what the neighbours know of theta_n, in place of theta_n in the steps
    of the neighbours and of the duals:    mu_n += rho sum_m (known_n - known_m).

    workers, topology, rho, censor, local, local_steps, rate, batch, dual_step, periods: as of `gadmm`; wire: "same".
    bits: of an entry of a message; a message is bits d + 64 bits, each layer having an R of its own and 64 bits for it.
    adaptive: "fixed" keeps to these, which converges where the f_n bend enough against rho: 2 bits do for the least
    squares of the paper, but diverge for the cross entropy of classes that are nearly separable, where 3 do.
    "adaptive" begins with `bits` and then takes the least that let no worker's quantization step Delta grow, for which
    the paper proves convergence; since R goes up and down they climb, up to 32.

    Deviations from the paper. R is rounded up to float32 before it is used, and the entries that are quantized are
    those of a layer, each with an R and bits of its own. R is measured from what the neighbours know, and an entry is
    rounded up with probability c - floor(c) (see hpcadmm.comm.wire.quantizer on two misprints). `dual_step` of networks
    is 0.5 by default; the paper's Q-SGADMM has 0.01.
    """

    name: ClassVar[str] = "qgadmm"
    paper: ClassVar[str] = "Elgabli et al., IEEE Trans. Commun. 2021"

    bits: Annotated[int, Ge(1), Le(32)] = 4
    adaptive: Literal["fixed", "adaptive"] = "fixed"

    def check(self, L: int) -> None:
        """UsageError also for a `wire`."""
        super().check(L)
        if self.wire != "same":
            raise UsageError(f'solver.wire = "{self.wire}": what qgadmm sends are codes, of solver.bits')

    def publish(self, s: State, p: Problem, group: int, due: Due) -> None:
        """The neighbours learn the news of a group as codes; the worker knows what they make of them."""
        work, k, adaptive = s.work, int(s.done[0]), self.adaptive == "adaptive"
        said = quantized(work, speaking(self.censor, work, group, k, due), due, adaptive, p.seed, k)
        bits = MOST if adaptive else self.bits
        work.workers.tell(group, work.known, Codes(said, due, self.censor is not None, bits))

    def blank(self, p: Problem, world: World) -> State:
        """Blank as of `gadmm`; the bits that the workers begin with."""
        s = super().blank(p, world)
        s.work.marks[:, MARKS::2] = self.bits
        return s
