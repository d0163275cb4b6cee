"""What workers of GADMM tell their neighbours, vectors or codes, of which layers, and who stays silent."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt, Lt

from hpcadmm.comm.wire import quantizer
from hpcadmm.model.state import Array
from hpcadmm.solvers.workers.decentralized import MARKS, Work

KEY = 6  # of the quantizer's random numbers, among those of a seed
Rows = Any  # a slice, or an array of rows
Due = list[tuple[int, slice]]  # layers l = 1..L that are told now, and their entries of theta


@dataclass(frozen=True)
class Censor:
    """A worker with max |theta - known| < threshold decay^k in iteration k = 0, 1, ... stays silent."""

    threshold: Annotated[float, Gt(0), Lt(np.inf)]
    decay: Annotated[float, Gt(0), Lt(1)]


def speaking(censor: Censor | None, work: Work, group: int, k: int, due: Due) -> Rows:
    """The rows of a group that have something to say in iteration k of the layers due; those that diverged do."""
    some = work.workers.groups[group]
    if censor is None:
        return some
    changes = [np.abs(work.theta[some, t] - work.known[some, t]).max(axis=1, initial=0.0) for _, t in due]
    return some.start + np.flatnonzero(~(np.max(changes, axis=0) < censor.threshold * censor.decay**k))


def whole(work: Work, rows: Rows, due: Due, wire: Any) -> set[int]:
    """Vectors in the precision of the wire: what is known of these rows becomes theta, rounded. Returns the rows."""
    for _, t in due:
        work.known[rows, t] = work.theta[rows, t].astype(wire, copy=False)
    work.count(rows, 8 * np.dtype(wire).itemsize * sum(t.stop - t.start for _, t in due))
    return set(np.arange(len(work.theta))[rows].tolist())


def quantized(work: Work, rows: Rows, due: Due, adaptive: bool, seed: int, k: int) -> dict[int, Array]:
    """Codes of iteration k: what is known of these rows becomes what their neighbours decode. The messages by row, of
    each layer due one after the other."""
    random = uniform(work, seed, k)
    layers = [_codes(work, rows, layer, adaptive, random) for layer in due]
    work.count(rows, sum(bits for bits, _ in layers))
    messages = [
        said[0] if len(said) == 1 else np.concatenate(said) for said in zip(*(said for _, said in layers), strict=True)
    ]
    return dict(zip(np.arange(len(work.theta))[rows].tolist(), messages, strict=True))


def _codes(
    work: Work, rows: Rows, layer: tuple[int, slice], adaptive: bool, random: Array
) -> tuple[Array, list[Array]]:
    """Of a layer, by row: the bits of the messages, and the messages."""
    l, t = layer
    own = slice(MARKS + 2 * (l - 1), MARKS + 2 * l)
    theta, known, draws = (np.ascontiguousarray(x[rows, t]) for x in (work.theta, work.known, random))
    bits, last = work.marks[rows, own].T
    bits = bits.astype(np.int64)
    if adaptive:
        R = quantizer.radius(theta, known)
        bits = quantizer.adapted_bits(bits, R, last)
        work.marks[rows, own] = np.stack([bits, np.where(R > 0, R, last)], axis=1)
    said = quantizer.encode(theta, known, bits, draws)
    work.known[rows, t] = known
    return quantizer.payload_bits(bits, theta.shape[1]), said


def uniform(work: Work, seed: int, k: int) -> Array:
    """The random numbers of iteration k, (k, d) by row: of (workers, d) of them those of this rank's workers. They
    belong to the worker, not to the rank that has it."""
    if work.drawn[0] != k:
        work.drawn = k, np.array([_drawn(n, work.theta.shape[1], seed, k) for n in work.workers.mine])
    return work.drawn[1]


def _drawn(n: int, d: int, seed: int, k: int) -> Array:
    """Worker n's: each number takes one step of the generator."""
    generator = np.random.PCG64([seed, KEY, k])
    generator.advance(n * d)
    return np.random.Generator(generator).random(d)


class Vectors:
    """Messages of `whole` about these rows of `known`: the entries due, in the precision of the wire."""

    def __init__(self, known: Array, rows: Collection[int], due: Due, wire: Any, masked: bool) -> None:
        self.known, self.rows, self.spans, self.masked = known, rows, [t for _, t in due], masked
        self.wire, self.entries = np.dtype(wire), sum(t.stop - t.start for _, t in due)

    def write(self, row: int) -> Array | None:
        if row not in self.rows:
            return None
        return np.concatenate([self.known[row, t] for t in self.spans]).astype(self.wire, copy=False).view(np.uint8)

    def read(self, data: Array, known: Array) -> int:
        values, at = data[: self.most(known)].view(self.wire), 0
        for t in self.spans:
            known[t] = values[at : at + t.stop - t.start]
            at += t.stop - t.start
        return self.most(known)

    def most(self, known: Array) -> int:
        return self.entries * self.wire.itemsize


class Codes:
    """Messages of `quantized` about the layers due, of so many bits an entry at most."""

    def __init__(self, messages: dict[int, Array], due: Due, masked: bool, bits: int) -> None:
        self.messages, self.spans, self.masked, self.bits = messages, [t for _, t in due], masked, bits

    def write(self, row: int) -> Array | None:
        return self.messages.get(row)

    def read(self, data: Array, known: Array) -> int:
        at = 0
        for t in self.spans:
            size = int(quantizer.message_bytes(quantizer.bits_of(data[at:]), t.stop - t.start))
            quantizer.decode(data[at : at + size], known[t])
            at += size
        return at

    def most(self, known: Array) -> int:
        return sum(int(quantizer.message_bytes(self.bits, t.stop - t.start)) for t in self.spans)
