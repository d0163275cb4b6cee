"""Quantized GADMM: a worker sends its change against its neighbours' copy with b bits an entry.

Elgabli, Park, Bedi, Ben Issaid, Bennis, Aggarwal: Q-GADMM: Quantized Group ADMM for Communication Efficient
Decentralized Machine Learning, IEEE Trans. Commun. 69 (2021), Algorithm 1.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le

from hpcadmm.comm.wire import quantizer
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, sites
from hpcadmm.solvers.workers import gadmm
from hpcadmm.solvers.workers.gadmm import Gadmm
from hpcadmm.solvers.workers.neighbours import Codes, Due
from hpcadmm.solvers.workers.workers import ByWorker

KEY = 6  # of the quantizer's random numbers, among those of a seed


@dataclass
class State(gadmm.State):
    """What GADMM keeps, and the last message of each worker."""

    bits: ByWorker = sites()  # bits[n]: (L,), bits an entry, by layer
    R: ByWorker = sites()  # R[n]: (L,), its last range that was not 0


@dataclass(frozen=True)
class QGadmm(Gadmm):
    """minimise as `gadmm` does, with the decoded known_n in place of theta_n in the neighbours' steps and in the duals:

        mu_n += rho sum_m (known_n - known_m)

    workers, topology, rho, censor, local, local_steps, rate, batch, dual_step, periods: as of `gadmm`.
    wire: must be "same".
    bits: bits an entry, 1 to 32 (default 4; paper 2 for linear regression, 8 for networks). A message has bits * d + 64
        bits for each layer of d entries.
    adaptive: "fixed" (default) always uses `bits`; "adaptive" (the paper's proof) starts with `bits` and then uses the
        fewest with which no worker's quantization step Delta grows. They climb, up to 32, since R rises and falls.

    "fixed" converges where the f_n are curved enough compared with rho: 2 bits suffice for the paper's least squares,
    but diverge for the cross entropy of nearly separable classes, where 3 suffice.

    Deviations from the paper: each layer has its own R and bits. R is rounded up to float32 before use and is measured
    from `known`; an entry is rounded up with probability c - floor(c) (hpcadmm.comm.wire.quantizer explains both
    misprints). dual_step of networks is 0.5 by default; the paper's Q-SGADMM has 0.01.
    """

    name: ClassVar[str] = "qgadmm"
    paper: ClassVar[str] = "Elgabli et al., IEEE Trans. Commun. 2021"
    when: ClassVar[str] = "as gadmm, with few bits an entry"
    state_type: ClassVar[Any] = State

    bits: Annotated[int, Ge(1), Le(32)] = 4
    adaptive: Literal["fixed", "adaptive"] = "fixed"

    def check(self, L: int) -> None:
        """UsageError also for a `wire`."""
        super().check(L)
        if self.wire != "same":
            raise UsageError(f'solver.wire = "{self.wire}": qgadmm sends codes of solver.bits; leave solver.wire out')

    def layer_bytes(self, entries: int, item: int) -> int:
        return int(quantizer.message_bytes(self.bits, entries))

    def publish(self, s: Any, p: Problem, group: int, due: Due) -> None:
        """Send a group's quantized changes; `known` becomes the decoded value."""
        rows = self.speaking(s, group, due)
        random = uniform(s, rows, p.seed)
        layers = [self.codes(s, rows, l, t, random[:, t]) for l, t in due]
        self.count(s, rows, sum(bits for bits, _ in layers))
        by_row = zip(*(messages for _, messages in layers), strict=True)
        joined = [of_row[0] if len(of_row) == 1 else np.concatenate(of_row) for of_row in by_row]
        messages = dict(zip(np.arange(len(s.theta.rows))[rows].tolist(), joined, strict=True))
        most = self.bits if self.adaptive == "fixed" else quantizer.MOST
        s.work.workers.exchange(group, s.known.rows, Codes(messages, due, self.censor is not None, most))

    def codes(self, s: State, rows: Any, l: int, t: slice, random: Array) -> tuple[Array, list[Array]]:
        """The payload bits and the messages of layer l, by row."""
        theta, known, random = (np.ascontiguousarray(x) for x in (s.theta.rows[rows, t], s.known.rows[rows, t], random))
        bits, R = s.bits.rows[rows, l - 1], s.R.rows[rows, l - 1]
        if self.adaptive == "adaptive":
            bits, R = quantizer.adapt(theta, known, bits, R)
            s.bits.rows[rows, l - 1], s.R.rows[rows, l - 1] = bits, R
        messages = quantizer.encode(theta, known, bits, random)
        s.known.rows[rows, t] = known
        return quantizer.payload_bits(bits, theta.shape[1]), messages

    def blank(self, p: Problem, world: World) -> State:
        """As of `gadmm`; all workers start with `bits`."""
        s, L = super().blank(p, world), p.network.depth
        bits, R = (s.work.workers.filled(value, L, dtype=type(value)) for value in (self.bits, 0.0))
        return State(**vars(s), bits=bits, R=R)


def uniform(s: gadmm.State, rows: Any, seed: int) -> Array:
    """The random numbers of this iteration for these rows, (rows, d): those of worker n are the entries n d to
    (n + 1) d of one stream for (seed, iteration), whatever rank holds the worker."""
    mine, d = np.array(s.work.workers.mine, np.int64)[rows].tolist(), s.theta.rows.shape[1]
    drawn, stream, before = np.empty((len(mine), d)), np.random.PCG64([seed, KEY, s.iterations]), 0
    random = np.random.Generator(stream)
    for row, n in zip(drawn, mine, strict=True):
        stream.advance((n - before) * d)
        random.random(out=row)
        before = n + 1
    return drawn
