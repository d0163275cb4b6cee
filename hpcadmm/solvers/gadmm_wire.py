"""What workers of GADMM tell their neighbours, vectors or codes, and who stays silent."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt, Lt

from hpcadmm.comm import quantizer
from hpcadmm.model.state import Array
from hpcadmm.solvers.decentralized import Work

KEY = 6  # of the quantizer's random numbers, among those of a seed
BITS, RADIUS = 2, 3  # in the marks of a worker
Rows = Any  # a slice, or an array of rows


@dataclass(frozen=True)
class Censor:
    """A worker with max |theta - known| < threshold decay^k in iteration k = 0, 1, ... stays silent."""

    threshold: Annotated[float, Gt(0), Lt(np.inf)]
    decay: Annotated[float, Gt(0), Lt(1)]


def speaking(censor: Censor | None, work: Work, group: int, k: int) -> Rows:
    """The rows of a group that have something to say in iteration k; those that diverged do."""
    some = work.workers.groups[group]
    if censor is None:
        return some
    change = np.abs(work.theta[some] - work.known[some]).max(axis=1, initial=0.0)
    return some.start + np.flatnonzero(~(change < censor.threshold * censor.decay**k))


def whole(work: Work, rows: Rows) -> dict[int, Array]:
    """Vectors as they are: what is known of these rows becomes theta. The messages by row."""
    work.known[rows] = work.theta[rows]
    work.count(rows, 8 * work.theta.itemsize * work.theta.shape[1])
    return {k: work.known[k].view(np.uint8) for k in np.arange(len(work.theta))[rows]}


def quantized(work: Work, rows: Rows, adaptive: bool, seed: int, k: int) -> dict[int, Array]:
    """Codes of iteration k: what is known of these rows becomes what their neighbours decode. The messages by row."""
    theta, known, marks = work.theta[rows], work.known[rows], work.marks[rows]
    bits = marks[:, BITS].astype(np.int64)
    if adaptive:
        R = quantizer.radius(theta, known)
        bits = quantizer.adapted_bits(bits, R, marks[:, RADIUS])
        work.marks[rows, BITS] = bits
        work.marks[rows, RADIUS] = np.where(R > 0, R, marks[:, RADIUS])
    messages = quantizer.encode(theta, known, bits, uniform(work, seed, k)[rows])
    work.known[rows] = known
    work.count(rows, quantizer.payload_bits(bits, theta.shape[1]))
    return dict(zip(np.arange(len(work.theta))[rows].tolist(), messages, strict=True))


def uniform(work: Work, seed: int, k: int) -> Array:
    """The random numbers of iteration k, (k, d) by row: they belong to the worker, not to the rank that has it."""
    if work.drawn[0] != k:
        shape = work.workers.graph.workers, work.theta.shape[1]
        work.drawn = k, np.random.default_rng([seed, KEY, k]).random(shape)[work.workers.mine]
    return work.drawn[1]


class Vectors:
    """Messages of `whole`, each as long as the vector."""

    def __init__(self, messages: dict[int, Array], masked: bool) -> None:
        self.messages, self.masked = messages, masked

    def write(self, row: int) -> Array | None:
        return self.messages.get(row)

    def read(self, data: Array, known: Array) -> int:
        known[...] = data[: known.nbytes].view(known.dtype)
        return known.nbytes

    def most(self, known: Array) -> int:
        return known.nbytes


class Codes:
    """Messages of `quantized`, of so many bits an entry at most."""

    def __init__(self, messages: dict[int, Array], masked: bool, bits: int) -> None:
        self.messages, self.masked, self.bits = messages, masked, bits

    def write(self, row: int) -> Array | None:
        return self.messages.get(row)

    def read(self, data: Array, known: Array) -> int:
        size = int(quantizer.message_bytes(quantizer.bits_of(data), known.size))
        quantizer.decode(data[:size], known)
        return size

    def most(self, known: Array) -> int:
        return int(quantizer.message_bytes(self.bits, known.size))
