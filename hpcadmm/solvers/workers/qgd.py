"""Quantized gradient descent: workers send the server the change of their gradient with b bits an entry.

The benchmark of Elgabli et al.: Q-GADMM, IEEE Trans. Commun. 69 (2021), with the quantizer of that paper; differences
of gradients as in Sun, Chen, Giannakis, Yang: Communication-Efficient Distributed Learning via Lazily Aggregated
Quantized Gradients, NeurIPS 2019, without its lazy part.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge, Le

from hpcadmm.comm.wire import quantizer
from hpcadmm.comm.world import World
from hpcadmm.errors import UsageError
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays, sites
from hpcadmm.model.tiles import block
from hpcadmm.model.vector import spans
from hpcadmm.solvers.workers import cost, gd
from hpcadmm.solvers.workers.gd import Gd
from hpcadmm.solvers.workers.workers import ByWorker
from hpcadmm.subproblems.local.gradient import LocalGradient

KEY = 9  # of the quantizer's random numbers, among those of a seed


@dataclass
class State(gd.State):
    """Fields of workers are indexed by worker n; a rank holds the entries of its own workers."""

    known: Arrays = sites()  # known[n L + l - 1]: what the server knows of dW_l of worker n, by columns
    payload_bits: ByWorker = sites()  # payload_bits[n]: (1,), uploaded so far
    bits: ByWorker = sites()  # bits[n]: (L,), bits an entry of the last upload, by layer
    R: ByWorker = sites()  # R[n]: (L,), its last range that was not 0


class Work(gd.Work):
    """Every rank acts as the server and keeps `known` of all workers, an array (N, entries) for each layer."""

    def __init__(self, p: Problem, batch: int) -> None:
        super().__init__(p, batch)
        self.spans = spans(p.network)
        self.sizes, k = [t.stop - t.start for t in self.spans], len(self.workers.mine)
        self.own = slice(*p.tiles.held)
        self.known = [np.zeros((self.workers.count, d), p.dtype) for d in self.sizes]
        self.gradients = [np.zeros((k, d), p.dtype) for d in self.sizes]
        self.uniform = [np.zeros((k, d)) for d in self.sizes]
        self.local_gradient = LocalGradient(p.network, p.loss, p.dtype, p.engines)

    def differentiate(self, W: Arrays, k: int) -> None:
        """gradients[l - 1][row] = dW_l of each worker of this rank in iteration k, its chunks added in float64."""
        W = self.local_gradient.passes.weights(W)
        for row in range(len(self.workers.mine)):
            parts, scale = self.samples.drawn(row, k)
            total = scale * self.local_gradient.sum(W, parts)
            for rows, t in zip(self.gradients, self.spans, strict=True):
                rows[row] = total[t]

    def draw(self, seed: int, k: int) -> None:
        """The random numbers of iteration k; they belong to the worker, whatever rank holds it."""
        for row, n in enumerate(self.workers.mine):
            random = np.random.default_rng([seed, KEY, k, n])
            for rows in self.uniform:
                random.random(out=rows[row])

    def decode(self, data: Array, workers: range) -> None:
        """Apply the uploads of another rank's workers."""
        at = 0
        for n in workers:
            for known in self.known:
                size = int(quantizer.message_bytes(quantizer.bits_of(data[at:]), known.shape[1]))
                quantizer.decode(data[at : at + size], known[n])
                at += size


