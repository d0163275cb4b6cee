"""Quantized gradient descent: workers tell the server b bits an entry of the change of their gradient.

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
from hpcadmm.model.problem import Problem
from hpcadmm.model.state import Array, Arrays, sites
from hpcadmm.model.tiles import block
from hpcadmm.solvers.workers import gd
from hpcadmm.solvers.workers.gd import Gd

KEY = 9  # of the quantizer's random numbers, among those of a seed


@dataclass
class State(gd.State):
    """Indexed by worker n and layer l = 1..L, at n L + l - 1; a rank has the entries of its own workers."""

    known: Arrays = sites()  # what the server knows of dW_l of worker n: (entries of W_l,), by columns
    marks: Arrays = sites()  # by worker: payload bits so far, then the bits an entry of each layer, then R of each


class Work(gd.Work):
    """Every rank plays the server, and has what it knows of all workers."""

    def __init__(self, p: Problem) -> None:
        super().__init__(p)
        L = p.network.depth
        self.sizes = [int(np.prod(p.network.shape(l))) for l in range(1, L + 1)]
        self.own = slice(self.workers.lo, self.workers.hi)
        self.known = [np.zeros((self.workers.count, d), p.dtype) for d in self.sizes]
        self.marks = np.zeros((len(self.workers.mine), 1 + 2 * L))
        self.bits, self.radius = self.marks[:, 1 : 1 + L], self.marks[:, 1 + L :]
        self.grads = [np.zeros((len(self.workers.mine), d), p.dtype) for d in self.sizes]
        self.uniform = [np.zeros(g.shape) for g in self.grads]
        self.wide = [np.zeros(p.network.shape(l), order="F") for l in range(1, L + 1)]
        self.out = [np.zeros_like(w, p.dtype, order="F") for w in self.wide]

    def differentiate(self, W: Arrays, p: Problem) -> None:
        """grads[l - 1][k] = dW_l of the k-th worker of this rank; its chunks are added in float64."""
        passes = self.sums.passes
        for k, of_worker in enumerate(self.chunks):
            for wide in self.wide:
                wide[...] = 0
            for t in of_worker:
                passes.forward(W, p.x[:, t])
                passes.backward(W, p.y[:, t])
                for l, (wide, out) in enumerate(zip(self.wide, self.out, strict=True), start=1):
                    np.add(wide, passes.gradient(l, out), out=wide)
            for stack, wide in zip(self.grads, self.wide, strict=True):
                stack[k] = wide.reshape(-1, order="F")

    def draw(self, seed: int, k: int) -> None:
        """The random numbers of iteration k: they belong to the worker, not to the rank that has it."""
        for row, n in enumerate(self.workers.mine):
            random = np.random.default_rng([seed, KEY, k, n])
            for stack in self.uniform:
                random.random(out=stack[row])

    def encode(self, adaptive: bool) -> Array:
        """The codes of this rank's workers, by worker and layer, as bytes; what is known of them is what they say."""
        said: list[list[Array]] = []
        for l, (g, uniform) in enumerate(zip(self.grads, self.uniform, strict=True)):
            known, bits = self.known[l][self.own], self.bits[:, l].astype(np.int64)
            if adaptive:
                R = quantizer.radius(g, known)
                bits = quantizer.adapted_bits(bits, R, self.radius[:, l])
                self.bits[:, l], self.radius[:, l] = bits, np.where(R > 0, R, self.radius[:, l])
            said.append(quantizer.encode(g, known, bits, uniform))
            self.marks[:, 0] += quantizer.payload_bits(bits, self.sizes[l])
        return np.concatenate([np.empty(0, np.uint8), *(of_layer[k] for k in range(len(g)) for of_layer in said)])

    def decode(self, data: Array, workers: range) -> None:
        """Take the codes of another rank's workers."""
        at = 0
        for n in workers:
            for known in self.known:
                size = int(quantizer.message_bytes(quantizer.bits_of(data[at:]), known.shape[1]))
                quantizer.decode(data[at : at + size], known[n])
                at += size


@dataclass(frozen=True)
class QGd(Gd):
    """As `gd`, but with known_n, what the server knows of the gradient of worker n, in place of it:
    W_l -= rate (sum_n known_n / m + decay W_l).

    workers, rate, decay, optimum: as of `gd`. bits: of an entry of an upload, which is, of every layer, the difference
    between gradient and known_n as codes of `bits` bits an entry + 64 bits. These bytes travel, to all ranks, each of
    which acts the server: no broadcast crosses ranks, though the payload counts it, of the weights as they are.
    adaptive: "fixed" keeps to these bits; "adaptive" begins with them and then takes, for every worker and layer, the
    least that let no quantization step grow; since R goes up and down they climb, up to 32.
    One worker needs no server, and is `gd`.
    """

    name: ClassVar[str] = "qgd"
    paper: ClassVar[str] = "Elgabli et al., IEEE Trans. Commun. 2021; Sun et al., NeurIPS 2019"

    bits: Annotated[int, Ge(1), Le(32)] = 4
    adaptive: Literal["fixed", "adaptive"] = "fixed"

    def gradient(self, s: Any, p: Problem, world: World) -> list[Array]:
        """sum_n known_n of each layer, in the order of the workers, after all have told their news. Collective."""
        work: Work = s.work
        if self.workers == 1:
            return super().gradient(s, p, world)
        adaptive = self.adaptive == "adaptive"
        work.differentiate(s.W, p)
        work.draw(p.seed, int(s.done[0]))
        dealt = [range(*block(self.workers, world.size, r)) for r in range(world.size)]
        one = sum(int(quantizer.message_bytes(self.bits, d)) for d in work.sizes)
        lengths = None if adaptive else np.array([len(some) * one for some in dealt])
        for r, data in enumerate(world.gather_bytes(work.encode(adaptive), lengths)):
            if r != world.rank:
                work.decode(data, dealt[r])
        sums = (known.sum(axis=0, dtype=np.float64) for known in work.known)
        return [total.reshape(w.shape, order="F") for total, w in zip(sums, s.W[1:], strict=True)]

    def blank(self, p: Problem, world: World) -> State:
        """The server knows 0; the bits that workers begin with."""
        work = Work(p)
        work.bits[...] = self.bits
        by_layer = [work.workers.by_worker(known[work.own]) for known in work.known]
        known = [of_layer[n] for n in range(self.workers) for of_layer in by_layer]
        return State(**vars(self.state(p, work)), known=known, marks=work.workers.by_worker(work.marks))

    def prepare(self, s: Any, p: Problem, world: World) -> None:
        """Every rank learns what the server knows of all workers."""
        super().prepare(s, p, world)
        for known in s.work.known:
            known[...] = s.work.workers.gathered(known[s.work.own], world)

    def settle(self, s: Any, p: Problem, world: World) -> None:
        """The server adds what it knows of the workers: there is no sum over the ranks."""

    def uploads(self, s: Any, world: World) -> list[int]:
        marks: list[int] = s.work.workers.gathered(s.work.marks[:, 0], world).astype(int).tolist()
        return marks