@dataclass(frozen=True)
class QGd(Gd):
    """As `gd`, with known_n, the server's copy of the gradient of worker n, in its place:

        W_l -= rate (sum_n known_n / m + decay W_l)

    workers, rate, decay, optimum: as of `gd`.
    bits: bits an entry of an upload, 1 to 32 (default 4; paper 2). An upload is the difference between gradient and
        known_n, with bits * d + 64 bits for each layer of d entries.
    adaptive: "fixed" (default) always uses `bits`; "adaptive" starts with `bits` and then uses, for every worker and
        layer, the fewest with which no quantization step grows. They climb, up to 32, since R rises and falls.
    batch: samples per minibatch of a worker, at most; 0 (default): all of its samples in every iteration. A gradient is
        then an estimate from its minibatch (QSGD). Needs two workers or more.

    All ranks receive the uploads, and each acts as the server. So no broadcast crosses ranks; the payload still counts
    one, of the weights in the precision of the job. A single worker needs no server: it is `gd`.

    Deviations from the papers: the gradients of every iteration are sent, not only those that changed enough.
    """

    name: ClassVar[str] = "qgd"
    paper: ClassVar[str] = "Elgabli et al., IEEE Trans. Commun. 2021; Sun et al., NeurIPS 2019"
    when: ClassVar[str] = "the baseline of qgadmm: gradients in few bits"
    state_type: ClassVar[Any] = State

    bits: Annotated[int, Ge(1), Le(32)] = 4
    adaptive: Literal["fixed", "adaptive"] = "fixed"
    batch: Annotated[int, Ge(0)] = 0

    def check(self, L: int) -> None:
        """UsageError also for minibatches of a single worker."""
        super().check(L)
        if self.batch and self.workers == 1:
            raise UsageError(f"solver.batch = {self.batch} needs solver.workers of 2 or more: for one worker use sgd")

    def samples(self, m: int, L: int, loss: str) -> int:
        return cost.gradient_samples(self, m)

    def gradient(self, s: Any, p: Problem, world: World) -> list[Array]:
        """sum_n known_n of each layer, in the order of the workers, after every worker's upload. Collective."""
        work: Work = s.work
        if self.workers == 1:
            return super().gradient(s, p, world)
        work.differentiate(s.W, s.iterations)
        work.draw(p.seed, s.iterations)
        dealt = [range(*block(self.workers, world.size, rank)) for rank in range(world.size)]
        one = sum(int(quantizer.message_bytes(self.bits, d)) for d in work.sizes)
        lengths = None if self.adaptive == "adaptive" else np.array([len(some) * one for some in dealt])
        for rank, data in enumerate(world.gather_bytes(self.encode(s), lengths)):
            if rank != world.rank:
                work.decode(data, dealt[rank])
        sums = (known.sum(axis=0, dtype=np.float64) for known in work.known)
        return [total.reshape(w.shape, order="F") for total, w in zip(sums, s.W[1:], strict=True)]

    def encode(self, s: State) -> Array:
        """The uploads of this rank's workers, by worker and layer, as bytes; `known` becomes what they decode to."""
        work, by_layer = s.work, []
        for l, g in enumerate(work.gradients):
            known, bits, R = work.known[l][work.own], s.bits.rows[:, l], s.R.rows[:, l]
            if self.adaptive == "adaptive":
                bits[...], R[...] = quantizer.adapt(g, known, bits, R)
            by_layer.append(quantizer.encode(g, known, bits, work.uniform[l]))
            s.payload_bits.rows[:, 0] += quantizer.payload_bits(bits, work.sizes[l])
        return np.concatenate([np.empty(0, np.uint8), *(x for uploads in zip(*by_layer, strict=True) for x in uploads)])

    def blank(self, p: Problem, world: World) -> State:
        """The server knows 0; workers start with `bits`."""
        base, work, L = super().blank(p, world), Work(p, self.batch), p.network.depth
        workers = work.workers
        by_layer = [workers.by_worker(known[work.own]) for known in work.known]
        known = [of_layer[n] for n in range(self.workers) for of_layer in by_layer]
        payload_bits = workers.filled(0, 1, dtype=np.int64)
        bits, R = (workers.filled(value, L, dtype=type(value)) for value in (self.bits, 0.0))
        return State(base.W, base.sums, known=known, payload_bits=payload_bits, bits=bits, R=R, work=work)

    def prepare(self, s: Any, p: Problem, world: World) -> None:
        """Every rank learns what the server knows of all workers."""
        super().prepare(s, p, world)
        for known in s.work.known:
            known[...] = s.work.workers.gathered(known[s.work.own], world)

    def settle(self, s: Any, p: Problem, world: World) -> None:
        """No scales to find: nothing is summed over the ranks."""

    def uploads(self, s: Any, world: World) -> list[int]:
        bits: list[int] = s.work.workers.gathered(s.payload_bits.rows[:, 0], world).astype(int).tolist()
        return bits

    bill = cost.qgd
